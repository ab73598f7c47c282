"""Peers are alive, suspect and lost by their heartbeats, and a link is only given to those that answer."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import pairwise

import pytest

from app.cluster.link import PeerLink, TunnelLink
from app.cluster.link_process.messages import LinkState
from app.cluster.link_service import Mouth
from app.cluster.liveness import MISSES_TO_LOSE, judge
from app.cluster.peers import Peers
from app.schema.errors import NodeNotFound, PeerUnreachable
from app.schema.event import PeerChanged, PeerForgotten
from app.schema.instance import WorkerState, WorkerStatus
from app.schema.node import NodeInfo, Peer, PeerReport, Reachability
from app.schema.record import NodeId
from tests.turns import until

ID = NodeId("a" * 64)
OTHER = NodeId("b" * 64)
LONG = 3600.0
"""A period that never passes in a test."""


class Ways:
    """Mouths that are only counted."""

    def __init__(self) -> None:
        self.open: dict[int, str | None] = {}
        self.asked = self.opening = 0

    async def open_mouth(self, peer: NodeId, ticket: str | None = None) -> Mouth:
        self.asked += 1
        self.opening += 1
        port = 9000 + len(self.open)
        # As the link process, which has the order and carries it out whoever waits for its answer.
        self.open[port] = ticket
        try:
            await asyncio.sleep(0.02)
        finally:
            self.opening -= 1
        return Mouth(port, None if ticket else "key")

    async def close_mouth(self, mouth: Mouth) -> None:
        self.open.pop(mouth.port, None)


class SmallLink(TunnelLink):
    """A link to a peer that answers or not, as the test says."""

    def __init__(self, node: NodeId = ID) -> None:
        super().__init__(node, "WORKER", Mouth(9, "key"), Ways())
        self.node = node
        self.answers = True
        self.delay = 0.0
        self.asked: list[float] = []
        self.last_word = False
        self.closed = False

    async def report(self) -> tuple[PeerReport, float]:
        self.asked.append(time.monotonic())
        await asyncio.sleep(self.delay)
        if not self.answers:
            raise PeerUnreachable("It does not answer.", "")
        return PeerReport(node=NodeInfo(id=self.node, name="WORKER", version="1", started_at=1.0)), 0.001

    async def goodbye(self) -> None:
        self.last_word = True

    async def close(self) -> None:
        self.closed = True


class Watching:
    """The service over small links, and what it published."""

    def __init__(self, *links: SmallLink, period: float = 0.001) -> None:
        self.links = {link.node: link for link in links}
        self.seen: list[PeerChanged | PeerForgotten] = []
        self.heard: list[Peer] = []
        self.cut: list[NodeId] = []
        self.peers = Peers(self._connect, self.seen.append, self.heard.append, self._cut, period)

    async def _cut(self, node: NodeId) -> None:
        self.cut.append(node)

    async def _connect(self, node: NodeId, name: str) -> PeerLink:
        return self.links[node]

    @asynccontextmanager
    async def running(self) -> AsyncIterator[Peers]:
        """Run it over all links."""
        self.peers.know({node: "WORKER" for node in self.links})
        service = asyncio.create_task(self.peers.run())
        try:
            yield self.peers
        finally:
            service.cancel()
            await asyncio.gather(service, return_exceptions=True)

    async def until(self, state: Reachability) -> None:
        """Wait until a peer is told to be so."""
        await until(
            lambda: any(isinstance(each, PeerChanged) and each.peer.reachability is state for each in self.seen), 30
        )


async def test_a_peer_is_lost_after_three_misses_and_comes_back() -> None:
    link = SmallLink()
    watching = Watching(link)
    async with watching.running() as peers:
        await watching.until(Reachability.ALIVE)
        assert peers.link_to(ID) is link
        link.answers = False
        await watching.until(Reachability.LOST)
        with pytest.raises(PeerUnreachable, match="WORKER does not answer"):
            peers.link_to(ID)
        changes = (each for each in watching.seen if isinstance(each, PeerChanged))
        states = list(dict.fromkeys(each.peer.reachability for each in changes))
        assert states == [Reachability.CONNECTING, Reachability.ALIVE, Reachability.SUSPECT, Reachability.LOST]
        while not watching.cut:
            await asyncio.sleep(0.001)
        link.answers = True
        watching.seen.clear()
        await watching.until(Reachability.ALIVE)
    assert link.closed
    assert link.last_word
    assert watching.cut == [ID], "its streams are cut once, when it is lost"


async def test_heartbeats_that_tell_nothing_new_are_heard_but_not_published() -> None:
    watching = Watching(SmallLink())
    async with watching.running():
        await until(lambda: len(watching.heard) >= 5, 30)
        published = [each.peer.reachability for each in watching.seen if isinstance(each, PeerChanged)]
    assert published == [Reachability.CONNECTING, Reachability.ALIVE]


async def test_a_late_answer_does_not_delay_the_next_question() -> None:
    link = SmallLink()
    link.delay = 0.3
    watching = Watching(link, period=0.3)
    async with watching.running():
        await until(lambda: len(link.asked) > 6)
    # Answer and pause one after the other would always take 0.6 s; a busy machine makes it late now and then.
    assert min(later - earlier for earlier, later in pairwise(link.asked)) < 0.5


async def test_a_link_that_breaks_is_asked_at_once_not_at_the_next_beat() -> None:
    link = SmallLink()
    watching = Watching(link, period=LONG)
    async with watching.running() as peers:
        await watching.until(Reachability.ALIVE)
        link.answers = False
        peers.linked(LinkState(peer=ID, connected=False))
        await watching.until(Reachability.SUSPECT)


async def test_what_the_link_measures_is_told() -> None:
    watching = Watching(SmallLink(), period=LONG)
    async with watching.running() as peers:
        await watching.until(Reachability.ALIVE)
        state = LinkState(peer=ID, connected=True, address="10.0.0.2:1", round_trip_p50=0.0004, round_trip_p95=0.001)
        peers.linked(state)
        peers.measured(ID, 1e8)
    last = [each.peer for each in watching.seen if isinstance(each, PeerChanged)][-1]
    assert (last.address, last.round_trip, last.round_trip_p95) == ("10.0.0.2:1", 0.0004, 0.001)
    assert last.throughput == 1e8


async def test_a_goodbye_counts_at_once() -> None:
    watching = Watching(SmallLink(), period=LONG)
    async with watching.running() as peers:
        await watching.until(Reachability.ALIVE)
        peers.gone(ID)
        last = watching.seen[-1]
        assert isinstance(last, PeerChanged)
        assert last.peer.reachability is Reachability.LOST
        assert last.peer.problem == "WORKER went to sleep, or Caravan was ended there."


async def test_the_streams_of_a_pc_that_went_to_sleep_are_cut() -> None:
    """A sleeping PC closes nothing: whoever waits for its answer would wait for a minute."""
    link = SmallLink()
    watching = Watching(link, period=0.05)
    async with watching.running() as peers:
        await watching.until(Reachability.ALIVE)
        link.answers = False
        peers.gone(ID)
        await until(lambda: watching.cut, 5)
        await until(lambda: len(link.asked) > 6)
    assert watching.cut == [ID]


async def test_peers_are_asked_at_once_when_this_pc_woke_up() -> None:
    link = SmallLink()
    watching = Watching(link, period=LONG)
    async with watching.running() as peers:
        await watching.until(Reachability.ALIVE)
        link.answers = False
        peers.ask_all()
        await watching.until(Reachability.SUSPECT)


async def test_goodbye_is_said_to_those_that_answer() -> None:
    one, other = SmallLink(), SmallLink(OTHER)
    other.answers = False
    watching = Watching(one, other, period=LONG)
    async with watching.running() as peers:
        await watching.until(Reachability.ALIVE)
        await peers.say_goodbye()
        assert one.last_word
        assert not other.last_word


async def test_members_come_and_go() -> None:
    link = SmallLink()
    watching = Watching(link, SmallLink(OTHER))
    async with watching.running() as peers:
        await watching.until(Reachability.ALIVE)
        peers.know({OTHER: "WORKER"})
        assert PeerForgotten(node=ID) in watching.seen
        await until(lambda: link.closed, 30)
        with pytest.raises(NodeNotFound):
            peers.link_to(ID)


async def test_a_peer_that_answers_as_another_pc_is_none() -> None:
    link = SmallLink()
    link.node = OTHER
    watching = Watching()
    watching.links[ID] = link
    async with watching.running():
        await watching.until(Reachability.LOST)
    assert not watching.heard


@pytest.mark.parametrize(
    ("misses", "before", "state"),
    [
        (0, False, Reachability.ALIVE),
        (1, False, Reachability.CONNECTING),
        (1, True, Reachability.SUSPECT),
        (MISSES_TO_LOSE, True, Reachability.LOST),
        (MISSES_TO_LOSE, False, Reachability.LOST),
    ],
)
def test_judgement(misses: int, before: bool, state: Reachability) -> None:
    assert judge(misses, before) is state


async def test_nobody_there_is_said_plainly() -> None:
    ways = Ways()
    link = TunnelLink(ID, "LIVING ROOM", await ways.open_mouth(ID), ways)
    with pytest.raises(PeerUnreachable, match="LIVING ROOM does not answer"):
        await link.report()
    await link.close()
    assert not ways.open


async def test_a_mouth_that_opened_when_its_launch_was_cancelled_is_closed_with_the_lease() -> None:
    """It would count as a model that needs the link, and no link of this PC would be measured any more."""
    ways = Ways()
    link = TunnelLink(ID, "LIVING ROOM", Mouth(9, "key"), ways)
    worker = WorkerStatus(lease_id="x", state=WorkerState.RUNNING, port=5000, ticket="7" * 32)
    opening = asyncio.create_task(link.endpoint(worker))
    await until(lambda: ways.asked)
    opening.cancel()
    await asyncio.gather(opening, return_exceptions=True)
    with pytest.raises(PeerUnreachable):
        await link.release("x")
    await until(lambda: not ways.opening)
    assert not ways.open


async def test_whoever_still_asks_a_pc_that_left_hears_so() -> None:
    """A running model holds the link of its worker, whose PC somebody removes."""
    link = TunnelLink(ID, "ATTIC", Mouth(9, "key"), Ways())
    await link.close()
    for ask in (link.renew("x"), link.release("x"), link.ask_model("/v1/completions", b"")):
        with pytest.raises(NodeNotFound, match="ATTIC is not part of the cluster any more"):
            await ask


async def test_a_worker_has_one_mouth_until_its_lease_ends() -> None:
    ways = Ways()
    link = TunnelLink(ID, "LIVING ROOM", Mouth(9, "key"), ways)
    worker = WorkerStatus(lease_id="x", state=WorkerState.RUNNING, port=5000, ticket="7" * 32)
    assert await link.endpoint(worker) == await link.endpoint(worker) == "127.0.0.1:9000"
    assert ways.open == {9000: "7" * 32}
    with pytest.raises(PeerUnreachable):
        await link.release("x")
    assert not ways.open


@pytest.mark.parametrize("body", [b"{}", b"[]", b"null", b'{"node": 5}', b"\xff"])
async def test_an_answer_of_another_version_is_a_peer_problem_and_no_end_of_the_heartbeats(body: bytes) -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with server:
        link = TunnelLink(ID, "LIVING ROOM", Mouth(server.sockets[0].getsockname()[1], "key"), Ways())
        for ask in (link.report(), link.renew("x")):
            with pytest.raises(PeerUnreachable):
                await ask
        await link.close()
