"""The fastest placement on each number of PCs, over lines that the engine can drive."""

from collections.abc import Container, Iterable
from dataclasses import dataclass

from app.planner.drivable import accelerators, roomiest
from app.planner.fastest import Division, divisions
from app.planner.line import MOST_ACCELERATORS, Line
from app.planner.memory import Demand
from app.planner.orders import in_any_order, numbers_with_room
from app.planner.placement import Placement, placement_of
from app.schema.record import NodeId


@dataclass(frozen=True, slots=True)
class Wish:
    """PCs that must take part, and the numbers of PCs on which the head must hold blocks as well."""

    required: frozenset[NodeId] = frozenset()
    shared: frozenset[int] = frozenset()


def best_by_number(
    demand: Demand,
    lines: Iterable[Line],
    wish: Wish,
    most: int,
    worth: float,
    wanted: Container[int] = range(1 << 16),
) -> dict[int, Placement]:
    """The fastest placement over these lines for each number of PCs."""
    best: dict[int, Placement] = {}
    for line in lines:
        for pcs, division in _drivable(demand, line, wish, most, worth, wanted).items():
            if pcs not in best or division.seconds < best[pcs].seconds:
                best[pcs] = placement_of(division)
    return best


def _drivable(
    demand: Demand, line: Line, wish: Wish, most: int, worth: float, wanted: Container[int]
) -> dict[int, Division]:
    """The divisions of a line; one over more devices than the engine drives is sought again among the roomiest."""

    def solve(order: Line) -> dict[int, Division]:
        return divisions(demand, order, wish.required, most, worth, wanted, wish.shared)

    numbers = [pcs for pcs in numbers_with_room(demand, line, most) if pcs in wanted]
    found = in_any_order(demand, line, solve, numbers)
    if all(accelerators(division) <= MOST_ACCELERATORS for division in found.values()):
        return found
    narrow = in_any_order(demand, roomiest(line), solve, numbers)
    kept = {pcs: division for pcs, division in found.items() if accelerators(division) <= MOST_ACCELERATORS}
    return {**narrow, **kept}
