"""The fastest division of a model over a line of devices: exact, for every number of PCs at once."""

from collections.abc import Container, Iterator, Sequence
from dataclasses import dataclass
from math import inf
from operator import sub

from app.planner.line import Line, Stop
from app.planner.memory import Demand
from app.schema.record import NodeId

TIED = 0.02
"""Placements within this part of the fastest count as equally fast: then the fewest PCs and the preferred head win."""

CLOSE_ENOUGH = 0.01
"""The part of the time up to which a faster pipeline is not sought any further."""


@dataclass(frozen=True)
class Division:
    """Devices in layer order with their blocks, and the seconds of the exchanges. Only devices with blocks."""

    line: Line
    stops: tuple[Stop, ...]
    counts: tuple[int, ...]
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
    """A finished division: the last stop takes blocks `start`.. and the output layer."""

    seconds: float
    stop: Stop
    source: _Row
    start: int


def fastest(demand: Demand, line: Line, required: frozenset[NodeId]) -> Division | None:
    """The fastest division on any number of PCs, as if no stage of a prompt waited for a slower one: no `seconds` are
    below these, and a real division comes with them.
    """
    table = _Table(demand, line, required, (), counted=False)
    return table.solve(inf, 2 + len(line.workers)).get(1)


def least_seconds(demand: Demand, line: Line) -> float:
    """A bound that no division of a line goes below, at a glance; infinite when the memory cannot suffice.

    Each device is filled to its budget, the cheapest byte first, and what it costs to use it at all is spread over its
    bytes (the linear relaxation of the fixed-charge problem).
    """
    left, seconds = float(demand.prefix[-1]), 0.0
    prices = [(stop.per_byte + stop.fixed / min(stop.offer.budget, left), stop.offer.budget) for stop in line.stops()]
    for price, budget in sorted(prices):
        taken = min(left, budget)
        left, seconds = left - taken, seconds + taken * price
    return inf if left else seconds + min((stop.last for stop in line.stops()), default=0.0)


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


def whole_seconds(division: Division) -> float:
    """The seconds of a division of `fastest` with the wait for the slowest stage."""
    return division.seconds + division.line.weight * _slowest(division)


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
        least = self._solve(inf, self._most)
        if self._line.weight and least:
            tops = {pcs: slowest for pcs, (_, slowest) in least.items() if pcs in wanted}
            floors = {pcs: seconds for pcs, (seconds, _) in least.items()}
            self._refine(self._lowest(), tops, floors, worth)
        return self._found

    def _solve(self, limit: float, most: int) -> dict[int, tuple[float, float]]:
        """Seconds without the slowest stage, and that stage, of the best at a limit; each is kept if it is better."""
        answers = {}
        for pcs, division in self._table.solve(limit, most).items():
            answers[pcs] = (division.seconds, _slowest(division))
            whole = whole_seconds(division)
            if pcs not in self._found or whole < self._found[pcs].seconds:
                self._found[pcs] = Division(self._line, division.stops, division.counts, whole)
        return answers

    def _refine(self, low: float, tops: dict[int, float], floors: dict[int, float], worth: float) -> None:
        """Search limits between `low` and each number's top, where nothing is better than its floor + weight x low."""
        bound = min((self._found[pcs].seconds for pcs in tops), default=0.0)
        bound, worth = min(bound, worth) * (1 + TIED), min(bound, worth)
        open_tops = {pcs: top for pcs, top in tops.items() if self._is_hopeful(pcs, floors[pcs], low, top, bound)}
        if not open_tops:
            return
        middle = (low + max(open_tops.values())) / 2
        answers = self._solve(middle, max(open_tops))
        self._refine(middle, {pcs: top for pcs, top in open_tops.items() if top > middle}, floors, worth)
        below = {pcs: min(answers[pcs][1], top) for pcs, top in open_tops.items() if pcs in answers}
        self._refine(low, below, {pcs: answers[pcs][0] for pcs in below}, worth)

    def _is_hopeful(self, pcs: int, floor: float, low: float, top: float, bound: float) -> bool:
        least = floor + self._line.weight * low
        return low < top * (1 - 1e-9) and least < min(self._found[pcs].seconds * (1 - CLOSE_ENOUGH), bound)

    def _lowest(self) -> float:
        """No division has a slowest stage below this: all devices share the prompt perfectly."""
        whole = [stop.prompts[-1] for stop in self._line.stops()]
        return 1.0 / sum(1.0 / seconds for seconds in whole) if all(whole) else 0.0


def _slowest(division: Division) -> float:
    first, slowest = 0, 0.0
    for stop, count in zip(division.stops, division.counts, strict=True):
        slowest = max(slowest, stop.prompts[first + count] - stop.prompts[first])
        first += count
    return slowest


class _Visit:
    """What a stop does to a row, at one limit of the slowest stage's prompt."""

    def __init__(self, demand: Demand, stop: Stop, limit: float) -> None:
        self.stop = stop
        self._layers = demand.layers
        self._room = stop.room if limit == inf else stop.room.limited(stop.prompts, limit)

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
        fixed = self.stop.fixed
        return _Row(
            [value + cost + fixed for value, cost in zip(least, seconds, strict=False)], visit=self, source=source
        )

    def start(self, source: _Row, end: int, value: float) -> int:
        """The first block of the range that led to `value` at `end`."""
        seconds, fixed = self.stop.seconds, self.stop.fixed
        for start in range(self._room.window.lows[end], end):
            if source.values[start] - seconds[start] + seconds[end] + fixed == value:
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
        if self._line.leading is not None:
            led = self._visit(self._line.leading, limit, begin, None, 1, may_end=not missing)
            rows = {0: led} if led is not None else {}
        for worker in self._line.workers:
            node = worker[0].offer.node.node
            missing.discard(node)
            visits = [_Visit(self._demand, stop, limit) for stop in worker]
            able = {workers: row for workers, row in rows.items() if workers + 2 <= most}
            used = self._through(visits, able, may_end=not missing)
            rows = used if node in self._required else _merged(rows, used)
        own = [_Visit(self._demand, stop, limit) for stop in self._line.own]
        for workers, row in rows.items():
            for visit in own:
                row = self._take(visit, row, row, 1 + workers, may_end=True) or row
        return {pcs: self._trace(end) for pcs, end in self._ends.items()}

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
            seconds += visit.stop.last
            if start >= 0 and (pcs not in self._ends or seconds < self._ends[pcs].seconds):
                self._ends[pcs] = _End(seconds, visit.stop, source, start)
        row = visit.extended(source)
        return row if beside is None else beside if row is None else _either(beside, row)

    def _trace(self, end: _End) -> Division:
        taken = [(end.stop, self._demand.layers - end.start), *_traced(end.source, end.start)]
        stops, counts = zip(*reversed(taken), strict=True)
        return Division(self._line, stops, counts, end.seconds)


def _traced(row: _Row, end: int) -> Iterator[tuple[Stop, int]]:
    """The stops that lead to `row.values[end]`, last first."""
    while end > 0:
        if row.either is not None:
            first, second = row.either
            row = first if first.values[end] <= second.values[end] else second
        elif row.visit is not None and row.source is not None:
            start = row.visit.start(row.source, end, row.values[end])
            yield row.visit.stop, end - start
            row, end = row.source, start


def _merged(rows: dict[int, _Row], used: dict[int, _Row]) -> dict[int, _Row]:
    """The rows when a worker may be passed by or used."""
    both = {workers: _either(rows[workers], row) if workers in rows else row for workers, row in used.items()}
    return {**rows, **both}


def _either(first: _Row, second: _Row) -> _Row:
    return _Row(list(map(min, first.values, second.values)), either=(first, second))
