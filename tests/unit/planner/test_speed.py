"""Times and predictions worked out by hand."""

import pytest

from app.planner.loading import DISK_RATE, LAUNCH_SECONDS, WORKER_SECONDS
from app.planner.plan import plan
from app.planner.speed import (
    TOKEN_SECONDS,
    BlockWork,
    Mix,
    block_times,
    hop_of,
    mix_of,
    overlapped,
    pace_of,
    repacked_pace,
    work_of,
)
from app.schema.model import ModelShape
from app.schema.plan import ClusterView, DeviceResources, KvType, LinkMeasure, Plan, Prediction
from app.schema.record import NodeId
from tests.unit.planner.samples import GIB, MIB, ask, cluster, cpu, gpu, node, shape

EIGHT = shape((GIB,) * 8, parameters=16 * GIB, embedding_length=4096)
FAST = gpu(12 * GIB).model_copy(update={"bandwidth": 400e9, "compute": 20e12, "token_seconds": 0.0})
SLOW = gpu(12 * GIB).model_copy(update={"bandwidth": 100e9, "compute": 5e12, "token_seconds": 0.0})


def linked(view: ClusterView, round_trip: float, throughput: float = 117e6) -> ClusterView:
    a, b = view.nodes[:2]
    link = LinkMeasure(a=b.node, b=a.node, round_trip=round_trip, throughput=throughput, back=throughput)
    return view.model_copy(update={"links": (link,)})


def prediction(view: ClusterView, model: ModelShape = EIGHT, **wishes: object) -> Prediction:
    found = plan(ask(**wishes), model, view)
    assert isinstance(found, Plan), found
    assert found.prediction is not None
    return found.prediction


def test_one_card_alone() -> None:
    told = prediction(cluster(node("WORKSHOP", FAST, holds=True)))
    # A step reads 8 GiB at 400 GB/s, and so does a micro-batch for its first token; each token after it is 2 FLOP per
    # parameter.
    assert told.decode == pytest.approx(400e9 / (8 * GIB))
    assert told.first_token == pytest.approx(2 * 8 * GIB / 400e9 + 2 * 998 * 16 * GIB / 20e12)
    assert told.prefill == pytest.approx(1000 / told.first_token)
    assert told.answer == pytest.approx(told.first_token + 400 / told.decode)
    assert (told.prompt_tokens, told.answer_tokens) == (1000, 400)
    assert told.load == pytest.approx(LAUNCH_SECONDS + 8 * GIB / DISK_RATE)
    assert told.is_measured
    assert told.corrected_by is None


def test_a_prompt_leaves_out_the_last_feed_forward() -> None:
    model = EIGHT.model_copy(update={"last_feed_forward_bytes": GIB // 2})
    pace = {"bandwidth": 40e9, "compute": 1e12, "token_seconds": 0.0}
    view = cluster(node("WORKSHOP", cpu(20 * GIB).model_copy(update=pace), holds=True))
    told, whole = prediction(view, model), prediction(view)
    assert told.decode == whole.decode
    # 998 tokens of two micro-batches do not pass half a block of 2 parameters a byte.
    assert whole.first_token - told.first_token == pytest.approx(2 * 998 * GIB / 1e12)


def test_a_pipelined_prompt_is_spared_one_micro_batch_of_it() -> None:
    model = EIGHT.model_copy(update={"last_feed_forward_bytes": GIB // 2})
    view = cluster(node("WORKSHOP", FAST, holds=True))
    less = prediction(view).first_token - prediction(view, model).first_token
    assert less == pytest.approx(2 * 998 * GIB / 20e12 / 2)


def test_nothing_is_spared_where_idle_blocks_lie_behind() -> None:
    idle = EIGHT.model_copy(update={"idle_layers": 1})
    view = cluster(node("WORKSHOP", FAST, holds=True))
    spared = idle.model_copy(update={"last_feed_forward_bytes": GIB // 2})
    assert prediction(view, spared).first_token == prediction(view, idle).first_token


def test_a_pass_of_a_prompt_may_read_more_slowly_than_a_step() -> None:
    told = prediction(cluster(node("WORKSHOP", FAST.model_copy(update={"prompt_bandwidth": 200e9}), holds=True)))
    assert told.decode == pytest.approx(400e9 / (8 * GIB))
    assert told.first_token == pytest.approx(2 * 8 * GIB / 200e9 + 2 * 998 * 16 * GIB / 20e12)


@pytest.mark.parametrize(("tokens", "seconds"), [(1, 0.02), (4, 0.05), (8, 0.09), (12, 0.09), (32, 0.133)])
def test_a_step_of_a_few_tokens_costs_nearly_as_much_for_each(tokens: int, seconds: float) -> None:
    """Up to eight at 10 ms each; of more no less than eight take, nor than a prompt: 40 ms for its pass, 3 for each."""
    facts = {"bandwidth": 20e9, "prompt_bandwidth": 10e9, "compute": 1.6e9 / 3e-3, "step_compute": 1.6e9 / 10e-3}
    pace = pace_of(cpu(GIB).model_copy(update=facts))
    model = shape((200 * 10**6, 200 * 10**6), parameters=8 * 10**8)
    work = work_of(model, Mix(1, 1, tokens), KvType.F16)
    assert block_times(work, pace).step[-1] == pytest.approx(seconds)


def test_a_step_whose_figures_are_unknown_costs_as_a_prompt_does() -> None:
    device = cpu(GIB).model_copy(update={"bandwidth": 20e9, "compute": 1e12})
    assert pace_of(device).step_compute == 1e12
    assert pace_of(device).step(BlockWork(20e9, 2e12, 2e12, 0, 0)) == pytest.approx(3.0)


def test_rearranged_weights_have_passes_of_their_own() -> None:
    facts = {"bandwidth": 40e9, "compute": 1e12, "repacked_bandwidth": 40e9, "repacked_compute": 1e12}
    device = cpu(GIB).model_copy(update=facts | {"prompt_bandwidth": 20e9, "repacked_prompt_bandwidth": 30e9})
    again = repacked_pace(device)
    assert again is not None
    assert (pace_of(device).prompt_bandwidth, again.prompt_bandwidth) == (20e9, 30e9)
    unknown = repacked_pace(device.model_copy(update={"repacked_prompt_bandwidth": None}))
    assert unknown is not None
    assert unknown.prompt_bandwidth == 40e9


def test_attention_reads_the_cache_and_costs_arithmetic() -> None:
    model = shape((GIB,), parameters=2 * GIB, embedding_length=4096, key_widths=(1024,), value_widths=(1024,))
    work = work_of(model, Mix(1000, 400, 1), KvType.F16)
    # 1 000 + 200 tokens are 1 280 cells of 2 048 elements of 2 bytes.
    assert work.kinds[0].step_bytes == GIB + 1280 * 2048 * 2
    assert work.kinds[0].prompt_flops == 2 * 998 * 2 * GIB + 2 * 1000 * 1000 * 4096
    quantized = work_of(model, Mix(1000, 400, 1), KvType.Q8_0)
    assert quantized.kinds[0].step_bytes == GIB + 1280 * 2048 * 34 // 32


def test_only_the_experts_in_use_are_read() -> None:
    facts = {"expert_count": 128, "experts_used": 8, "layer_expert_bytes": (900,), "key_widths": (0,)}
    model = shape((1000,), parameters=2000, **facts)
    assert work_of(model, Mix(100, 100, 1), KvType.F16).kinds[0].step_bytes == pytest.approx(100 + 900 * 8 / 128)
    # Of two answers at once, each expert is wanted with probability 1 - (15/16)^2.
    both = work_of(model, Mix(100, 100, 2), KvType.F16).kinds[0].step_bytes
    assert both == pytest.approx(100 + 900 * (1 - (15 / 16) ** 2))


def test_a_hop_costs_a_round_trip_the_activations_and_the_mask() -> None:
    view = linked(cluster(node("NOTEBOOK", cpu(GIB), holds=True), node("DEN", FAST)), 4e-3, 100e6)
    told = prediction(view)
    mask = 1280 * 2
    step = 8 * GIB / 400e9 + 4e-3 + (2 * 4096 * 4 + mask) / 100e6
    assert told.decode == pytest.approx(1 / step)
    masks = 512 * 512 * 2 + 512 * 1024 * 2
    prompt = 2 * 8 * GIB / 400e9 + 2 * 998 * 16 * GIB / 20e12 + 6 * 4e-3 + (2 * 4096 * 4 * 1000 + masks) / 100e6
    assert told.first_token == pytest.approx(prompt)
    # A worker without a cache gets 8 GiB at the link's 100 MB/s.
    assert told.load == pytest.approx(LAUNCH_SECONDS + WORKER_SECONDS + 8 * GIB / 100e6 + 51 * 4e-3)


def test_each_way_of_a_link_counts_with_its_own_speed() -> None:
    view = linked(cluster(node("NOTEBOOK", cpu(GIB), holds=True), node("DEN", FAST)), 0.0)
    (link,) = view.links
    assert link.a == "den"
    uneven = link.model_copy(update={"throughput": 10e6, "back": 100e6})
    model = EIGHT.model_copy(update={"vocabulary": 150_000})
    told = prediction(view.model_copy(update={"links": (uneven,)}), model)
    # Weights, activations and masks go to the worker at 100 MB/s, activations and logits come back at 10.
    assert told.load == pytest.approx(LAUNCH_SECONDS + WORKER_SECONDS + 8 * GIB / 100e6)
    step = 8 * GIB / 400e9 + (4096 * 4 + 1280 * 2) / 100e6 + (4096 * 4 + 600_000) / 10e6
    assert told.decode == pytest.approx(1 / step)
    assert told.is_measured


def test_a_way_that_nobody_measured_counts_as_the_other_and_is_no_measurement() -> None:
    link = LinkMeasure(a="a", b="b", round_trip=1e-3, throughput=1e8)
    there, back = hop_of(link, NodeId("a")), hop_of(link, NodeId("b"))
    assert (there.throughput, there.back, there.is_measured) == (1e8, 1e8, True)
    assert (back.throughput, back.back, back.is_measured) == (1e8, 1e8, False)


def test_each_stage_costs_its_time_per_token() -> None:
    own, far = (card.model_copy(update={"token_seconds": 2e-3, "free_bytes": 6 * GIB}) for card in (FAST, FAST))
    view = linked(cluster(node("WORKSHOP", own, holds=True), node("DEN", far)), 0.0, 1e18)
    told = prediction(view)
    assert told.decode == pytest.approx(1 / (8 * GIB / 400e9 + 2 * 2e-3))
    # Two micro-batches pass two stages.
    work = 2 * 8 * GIB / 400e9 + 2 * 998 * 16 * GIB / 20e12
    assert told.first_token == pytest.approx(work * (0.5 + 0.5 * 5 / 8) + 4 * 2e-3)
    # A small model is bound by it: the time of the second card is more than what its memory gives.
    tiny = shape((MIB,) * 8, parameters=16 * MIB, embedding_length=64)
    alone = cluster(node("WORKSHOP", own.model_copy(update={"correction": 1.5}), holds=True), node("DEN", far))
    small_one = prediction(linked(alone, 0.0, 1e18), tiny, pcs=1)
    assert small_one.decode == pytest.approx(1 / (1.5 * (8 * MIB / 400e9 + 2e-3)))


def test_logits_come_back_from_a_remote_output_layer() -> None:
    model = EIGHT.model_copy(update={"vocabulary": 150_000})
    view = linked(cluster(node("NOTEBOOK", cpu(GIB), holds=True), node("DEN", FAST)), 1e-3, 100e6)
    assert 1 / prediction(view, model).decode - 1 / prediction(view).decode == pytest.approx(600_000 / 100e6)


def test_later_micro_batches_overlap_all_but_the_slowest_stage() -> None:
    assert overlapped([6.0, 2.0], 1) == pytest.approx(8.0)
    assert overlapped([6.0, 2.0], 2) == pytest.approx(4.0 + 3.0)
    assert overlapped([4.0, 4.0], 4) == pytest.approx(2.0 + 3.0)


def test_a_mix_fits_its_slot_and_keeps_its_proportions() -> None:
    assert mix_of(ask(), 4096) == Mix(1000, 400, 1)
    assert mix_of(ask(slots=4), 4096) == Mix(731, 293, 4)
    assert mix_of(ask(), 512) == Mix(365, 147, 1)
    assert mix_of(ask(prompt_tokens=9000, answer_tokens=5), 4096) == Mix(4093, 3, 1)
    assert mix_of(ask(prompt_tokens=1, answer_tokens=9000), 512) == Mix(1, 511, 1)
    assert mix_of(ask(slots=64), 64) == Mix(1, 1, 64)


def test_stand_ins_are_no_predictions() -> None:
    bare = gpu(12 * GIB)
    found = plan(ask(), EIGHT, cluster(node("WORKSHOP", bare, holds=True)))
    assert isinstance(found, Plan)
    assert found.prediction is None
    half = bare.model_copy(update={"bandwidth": 400e9})
    assert not prediction(cluster(node("WORKSHOP", half, holds=True))).is_measured
    without = half.model_copy(update={"compute": 20e12})
    told = prediction(cluster(node("WORKSHOP", without, holds=True)))
    assert told.decode == pytest.approx(1 / (8 * GIB / 400e9 + TOKEN_SECONDS))
    assert not told.is_measured
    whole = without.model_copy(update={"token_seconds": 1e-3})
    assert prediction(cluster(node("WORKSHOP", whole, holds=True))).is_measured
    unlinked = cluster(node("NOTEBOOK", cpu(GIB), holds=True), node("DEN", FAST))
    assert not prediction(unlinked).is_measured
    assert prediction(linked(unlinked, 1e-3)).is_measured


def test_what_earlier_runs_taught_is_multiplied_in() -> None:
    late = FAST.model_copy(update={"correction": 1.25})
    told = prediction(cluster(node("WORKSHOP", late, holds=True)))
    assert told.decode == pytest.approx(400e9 / (8 * GIB) / 1.25)
    assert told.corrected_by == pytest.approx(1.25)
    link = LinkMeasure(a="a", b="b", round_trip=1e-3, throughput=1e8, correction=2.0)
    assert hop_of(link, NodeId("a")).seconds(1, 1e6) == pytest.approx(2 * (1e-3 + 1e-2))
    assert pace_of(late).step(BlockWork(400e9, 0, 0, 0, 0)) == pytest.approx(1.25)


def stages(view: ClusterView, model: ModelShape = EIGHT, **wishes: object) -> list[tuple[str, str, int]]:
    found = plan(ask(**wishes), model, view)
    assert isinstance(found, Plan), found
    return [(stage.node_name, stage.device, stage.layers) for stage in found.stages]


def small(device: DeviceResources) -> DeviceResources:
    """Room for five blocks of 1 GiB."""
    return device.model_copy(update={"total_bytes": 6 * GIB, "free_bytes": 6 * GIB})


def test_the_fast_card_is_filled_first() -> None:
    view = linked(cluster(node("WORKSHOP", small(SLOW), holds=True), node("DEN", small(FAST))), 3e-4)
    assert stages(view) == [("DEN", "CUDA0", 5), ("WORKSHOP", "CUDA0", 3)]


def test_one_pc_that_holds_all_is_not_helped_by_a_slow_one() -> None:
    view = linked(cluster(node("WORKSHOP", FAST, holds=True), node("DEN", SLOW)), 9e-3)
    found = plan(ask(), EIGHT, view)
    assert isinstance(found, Plan)
    assert found.pcs == 1
    # With one block there, 20.1 ms a step become 9.0 + 0.3 + 8 ms more: 46.6 tokens/s become 27.
    (reason,) = found.left_out
    assert reason.sentence.startswith("DEN is left out: its link (9 ms) would cost ")
    assert [a.fits for a in found.alternatives] == [True, True]
    alone, both = (a.prediction for a in found.alternatives)
    assert alone is not None
    assert both is not None
    assert alone.decode > both.decode
    assert found.alternatives[0].sentence == "Fits on WORKSHOP alone with 4 096 tokens of context: 47 tokens/s."


def test_the_figure_of_a_link_that_costs_most_is_told_and_whether_it_was_measured() -> None:
    two = cluster(node("WORKSHOP", FAST, holds=True), node("DEN", SLOW))
    wide = EIGHT.model_copy(update={"embedding_length": 8192})
    assert _left_out(linked(two, 9e-3), wide).startswith("DEN is left out: its link (9 ms) would cost ")
    assert _left_out(linked(two, 2e-4, 2e5), wide).startswith("DEN is left out: its link (2 Mbit/s) would cost ")
    slow = two.model_copy(update={"links": (LinkMeasure(a=NodeId("workshop"), b=NodeId("den"), throughput=2e5),)})
    assert _left_out(slow, wide).startswith("DEN is left out: its link (2 Mbit/s) would cost ")
    near = cluster(node("WORKSHOP", FAST, holds=True), node("DEN", FAST))
    assert "link (taken as 1.0 ms, not measured) would cost" in _left_out(near, EIGHT)


def test_a_pc_that_only_shifts_the_time_from_prompt_to_answer_says_so() -> None:
    quick = FAST.model_copy(update={"bandwidth": 800e9, "compute": 2e12})
    steady = FAST.model_copy(update={"compute": 4e12})
    view = linked(cluster(node("WORKSHOP", steady, holds=True), node("DEN", quick)), 1e-6, 1e12)
    said = _left_out(view, EIGHT, prompt_tokens=500)
    assert said.startswith("DEN is not needed: with it the answer comes faster and the first token later;"), said


def _left_out(view: ClusterView, model: ModelShape, **wishes: object) -> str:
    found = plan(ask(**wishes), model, view)
    assert isinstance(found, Plan)
    return found.left_out[0].sentence


def test_a_faster_card_over_a_good_link_wins_over_the_own_one() -> None:
    view = linked(cluster(node("WORKSHOP", SLOW, holds=True), node("DEN", FAST)), 3e-4)
    assert stages(view) == [("DEN", "CUDA0", 8)]
    assert stages(view, pcs=1) == [("WORKSHOP", "CUDA0", 8)]


def test_a_tie_goes_to_fewer_pcs() -> None:
    twin = FAST.model_copy(update={"bandwidth": 402e9})
    view = linked(cluster(node("WORKSHOP", FAST, holds=True), node("DEN", twin)), 1e-6, 1e12)
    found = plan(ask(prompt_tokens=100), EIGHT, view)
    assert isinstance(found, Plan)
    assert found.pcs == 1
    assert found.left_out[0].sentence.startswith("DEN is not needed: with it the answer comes at ")


def test_a_card_over_a_hop_beats_the_own_processor_when_much_would_spill() -> None:
    ram = cpu(32 * GIB).model_copy(update={"bandwidth": 50e9, "compute": 5e12, "token_seconds": 0.0})
    view = linked(cluster(node("WORKSHOP", small(FAST), ram, holds=True), node("DEN", small(SLOW))), 1e-3)
    assert stages(view) == [("DEN", "CUDA0", 3), ("WORKSHOP", "CUDA0", 5)]
    # Over a wireless link of 80 ms the processor is better.
    assert stages(linked(view, 80e-3)) == [("WORKSHOP", "CPU", 3), ("WORKSHOP", "CUDA0", 5)]


def test_many_slots_weigh_the_cache() -> None:
    model = EIGHT.model_copy(update={"key_widths": (1024,) * 8, "value_widths": (1024,) * 8})
    card = gpu(40 * GIB).model_copy(update={"bandwidth": 4e11, "compute": 2e13, "token_seconds": 0.0})
    view = cluster(node("WORKSHOP", card, holds=True))
    one, four = prediction(view, model, context=16384), prediction(view, model, context=16384, slots=4)
    assert 1 / four.decode - 1 / one.decode == pytest.approx(3 * 8 * 1280 * 4096 / 4e11 + 3 * 2 * 16 * GIB / 2e13)
