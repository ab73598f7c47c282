"""The keeper against a small real node over HTTP: finding, starting, following, losing, ending."""

import asyncio
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import pytest

from app.client import read_endpoint
from app.schema.endpoint import Endpoint
from app.schema.errors import ErrorInfo, NodeNotRunning
from app.schema.event import InstanceChanged, NodeEnding
from app.schema.instance import InstanceState
from app.schema.node import Status
from app.schema.record import InstanceId, ModelId
from app.system.paths import Paths
from app.ui.keeper import Attachment, Audience, Keeper, launch, node_end, unload
from tests.ui import small_node
from tests.ui.samples import NODE, instance
from tests.ui.small_node import REFUSED_MODEL, SmallNode

PATIENCE = 60.0


class Witness:
    """Keeps everything it is told, and waits until something is so."""

    def __init__(self) -> None:
        self.told: list[object] = []
        self._news = asyncio.Event()
        self.audience = Audience(
            starting=lambda: self._hear("starting"),
            attached=self._hear,
            status=self._hear,
            lost=lambda: self._hear("lost"),
            failed=self._hear,
        )

    def _hear(self, what: object) -> None:
        self.told.append(what)
        self._news.set()

    async def until(self, reached: Callable[["Witness"], bool]) -> None:
        async with asyncio.timeout(PATIENCE):
            while not reached(self):
                self._news.clear()
                await self._news.wait()

    def of(self, kind: type) -> list[object]:
        return [each for each in self.told if isinstance(each, kind)]

    @property
    def status(self) -> Status | None:
        found = self.of(Status)
        return found[-1] if found and isinstance(found[-1], Status) else None

    @property
    def errors(self) -> list[str]:
        return [each.sentence for each in self.of(ErrorInfo) if isinstance(each, ErrorInfo)]


@asynccontextmanager
async def keeping(paths: Paths, *options: str) -> AsyncIterator[tuple[Keeper, Witness]]:
    command = [sys.executable, "-m", small_node.__name__, "--data-dir", str(paths.data), *options]
    witness = Witness()
    keeper = Keeper(paths, command, witness.audience, retry=0.05)
    running = asyncio.create_task(keeper.run())
    try:
        yield keeper, witness
    finally:
        keeper.end()
        await running


@asynccontextmanager
async def serving(paths: Paths) -> AsyncIterator[SmallNode]:
    node = SmallNode(paths)
    running = asyncio.create_task(node.run())
    async with asyncio.timeout(PATIENCE):
        while not await asyncio.to_thread(paths.endpoint.exists):
            await asyncio.sleep(0.01)
    try:
        yield node
    finally:
        node.end()
        await running


@pytest.fixture
def paths(tmp_path: Path) -> Paths:
    return Paths.under(tmp_path / "Büro data")


@pytest.fixture
def other(tmp_path: Path) -> Paths:
    return Paths.under(tmp_path / "other")


async def test_a_node_that_runs_is_attached_to_followed_and_left_alone(paths: Paths) -> None:
    async with serving(paths) as node:
        async with keeping(paths) as (_, witness):
            await witness.until(lambda heard: heard.status is not None)
            node.bus.publish(InstanceChanged(instance=instance(InstanceState.READY)))
            await witness.until(lambda heard: heard.status is not None and bool(heard.status.instances))
        endpoint = await asyncio.to_thread(read_endpoint, paths)
    assert witness.told[0] == Attachment(endpoint.api_url, is_ours=False)
    assert "starting" not in witness.told


async def test_a_node_is_started_used_and_ended_with_us(paths: Paths) -> None:
    async with keeping(paths) as (keeper, witness):
        await witness.until(lambda heard: heard.status is not None)
        keeper.do(launch(ModelId("caravan-demo")))
        await witness.until(
            lambda heard: (
                heard.status is not None and [each.state for each in heard.status.instances] == [InstanceState.READY]
            )
        )
        keeper.do(unload(InstanceId("one")))
        await witness.until(lambda heard: heard.status is not None and not heard.status.instances)
    attachments = [each for each in witness.of(Attachment) if isinstance(each, Attachment)]
    assert [each.is_ours for each in attachments] == [True]
    assert witness.told[0] == "starting"
    assert witness.errors == []
    with pytest.raises(NodeNotRunning):
        await asyncio.to_thread(read_endpoint, paths)


async def test_a_lost_node_is_told_looked_for_and_started_only_when_asked(paths: Paths) -> None:
    async with keeping(paths) as (keeper, witness):
        await witness.until(lambda heard: heard.status is not None)
        keeper.do(lambda client: client.shut_down())
        await witness.until(lambda heard: heard.told.count("lost") >= 3)
        assert witness.told.count("starting") == 1
        keeper.start_node()
        await witness.until(lambda heard: len(heard.of(Attachment)) == 2)
    assert witness.errors == []


async def test_a_node_that_is_ending_is_no_node_and_the_wish_for_one_outlives_it(paths: Paths) -> None:
    async with AsyncExitStack() as there:
        ending = await there.enter_async_context(serving(paths))
        ending.bus.publish(NodeEnding())
        async with keeping(paths) as (_, witness):
            await witness.until(lambda heard: heard.told.count("lost") >= 3)
            assert {str(each) for each in witness.told} == {"lost"}
            await there.aclose()
            await witness.until(lambda heard: heard.status is not None)
            assert [each.is_ours for each in witness.of(Attachment) if isinstance(each, Attachment)] == [True]
    assert witness.errors == []


async def test_a_node_that_comes_back_is_found_again(paths: Paths) -> None:
    async with keeping(paths, "--refuse") as (_, witness):
        await witness.until(lambda heard: "lost" in heard.told)
        async with serving(paths):
            await witness.until(lambda heard: heard.status is not None)
        before = witness.told.count("lost")
        await witness.until(lambda heard: heard.told.count("lost") > before)


async def test_a_node_that_may_not_start_says_why_once(paths: Paths) -> None:
    async with keeping(paths, "--refuse") as (_, witness):
        await witness.until(lambda heard: heard.told.count("lost") >= 2)
    assert witness.errors == ["Port 52415 is taken by other.exe."]


async def test_a_refusal_is_told_with_its_sentence(paths: Paths) -> None:
    async with serving(paths), keeping(paths) as (keeper, witness):
        await witness.until(lambda heard: heard.status is not None)
        keeper.do(launch(ModelId(REFUSED_MODEL)))
        await witness.until(lambda heard: bool(heard.errors))
    assert witness.errors == ["It does not fit."]


async def test_a_command_without_a_node_is_refused_in_words(paths: Paths) -> None:
    async with keeping(paths, "--refuse") as (keeper, witness):
        await witness.until(lambda heard: "lost" in heard.told)
        keeper.do(lambda client: client.shut_down())
        await witness.until(lambda heard: len(heard.errors) == 2)
    assert witness.errors[-1] == "Caravan is not running on this PC."


async def test_a_stranger_at_a_stale_address_is_not_our_node(paths: Paths, other: Paths) -> None:
    async with serving(other):
        theirs = await asyncio.to_thread(read_endpoint, other)
        stale = Endpoint(node=NODE[:-1] + "b", name="old", pid=1, api_port=theirs.api_port)
        await asyncio.to_thread(paths.ensure)
        await asyncio.to_thread(paths.api_token.write_text, small_node.TOKEN, "ascii")
        await asyncio.to_thread(paths.endpoint.write_text, stale.model_dump_json(), "utf-8")
        async with keeping(paths, "--refuse") as (_, witness):
            await witness.until(lambda heard: "lost" in heard.told)
    assert witness.of(Attachment) == []


async def test_ending_while_the_node_starts_leaves_nothing(paths: Paths) -> None:
    async with keeping(paths) as (_, witness):
        await witness.until(lambda heard: "starting" in heard.told)


@pytest.mark.parametrize(
    ("code", "lines", "sentence", "hint"),
    [
        (1, ["The disk is full.", "Make room."], "The disk is full.", "Make room."),
        (1, ["Traceback (most recent call last):"], "Caravan on this PC stopped unexpectedly (code 1).", None),
        (-9, ["Serving."], "Caravan on this PC stopped unexpectedly (code -9).", None),
        (1, [], "Caravan on this PC stopped unexpectedly (code 1).", None),
    ],
)
def test_why_a_node_ended(code: int, lines: list[str], sentence: str, hint: str | None) -> None:
    told = node_end(code, lines)
    assert told.sentence == sentence
    assert told.hint == (hint or "Choose Start Caravan to try again; the logs folder tells more.")
