"""What one device can hold of a model, by the place it has in the split."""

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, replace

from app.planner.memory import Demand
from app.planner.window import Window

ROUNDING = 1e-12
"""By this part a sum of seconds may be off."""


@dataclass(frozen=True)
class Room:
    """Which ranges of blocks a device can hold.

    `is_enough`: all blocks and the output layer, alone. `from_start`: so many blocks as the first stage. `to_end`: the
    first block of the longest range up to the last one, with the output layer. `window`: for each end, the first block
    of the longest range in the middle. `capacity` is what a stage in the middle has for blocks, in bytes,
    `capacity_first` what the first has and `capacity_last` the one with the output layer, `budget` what the device has
    for all of it. `most` is the bytes of the largest range that it can hold at any place. `embeds`: the embedding table
    lies there too, so the output layer of a model with tied embeddings takes nothing when all blocks do.
    """

    budget: int
    embeds: bool
    is_enough: bool
    from_start: int
    to_end: int
    window: Window
    capacity: int
    capacity_first: int
    capacity_last: int
    most: int

    def limited(self, costs: Sequence[float], limit: float) -> "Room":
        """The ranges that also cost no more than `limit`, for costs given as prefix sums over the blocks."""
        lows, start, bound = [], 0, limit * (1 + ROUNDING)
        for low, whole in zip(self.window.lows, costs, strict=False):
            if start < low:
                start = low
            while whole - costs[start] > bound:
                start += 1
            lows.append(start)
        return Room(
            budget=self.budget,
            embeds=self.embeds,
            is_enough=self.is_enough and costs[-1] <= bound,
            from_start=min(self.from_start, bisect_right(costs, bound) - 1),
            to_end=max(self.to_end, bisect_left(costs, costs[-1] - bound)),
            window=Window(lows),
            capacity=self.capacity,
            capacity_first=self.capacity_first,
            capacity_last=self.capacity_last,
            most=self.most,
        )

    def dearest(self, costs: Sequence[float]) -> float:
        """The most that any range the device can hold costs: a limit above changes nothing."""
        ranges = (costs[end] - costs[low] for end, low in enumerate(self.window.lows))
        ends = (costs[self.from_start], costs[-1] - costs[min(self.to_end, len(costs) - 1)])
        return max(*ends, *ranges, costs[-1] if self.is_enough else 0.0)


@dataclass(frozen=True, slots=True)
class Limits:
    """A `Room` without its window: what a device can hold as the only stage, the first, the last, one in the middle."""

    is_enough: bool
    from_start: int
    to_end: int
    capacity: int
    capacity_first: int
    capacity_last: int

    @property
    def most(self) -> int:
        """Bytes of blocks it has at the place that suits it best beside other devices."""
        return max(self.capacity, self.capacity_first, self.capacity_last)


def limits(demand: Demand, budget: int, *, pipelined: bool, embeds: bool = False) -> Limits:
    """The limits of a device with that budget in bytes: compute buffers and the output layer come off it.

    `embeds` as in `Room`.
    """
    buffers = demand.buffers
    start = budget - buffers.of(first=True, last=False, pipelined=pipelined)
    final = budget - buffers.of(first=False, last=True, pipelined=pipelined) - demand.output_bytes
    alone = budget - buffers.of(first=True, last=True, pipelined=False) - demand.output_bytes
    alone += demand.tied_bytes if embeds else 0
    return Limits(
        is_enough=demand.prefix[-1] <= alone,
        from_start=demand.furthest(0, start),
        to_end=max(demand.nearest(demand.layers, final), 1),
        capacity=budget - buffers.of(first=False, last=False, pipelined=pipelined),
        capacity_first=start,
        capacity_last=final,
    )


def eased_limits(demand: Demand, limit: Limits) -> Limits:
    """The limits of the same device if it lost no room by being first or having the output layer."""
    most = limit.most
    start, end = demand.furthest(0, most), max(demand.nearest(demand.layers, most), 1)
    return replace(limit, from_start=start, to_end=end, capacity=most)


def room_of(demand: Demand, budget: int, *, pipelined: bool, embeds: bool = False) -> Room:
    """The room of a device with that budget in bytes."""
    limit = limits(demand, budget, pipelined=pipelined, embeds=embeds)
    return Room(
        budget=budget,
        embeds=embeds,
        is_enough=limit.is_enough,
        from_start=limit.from_start,
        to_end=limit.to_end,
        window=_middle(demand, limit.capacity),
        capacity=limit.capacity,
        capacity_first=limit.capacity_first,
        capacity_last=limit.capacity_last,
        most=demand.prefix[-1] if limit.is_enough else _most(demand.prefix, limit.most),
    )


def at_ease(demand: Demand, room: Room) -> Room:
    """The same device as if it lost no room by being first or having the output layer; the room itself where it does
    not.
    """
    most = max(room.capacity, room.capacity_first, room.capacity_last)
    start, end = demand.furthest(0, most), max(demand.nearest(demand.layers, most), 1)
    if most == room.capacity and start == room.from_start and end == room.to_end:
        return room
    window = room.window if most == room.capacity else _middle(demand, most)
    return replace(room, from_start=start, to_end=end, window=window, capacity=most)


def _middle(demand: Demand, capacity: int) -> Window:
    """For each end, the first block of the longest range that is not the first nor the last."""
    return Window([min(max(low, 1), end) for end, low in enumerate(reaches(demand.prefix, capacity)[:-1])])


def _most(prefix: Sequence[int], capacity: int) -> int:
    """Bytes of the largest range of blocks that fits in so many."""
    return max(end - prefix[low] for end, low in zip(prefix, reaches(prefix, capacity), strict=True))


def reaches(prefix: Sequence[float], capacity: float) -> list[int]:
    """For each end, the smallest start with `prefix[end] - prefix[start] <= capacity`; `end` itself when none."""
    found, start = [], 0
    for end, whole in enumerate(prefix):
        while start < end and whole - prefix[start] > capacity:
            start += 1
        found.append(start)
    return found
