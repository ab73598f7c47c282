"""The lists of peers' models: asked for once when all is well, after growing pauses when they cannot be had."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import cast

from hypothesis import given
from hypothesis import strategies as st

from app.cluster.link import PeerLink
from app.node.shared_models import FIRST_PAUSE, LONGEST_PAUSE, SharedModels, pause
from app.schema.errors import PeerUnreachable
from app.schema.model import ModelFile
from app.schema.node import NodeInfo, Peer, PeerReport, Reachability
from app.schema.record import ModelId, NodeId

OWN, PEER = NodeId("a" * 64), NodeId("b" * 64)
MODELS = (ModelFile.model_construct(id=ModelId("tiny"), size_bytes=1),)


async def settled() -> None:
    """Let the service do what it can do now."""
    for _ in range(5):
        await asyncio.sleep(0)


class SmallLink:
    """A peer that gives its list, or not; it does so once `may_answer` is set."""

    def __init__(self) -> None:
        self.asked = 0
        self.answers = True
        self.may_answer = asyncio.Event()
        self.may_answer.set()

    async def models(self) -> tuple[ModelFile, ...]:
        self.asked += 1
        await self.may_answer.wait()
        if not self.answers:
            raise PeerUnreachable("B does not answer.")
        return MODELS


class Bed:
    """The lists over one peer, whose clock the test moves."""

    def __init__(self) -> None:
        self.now = 100.0
        self.link = SmallLink()
        self.models = SharedModels(lambda _: cast("PeerLink", self.link), lambda: self.now, lambda: 1.0)
        self.models.keep(frozenset({PEER}))

    async def beat(self, revision: int = 1, started_at: float = 1.0) -> int:
        """One heartbeat; how often the list was asked for so far."""
        info = NodeInfo(id=PEER, name="B", version="1", started_at=started_at)
        report = PeerReport(node=info, catalogue_revision=revision)
        self.models.heard(Peer(node=PEER, name="B", reachability=Reachability.ALIVE, report=report))
        await settled()
        return self.link.asked


@asynccontextmanager
async def bed() -> AsyncIterator[Bed]:
    made = Bed()
    service = asyncio.create_task(made.models.run())
    try:
        yield made
    finally:
        service.cancel()
        await asyncio.gather(service, return_exceptions=True)


@given(st.integers(1, 10_000), st.floats(0, 1))
def test_pauses_grow_and_are_bounded(failures: int, draw: float) -> None:
    assert FIRST_PAUSE / 2 <= pause(failures, draw) <= LONGEST_PAUSE
    assert pause(failures, draw) <= pause(failures + 1, draw)
    assert pause(1, 0.0) < pause(1, 1.0) == FIRST_PAUSE


async def test_a_list_is_asked_for_once_for_each_change() -> None:
    async with bed() as made:
        assert [await made.beat(1), await made.beat(1), await made.beat(2), await made.beat(2)] == [1, 1, 2, 2]
        assert made.models.of(PEER) == MODELS


async def test_heartbeats_while_it_is_on_its_way_ask_for_nothing_more() -> None:
    async with bed() as made:
        made.link.may_answer.clear()
        await made.beat()
        await made.beat()
        made.link.may_answer.set()
        assert await made.beat() == 1


async def test_lists_on_their_way_are_waited_for() -> None:
    async with bed() as made:
        await made.models.fetched()
        made.link.may_answer.clear()
        await made.beat()
        waiting = asyncio.create_task(made.models.fetched())
        await settled()
        assert not waiting.done()
        made.link.answers = False
        made.link.may_answer.set()
        await waiting


async def test_who_asks_what_there_is_as_soon_as_a_change_is_announced_gets_all_of_it() -> None:
    async with bed() as made:
        made.link.may_answer.clear()
        await made.beat()
        asking = asyncio.create_task(made.models.held(OWN, ()))
        await settled()
        made.link.may_answer.set()
        assert [each.holders for each in await asking] == [(PEER,)]


async def test_a_peer_that_keeps_its_list_is_not_waited_for_in_vain() -> None:
    async with bed() as made:
        made.link.may_answer.clear()
        await made.beat()
        await made.models.fetched(0.01)


async def test_a_list_that_cannot_be_had_is_asked_for_ever_less_often() -> None:
    async with bed() as made:
        made.link.answers = False
        for _ in range(300):
            await made.beat()
            made.now += 2.0
        # 2, 4, 8, 16, 32 and then 60 s apart, within 600 s.
        assert made.link.asked == 1 + 5 + 8
        made.link.answers = True
        made.now += LONGEST_PAUSE
        await made.beat()
        assert made.models.of(PEER) == MODELS


async def test_one_lost_answer_is_made_good_at_the_next_heartbeat() -> None:
    async with bed() as made:
        made.link.answers = False
        await made.beat()
        made.link.answers = True
        made.now += FIRST_PAUSE
        assert await made.beat() == 2
        assert made.models.of(PEER) == MODELS


async def test_news_of_the_peer_are_not_kept_waiting() -> None:
    async with bed() as made:
        made.link.answers = False
        for _ in range(10):
            await made.beat()
            made.now += LONGEST_PAUSE
        await made.beat()
        asked = made.link.asked
        assert await made.beat() == asked
        assert await made.beat(revision=2) == asked + 1, "its list changed"
        assert await made.beat(revision=2, started_at=2.0) == asked + 2, "it began anew"


async def test_a_list_that_comes_after_its_peer_left_is_dropped() -> None:
    async with bed() as made:
        made.link.may_answer.clear()
        await made.beat()
        made.models.keep(frozenset())
        made.link.may_answer.set()
        await settled()
        assert made.models.of(PEER) == ()
        made.models.keep(frozenset({PEER}))
        assert await made.beat() == 2, "it joined again"
