"""Where blocks differ in size, a faster order of a placement's workers is found."""

from app.planner.fastest import Division, divisions
from app.planner.line import Line
from app.planner.plan import plan
from app.planner.swaps import climbed
from app.schema.model import ModelShape
from app.schema.plan import ClusterView, DeviceResources, Plan
from tests.unit.planner.samples import GIB, MIB, ask, cluster, gpu, node, shape
from tests.unit.planner.test_promising import lines_of

RESERVE = 512 * MIB


def card(size: float, bandwidth: float) -> DeviceResources:
    """A card with room for so many GB of blocks."""
    facts = {"bandwidth": bandwidth, "compute": bandwidth * 40, "token_seconds": 0.0}
    return gpu(int(size * GIB) + RESERVE).model_copy(update=facts)


def tight() -> tuple[ModelShape, ClusterView]:
    """Blocks of 2, 3, 2, 2 GB: cards of 5 and of 4 GB hold all, but only in that order; the head has a slow card."""
    head = node("ALPHA", card(8.0, 50e9), holds=True)
    workers = [node("BRAVO", card(4.1, 500e9)), node("CHARLIE", card(5.1, 500e9))]
    return shape((2 * GIB, 3 * GIB, 2 * GIB, 2 * GIB)), cluster(head, *workers)


def test_the_slow_card_gets_nothing_where_another_order_has_no_need_of_it() -> None:
    model, view = tight()
    found = plan(ask(context=512), model, view)
    assert isinstance(found, Plan)
    assert [(stage.node_name, stage.layers) for stage in found.stages] == [("CHARLIE", 2), ("BRAVO", 2)]


def test_pcs_that_share_the_blocks_still_all_do() -> None:
    model, view = tight()
    found = plan(ask(context=512, pcs=3), model, view)
    assert isinstance(found, Plan)
    assert {stage.node_name for stage in found.stages} == {"ALPHA", "BRAVO", "CHARLIE"}


def test_no_order_is_looked_at_where_a_round_takes_too_long() -> None:
    needs, (line, *_) = lines_of(*tight())
    looked: list[Line] = []

    def solve(order: Line, worth: float) -> Division | None:
        looked.append(order)
        return divisions(needs, order, frozenset(), 4, worth).get(3)

    assert climbed(line, 10_000, float("inf"), solve) is None
    assert not looked
    assert climbed(line, 4, float("inf"), solve) is not None
    assert looked
