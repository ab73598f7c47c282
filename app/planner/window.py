"""The least of each of many overlapping ranges of a list, in a few passes."""

from bisect import bisect_right
from collections.abc import Sequence
from math import inf


class Window:
    """For each end, the range of entries `lows[end]`..`end - 1` of some list. `lows` never falls."""

    def __init__(self, lows: Sequence[int]) -> None:
        self.lows = lows

    def furthest(self, start: int) -> int:
        """The last end whose range may begin at `start` or before."""
        return bisect_right(self.lows, start) - 1

    def minima(self, values: list[float], first: int, last: int) -> list[float]:
        """The least value of each range from end `first` to `last`, infinite where a range is empty.

        `values` are the entries that those hold: `lows[first]`..`last - 1`. Method: cut the list so that every range
        spans at most one cut. Its least entry is then the lesser of two running minima, one up to the cut from the
        right, one from the cut on (van Herk 1992, Gil and Werman 1993). Ranges that hold the first entry behind a cut
        reach up to the last end whose low is no higher, which is where the next cut is.
        """
        begin = cut = self.lows[first]
        if self.lows[last] == begin:
            return [inf, *_running(values)][first - begin :]
        before, after = [inf] * (begin + 1), [inf] * (begin + 1)
        while cut < last:
            end = min(max(self.furthest(cut), cut + 1), last)
            held = values[cut - begin : end - begin] if self.lows[cut + 1] <= cut else [inf]
            after += _running(held)
            if end < last:
                back = _running(held[:0:-1])
                back.reverse()
                before += back
            before.append(inf)
            cut = end
        before += [inf] * (len(after) - len(before))
        pairs = zip(self.lows[first : last + 1], after[first:], strict=True)
        return [low if (low := before[start]) < high else high for start, high in pairs]


def _running(values: Sequence[float]) -> list[float]:
    """The least of each entry and all before it. A plain loop: `accumulate` with `min` takes three times as long."""
    least, found = inf, []
    for value in values:
        if value < least:
            least = value
        found.append(least)
    return found
