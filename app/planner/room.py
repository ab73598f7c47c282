"""What one device can hold of a model, by the place it has in the split."""

from collections.abc import Sequence
from dataclasses import dataclass

from app.planner.memory import Demand
from app.planner.window import Window


@dataclass(frozen=True)
class Room:
    """Which ranges of blocks a device can hold.

    `is_enough`: all blocks and the output layer, alone. `from_start`: so many blocks as the first stage. `to_end`: the
    first block of the longest range up to the last one, with the output layer. `window`: for each end, the first block
    of the longest range in the middle. `capacity` is what a stage in the middle has for blocks, in bytes.
    """

    is_enough: bool
    from_start: int
    to_end: int
    window: Window
    capacity: int

    def limited(self, costs: Sequence[float], limit: float) -> "Room":
        """The ranges that also cost no more than `limit`, for costs given as prefix sums over the blocks."""
        lows = reaches(costs, limit)
        return Room(
            is_enough=self.is_enough and lows[-1] == 0,
            from_start=min(self.from_start, sum(low == 0 for low in lows) - 1),
            to_end=max(self.to_end, lows[-1]),
            window=Window(list(map(max, self.window.lows, lows))),
            capacity=self.capacity,
        )


def room_of(demand: Demand, budget: int, *, pipelined: bool) -> Room:
    """The room of a device with that budget in bytes: compute buffers and the output layer come off it."""
    buffers, layers = demand.buffers, demand.layers
    middle = budget - buffers.of(first=False, last=False, pipelined=pipelined)
    final = budget - buffers.of(first=False, last=True, pipelined=pipelined) - demand.output_bytes
    alone = budget - buffers.of(first=True, last=True, pipelined=False) - demand.output_bytes
    return Room(
        is_enough=demand.prefix[-1] <= alone,
        from_start=demand.furthest(0, budget - buffers.of(first=True, last=False, pipelined=pipelined)),
        to_end=max(demand.nearest(layers, final), 1),
        window=Window([min(max(low, 1), end) for end, low in enumerate(reaches(demand.prefix, middle)[:-1])]),
        capacity=middle,
    )


def reaches(prefix: Sequence[float], capacity: float) -> list[int]:
    """For each end, the smallest start with `prefix[end] - prefix[start] <= capacity`; `end` itself when none."""
    found, start = [], 0
    for end, whole in enumerate(prefix):
        while start < end and whole - prefix[start] > capacity:
            start += 1
        found.append(start)
    return found
