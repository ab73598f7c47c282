"""On how many PCs a model fits at a context at all, whatever that costs in time.

The rules of the division (design.md, "Division") with sets instead of seconds: bit i of a set says that blocks 0..i-1
can lie on the devices so far. A device turns a run of bits into another, so a context costs a fraction of a search.
"""

from collections.abc import Iterator
from itertools import islice

from app.planner.drivable import roomiest
from app.planner.endings import Endings
from app.planner.line import MOST_ACCELERATORS, MOST_PCS, Line
from app.planner.memory import Demand
from app.planner.orders import FEW_DEVICES, MOST_TURNS, turns
from app.planner.room import Limits, eased_limits, limits
from app.planner.stop import Stop
from app.schema.record import NodeId


class Reach:
    """What one demand can be placed on. The lines may be drawn at another context: only their devices count."""

    def __init__(self, demand: Demand) -> None:
        self.demand = demand
        self._limits: dict[tuple[int, bool, bool, bool], Limits] = {}
        self._runs: dict[tuple[int, bool, bool], int] = {}
        self._inside = (1 << demand.layers) - 2
        self._is_even = demand.largest_block == demand.smallest_block

    def holds_on(self, line: Line, required: frozenset[NodeId], pcs: int) -> bool:
        """Whether the line holds all on exactly that many PCs, head included, with `required` among them.

        Whichever of its workers come first and last. Over more devices than the engine drives only the roomiest are
        looked at.
        """
        return self._in_any_order(_drivable(line, pcs), required, pcs, or_more=False)

    def holds(self, line: Line, required: frozenset[NodeId], least: int) -> bool:
        """Whether the line holds all on `least` PCs or more. Limits as in `holds_on`."""
        return self._in_any_order(_drivable(line, MOST_PCS), required, least, or_more=True)

    def _in_any_order(self, line: Line, required: frozenset[NodeId], pcs: int, *, or_more: bool) -> bool:
        """The line's own order first; others only where the devices could hold all if none lost room by its place."""

        def holds(order: Line, *, eased: bool = False) -> bool:
            return pcs in _Walk(self, order, required, pcs, or_more=or_more, eased=eased).found

        if holds(line):
            return True
        if (pcs == 1 and not or_more) or not self._has_blocks(line, MOST_PCS if or_more else pcs):
            return False
        is_few = sum(map(len, line.workers)) <= FEW_DEVICES
        if (self._is_even or not is_few) and not holds(line, eased=True):
            return False
        return any(map(holds, islice(turns(self.demand, line), 1, MOST_TURNS)))

    def _has_blocks(self, line: Line, pcs: int) -> bool:
        """Whether the longest runs of blocks on each device of the head and its roomiest workers are enough."""
        if line.endings is not None:
            budgets = (card.offer.budget for card in line.own)
            own = sum(self.demand.most_blocks(budget, without_experts=True) for budget in budgets)
        else:
            own = sum(self._most_blocks(stop, line.pipelined) for stop in line.own)
        if line.leading is not None:
            own += self._most_blocks(line.leading, line.pipelined)
        workers = (sum(self._most_blocks(stop, line.pipelined) for stop in worker) for worker in line.workers)
        return own + sum(sorted(workers, reverse=True)[: pcs - 1]) >= self.demand.layers

    def _most_blocks(self, stop: Stop, pipelined: bool) -> int:
        key = (stop.room.budget, stop.room.embeds, pipelined)
        if key not in self._runs:
            limit = self.limit(stop, pipelined)
            self._runs[key] = self.demand.layers if limit.is_enough else self.demand.most_blocks(limit.most)
        return self._runs[key]

    def ends(self, limit: Limits, reached: int) -> bool:
        """Whether a device can take all that is left behind one of these numbers of blocks, and the output layer."""
        return reached >> limit.to_end > 0 or (reached & 1 == 1 and limit.is_enough)

    def beyond(self, limit: Limits, reached: int) -> int:
        """The set when a device takes one block or more and leaves one at least."""
        found = 0
        if reached & 1:
            found = _run(1, limit.from_start)
        for first, last in _runs(reached & ~1):
            if limit.capacity >= self.demand.largest_block:
                found |= _run(first + 1, self.demand.furthest(last, limit.capacity))
            else:
                for start in range(first, last + 1):
                    found |= _run(start + 1, self.demand.furthest(start, limit.capacity))
        return found & self._inside

    def from_start(self, stop: Stop) -> int:
        """Blocks a device that comes first can hold where nothing overlaps."""
        return min(self.limit(stop, False).from_start, self.demand.layers - 1)

    def spare(self, stop: Stop, blocks: int) -> int:
        """Bytes left for experts on a processor that comes first with so many blocks."""
        return self.limit(stop, False).capacity_first - self.demand.prefix[blocks]

    def limit(self, stop: Stop, pipelined: bool, *, eased: bool = False) -> Limits:
        """What a device can hold; `eased` as if it lost no room by being first or having the output layer."""
        key = (stop.room.budget, stop.room.embeds, pipelined, eased)
        if key not in self._limits:
            limit = limits(self.demand, stop.room.budget, pipelined=pipelined, embeds=stop.room.embeds)
            self._limits[key] = eased_limits(self.demand, limit) if eased else limit
        return self._limits[key]


class _Walk:
    """Goes along a line with a set for each number of workers.

    `found` are the numbers of PCs up to `most`; with `or_more`, that one stands for all larger ones as well. With
    `eased`, no worker loses room by its place.
    """

    def __init__(
        self,
        reach: Reach,
        line: Line,
        required: frozenset[NodeId],
        most: int,
        *,
        or_more: bool = False,
        eased: bool = False,
    ) -> None:
        self.found: set[int] = set()
        self._reach = reach
        self._line = line
        self._most = most
        self._or_more = or_more
        self._eased = eased
        self._required = required - {line.head.node.node}
        if self._required <= {worker[0].offer.node.node for worker in line.workers}:
            self._walk()

    def _walk(self) -> None:
        leading = self._line.leading
        if self._line.endings is not None:
            self._spilling(self._endings(self._line.endings))
            return
        reached = {0: 1}
        if leading is not None:
            if not self._required and self._ends(leading, 1):
                self._note(0)
            after = self._beyond(leading, 1)
            reached = {0: after} if after else {}
        for workers, start in self._over_workers(reached, may_end=True).items():
            so_far = start
            for stop in self._line.own:
                if self._ends(stop, so_far):
                    self._note(workers)
                so_far |= self._beyond(stop, so_far)

    def _over_workers(self, reached: dict[int, int], *, may_end: bool) -> dict[int, int]:
        missing = set(self._required)
        for worker in self._line.workers:
            node = worker[0].offer.node.node
            missing.discard(node)
            used: dict[int, int] = {}
            for workers, start in reached.items():
                number = min(workers + 1, self._most - 1)
                if number > workers or self._or_more:
                    after = self._through(worker, start, number, may_end=may_end and not missing)
                    used[number] = used.get(number, 0) | after
            passed = {} if node in self._required else reached
            both = {number: used.get(number, 0) | passed.get(number, 0) for number in {*used, *passed}}
            reached = {number: found for number, found in both.items() if found}
        return reached

    def _through(self, worker: tuple[Stop, ...], start: int, number: int, *, may_end: bool) -> int:
        """The set behind a worker that holds blocks."""
        used = 0
        for stop in worker:
            limit = self._reach.limit(stop, self._line.pipelined, eased=self._eased)
            if may_end and self._reach.ends(limit, start | used):
                self._note(number)
            used |= self._reach.beyond(limit, start | used)
        return used

    def _spilling(self, endings: Endings) -> None:
        """Ends on the head's cards with experts in its RAM."""
        if not self._required and self._led(endings):
            self._note(0)
        lowest = self._reach.demand.nearest(self._reach.demand.layers, endings.ram + endings.room)
        for workers, reached in self._over_workers({0: 1}, may_end=False).items():
            starts = (i for i in range(reached.bit_length() - 1, lowest - 1, -1) if reached >> i & 1)
            if any(endings.within(start, endings.ram) is not None for start in starts):
                self._note(workers)

    def _led(self, endings: Endings) -> bool:
        """Whether it fits with whole blocks on the head's processor as well."""
        stop = self._line.leading
        if stop is None or self._reach.spare(stop, 0) + endings.room < self._reach.demand.prefix[-1]:
            return False
        counts = range(self._reach.from_start(stop), 0, -1)
        return any(endings.within(count, self._reach.spare(stop, count)) is not None for count in counts)

    def _endings(self, known: Endings) -> Endings:
        """The endings of this demand: their cards' seconds are of another context, and only order them."""
        demand, leading = self._reach.demand, self._line.leading
        assert leading is not None
        return Endings(demand, known.cards, leading.room.budget - demand.buffers.experts)

    def _ends(self, stop: Stop, reached: int) -> bool:
        return self._reach.ends(self._reach.limit(stop, self._line.pipelined), reached)

    def _beyond(self, stop: Stop, reached: int) -> int:
        return self._reach.beyond(self._reach.limit(stop, self._line.pipelined), reached)

    def _note(self, workers: int) -> None:
        self.found.add(workers + 1)


def _drivable(line: Line, most: int) -> Line:
    groups = sorted((len(worker) for worker in line.workers), reverse=True)[: most - 1]
    return line if len(line.own) + sum(groups) <= MOST_ACCELERATORS else roomiest(line)


def _run(first: int, last: int) -> int:
    """The set of `first`..`last`."""
    return (2 << last) - (1 << first) if first <= last else 0


def _runs(reached: int) -> Iterator[tuple[int, int]]:
    """First and last of each run of a set."""
    while reached:
        first = (reached & -reached).bit_length() - 1
        length = (~(reached >> first) & ((reached >> first) + 1)).bit_length() - 1
        yield first, first + length - 1
        reached &= ~_run(first, first + length - 1)
