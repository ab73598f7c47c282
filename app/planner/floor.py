"""What no division goes below when its stages wait for the slowest: sharper than a bound for all limits at once."""

from collections.abc import Sequence
from heapq import heappop, heappush
from math import inf
from typing import NamedTuple

MOST_CUTS = 20
"""Times that a floor is made sharper."""

SHARP = 0.005
"""The part of a floor below which what a cut could add is not worth it."""


class Source(NamedTuple):
    """What a device offers: seconds per byte, seconds due if it is used at all, bytes, the least seconds that a byte
    adds to its part of one prompt.
    """

    per_byte: float
    fixed: float
    budget: float
    prompt_per_byte: float = 0.0

    def price(self, whole: float, limit: float = inf) -> tuple[float, float]:
        """(seconds per byte, bytes) when its part of a prompt takes `limit` or less, what is due spread over the bytes.

        Whatever it holds, it holds no more than the bytes, nor than `whole`. It pays all that is due, so never less per
        byte than this.
        """
        budget = self.budget
        if limit < inf and self.prompt_per_byte:
            budget = min(budget, limit / self.prompt_per_byte)
        spread = min(budget, whole)
        return (self.per_byte + (self.fixed / spread if spread > 0 else 0.0), budget)


class Floor:
    """What no division of `whole` bytes over these sources goes below, sharper with every cut.

    A division costs what its bytes cost, `due`, and `weight` x its slowest stage, which takes `low` or longer. Let r(M)
    be the least of the first two when no stage takes longer than M: more time never makes it dearer. A division whose
    slowest stage takes between m and M costs r(M) + `weight` x m or more, so the least of that over pieces that cover
    everything from `low` on is a floor. Cutting the piece that has it in two can only raise it.
    """

    def __init__(self, sources: Sequence[Source], whole: float, *, due: float, weight: float, low: float) -> None:
        self._sources, self._whole, self._due, self._weight = sources, whole, due, weight
        self._pieces = [(self._rest(inf) + weight * low, low, inf)]
        self._cuts = 0 if weight and low > 0.0 else MOST_CUTS

    @property
    def least(self) -> float:
        """The floor as it is known."""
        return self._pieces[0][0]

    @property
    def is_sharp(self) -> bool:
        """Whether another cut would add little, or too many were made."""
        least, low, high = self._pieces[0]
        return self._cuts >= MOST_CUTS or least == inf or self._weight * (high - low) <= SHARP * least

    def cut(self) -> None:
        """Cut the piece that has the floor in two; one without an end at twice its beginning."""
        _, low, high = heappop(self._pieces)
        middle = 2 * low if high == inf else (low + high) / 2
        heappush(self._pieces, (self._rest(middle) + self._weight * low, low, middle))
        heappush(self._pieces, (self._rest(high) + self._weight * middle, middle, high))
        self._cuts += 1

    def _rest(self, limit: float) -> float:
        prices = sorted([source.price(self._whole, limit) for source in self._sources])
        return filled(prices, self._whole) + self._due


def filled(prices: Sequence[tuple[float, float]], count: float) -> float:
    """Seconds of so many bytes, the first prices first; infinite when there is no room for all."""
    seconds = 0.0
    for price, budget in prices:
        if count <= budget:
            return seconds + count * price
        count -= budget
        seconds += budget * price
    return inf if count > 0 else seconds
