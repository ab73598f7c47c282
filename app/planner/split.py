"""How many blocks each device of an ordered list takes. Exact: finds a split whenever one exists."""

from collections.abc import Sequence
from itertools import accumulate, pairwise

from app.planner.memory import Demand


def split(demand: Demand, capacities: Sequence[int], weights: Sequence[int]) -> tuple[int, ...] | None:
    """Block counts over the devices in order, each at least 1, as near to `weights` as the capacities allow.

    `capacities` are bytes for blocks only: buffers, reserve and the last device's output layer are already taken off.
    Every device but the last must have room for the model's largest block; None when one has not, or when no split
    exists.
    Proof and method: design.md, "Split".
    """
    starts = earliest_starts(demand, capacities)
    if starts is None:
        return None
    targets = _targets(demand.layers, weights)
    ends = [0]
    for i, capacity in enumerate(capacities):
        lowest = max(starts[i + 1], ends[-1] + 1)
        highest = min(demand.furthest(ends[-1], capacity), demand.layers - (len(capacities) - 1 - i))
        ends.append(min(max(targets[i], lowest), highest))
    return tuple(end - start for start, end in pairwise(ends))


def earliest_starts(demand: Demand, capacities: Sequence[int]) -> list[int] | None:
    """Entry i: the fewest leading blocks the first i devices must take so that the rest holds what remains.

    One more entry than devices, first 0 and last all blocks; None when the devices cannot hold the model.
    """
    count = len(capacities)
    if not 0 < count <= demand.layers:
        return None
    if any(capacity < demand.largest_block for capacity in capacities[:-1]):
        return None
    starts = [demand.layers]
    for i in range(count - 1, -1, -1):
        start = max(demand.nearest(starts[-1], capacities[i]), i)
        if start == starts[-1]:
            return None
        starts.append(start)
    starts.reverse()
    return starts if starts[0] == 0 else None


def _targets(layers: int, weights: Sequence[int]) -> list[int]:
    """Cumulative block counts proportional to the weights, rounded to the nearest; the last is all blocks."""
    whole = max(sum(weights), 1)
    return [(2 * layers * part + whole) // (2 * whole) for part in accumulate(weights)]
