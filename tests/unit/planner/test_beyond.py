"""What the engine taught of a model's memory is counted on every device, and the split honours it."""

from hypothesis import given, settings
from hypothesis import strategies as st

from app.planner.memory import reserve_bytes
from app.planner.plan import plan
from app.schema.model import ModelShape
from app.schema.plan import ClusterView, Plan, Refusal
from tests.unit.planner.samples import GIB, MIB, ask, cluster, gpu, node, shape
from tests.unit.planner.test_plan_properties import clusters, shapes


def taught(view: ClusterView, beyond: int) -> ClusterView:
    return view.model_copy(update={"beyond_bytes": beyond})


def test_a_plan_that_was_refused_by_the_engine_is_made_smaller_on_that_device() -> None:
    view = cluster(node("DESK", gpu(9 * GIB), holds=True), node("ATTIC", gpu(9 * GIB)))
    before, after = plan(ask(), shape((GIB,) * 8), view), plan(ask(), shape((GIB,) * 8), taught(view, 700 * MIB))
    assert isinstance(before, Plan)
    assert isinstance(after, Plan)
    assert [stage.layers for stage in before.stages] == [8]
    assert sum(stage.layers for stage in after.stages) == 8
    assert all(stage.layers <= 7 and stage.compute_bytes == 700 * MIB for stage in after.stages)
    assert (before.beyond_bytes, after.beyond_bytes) == (0, 700 * MIB)


def test_a_refusal_counts_it() -> None:
    view = cluster(node("DESK", gpu(9 * GIB), holds=True))
    found = plan(ask(context=4096), shape((GIB,) * 8), taught(view, 700 * MIB))
    assert isinstance(found, Refusal)
    assert found.needed_bytes == 8 * GIB + 700 * MIB + 512 * MIB


@settings(deadline=None)
@given(shapes(), clusters(), st.integers(1, 8))
def test_no_device_is_promised_more_than_it_has(model: ModelShape, view: ClusterView, size: int) -> None:
    found = plan(ask(), model, taught(view, size * 100 * MIB))
    if isinstance(found, Refusal):
        return
    rooms = {
        (each.node, one.device): one.free_bytes - reserve_bytes(one) for each in view.nodes for one in each.devices
    }
    for stage in found.stages:
        assert stage.compute_bytes >= size * 100 * MIB
        assert stage.total_bytes <= rooms[stage.node, stage.device]
