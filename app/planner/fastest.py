"""The fastest division of a model over a line of devices: exact, for every number of PCs at once."""

from collections.abc import Container, Iterator, Sequence
from dataclasses import dataclass, replace
from math import inf
from operator import add, sub
from typing import NamedTuple

from app.planner.bounds import Bound, lowest_wait, without_useless
from app.planner.endings import Ending, Endings
from app.planner.line import Line
from app.planner.memory import Demand
from app.planner.speed import StageCost
from app.planner.stop import Stop
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
class _Row:
    """Least seconds for placing blocks 0..i-1 so far, `values[i]`; and how, so that it can be traced back.

    Either the cheaper of two rows (`either`), or a visit of a stop after the row `source`, or the start.
    """

    values: list[float]
    either: "tuple[_Row, _Row] | None" = None
    visit: "_Visit | None" = None
    source: "_Row | None" = None


@dataclass(frozen=True)
class _End:
    """A finished division: the last stops take blocks `start`.. and the output layer."""

    seconds: float
    source: _Row
    start: int
    stops: tuple["_Taken", ...]


class _Taken(NamedTuple):
    """A stop, its blocks, and how many of them leave their experts in RAM."""

    stop: Stop
    blocks: int
    spilled: int = 0


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


class _Visit:
    """What a stop does to a row, at one limit of the slowest stage's prompt."""

    def __init__(self, demand: Demand, stop: Stop, limit: float) -> None:
        self.stop = stop
        self._layers = demand.layers
        self._room = stop.room if limit == inf or limit >= stop.dearest else stop.room.limited(stop.prompts, limit)

    def end(self, source: _Row) -> tuple[float, int]:
        """Least seconds when all blocks that are left go here, output layer not counted, and the first of them.

        The first is -1 when nothing fits.
        """
        first, seconds = self._room.to_end, self.stop.seconds
        bare = list(map(sub, source.values[first:], seconds[first:]))
        least = min(bare, default=inf)
        start = first + bare.index(least) if least < inf else -1
        if source.values[0] == 0.0 and self._room.is_enough and least >= 0.0:
            least, start = 0.0, 0
        return least + seconds[-1] + self.stop.fixed, start

    def extended(self, source: _Row) -> _Row | None:
        """The row of `source` continued by one block or more here, one left over; None when nothing fits."""
        if self._layers < 2:
            return None
        seconds, whole = self.stop.seconds, 0
        bare = list(map(sub, source.values, seconds))
        bare[0] = inf
        least = self._room.window.minima(bare)
        if source.values[0] == 0.0:
            whole = min(self._room.from_start, self._layers - 1)
            least[1 : whole + 1] = [min(value, 0.0) for value in least[1 : whole + 1]]
        if min(least) == inf:
            return None
        return _Row(list(map(add, least, self.stop.arrivals)), visit=self, source=source)

    def start(self, source: _Row, end: int, value: float) -> int:
        """The first block of the range that led to `value` at `end`."""
        seconds, arrival = self.stop.seconds, self.stop.arrivals[end]
        for start in range(self._room.window.lows[end], end):
            if source.values[start] - seconds[start] + arrival == value:
                return start
        return 0


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
        begin = _Row([0.0] + [inf] * (self._demand.layers - 1))
        rows = {0: begin}
        missing = set(self._required)
        if not missing <= {worker[0].offer.node.node for worker in self._line.workers}:
            return {}
        if self._line.endings is not None:
            return self._spilling(self._line.endings, begin, limit, most, missing)
        if self._line.leading is not None:
            led = self._visit(self._line.leading, limit, begin, None, 1, may_end=not missing)
            rows = {0: led} if led is not None else {}
        rows = self._over_workers(rows, limit, most, missing, may_end=True)
        own = [_Visit(self._demand, stop, limit) for stop in self._line.own]
        for workers, row in rows.items():
            for visit in own:
                row = self._take(visit, row, row, 1 + workers, may_end=True) or row
        return {pcs: self._trace(end) for pcs, end in self._ends.items()}

    def _over_workers(
        self, rows: dict[int, _Row], limit: float, most: int, missing: set[NodeId], *, may_end: bool
    ) -> dict[int, _Row]:
        """The rows behind the last worker; empties `missing` on the way."""
        for worker in self._line.workers:
            node = worker[0].offer.node.node
            missing.discard(node)
            visits = [_Visit(self._demand, stop, limit) for stop in worker]
            able = {workers: row for workers, row in rows.items() if workers + 1 + self._step <= most}
            used = self._through(visits, able, may_end=may_end and not missing)
            rows = used if node in self._required else _merged(rows, used)
        return rows

    def _spilling(
        self, endings: Endings, begin: _Row, limit: float, most: int, missing: set[NodeId]
    ) -> dict[int, Division]:
        """The divisions that end on the head's cards with experts in its RAM."""
        if not missing:
            self._led(endings, begin)
        for workers, row in self._over_workers({0: begin}, limit, most, missing, may_end=False).items():
            sums = list(map(add, row.values, endings.seconds))
            least = min(sums)
            ending = endings.best[sums.index(least)] if least < inf else None
            if ending is not None:
                self._note(1 + workers * self._step, least, row, sums.index(least), self._pieces(ending))
        return {pcs: self._trace(end) for pcs, end in self._ends.items()}

    def _led(self, endings: Endings, begin: _Row) -> None:
        """Whole blocks on the head's processor, the others on its cards with experts in the RAM that is left."""
        stop = self._line.leading
        if stop is None or stop.room.capacity_first + endings.room < self._demand.prefix[-1]:
            return
        room = stop.room
        for count in range(1, min(room.from_start, self._demand.layers - 1) + 1):
            ending = endings.within(count, room.capacity_first - self._demand.prefix[count])
            if ending is not None:
                seconds = stop.seconds[count] + stop.fixed + ending.seconds
                self._note(1, seconds, begin, 0, (_Taken(stop, count), *self._pieces(ending)))

    def _pieces(self, ending: Ending) -> tuple[_Taken, ...]:
        return tuple(_Taken(self._line.own[piece.card], piece.count, piece.spilled) for piece in ending.pieces)

    def _note(self, pcs: int, seconds: float, source: _Row, start: int, stops: tuple[_Taken, ...]) -> None:
        """Keep a finished division if it is the fastest of its number of PCs."""
        if pcs not in self._ends or seconds < self._ends[pcs].seconds:
            self._ends[pcs] = _End(seconds, source, start, stops)

    def _visit(
        self, stop: Stop, limit: float, source: _Row, beside: _Row | None, pcs: int, *, may_end: bool
    ) -> _Row | None:
        return self._take(_Visit(self._demand, stop, limit), source, beside, pcs, may_end=may_end)

    def _through(self, visits: Sequence[_Visit], rows: dict[int, _Row], *, may_end: bool) -> dict[int, _Row]:
        """The rows after a worker that takes part."""
        after = {}
        for workers, row in rows.items():
            used: _Row | None = None
            for visit in visits:
                source = row if used is None else _either(row, used)
                pcs = 1 + workers + self._step
                used = self._take(visit, source, used, pcs, may_end=may_end and pcs not in self._shared)
            if used is not None:
                after[workers + self._step] = used
        return after

    def _take(self, visit: _Visit, source: _Row, beside: _Row | None, pcs: int, *, may_end: bool) -> _Row | None:
        """The cheaper of `beside` and `source` continued by this visit; notes divisions that end there."""
        if may_end:
            seconds, start = visit.end(source)
            if start >= 0:
                taken = _Taken(visit.stop, self._demand.layers - start)
                self._note(pcs, seconds + visit.stop.last, source, start, (taken,))
        row = visit.extended(source)
        return row if beside is None else beside if row is None else _either(beside, row)

    def _trace(self, end: _End) -> Division:
        taken = (*reversed(list(_traced(end.source, end.start))), *end.stops)
        stops, counts, spilled = zip(*taken, strict=True)
        return Division(self._line, stops, counts, spilled, end.seconds)


def _traced(row: _Row, end: int) -> Iterator[_Taken]:
    """The stops that lead to `row.values[end]`, last first."""
    while end > 0:
        if row.either is not None:
            first, second = row.either
            row = first if first.values[end] <= second.values[end] else second
        elif row.visit is not None and row.source is not None:
            start = row.visit.start(row.source, end, row.values[end])
            yield _Taken(row.visit.stop, end - start)
            row, end = row.source, start


def _merged(rows: dict[int, _Row], used: dict[int, _Row]) -> dict[int, _Row]:
    """The rows when a worker may be passed by or used."""
    both = {workers: _either(rows[workers], row) if workers in rows else row for workers, row in used.items()}
    return {**rows, **both}


def _either(first: _Row, second: _Row) -> _Row:
    pairs = zip(first.values, second.values, strict=True)
    return _Row([one if one < other else other for one, other in pairs], either=(first, second))
