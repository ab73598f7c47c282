"""The largest contexts against brute force: what is told fits, and 256 tokens more do not."""

from collections.abc import Container
from random import Random

import pytest
from hypothesis import given, settings

from app.planner.plan import plan
from app.schema.model import ModelShape
from app.schema.plan import Alternative, ClusterView, Plan, PlanRequest, Refusal, Share
from tests.unit.planner.brute_force import Reference, placements
from tests.unit.planner.random_clusters import random_request, random_shape, random_view, with_experts, with_ram
from tests.unit.planner.samples import GIB, MIB, ask, cluster, cpu, gpu, node, shape
from tests.unit.planner.test_plan_properties import clusters, requests, shapes

TRAINED = 8192
WIDE = 65536
"""Key width of blocks whose cache is what decides: 64 MiB for 256 tokens."""


def wide(model: ModelShape, width: int = WIDE) -> ModelShape:
    return model.model_copy(update={"key_widths": (width,) * model.layers, "context_length": TRAINED})


def fitting(request: PlanRequest, model: ModelShape, view: ClusterView, context: int) -> set[int]:
    """The numbers of PCs on which any placement at all fits."""
    asked = request.model_copy(update={"context": context})
    return {pcs for pcs, _, _ in placements(asked, model, view, Reference(asked, model, view))}


def allowed(request: PlanRequest, numbers: Container[int]) -> set[int]:
    asked = range(request.min_pcs, 17) if request.pcs is None else (request.pcs,)
    return {pcs for pcs in asked if pcs in numbers}


def following(context: int | None, limit: int) -> int:
    """The next context that could have been told."""
    return min((context or 256) // 256 * 256 + 256, limit)


def check(request: PlanRequest, model: ModelShape, view: ClusterView) -> Plan | Refusal:
    found, limit = plan(request, model, view), TRAINED * request.slots
    if isinstance(found, Refusal) and found.code != "does_not_fit":
        return found
    case = (request, model, view)
    told = found.largest_context
    if isinstance(found, Plan):
        assert told is not None
        assert (request.context or 0) <= told <= limit
    if told is not None:
        assert allowed(request, fitting(request, model, view, told)), case
    if told != limit:
        assert not allowed(request, fitting(request, model, view, following(told, limit))), case
    for each in found.alternatives:
        check_number(each, request, model, view)
    return found


def check_number(told: Alternative, request: PlanRequest, model: ModelShape, view: ClusterView) -> None:
    case, limit = (told, request, model, view), TRAINED * request.slots
    if told.largest_context is not None:
        assert told.pcs in fitting(request, model, view, told.largest_context), case
    if told.largest_context != limit:
        assert told.pcs not in fitting(request, model, view, following(told.largest_context, limit)), case


@pytest.mark.parametrize("seed", range(4))
def test_what_is_told_fits_and_one_step_more_does_not(seed: int) -> None:
    random, planned, below = Random(200 + seed), 0, 0
    for _ in range(60):
        model, view = wide(random_shape(random), random.choice([8192, WIDE])), random_view(random)
        found = check(random_request(random, view), model, view)
        planned += isinstance(found, Plan)
        below += isinstance(found, Plan) and found.largest_context != TRAINED
    assert planned >= 10
    assert below >= 5


@pytest.mark.parametrize("seed", range(2))
def test_it_holds_for_experts_in_ram(seed: int) -> None:
    random, spilling = Random(300 + seed), 0
    for _ in range(40):
        model = wide(with_experts(random, random_shape(random)), random.choice([8192, WIDE]))
        view = with_ram(random, random_view(random))
        found = check(random_request(random, view), model, view)
        spilling += isinstance(found, Plan) and found.experts is not None
    assert spilling >= 2


@settings(max_examples=60, deadline=None)
@given(requests, shapes(), clusters(most=3))
def test_it_is_what_can_be_planned_where_no_speed_is_known(
    request: PlanRequest, model: ModelShape, view: ClusterView
) -> None:
    model = wide(model)
    found = plan(request, model, view)
    for each in found.alternatives:
        asked = request.model_copy(update={"pcs": each.pcs, "min_pcs": 1})
        assert_largest(asked, model, view, each.largest_context)
    if isinstance(found, Plan):
        assert_largest(request, model, view, found.largest_context)


def assert_largest(request: PlanRequest, model: ModelShape, view: ClusterView, told: int | None) -> None:
    def planned(context: int) -> Plan | Refusal:
        return plan(request.model_copy(update={"context": context}), model, view)

    assert told is None or isinstance(planned(told), Plan)
    assert told == TRAINED or isinstance(planned(following(told, TRAINED)), Refusal)


@pytest.mark.parametrize("seed", range(2))
def test_in_place_is_the_largest_of_a_cluster_that_has_only_those_devices(seed: int) -> None:
    random, smaller = Random(400 + seed), 0
    for _ in range(150):
        model, view = wide(random_shape(random), random.choice([8192, WIDE])), random_view(random)
        request = random_request(random, view)
        found = plan(request, model, view)
        if isinstance(found, Plan) and (reduced := only_its_devices(found, view)) is not None:
            alone = plan(request.model_copy(update={"head": found.head}), model, reduced)
            assert isinstance(alone, Plan)
            assert alone.largest_context == found.largest_context_in_place, (request, model, view)
            smaller += alone.largest_context != found.largest_context
    assert smaller >= 5


def only_its_devices(found: Plan, view: ClusterView) -> ClusterView | None:
    """None where a PC keeps its processor and loses its card: that alone ranks it otherwise."""
    used = {(stage.node, stage.device) for stage in found.stages}
    used |= {(found.head, "CPU")} if found.experts else set()
    pcs = {node for node, _ in used} | {found.head}
    nodes = []
    for pc in (pc for pc in view.nodes if pc.node in pcs):
        kept = tuple(device for device in pc.devices if (pc.node, device.device) in used)
        if kept and all(d.is_cpu for d in kept) and any(not d.is_cpu for d in pc.devices):
            return None
        nodes.append(pc.model_copy(update={"devices": kept}))
    return view.model_copy(update={"nodes": tuple(nodes)})


# 8 GiB of blocks; cache 64 KiB per token and block, 512 KiB per token; the mask 1 KiB per token.
CACHED = shape((GIB,) * 8, key_widths=(16384,) * 8, value_widths=(16384,) * 8)


def test_more_than_one_pc_holds_is_told_for_each_number() -> None:
    view = cluster(node("WORKSHOP", gpu(10 * GIB), holds=True), node("DEN", gpu(10 * GIB)))
    found = plan(ask(context=2048), CACHED, view)
    assert isinstance(found, Plan)
    assert found.pcs == 1
    # On one, 1.5 GiB at 513 KiB a token are 3 066 tokens. On two, 5.5 GiB each at 4 x 65 KiB, with four masks: 22 181.
    assert [each.largest_context for each in found.alternatives] == [2816, 22016]
    assert (found.largest_context, found.largest_context_in_place) == (22016, 2816)


def test_a_number_of_pcs_that_was_asked_for_bounds_it() -> None:
    view = cluster(node("WORKSHOP", gpu(10 * GIB), holds=True), node("DEN", gpu(10 * GIB)))
    found = plan(ask(context=2048, pcs=1), CACHED, view)
    assert isinstance(found, Plan)
    assert found.largest_context == 2816
    assert found.alternatives[1].largest_context == 22016


def test_a_split_that_was_fixed_bounds_it() -> None:
    view = cluster(node("WORKSHOP", gpu(10 * GIB), holds=True), node("DEN", gpu(10 * GIB)))
    shares = (
        Share(node=view.nodes[1].node, device="CUDA0", layers=1),
        Share(node=view.nodes[0].node, device="CUDA0", layers=7),
    )
    found = plan(ask(context=2048, shares=shares), CACHED, view)
    assert isinstance(found, Plan)
    told = found.largest_context
    assert told is not None
    assert told == found.largest_context_in_place == found.alternatives[1].largest_context
    assert found.alternatives[0].largest_context == 2816
    assert isinstance(plan(ask(context=told, shares=shares), CACHED, view), Plan)
    more = plan(ask(context=told + 256, shares=shares), CACHED, view)
    assert isinstance(more, Refusal)
    assert more.largest_context == told


def test_all_that_the_model_was_trained_for_is_told_though_it_is_no_multiple() -> None:
    view = cluster(node("WORKSHOP", gpu(12 * GIB), holds=True))
    for trained, slots in ((1000, 1), (1000, 3), (100, 1)):
        model = CACHED.model_copy(update={"context_length": trained})
        found = plan(ask(slots=slots), model, view)
        assert isinstance(found, Plan)
        assert found.largest_context == trained * slots


def test_a_number_of_pcs_that_is_short_tells_what_would_fit_there() -> None:
    view = cluster(
        node("WORKSHOP", gpu(10 * GIB), holds=True), node("DEN", gpu(10 * GIB)), node("SHED", gpu(700 * MIB))
    )
    found = plan(ask(context=4096), CACHED, view)
    assert isinstance(found, Plan)
    alone = found.alternatives[0]
    assert not alone.fits
    assert alone.largest_context == 2816
    assert alone.sentence.endswith("short for 4 096 tokens of context (largest context that fits: 2 816).")
    # SHED holds no block at any context.
    assert found.alternatives[2].largest_context is None
    assert "largest" not in found.alternatives[2].sentence


def test_without_a_trained_length_memory_alone_decides() -> None:
    view = cluster(node("WORKSHOP", gpu(10 * GIB), holds=True), node("DEN", cpu(40 * GIB)))
    found = plan(ask(), CACHED.model_copy(update={"context_length": None}), view)
    assert isinstance(found, Plan)
    assert found.largest_context is not None
    assert found.largest_context > 32768


def test_no_more_is_told_than_can_be_asked_for() -> None:
    view = cluster(node("DESK", gpu(24 * GIB), holds=True))
    found = plan(ask(slots=8), shape((GIB,) * 8, context_length=10 << 20), view)
    assert isinstance(found, Plan)
    assert (found.largest_context, found.alternatives[0].largest_context) == (1 << 24, 1 << 24)


def test_a_refusal_names_the_context_for_the_number_of_pcs_that_was_asked_for() -> None:
    view = cluster(node("WORKSHOP", gpu(10 * GIB), holds=True), node("DEN", gpu(10 * GIB)))
    refusal = plan(ask(context=4096, pcs=1), CACHED, view)
    assert isinstance(refusal, Refusal)
    assert refusal.hint == "It fits on 2 PCs, or on 1 PC with 2 816 tokens of context."
