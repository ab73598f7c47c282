"""The fastest division of a model over a line of devices: exact, for every number of PCs at once."""

from collections.abc import Container, Sequence
from dataclasses import dataclass, replace
from math import inf
from operator import add

from app.planner.bounds import Bound, lowest_wait, without_useless
from app.planner.endings import Ending, Endings
from app.planner.line import Line
from app.planner.memory import Demand
from app.planner.needed import Needed, chained
from app.planner.speed import StageCost
from app.planner.stop import Stop
from app.planner.visit import Row, Taken, Visit, begun, either, traced
from app.schema.record import NodeId

TIED = 0.02
"""Placements within this part of the fastest count as equally fast: then the fewest PCs and the preferred head win."""

CLOSE_ENOUGH = 0.01
"""The part of the time up to which a faster pipeline is not sought any further."""


@dataclass(frozen=True)
class Division:
    """Devices in layer order with their blocks, and the seconds of the exchanges. Only devices with blocks.

    The experts of the first `spilled[i]` blocks of the i-th device stay in the head's RAM.
    """

    line: Line
    stops: tuple[Stop, ...]
    counts: tuple[int, ...]
    spilled: tuple[int, ...]
    seconds: float


@dataclass(frozen=True)
class _End:
    """A finished division: the last stops take blocks `start`.. and the output layer."""

    seconds: float
    source: Row
    start: int
    stops: tuple[Taken, ...]


def fastest(demand: Demand, line: Line, required: frozenset[NodeId], worth: float = inf) -> Division | None:
    """The fastest division on any number of PCs, found as in `divisions`; one beyond `worth` seconds may be slower."""
    table = _Table(demand, line, required, (), counted=False)
    return _Pipeline(line, table, 1).best(worth, (1,)).get(1)


def quickly(demand: Demand, line: Line, required: frozenset[NodeId], wait: float) -> Division | None:
    """A fast division on any number of PCs: the fastest of those whose slowest stage is no slower than `wait` and of
    those that do not mind.
    """
    table = _Table(demand, line, required, (), counted=False)
    return _Pipeline(line, table, 1).at((inf, wait) if line.weight else (inf,)).get(1)


def slowest_wait(costs: Sequence[StageCost], counts: Sequence[int]) -> float:
    """Seconds that the slowest stage of a split takes for a prompt."""
    first, slowest = 0, 0.0
    for cost, count in zip(costs, counts, strict=True):
        slowest = max(slowest, cost.prompt[first + count] - cost.prompt[first])
        first += count
    return slowest


def divisions(
    demand: Demand,
    line: Line,
    required: frozenset[NodeId],
    most: int,
    worth: float = inf,
    wanted: Container[int] = range(1 << 16),
    shared: Container[int] = (),
) -> dict[int, Division]:
    """The fastest division for every number of PCs up to `most` that has one, head included.

    `required` nodes take part in each; where the number of PCs is in `shared`, the head holds blocks too. Method and
    proof: design.md, "Division". In a pipelined prompt the stages wait for the slowest; for numbers of PCs that are
    `wanted` and may come within `TIED` of the best of those and of `worth` seconds, the best is found to within
    `CLOSE_ENOUGH`; for the others the wait is counted and not minimized.
    """
    table = _Table(demand, line, required, shared, counted=True)
    return _Pipeline(line, table, most).best(worth, wanted)


class _Pipeline:
    """The search over how long the slowest stage may take, which is the one term that is no sum over devices.

    For a limit M on every stage's prompt, `f(M)` is the least of the rest; `f(M) + weight x slowest` is sought. `f`
    never grows with M, so between two limits nothing is better than `f(upper) + weight x lower`.
    """

    def __init__(self, line: Line, table: "_Table", most: int) -> None:
        self._line = line
        self._table = table
        self._most = most
        self._found: dict[int, Division] = {}

    def best(self, worth: float, wanted: Container[int]) -> dict[int, Division]:
        """The fastest division for each number of PCs."""
        least = self._solve(self._table, inf, self._most)
        if self._line.weight and least:
            tops = {pcs: slowest for pcs, (_, slowest) in least.items() if pcs in wanted}
            floors = {pcs: seconds for pcs, (seconds, _) in least.items()}
            self._refine(self._table, lowest_wait(self._line), tops, floors, worth)
        return self._found

    def at(self, limits: Sequence[float]) -> dict[int, Division]:
        """The fastest of the best at these limits."""
        for limit in limits:
            self._solve(self._table, limit, self._most)
        return self._found

    def _solve(self, table: "_Table", limit: float, most: int) -> dict[int, tuple[float, float]]:
        """Seconds without the slowest stage, and that stage, of the best at a limit; each is kept if it is better."""
        answers = {}
        for pcs, division in table.solve(limit, most).items():
            answers[pcs] = (division.seconds, _slowest(division))
            whole = division.seconds + self._line.weight * answers[pcs][1]
            if pcs not in self._found or whole < self._found[pcs].seconds:
                self._found[pcs] = replace(division, seconds=whole)
        return answers

    def _refine(
        self, table: "_Table", low: float, tops: dict[int, float], floors: dict[int, float], worth: float
    ) -> None:
        """Search limits between `low` and each number's top, where nothing is better than its floor + weight x low.

        In each interval, devices leave the table with which nothing better than what was found can come about.
        """
        bound = min((self._found[pcs].seconds for pcs in tops), default=0.0)
        bound, worth = min(bound, worth) * (1 + TIED), min(bound, worth)
        open_tops = {pcs: top for pcs, top in tops.items() if self._is_hopeful(pcs, floors[pcs], low, top, bound)}
        if not open_tops:
            return
        high = max(open_tops.values())
        table = table.between(low, high, min(max(self._found[pcs].seconds for pcs in open_tops), bound))
        middle = (low + high) / 2
        answers = self._solve(table, middle, max(open_tops))
        self._refine(table, middle, {pcs: top for pcs, top in open_tops.items() if top > middle}, floors, worth)
        below = {pcs: min(answers[pcs][1], top) for pcs, top in open_tops.items() if pcs in answers}
        self._refine(table, low, below, {pcs: answers[pcs][0] for pcs in below}, worth)

    def _is_hopeful(self, pcs: int, floor: float, low: float, top: float, bound: float) -> bool:
        least = floor + self._line.weight * low
        return low < top * (1 - 1e-9) and least < min(self._found[pcs].seconds * (1 - CLOSE_ENOUGH), bound)


def _slowest(division: Division) -> float:
    return slowest_wait([stop.cost for stop in division.stops], division.counts)


class _Table:
    """Dynamic programming over the stops of a line, one row of blocks for each number of workers.

    The head holds blocks when its processor leads or its own device ends: no worker comes behind its own devices.
    """

    def __init__(
        self, demand: Demand, line: Line, required: frozenset[NodeId], shared: Container[int], *, counted: bool
    ) -> None:
        self._demand = demand
        self._line = line
        self._required = required - {line.head.node.node}
        self._shared = shared if line.leading is None else ()
        self._step = 1 if counted else 0
        self._ends: dict[int, _End] = {}

    def between(self, low: float, high: float, worth: float) -> "_Table":
        """The table without the devices that make no division of at most `worth` seconds, its slowest stage between."""
        line = without_useless(self._line, Bound(self._demand, self._line, low=low, high=high), worth)
        return _Table(self._demand, line, self._required, self._shared, counted=self._step == 1)

    def solve(self, limit: float, most: int) -> dict[int, Division]:
        """The division of least seconds for each number of PCs up to `most`, no stage's prompt above `limit` seconds.

        Not counted: the best of all numbers, under the number 1.
        """
        self._ends = {}
        missing = set(self._required)
        if missing <= {worker[0].offer.node.node for worker in self._line.workers}:
            visits = [[Visit(stop, limit) for stop in worker] for worker in self._line.workers]
            workers = most - 1 if self._step else None
            if self._line.endings is not None:
                needed = Needed(visits, self._line.endings.earliest, workers)
                self._spilling(self._line.endings, needed, missing)
            else:
                own = [Visit(stop, limit) for stop in self._line.own]
                behind = chained(own, self._demand.layers)
                needed = Needed(visits, behind[0], workers)
                rows = self._over_workers(self._begun(limit, needed, missing), needed, missing, may_end=True)
                self._over_own(rows, own, behind[1:])
        return {pcs: self._trace(end) for pcs, end in self._ends.items()}

    def _begun(self, limit: float, needed: Needed, missing: set[NodeId]) -> dict[int, Row]:
        """The rows before the first worker: with the head's processor where it leads."""
        begin, leading = begun(self._demand.layers), self._line.leading
        if leading is None:
            return {0: begin}
        led = self._take(Visit(leading, limit), begin, None, 1, needed.first, may_end=not missing)
        return {0: led} if led is not None else {}

    def _over_workers(
        self, rows: dict[int, Row], needed: Needed, missing: set[NodeId], *, may_end: bool
    ) -> dict[int, Row]:
        """The rows behind the last worker; empties `missing` on the way."""
        for number, worker in enumerate(self._line.workers):
            node = worker[0].offer.node.node
            missing.discard(node)
            used = self._through(number, rows, needed, may_end=may_end and not missing)
            rows = used if node in self._required else _merged(rows, used)
        return rows

    def _through(self, number: int, rows: dict[int, Row], needed: Needed, *, may_end: bool) -> dict[int, Row]:
        """The rows after a worker that takes part, for as many workers as may."""
        after = {}
        for workers, row in rows.items():
            used: Row | None = None
            pcs = 1 + workers + self._step
            for visit, least in needed.behind(number, workers + self._step):
                source = row if used is None else either(row, used)
                used = self._take(visit, source, used, pcs, least, may_end=may_end and pcs not in self._shared)
            if used is not None:
                after[workers + self._step] = used
        return after

    def _over_own(self, rows: dict[int, Row], own: Sequence[Visit], behind: Sequence[int]) -> None:
        """Ends the rows on the head's own devices."""
        for workers, row in rows.items():
            for visit, least in zip(own, behind, strict=True):
                row = self._take(visit, row, row, 1 + workers, least, may_end=True) or row

    def _take(
        self, visit: Visit, source: Row, beside: Row | None, pcs: int, needed: int, *, may_end: bool
    ) -> Row | None:
        """The cheaper of `beside` and `source` continued by this visit; notes divisions that end there."""
        if may_end:
            seconds, start = visit.end(source)
            if start >= 0:
                taken = Taken(visit.stop, self._demand.layers - start)
                self._note(pcs, seconds + visit.stop.last, source, start, (taken,))
        row = visit.extended(source, needed)
        return row if beside is None else beside if row is None else either(beside, row)

    def _spilling(self, endings: Endings, needed: Needed, missing: set[NodeId]) -> None:
        """The divisions that end on the head's cards with experts in its RAM."""
        begin = begun(self._demand.layers)
        if not missing:
            self._led(endings, begin)
        for workers, row in self._over_workers({0: begin}, needed, missing, may_end=False).items():
            sums = list(map(add, row.values, endings.seconds))
            least = min(sums)
            ending = endings.best[sums.index(least)] if least < inf else None
            if ending is not None:
                self._note(1 + workers * self._step, least, row, sums.index(least), self._pieces(ending))

    def _led(self, endings: Endings, begin: Row) -> None:
        """Whole blocks on the head's processor, the others on its cards with experts in the RAM that is left."""
        stop = self._line.leading
        if stop is None or stop.room.capacity_first + endings.room < self._demand.prefix[-1]:
            return
        room = stop.room
        for count in range(1, min(room.from_start, self._demand.layers - 1) + 1):
            ending = endings.within(count, room.capacity_first - self._demand.prefix[count])
            if ending is not None:
                seconds = stop.seconds[count] + stop.fixed + ending.seconds
                self._note(1, seconds, begin, 0, (Taken(stop, count), *self._pieces(ending)))

    def _pieces(self, ending: Ending) -> tuple[Taken, ...]:
        return tuple(Taken(self._line.own[piece.card], piece.count, piece.spilled) for piece in ending.pieces)

    def _note(self, pcs: int, seconds: float, source: Row, start: int, stops: tuple[Taken, ...]) -> None:
        """Keep a finished division if it is the fastest of its number of PCs."""
        if pcs not in self._ends or seconds < self._ends[pcs].seconds:
            self._ends[pcs] = _End(seconds, source, start, stops)

    def _trace(self, end: _End) -> Division:
        taken = (*reversed(list(traced(end.source, end.start))), *end.stops)
        stops, counts, spilled = zip(*taken, strict=True)
        return Division(self._line, stops, counts, spilled, end.seconds)


def _merged(rows: dict[int, Row], used: dict[int, Row]) -> dict[int, Row]:
    """The rows when a worker may be passed by or used."""
    both = {workers: either(rows[workers], row) if workers in rows else row for workers, row in used.items()}
    return {**rows, **both}
