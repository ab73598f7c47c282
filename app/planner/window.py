"""The least of each of many overlapping ranges of a list, in a few passes."""

from collections.abc import Iterator, Sequence
from math import inf
from operator import itemgetter


class Window:
    """For each end, the range of entries `lows[end]`..`end - 1` of some list. `lows` never falls and has two or more.

    Method: cut the list so that every range spans at most one cut. Its least entry is then the lesser of two running
    minima, one up to the cut from the right, one from the cut on (van Herk 1992, Gil and Werman 1993).
    """

    def __init__(self, lows: Sequence[int]) -> None:
        self.lows = lows
        self._runs = list(_runs(lows))
        self._at_lows = itemgetter(*lows)

    def minima(self, values: list[float]) -> list[float]:
        """The least value of each range, infinite where a range is empty. `values` is as long as `lows`."""
        before, after = [inf], [inf]
        for first, end, is_empty in self._runs:
            if is_empty:
                after.append(inf)
                before.append(inf)
                continue
            after += _running(values[first:end])
            back = _running(values[end - 1 : first : -1])
            back.reverse()
            before += back
            before.append(inf)
        return [low if low < high else high for low, high in zip(self._at_lows(before), after, strict=True)]


def _running(values: Sequence[float]) -> list[float]:
    """The least of each entry and all before it. A plain loop: `accumulate` with `min` takes three times as long."""
    least, found = inf, []
    for value in values:
        if value < least:
            least = value
        found.append(least)
    return found


def _runs(lows: Sequence[int]) -> Iterator[tuple[int, int, bool]]:
    """Runs `first`..`end` - 1 such that each range ends in the run that its low is in, or in the one after.

    Ranges that hold entry `first` reach up to the last end with `lows[end] <= first`, which is where the next run
    begins. When there is none, the range before the next entry is empty, and the run is that entry alone.
    """
    first, last = 0, len(lows) - 1
    while first < last:
        end = first
        while end < last and lows[end + 1] <= first:
            end += 1
        yield first, max(end, first + 1), end == first
        first = max(end, first + 1)
