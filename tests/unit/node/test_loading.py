"""Who asks for a model that does not run: one launch for all, a bounded queue, no trace of those who leave."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import cast

import pytest

from app.node.bus import Bus
from app.node.instance_desk import InstanceDesk
from app.node.loading import MOST_WAITING, Loading
from app.node.relaunch import Relaunch
from app.node.serving import Elsewhere, Serving, not_serving
from app.schema.errors import (
    CannotLoad,
    InstanceNotFound,
    NodeNotRunning,
    NoRoomNow,
    OutOfMemory,
    PlacementRefused,
    TooManyWaiting,
)
from app.schema.event import InstanceChanged, SettingsChanged
from app.schema.instance import InstanceState, InstanceStatus, LaunchRequest
from app.schema.model import ModelFile
from app.schema.plan import Plan, Refusal
from app.schema.record import InstanceId, ModelId
from app.schema.settings import Settings
from tests.unit.node.test_idle import FIRST, instance

READY, STARTING, FAILED = InstanceState.READY, InstanceState.STARTING, InstanceState.FAILED


class SmallDesk:
    """Knows one model, `tiny`, and whoever of it is ready on the bus."""

    def __init__(self, bus: Bus) -> None:
        self.bus = bus
        self.unloaded: list[str] = []

    def serving(self, name: str | None) -> Serving:
        for each in self.bus.status.instances:
            if each.state is READY and each.model_id == name:
                return Elsewhere(each, cast("object", None))  # type: ignore[arg-type]
        raise not_serving(name, self.bus.status.instances)

    async def listed(self, name: str) -> ModelFile | None:
        return ModelFile.model_construct(id=ModelId("tiny")) if name == "tiny" else None

    async def make_room(self, gone: InstanceStatus, because: str) -> None:
        self.unloaded.append(f"{gone.id}: {because}")
        self.bus.publish(InstanceChanged(instance=gone.model_copy(update={"state": InstanceState.STOPPED})))


def test_who_names_no_model_is_told_once_that_none_runs() -> None:
    error = not_serving(None, ())
    assert f"{error.sentence} {error.hint}".count("No model is running") == 1
    assert "Running now" not in not_serving("tiny", ()).hint


class SmallRelaunch:
    """Starts what it is asked for; `refusal` is raised as long as `is_full` says so."""

    def __init__(self, bus: Bus) -> None:
        self.bus = bus
        self.launches = 0
        self.refusal: PlacementRefused | None = None

    @property
    def is_full(self) -> bool:
        return any(each.model_id == "large" and each.state is READY for each in self.bus.status.instances)

    async def launch(self, name: str, share: bool = False) -> tuple[InstanceId, Plan]:
        await asyncio.sleep(0)
        if self.refusal is not None or self.is_full:
            raise self.refusal or PlacementRefused("tiny is 1 GB short.", "Add a PC.")
        self.launches += 1
        started = instance(f"launch-{self.launches}", STARTING, idle_since=None)
        self.bus.publish(InstanceChanged(instance=started))
        return started.id, started.plan

    async def plan(self, model: ModelId, gone: tuple[InstanceStatus, ...] = ()) -> LaunchRequest | Refusal:
        if self.refusal is None and any(each.model_id == "large" for each in gone):
            return LaunchRequest(plan=instance().plan)
        return Refusal(model_id=model, code="does_not_fit", sentence="tiny is 1 GB short.", hint="Add a PC.")


class Bed:
    """A loading whose clock the test moves."""

    def __init__(self) -> None:
        self.bus = Bus(FIRST)
        self.desk, self.relaunch = SmallDesk(self.bus), SmallRelaunch(self.bus)
        self.now = 100.0
        desk, relaunch = cast("InstanceDesk", self.desk), cast("Relaunch", self.relaunch)
        self.loading = Loading(self.bus, desk, relaunch, lambda: self.now)

    def becomes(self, state: InstanceState, number: int = 1, error: Exception | None = None) -> None:
        told = error.info() if isinstance(error, OutOfMemory) else None
        now = instance(f"launch-{number}", state).model_copy(update={"error": told})
        self.bus.publish(InstanceChanged(instance=now))

    async def ask(self) -> str:
        return (await self.loading.serving("tiny")).status.id

    async def launched(self, count: int = 1) -> None:
        async with asyncio.timeout(30):
            while self.relaunch.launches < count:
                await asyncio.sleep(0.001)


@asynccontextmanager
async def bed() -> AsyncIterator[Bed]:
    made = Bed()
    owner = asyncio.create_task(made.loading.run())
    await asyncio.sleep(0)
    try:
        yield made
    finally:
        owner.cancel()
        await asyncio.gather(owner, return_exceptions=True)


async def test_all_who_ask_wait_for_one_launch() -> None:
    async with bed() as made:
        asked = [asyncio.create_task(made.ask()) for _ in range(5)]
        await made.launched()
        made.becomes(READY)
        assert await asyncio.gather(*asked) == ["launch-1"] * 5
        assert await made.ask() == "launch-1"
        assert made.relaunch.launches == 1


async def test_so_many_wait_and_no_more() -> None:
    async with bed() as made:
        asked = [asyncio.create_task(made.ask()) for _ in range(MOST_WAITING)]
        await made.launched()
        with pytest.raises(TooManyWaiting):
            await made.ask()
        for each in asked[1:]:
            each.cancel()
        await asyncio.gather(*asked[1:], return_exceptions=True)
        # Who left made room in the queue, and the load goes on.
        last = asyncio.create_task(made.ask())
        await asyncio.sleep(0.01)
        made.becomes(READY)
        assert await asyncio.gather(asked[0], last) == ["launch-1"] * 2
        assert made.relaunch.launches == 1


async def test_a_failure_is_told_to_all_and_holds_for_a_while() -> None:
    async with bed() as made:
        asked = [asyncio.create_task(made.ask()) for _ in range(2)]
        await made.launched()
        made.becomes(FAILED, error=OutOfMemory("Too little memory."))
        told = await asyncio.gather(*asked, return_exceptions=True)
        assert [str(each) for each in told] == ["Too little memory."] * 2
        with pytest.raises(OutOfMemory):
            await made.ask()
        assert made.relaunch.launches == 1
        made.now += 31.0
        again = asyncio.create_task(made.ask())
        await made.launched(2)
        made.becomes(READY, 2)
        assert await again == "launch-2"


async def test_what_fits_nowhere_and_what_fits_not_now() -> None:
    async with bed() as made:
        made.relaunch.refusal = PlacementRefused("tiny is 900 GB short.", "Add PCs.")
        with pytest.raises(CannotLoad, match="900 GB"):
            await made.ask()
        made.relaunch.refusal = None
        large = instance("old").model_copy(update={"model_id": ModelId("large")})
        made.bus.publish(InstanceChanged(instance=large))
        with pytest.raises(NoRoomNow) as refused:
            await made.ask()
        assert "large runs now" in refused.value.hint
        assert made.desk.unloaded == []


@pytest.mark.parametrize("answering", [0, 1])
async def test_room_is_made_only_of_what_nobody_uses(answering: int) -> None:
    async with bed() as made:
        made.bus.publish(SettingsChanged(settings=Settings(make_room=True)))
        large = instance("old", answering=answering).model_copy(update={"model_id": ModelId("large")})
        made.bus.publish(InstanceChanged(instance=large))
        asked = asyncio.create_task(made.ask())
        if answering:
            with pytest.raises(NoRoomNow):
                await asked
            assert made.desk.unloaded == []
            return
        await made.launched()
        made.becomes(READY)
        assert await asked == "launch-1"
        assert made.desk.unloaded == ["old: Unloaded to make room for tiny."]


async def test_unknown_names_no_name_and_the_setting() -> None:
    async with bed() as made:
        for name in ("other", "", None):
            with pytest.raises(InstanceNotFound):
                await made.loading.serving(name)
        made.bus.publish(SettingsChanged(settings=Settings(load_on_request=False)))
        with pytest.raises(InstanceNotFound):
            await made.ask()
        assert made.relaunch.launches == 0


async def test_the_end_of_the_node_ends_the_waiting() -> None:
    async with bed() as made:
        asked = asyncio.create_task(made.ask())
        await made.launched()
        made.bus.close()
        with pytest.raises(NodeNotRunning):
            await asked
