"""A model is unloaded when it was idle for as long as the settings say, and never while it works."""

import asyncio
import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.node.bus import Bus
from app.node.idle import IdleWatch, due, duration_words
from app.schema.errors import ModelBusy
from app.schema.event import InstanceChanged, SettingsChanged
from app.schema.instance import InstanceState, InstanceStatus
from app.schema.node import NodeInfo, Status
from app.schema.record import InstanceId, ModelId, NodeId
from app.schema.settings import Settings
from tests.unit.instances.plans import plan, stage

OWN = NodeId("a" * 64)
FIRST = Status(node=NodeInfo(id=OWN, name="STUDY", version="1", started_at=1.0))


def instance(
    name: str = "i", state: InstanceState = InstanceState.READY, answering: int = 0, idle_since: float | None = 0.0
) -> InstanceStatus:
    return InstanceStatus(
        id=InstanceId(name),
        model_id=ModelId("tiny"),
        head=OWN,
        state=state,
        plan=plan(stage("h", "CPU", 0, 11, output=True)),
        created_at=1.0,
        answering=answering,
        idle_since=None if answering else idle_since,
    )


instances = st.lists(
    st.builds(
        instance,
        name=st.uuids().map(str),
        state=st.sampled_from(InstanceState),
        answering=st.integers(0, 2),
        idle_since=st.none() | st.floats(0, 1e9),
    ),
    max_size=6,
    unique_by=lambda each: each.id,
)


@given(instances, st.floats(0.01, 10_080), st.floats(0, 2e9))
def test_what_works_or_is_not_ready_stays_and_the_rest_goes_exactly_in_time(
    found: list[InstanceStatus], minutes: float, now: float
) -> None:
    told = due(found, minutes, now)
    over = {each.id for each in told.now}
    for each in found:
        may_go = each.state is InstanceState.READY and not each.answering and each.idle_since is not None
        assert (each.id in over) == (may_go and (each.idle_since or 0.0) + minutes * 60 <= now)
    assert told.next_at is None or told.next_at > now
    # Nothing becomes due before the time that is told.
    later = now + 1.0 if told.next_at is None else told.next_at - 1e-3
    assert {each.id for each in due(found, minutes, max(now, later)).now} >= over


@given(instances, st.floats(0, 2e9))
def test_without_the_setting_nothing_goes(found: list[InstanceStatus], now: float) -> None:
    assert due(found, None, now) == due((), 5.0, now)


@pytest.mark.parametrize(
    ("minutes", "words"),
    [(0.01, "0.6 s"), (0.5, "30 s"), (1, "1 min"), (30, "30 min"), (90, "90 min"), (120, "2 h"), (1440, "24 h")],
)
def test_durations_in_words(minutes: float, words: str) -> None:
    assert duration_words(minutes) == words


class Watched:
    """A watch over a bus with a clock that a test moves."""

    def __init__(self) -> None:
        self.bus = Bus(FIRST)
        self.now = 1000.0
        self.ended: list[tuple[str, str]] = []
        self.is_used = False
        self.watch = IdleWatch(self.bus, self._unload, lambda: self.now)

    def _unload(self, name: InstanceId, because: str) -> None:
        if self.is_used:
            raise ModelBusy("tiny is being used.", "Try again when it has answered.")
        self.ended.append((name, because))
        self.bus.publish(InstanceChanged(instance=instance(name, InstanceState.STOPPING)))

    async def until_ended(self, count: int) -> None:
        async with asyncio.timeout(30):
            for _ in itertools.count():
                if len(self.ended) >= count:
                    return
                await asyncio.sleep(0.002)


async def test_it_is_unloaded_once_when_its_time_is_over_and_told_why() -> None:
    watched = Watched()
    running = asyncio.create_task(watched.watch.run())
    watched.bus.publish(SettingsChanged(settings=Settings(unload_after=30)))
    watched.bus.publish(InstanceChanged(instance=instance(idle_since=999.0)))
    await asyncio.sleep(0.02)
    assert watched.ended == []
    watched.now = 999.0 + 30 * 60
    watched.bus.publish(InstanceChanged(instance=instance("other", idle_since=watched.now)))
    await watched.until_ended(1)
    await asyncio.sleep(0.02)
    assert watched.ended == [("i", "Unloaded: idle for 30 min.")]
    watched.bus.close()
    await running


async def test_the_time_alone_is_enough() -> None:
    watched = Watched()
    watched.bus.publish(SettingsChanged(settings=Settings(unload_after=0.01)))
    watched.bus.publish(InstanceChanged(instance=instance(idle_since=watched.now - 0.55)))
    began = asyncio.get_running_loop().time()
    watched.watch = IdleWatch(watched.bus, watched._unload, lambda: 1000.0 + asyncio.get_running_loop().time() - began)
    running = asyncio.create_task(watched.watch.run())
    await watched.until_ended(1)
    watched.bus.close()
    await running


async def test_a_shorter_time_counts_at_once() -> None:
    watched = Watched()
    watched.bus.publish(InstanceChanged(instance=instance(idle_since=0.0)))
    running = asyncio.create_task(watched.watch.run())
    await asyncio.sleep(0.02)
    assert watched.ended == []
    watched.bus.publish(SettingsChanged(settings=Settings(unload_after=1)))
    await watched.until_ended(1)
    watched.bus.close()
    await running
