"""What a device does to a row of the table: from the least seconds of each number of blocks so far to those with it."""

from collections.abc import Iterator
from dataclasses import dataclass
from math import inf
from operator import add, sub
from typing import NamedTuple

from app.planner.stop import Stop


@dataclass(frozen=True, slots=True)
class Row:
    """Least seconds for placing blocks 0..i-1 so far, `values[i]`, infinite before `first` and behind `last`.

    And how, so that it can be traced back: either the cheaper of two rows (`either`), or a visit of a stop after the
    row `source`, or the start.
    """

    values: list[float]
    first: int
    last: int
    either: "tuple[Row, Row] | None" = None
    visit: "Visit | None" = None
    source: "Row | None" = None


class Taken(NamedTuple):
    """A stop, its blocks, and how many of them leave their experts in RAM."""

    stop: Stop
    blocks: int
    spilled: int = 0


class Visit:
    """What a stop does to a row, at one limit of the slowest stage's prompt."""

    def __init__(self, stop: Stop, limit: float) -> None:
        self.stop = stop
        self._layers = len(stop.seconds) - 1
        self._room = stop.room if limit == inf or limit >= stop.dearest else stop.room.limited(stop.prompts, limit)

    def needed(self, behind: int) -> int:
        """The fewest blocks before this stop with which it, or what is behind it, can finish.

        `behind` are the fewest with which what is behind it can, all blocks where that cannot take any.
        """
        last = self._room.window.lows[behind] if behind < self._layers else behind
        return min(behind, last, self._room.to_end)

    def end(self, source: Row) -> tuple[float, int]:
        """Least seconds when all blocks that are left go here, output layer not counted, and the first of them.

        The first is -1 when nothing fits.
        """
        first, end, seconds = max(self._room.to_end, source.first), source.last + 1, self.stop.seconds
        bare = list(map(sub, source.values[first:end], seconds[first:end]))
        least = min(bare, default=inf)
        start = first + bare.index(least) if least < inf else -1
        if source.first == 0 and self._room.is_enough and least >= 0.0:
            least, start = 0.0, 0
        return least + seconds[-1] + self.stop.fixed, start

    def extended(self, source: Row, needed: int) -> Row | None:
        """The row of `source` continued by one block or more here, `needed` or more in all, one left over.

        None when there is no such division.
        """
        window = self._room.window
        whole = min(self._room.from_start, self._layers - 1) if source.first == 0 else 0
        first = max(source.first + 1, needed)
        last = max(window.furthest(source.last), whole)
        if first > last:
            return None
        least = self._continued(source, first, last)
        if whole >= first:
            least[: whole + 1 - first] = [min(value, 0.0) for value in least[: whole + 1 - first]]
        if min(least) == inf:
            return None
        seconds = map(add, least, self.stop.arrivals[first : last + 1])
        values = [*[inf] * first, *seconds, *[inf] * (self._layers - 1 - last)]
        return Row(values, first, last, visit=self, source=source)

    def _continued(self, source: Row, first: int, last: int) -> list[float]:
        """For each end from `first` to `last` the least of what leads there from `source`, but for the very start."""
        if source.last == 0:
            return [inf] * (last + 1 - first)
        window = self._room.window
        start = window.lows[first]
        bare = list(map(sub, source.values[start:last], self.stop.seconds[start:last]))
        return window.minima(bare, first, last)

    def start(self, source: Row, end: int, value: float) -> int:
        """The first block of the range that led to `value` at `end`."""
        seconds, arrival = self.stop.seconds, self.stop.arrivals[end]
        for start in range(self._room.window.lows[end], end):
            if source.values[start] - seconds[start] + arrival == value:
                return start
        return 0


def begun(layers: int) -> Row:
    """The row before the first stop."""
    return Row([0.0] + [inf] * (layers - 1), 0, 0)


def either(first: Row, second: Row) -> Row:
    """The cheaper of two rows, number by number."""
    start, last = min(first.first, second.first), max(first.last, second.last)
    pairs = zip(first.values[start : last + 1], second.values[start : last + 1], strict=True)
    cheaper = [one if one < other else other for one, other in pairs]
    values = [*[inf] * start, *cheaper, *[inf] * (len(first.values) - 1 - last)]
    return Row(values, start, last, either=(first, second))


def traced(row: Row, end: int) -> Iterator[Taken]:
    """The stops that lead to `row.values[end]`, last first."""
    while end > 0:
        if row.either is not None:
            first, second = row.either
            row = first if first.values[end] <= second.values[end] else second
        elif row.visit is not None and row.source is not None:
            start = row.visit.start(row.source, end, row.values[end])
            yield Taken(row.visit.stop, end - start)
            row, end = row.source, start
