"""The choice against brute force: thousands of small random clusters, every head, device list and division tried."""

from itertools import pairwise
from random import Random

import pytest

from app.planner.memory import demand
from app.planner.plan import plan
from app.schema.model import ModelShape
from app.schema.plan import ClusterView, Plan, PlanRequest, Refusal
from tests.unit.planner.brute_force import Reference, allowed_by_number, best_by_number, planned_times, repacked
from tests.unit.planner.random_clusters import (
    CONTEXT,
    random_request,
    random_shape,
    random_view,
    roomy,
    with_experts,
    with_ram,
)

TIED, CLOSE, ORDER = 0.02, 0.01, 0.0025


@pytest.mark.parametrize("seed", range(8))
def test_no_placement_is_faster(seed: int) -> None:
    random = Random(seed)
    for _ in range(300):
        model, view = random_shape(random), random_view(random)
        request = random_request(random, view)
        check(request, model, view)


@pytest.mark.parametrize("seed", range(4))
def test_no_placement_is_faster_where_ram_is_plenty_for_experts(seed: int) -> None:
    """Mixtures of experts on PCs with a processor each; many plans leave some in the head's RAM."""
    random, spilling = Random(100 + seed), 0
    for _ in range(150):
        model, view = with_experts(random, random_shape(random)), with_ram(random, random_view(random))
        found = check(random_request(random, view), model, view)
        spilling += isinstance(found, Plan) and found.experts is not None
    assert spilling >= 8


def test_a_processor_alone_repacks_where_that_is_faster_or_ties() -> None:
    """Of many random clusters some leave the weights as they are, some do not; no other placement is without it."""
    random, told = Random(300), {True: 0, False: 0}
    for _ in range(300):
        model, view = random_shape(random), roomy(random, random_view(random))
        found = check(random_request(random, view), model, view)
        if not isinstance(found, Plan):
            continue
        known = repacked(view.nodes[0].devices[0])
        if known is None or len(found.stages) > 1 or found.stages[0].node != found.head:
            assert found.repacks
        else:
            told[found.repacks] += 1
            assert known.repacked_compute is not None
            assert found.repacks == (known.repacked_compute >= 0.99 * plain_compute(view))
    assert min(told.values()) > 5, told


def plain_compute(view: ClusterView) -> float:
    compute = view.nodes[0].devices[0].compute
    assert compute is not None
    return compute * (1 - 1e-9)


def check(request: PlanRequest, model: ModelShape, view: ClusterView) -> Plan | Refusal:
    """Against all orders of workers; where blocks differ in size, times are held to the usual one alone."""
    reference = Reference(request, model, view)
    best, shared = best_by_number(request, model, view, reference)
    allowed = allowed_by_number(request, best, shared)
    found = plan(request, model, view)
    case = (request, model, view)
    if isinstance(found, Refusal):
        assert not allowed, case
        return found
    assert allowed, case
    check_prediction(found, view, reference)
    seconds = reference.seconds(planned_times(found, view, reference))
    if not of_one_size(request, model):
        best, shared = best_by_number(request, model, view, reference, any_order=False)
        allowed = allowed_by_number(request, best, shared) or {found.pcs: seconds}
    least = min(allowed.values())
    assert seconds <= least * (1 + TIED) * (1 + CLOSE) + 1e-4, case
    fewer = [s for n, s in allowed.items() if n < found.pcs]
    assert all(s > min(least, seconds) * (1 + TIED) * (1 - CLOSE) - 1e-4 for s in fewer), case
    check_alternatives(found, request, model, view, reference)
    return found


def of_one_size(request: PlanRequest, model: ModelShape) -> bool:
    needs = demand(model, CONTEXT, request.slots, request.kv_type)
    return needs.largest_block == needs.smallest_block and len({b - a for a, b in pairwise(needs.experts)}) == 1


def check_alternatives(
    found: Plan, request: PlanRequest, model: ModelShape, view: ClusterView, reference: Reference
) -> None:
    """Each other row is what N PCs that share the blocks do at best; with an idle head only where they cannot."""
    best, shared = best_by_number(request, model, view, reference)
    assert all(each.fits == (each.pcs in best) for each in found.alternatives), (request, model, view)
    any_order, sharing = of_one_size(request, model), set(shared)
    if not any_order:
        best, shared = best_by_number(request, model, view, reference, any_order=False)
    for alternative in found.alternatives:
        told, pcs = alternative.prediction, alternative.pcs
        if told is not None and pcs != found.pcs and reference.batches == 1:
            whole = told.conversations * told.first_token + told.answer_tokens / told.decode
            least = (shared if pcs in sharing else best).get(pcs, whole)
            assert whole <= least * (1 + TIED) * (1 + ORDER) + 1e-4, (request, model, view)
            assert not any_order or whole >= least * (1 - 1e-6) - 1e-4, (request, model, view)


def check_prediction(found: Plan, view: ClusterView, reference: Reference) -> None:
    assert found.prediction is not None
    times = planned_times(found, view, reference)
    assert found.prediction.decode == pytest.approx(1 / times.step)
    assert found.prediction.first_token == pytest.approx(times.prompt)
    assert found.prediction.prefill == pytest.approx(reference.prompt / times.prompt)
    if reference.slots > 1:
        whole = reference.slots * reference.answer / reference.seconds(times)
        assert found.prediction.throughput == pytest.approx(whole)
    else:
        assert found.prediction.throughput is None
    assert found.prediction.answer == pytest.approx(times.prompt + reference.answer * times.step)
    assert found.prediction.is_measured is (found.experts is None)
