"""What load on request decides: what is on its way, what may go, what is asked of the planner, what is remembered."""

import asyncio
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.node.bus import Bus
from app.node.last_launches import KEPT, LastLaunches, read_launches, with_launch
from app.node.loading import has_loaded, on_its_way
from app.node.relaunch import wishes
from app.node.resources import with_freed
from app.node.room import IDLE_SECONDS, fewest, idle_ones
from app.node.serving import not_serving
from app.schema.errors import CaravanError, OutOfMemory
from app.schema.event import InstanceChanged
from app.schema.instance import InstanceState, InstanceStatus, LastLaunch, LaunchRequest
from app.schema.node import Status
from app.schema.plan import (
    ClusterView,
    DeviceResources,
    KvType,
    NodeResources,
    PlanRequest,
    Share,
    Speculation,
    SpeculationKind,
)
from app.schema.record import InstanceId, ModelId
from tests.unit.instances.plans import plan, stage
from tests.unit.node.test_idle import FIRST, OWN, instance, instances

MODEL = ModelId("tiny")


def last(model: str = "tiny", **wished: object) -> LastLaunch:
    asked = PlanRequest.model_validate({"model_id": model, **wished})
    return LastLaunch(model_id=ModelId(model), wishes=asked, extra_arguments=("--temp", "0"), at=5.0)


class TestOnItsWay:
    def test_the_newest_that_starts_or_runs(self) -> None:
        old = instance("old").model_copy(update={"created_at": 1.0})
        new = instance("new", InstanceState.STARTING).model_copy(update={"created_at": 2.0})
        gone = instance("gone", InstanceState.STOPPING).model_copy(update={"created_at": 3.0})
        assert on_its_way(_status(old, gone, new), ModelId("TINY.gguf")) == "new"

    def test_nothing_of_another_model(self) -> None:
        assert on_its_way(_status(instance()), ModelId("other")) is None

    @pytest.mark.parametrize("state", [InstanceState.STARTING, InstanceState.STOPPING])
    def test_what_moves_is_waited_for(self, state: InstanceState) -> None:
        assert not has_loaded(instance(state=state))

    def test_what_ended_raises_its_own_error(self) -> None:
        failed = instance(state=InstanceState.FAILED).model_copy(update={"error": OutOfMemory("Too little.").info()})
        with pytest.raises(OutOfMemory, match="Too little"):
            has_loaded(failed)
        with pytest.raises(CaravanError, match="unloaded"):
            has_loaded(instance(state=InstanceState.STOPPED))


def _status(*found: InstanceStatus) -> Status:
    return FIRST.model_copy(update={"instances": found})


class TestRoom:
    @given(instances, st.floats(0, 2e9))
    def test_only_what_is_ready_and_idle_for_a_moment_may_go_oldest_first(
        self, found: list[InstanceStatus], now: float
    ) -> None:
        idle = idle_ones(found, now)
        assert all(each.state is InstanceState.READY and not each.answering for each in idle)
        times = [each.idle_since or 0.0 for each in idle]
        assert times == sorted(times)
        assert all(each <= now - IDLE_SECONDS for each in times)

    @given(st.lists(st.integers(1, 20), max_size=6), st.integers(1, 60))
    async def test_what_goes_is_enough_and_no_one_of_it_may_stay(self, sizes: list[int], needed: int) -> None:
        idle = [instance(f"i{number}") for number in range(len(sizes))]
        held = {each.id: size for each, size in zip(idle, sizes, strict=True)}

        async def fits(gone: Sequence[InstanceStatus]) -> bool:
            return sum(held[each.id] for each in gone) >= needed

        chosen = await fewest(idle, fits)
        if sum(sizes) < needed:
            assert chosen == ()
        else:
            assert await fits(chosen)
            for each in chosen[:-1]:
                assert not await fits([other for other in chosen if other is not each])

    def test_freed_memory_never_exceeds_what_the_device_has(self) -> None:
        device = DeviceResources(device="CPU", name="p", total_bytes=100, free_bytes=60, is_cpu=True)
        placed = plan(stage("h", "CPU", 0, 11, output=True))
        head = placed.stages[0].node
        node = NodeResources(node=head, name="H", holds_model=True, engine_build="b1", devices=(device,))
        held = sum(each.total_bytes for each in placed.stages)
        gone = instance().model_copy(update={"plan": placed})
        view = ClusterView(this_node=head, nodes=(node,))
        assert held > 0
        assert with_freed(view, [gone]).nodes[0].devices[0].free_bytes == min(100, 60 + held)
        assert with_freed(view, ()) == view

    def test_a_draft_model_gives_its_bytes_back_too(self) -> None:
        guessing = Speculation(
            kind=SpeculationKind.DRAFT,
            guesses=3,
            sentence="",
            draft_model=ModelId("small"),
            draft_device="CUDA1",
            draft_bytes=30,
        )
        placed = plan(stage("h", "CPU", 0, 11, output=True)).model_copy(update={"speculation": guessing})
        card = DeviceResources(device="CUDA1", name="c", total_bytes=100, free_bytes=60, is_cpu=False)
        node = NodeResources(node=placed.head, name="H", holds_model=True, engine_build="b1", devices=(card,))
        gone = instance().model_copy(update={"plan": placed})
        view = ClusterView(this_node=placed.head, nodes=(node,))
        assert with_freed(view, [gone]).nodes[0].devices[0].free_bytes == 90


class TestWishes:
    def test_a_model_that_never_ran_has_none(self) -> None:
        assert wishes(MODEL, None) == (PlanRequest(model_id=MODEL),)

    def test_first_as_it_ran_then_without_where(self) -> None:
        share = Share(node=OWN, device="CPU", layers=3)
        known = last(context=512, slots=2, kv_type="q8_0", pcs=2, use=[OWN], avoid=[OWN], shares=[share])
        first, then = wishes(MODEL, known)
        assert first == known.wishes
        assert then == PlanRequest(model_id=MODEL, context=512, slots=2, kv_type=KvType.Q8_0)

    def test_what_has_no_place_in_mind_is_asked_once(self) -> None:
        assert len(wishes(MODEL, last(context=512))) == 1

    def test_a_path_it_was_launched_by_becomes_its_id(self) -> None:
        assert wishes(MODEL, last("/somewhere/tiny.gguf"))[0].model_id == MODEL


class TestLastLaunches:
    @given(st.lists(st.sampled_from("abcdef"), max_size=30))
    def test_each_model_is_kept_once_the_newest_first(self, models: list[str]) -> None:
        kept: tuple[LastLaunch, ...] = ()
        for model in models:
            kept = with_launch(kept, last(model))
        assert [each.model_id for each in kept] == list(dict.fromkeys(reversed(models)))

    def test_not_for_ever(self) -> None:
        kept: tuple[LastLaunch, ...] = ()
        for number in range(KEPT + 10):
            kept = with_launch(kept, last(f"m{number}"))
        assert len(kept) == KEPT

    def test_a_damaged_file_is_no_obstacle(self, tmp_path: Path) -> None:
        file = tmp_path / "launches.json"
        assert read_launches(file) == ()
        for content in ("{", '[{"model_id": 5}]', "{}", "\ud800".encode("utf-8", "surrogatepass").decode("latin-1")):
            file.write_text(content, "utf-8")
            assert read_launches(file) == ()

    async def test_a_launch_is_kept_when_it_is_ready_and_not_when_it_failed(self, tmp_path: Path) -> None:
        bus, file = Bus(FIRST), tmp_path / "launches.json"
        launches = LastLaunches(file, bus, lambda: 9.0)
        running = asyncio.create_task(launches.run())
        asked = LaunchRequest(plan=instance().plan, wishes=PlanRequest(model_id=MODEL, context=64))
        for name, state, ready_at in (("bad", InstanceState.FAILED, None), ("good", InstanceState.READY, 3.0)):
            launches.expect(InstanceId(name), asked)
            found = instance(name, state).model_copy(update={"ready_at": ready_at})
            bus.publish(InstanceChanged(instance=found))
        launches.expect(InstanceId("plain"), LaunchRequest(plan=instance().plan))
        async with asyncio.timeout(30):
            while not await asyncio.to_thread(file.exists):
                await asyncio.sleep(0.01)
        bus.close()
        await running
        assert [each.wishes.context for each in bus.status.last_launches] == [64]
        assert await asyncio.to_thread(read_launches, file) == bus.status.last_launches


@pytest.mark.parametrize(
    ("model", "state", "told"),
    [
        (None, InstanceState.STARTING, "tiny is still loading. Ask again when it is ready: `caravan status`."),
        ("tiny", InstanceState.STARTING, "tiny is still loading. Ask again when it is ready: `caravan status`."),
        (None, InstanceState.FAILED, "No model is running. Start one with `caravan launch MODEL`."),
        (
            "large",
            InstanceState.STARTING,
            "No instance found for model large. No model is running. Start one with `caravan launch MODEL`.",
        ),
    ],
)
def test_who_asks_when_nothing_answers_is_told_what_loads(model: str | None, state: InstanceState, told: str) -> None:
    error = not_serving(model, (instance(state=state),))
    assert f"{error.sentence} {error.hint}" == told
