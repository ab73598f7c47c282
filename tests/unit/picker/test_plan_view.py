"""A plan as bars, lines, reasons and shares; a launch as steps."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.schema.instance import InstanceState, InstanceStatus, Phase, PhaseName, PhaseState
from app.schema.plan import (
    EncoderShare,
    ExpertShare,
    NodeReason,
    Plan,
    PlanRequest,
    Refusal,
    Speculation,
    SpeculationKind,
)
from app.schema.record import ModelId, NodeId
from app.ui.models import launch_view, plan_view, shares
from app.ui.models import sample_cluster as cluster
from app.ui.models import sample_launch as sample
from app.ui.models.pcs import pcs_of
from app.ui.models.sample_cluster import LAPTOP, LIVING_ROOM, WORKSHOP
from app.ui.models.sample_planner import planned
from app.ui.models.shares import Portion
from app.ui.parts.sizes import count_text

STATUS = cluster.status()
PCS = pcs_of(STATUS)
BIG = cluster.few_models()[0].model
NOW = 1000.0


def plan(**wishes: object) -> Plan:
    found = planned(BIG, PlanRequest.model_validate({"model_id": BIG.id, **wishes}))
    assert isinstance(found, Plan)
    return found


def refusal() -> Refusal:
    model = cluster.few_models()[1].model
    found = planned(model, PlanRequest(model_id=model.id))
    assert isinstance(found, Refusal)
    return found


def test_bars_are_in_layer_order_and_add_up_to_the_device() -> None:
    first, last = plan_view.bars(plan(), PCS)
    assert (first.name, last.name, last.is_head, last.is_this) == ("LIVING ROOM", "WORKSHOP", True, True)
    assert first.colour != last.colour
    bar = last.devices[0]
    assert bar.name == "RTX 4090"
    device = PCS[0].device("CUDA0")
    assert device is not None
    assert sum((bar.weights, bar.kv, bar.buffers, bar.other, bar.free)) == device.total_bytes
    assert str(last.devices[0].layers).endswith(", output")


def test_experts_in_the_heads_ram_have_a_bar_there() -> None:
    experts = ExpertShare(layers=(60, 61), weight_bytes=3 << 30, compute_bytes=1 << 20, free_bytes=8 << 30)
    head = next(pc for pc in plan_view.bars(plan().model_copy(update={"experts": experts}), PCS) if pc.is_head)
    bar = head.devices[-1]
    assert (bar.name, str(bar.layers)) == ("RAM", "experts of 2 layers")
    assert (bar.used, bar.free) == (experts.total_bytes, experts.free_bytes - experts.total_bytes)


def test_the_picture_encoder_is_in_the_bar_of_its_device() -> None:
    before = plan_view.bars(plan(), PCS)[-1].devices[0]
    encoder = EncoderShare(
        node_name="WORKSHOP",
        device="CUDA0",
        weight_bytes=800 << 20,
        compute_bytes=130 << 20,
        free_bytes=before.free_before,
    )
    bar = plan_view.bars(plan().model_copy(update={"encoder": encoder}), PCS)[-1].devices[0]
    assert bar.layers == before.layers
    assert str(bar.small_parts).startswith("picture encoder 930 MB · context")
    assert (bar.weights, bar.buffers) == (before.weights + encoder.total_bytes, before.buffers)
    assert bar.used + bar.free - bar.over == bar.free_before


def test_a_picture_encoder_apart_from_the_layers_has_a_bar_of_its_own() -> None:
    encoder = EncoderShare(node_name="WORKSHOP", device="CPU", weight_bytes=800, compute_bytes=200, free_bytes=5000)
    bar = plan_view.bars(plan().model_copy(update={"encoder": encoder}), PCS)[-1].devices[-1]
    assert (bar.name, str(bar.layers), bar.used, bar.free) == ("RAM", "picture encoder", 1000, 4000)


def drafted(device: str) -> Plan:
    guesses = Speculation(
        kind=SpeculationKind.DRAFT,
        guesses=4,
        sentence="A small model guesses ahead.",
        draft_model=ModelId("small"),
        draft_device=device,
        draft_bytes=700 << 20,
        decode=20.0,
    )
    return plan().model_copy(update={"speculation": guesses})


def test_the_draft_model_is_in_the_bar_of_its_device() -> None:
    before = plan_view.bars(plan(), PCS)[-1].devices[0]
    bar = plan_view.bars(drafted("CUDA0"), PCS)[-1].devices[0]
    assert bar.layers == before.layers
    assert str(bar.small_parts).startswith("draft model 700 MB · context")
    assert (bar.weights, bar.free - bar.over) == (before.weights + (700 << 20), before.free - before.over - (700 << 20))


def test_a_draft_model_apart_from_the_layers_has_a_bar_of_its_own() -> None:
    ram = PCS[0].device("CPU")
    assert ram is not None
    bar = plan_view.bars(drafted("CPU"), PCS)[-1].devices[-1]
    assert (bar.name, str(bar.layers), bar.used) == ("RAM", "draft model", 700 << 20)
    assert (bar.free, bar.other) == (ram.free_bytes - (700 << 20), ram.total_bytes - ram.free_bytes)
    assert "CUDA9" not in [device.name for pc in plan_view.bars(drafted("CUDA9"), PCS) for device in pc.devices]


def test_several_conversations_are_told_together() -> None:
    found = plan()
    assert found.prediction is not None
    told = found.prediction.model_copy(update={"conversations": 4, "throughput": 55.0})
    assert "of all 4 together" in str(plan_view.headline(found.model_copy(update={"prediction": told})))


def test_what_pcs_keep_is_told() -> None:
    found = plan()
    (kept,) = (stage for stage in found.stages if stage.kept_bytes)
    stages = tuple(each.model_copy(update={"kept_bytes": each.kept_bytes and 3 << 30}) for each in found.stages)
    told = plan_view.kept_note(found.model_copy(update={"stages": stages}))
    assert str(told) == f"{kept.node_name} keeps 3 GB of the model on its disk."
    none = tuple(each.model_copy(update={"kept_bytes": 0}) for each in found.stages)
    assert plan_view.kept_note(found.model_copy(update={"stages": none})) is None


def test_layers_are_counted_from_one_without_a_gap() -> None:
    first, last = (str(pc.devices[0].layers) for pc in plan_view.bars(plan(), PCS))
    end = int(first.rsplit("-", 1)[1])
    assert first.startswith("layers 1-")
    assert last == f"layers {end + 1}-64, output"


def test_a_device_that_is_not_told_of_has_no_other_programs() -> None:
    stage = plan().stages[0].model_copy(update={"node": NodeId("f" * 64)})
    bar = plan_view.bars(plan().model_copy(update={"stages": (stage,)}), PCS)[0].devices[0]
    assert (bar.name, bar.other) == ("CUDA0", 0)


def test_too_much_is_told_rounded_up() -> None:
    stage = plan().stages[0]
    over = stage.model_copy(update={"free_bytes": stage.total_bytes - (3 << 30) - 1})
    bar = plan_view.bars(plan().model_copy(update={"stages": (over,)}), PCS)[0].devices[0]
    assert (bar.free, str(bar.missing)) == (0, "3.1 GB")


def test_the_comparison_marks_what_is_chosen_what_is_slower_and_what_is_short() -> None:
    one, two, three = plan_view.comparison(plan())
    assert (one.fits, str(one.speed)) == (False, "-")
    assert str(one.note).endswith("GB short")
    assert (two.is_chosen, two.is_slower, two.note) == (True, False, None)
    assert (three.is_slower, str(three.note)) == (True, "slower than 2 PCs")


def test_a_number_of_pcs_that_is_short_tells_the_largest_context_that_fits_there() -> None:
    two = plan(pcs=3, context=24576).alternatives[1]
    line = plan_view.comparison(plan(pcs=3, context=24576))[1]
    assert two.largest_context is not None
    assert str(line.note).endswith(f" short (largest context that fits: {count_text(two.largest_context)})")


def test_a_gain_over_one_pc_is_told_in_percent() -> None:
    alone, two = plan(pcs=3).alternatives[1:]
    assert alone.prediction is not None
    assert two.prediction is not None
    alone = alone.model_copy(update={"pcs": 1})
    fast = two.prediction.model_copy(update={"decode": alone.prediction.decode * 1.28})
    two = two.model_copy(update={"pcs": 2, "prediction": fast})
    lines = plan_view.comparison(plan().model_copy(update={"alternatives": (alone, two)}))
    assert str(lines[1].note) == "28 % faster than 1 PC"


def test_an_unknown_speed_is_said_to_be_unknown() -> None:
    bare = tuple(each.model_copy(update={"prediction": None}) for each in plan().alternatives)
    unknown = plan().model_copy(update={"alternatives": bare, "prediction": None})
    assert [str(line.note) for line in plan_view.comparison(unknown)][1:] == ["speed not known yet"] * 2
    assert str(plan_view.headline(unknown)) == "Speed not known yet: not every PC in it has been measured."


def test_the_button_names_the_pc_or_their_number() -> None:
    assert str(plan_view.launch_words(plan())) == "Launch on 2 PCs"
    stage = plan().stages[-1].model_copy(update={"node_name": "The quiet PC in the attic that is never turned off"})
    alone = str(plan_view.launch_words(plan().model_copy(update={"stages": (stage,)})))
    assert len(alone) < 35


def test_a_pc_can_be_used_anyway_only_if_it_can_work() -> None:
    request = PlanRequest(model_id=BIG.id, pcs=2)
    reason = NodeReason(node=LAPTOP, node_name="LAPTOP", sentence="It is slow.")
    assert plan_view.can_be_used(reason, request, PCS)
    insisting = plan_view.used_anyway(request, LAPTOP)
    assert (insisting.use, insisting.pcs) == ((LAPTOP,), None)
    assert not plan_view.can_be_used(reason, insisting, PCS)
    gone = NodeReason(node=NodeId("f" * 64), node_name="GONE", sentence="It is away.")
    assert not plan_view.can_be_used(gone, request, PCS)
    assert plan_view.left_out(refusal())[0].node == LAPTOP


def test_portions_hold_the_plan_and_the_devices_that_could_help() -> None:
    portions = shares.portions_of(plan(), PCS)
    assert [(each.pc, each.device_name) for each in portions] == [
        ("WORKSHOP", "RAM"),
        ("LIVING ROOM", "RTX 3060"),
        ("LAPTOP", "RTX 3050 Laptop GPU"),
        ("WORKSHOP", "RTX 4090"),
    ]
    assert sum(each.layers for each in portions) == 64
    assert [each.node for each in shares.shares(portions)] == [LIVING_ROOM, WORKSHOP]


COUNTS = st.lists(st.integers(0, 80), min_size=2, max_size=6).filter(any)


@given(COUNTS, st.integers(0, 5), st.integers(-5, 300))
def test_sharing_out_by_hand_keeps_the_number_of_layers(counts: list[int], index: int, wanted: int) -> None:
    index %= len(counts)
    portions = [Portion(NodeId(str(n)), str(n), "CUDA0", "card", count) for n, count in enumerate(counts)]
    after = [each.layers for each in shares.moved(portions, index, wanted)]
    assert sum(after) == sum(counts)
    assert min(after) >= 0
    assert after[index] == min(max(wanted, 0), sum(counts))


@given(COUNTS, st.integers(0, 5), st.integers(0, 80))
def test_devices_without_layers_stay_without_while_others_have_some(counts: list[int], index: int, wanted: int) -> None:
    index %= len(counts)
    others = [count for n, count in enumerate(counts) if n != index]
    portions = [Portion(NodeId(str(n)), str(n), "CUDA0", "card", count) for n, count in enumerate(counts)]
    after = shares.moved(portions, index, wanted)
    if any(others):
        assert all(new.layers == 0 for n, new in enumerate(after) if n != index and counts[n] == 0)


def launching(*phases: Phase, pcs: int = 2) -> launch_view.InstanceStatus:
    return sample.instance(InstanceState.STARTING, plan(pcs=pcs), phases=phases, at=NOW - 40)


def test_the_steps_of_a_launch_tell_time_and_progress() -> None:
    steps = launch_view.steps(launching(*sample.loading(NOW)), NOW)
    weights = next(step for step in steps if step.name is PhaseName.TENSORS)
    assert str(weights.words) == "Load weights to LIVING ROOM + WORKSHOP"
    assert str(weights.detail) == "3.3 GB of 8.4 GB, 112 MB/s, 47 s left"
    assert weights.seconds == pytest.approx(30)
    assert weights.part == pytest.approx(3329 / 8602)
    workers = next(step for step in steps if step.name is PhaseName.WORKERS_STARTED)
    assert (str(workers.detail), workers.seconds, workers.part) == ("1 of 1", 1.2, None)
    assert next(step for step in steps if step.name is PhaseName.READY).state is PhaseState.PENDING


def test_one_pc_has_no_worker_steps() -> None:
    small = cluster.few_models()[5].model
    alone = planned(small, PlanRequest(model_id=small.id))
    assert isinstance(alone, Plan)
    instance = sample.instance(InstanceState.STARTING, alone, phases=sample.loading(NOW))
    names = {step.name for step in launch_view.steps(instance, NOW)}
    assert PhaseName.WORKERS_STARTED not in names
    assert PhaseName.TENSORS in names


def test_a_failed_launch_shows_how_far_it_came_and_nothing_that_never_began() -> None:
    phases = sample.loading(NOW, failed=True)
    instance = sample.instance(InstanceState.FAILED, plan(), phases=phases, error=sample.FAILURE)
    steps = launch_view.steps(instance, NOW)
    assert (steps[-1].state, str(steps[-1].detail)) == (PhaseState.FAILED, "3.3 GB of 8.4 GB")


def test_titles() -> None:
    told = {state: str(launch_view.title(sample.instance(state, plan()), "Qwen3 32B")) for state in InstanceState}
    assert told[InstanceState.STARTING] == "Launching Qwen3 32B"
    assert told[InstanceState.READY] == "Qwen3 32B is ready"
    assert told[InstanceState.FAILED] == "Qwen3 32B did not start"


def test_what_was_predicted_stands_beside_what_it_took() -> None:
    ready = sample.instance(InstanceState.READY, plan(), at=NOW)
    words = str(launch_view.expectation(ready))
    assert "Ready after 9.4 s" in words
    bare = ready.model_copy(update={"plan": plan().model_copy(update={"prediction": None})})
    assert launch_view.expectation(bare) is None


def test_diagnostics_hold_error_plan_steps_and_log() -> None:
    phases = sample.loading(NOW, failed=True)
    failed = sample.instance(InstanceState.FAILED, plan(), phases=phases, error=sample.FAILURE)
    text = launch_view.diagnostics(failed, ["GGML_ASSERT"])
    for part in (sample.FAILURE.sentence, "LIVING ROOM CUDA0", "tensors: failed", "GGML_ASSERT", BIG.id):
        assert part in text


def test_running_are_those_of_all_pcs_and_this_ones_failures() -> None:
    ready = sample.instance(InstanceState.READY, plan(), at=5.0)
    failed = ready.model_copy(update={"id": "f", "state": InstanceState.FAILED, "created_at": 9.0})
    stopped = ready.model_copy(update={"id": "s", "state": InstanceState.STOPPED})
    theirs = ready.model_copy(update={"id": "t", "model_id": ModelId("x"), "created_at": 1.0})
    peer = cluster.peers()[0]
    assert peer.report is not None
    other = peer.model_copy(update={"report": peer.report.model_copy(update={"instances": (theirs,)})})
    found = launch_view.running(cluster.status(ready, failed, stopped, others=(other,)))
    assert [each.id for each in found] == ["t", ready.id, "f"]


def test_of_a_models_failures_the_last_is_shown_until_it_runs_again() -> None:
    ready = sample.instance(InstanceState.READY, plan(), at=5.0)

    def failed(name: str, at: float, model: str = "m") -> InstanceStatus:
        changes = {"id": name, "model_id": ModelId(model), "state": InstanceState.FAILED, "created_at": at}
        return ready.model_copy(update=changes)

    def shown(*instances: InstanceStatus) -> list[str]:
        return [each.id for each in launch_view.running(cluster.status(*instances))]

    tries = failed("1", 1.0), failed("3", 3.0), failed("2", 2.0), failed("o", 1.5, "other")
    assert shown(*tries) == ["o", "3"]
    again = ready.model_copy(update={"id": "4", "model_id": ModelId("m"), "created_at": 4.0})
    assert shown(*tries, again) == ["o", "4"]
