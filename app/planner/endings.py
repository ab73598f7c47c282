"""How the last blocks lie on the head's own cards when experts of some of them stay in its RAM.

A card keeps as many experts as fit: of its blocks, the first ones give theirs up, no more than its memory asks for; at
least one block's where no other card gives any up, because without any the engine would pipeline and need more.
"""

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import product, starmap
from math import inf

from app.planner.memory import Demand
from app.planner.stop import Stop

MOST_CARDS = 2
"""Cards beside each other for which every division is weighed against the RAM it takes; with more, for each number of
blocks the fastest and the one that takes least."""


@dataclass(frozen=True, slots=True)
class Piece:
    """`count` blocks on the card of that number, the experts of the first `spilled` of them in RAM."""

    card: int
    count: int
    spilled: int


@dataclass(frozen=True, slots=True)
class Ending:
    """All blocks from some number on, and the output layer: seconds, bytes of experts in RAM, and the cards' pieces."""

    seconds: float
    ram: int
    pieces: tuple[Piece, ...]


@dataclass(frozen=True)
class Endings:
    """The endings over some cards of the head in layer order. `ram` is what its RAM has for experts when no whole block
    is there.
    """

    demand: Demand
    cards: Sequence[Stop]
    ram: int
    _known: dict[int, Sequence[Ending]] = field(default_factory=dict, init=False)

    @cached_property
    def best(self) -> tuple[Ending | None, ...]:
        """For each first block the fastest ending with experts in RAM, None where there is none."""
        lowest = self.demand.nearest(self.demand.layers, self.ram + self.room)
        return (None,) * lowest + tuple(self.within(first, self.ram) for first in range(lowest, self.demand.layers))

    @cached_property
    def room(self) -> int:
        """Bytes the cards have for blocks, buffers not counted."""
        return sum(card.offer.budget for card in self.cards) - self.demand.output_bytes

    @cached_property
    def seconds(self) -> list[float]:
        """For each first block the seconds of `best`, infinite where there is none."""
        return [inf if ending is None else ending.seconds for ending in self.best]

    @cached_property
    def earliest(self) -> int:
        """The first block from which there is an ending, all blocks where there is none."""
        return next((first for first, ending in enumerate(self.best) if ending is not None), self.demand.layers)

    @cached_property
    def price(self) -> tuple[float, float]:
        """(seconds per byte, bytes): what no byte that lies in RAM comes below, beside what the cards hold."""
        blocks = range(self.demand.layers)
        sizes = [self.demand.experts[i + 1] - self.demand.experts[i] for i in blocks]
        extra = min((card.spill[i + 1] - card.spill[i]) / sizes[i] for card in self.cards for i in blocks if sizes[i])
        return min(card.per_byte for card in self.cards) + extra, float(max(self.ram, 0))

    def within(self, first: int, ram: int) -> Ending | None:
        """The fastest ending from block `first` on with experts in RAM, at most so many bytes of them."""
        best: Ending | None = None
        for ending in self._all(first):
            if 0 < ending.ram <= ram and (best is None or ending.seconds < best.seconds):
                best = ending
        return best

    def _all(self, first: int) -> Sequence[Ending]:
        if first not in self._known:
            self._known[first] = self._from(0, first)
        return self._known[first]

    def _from(self, card: int, first: int) -> Sequence[Ending]:
        """The endings over the cards from `card` on that are worth knowing, with and without experts in RAM."""
        found = list(self._pieces(card, first, self.demand.layers))
        if card == len(self.cards) - 1:
            return found
        later = self._later(card + 1)
        found += later[first]
        for end in range(first + 1, self.demand.layers):
            if later[end]:
                pieces = self._pieces(card, first, end)
                if not pieces:
                    break
                found += starmap(_joined, product(pieces, later[end]))
        return _worth_knowing(found, all_of_them=len(self.cards) - card <= MOST_CARDS)

    def _later(self, card: int) -> Sequence[Sequence[Ending]]:
        if card not in self._tables:
            self._tables[card] = [self._from(card, first) for first in range(self.demand.layers)]
        return self._tables[card]

    @cached_property
    def _tables(self) -> dict[int, Sequence[Sequence[Ending]]]:
        return {}

    def _pieces(self, number: int, first: int, end: int) -> list[Ending]:
        """Blocks `first`..`end` - 1 on a card with as many experts as fit; where those are all, also with fewer."""
        budget = self.cards[number].offer.budget
        until = spilled_until(self.demand, budget, first, end)
        found = [] if until is None else [self._piece(number, first, end, until)]
        if until == first:
            until = spilled_until(self.demand, budget, first, end, least=1)
            found += [] if until is None else [self._piece(number, first, end, until)]
        return found

    def _piece(self, number: int, first: int, end: int, until: int) -> Ending:
        card = self.cards[number]
        seconds = card.seconds[end] - card.seconds[first] + card.spill[until] - card.spill[first]
        return Ending(
            seconds=seconds + card.fixed + (card.last if end == self.demand.layers else 0.0),
            ram=self.demand.experts[until] - self.demand.experts[first],
            pieces=(Piece(number, end - first, until - first),),
        )


def spilled_until(demand: Demand, budget: int, first: int, end: int, least: int = 0) -> int | None:
    """The block up to which those from `first` on leave their experts in RAM so that `first`..`end` - 1 fit a card.

    `budget` is the card's. `first` when all fits and no bytes have to leave (`least`); None when it does not fit even
    so. The output layer is with the last.
    """
    start, last, experts = first == 0, end == demand.layers, demand.experts
    needed = demand.prefix[end] - demand.prefix[first] + (demand.output_bytes if last else 0)
    if not least and needed + demand.buffers.of(first=start, last=last, pipelined=False) <= budget:
        return first
    beside = demand.buffers.spilled(first=start, last=last, whole=True, copied=demand.expert_copy)
    until = bisect_left(experts, experts[first] + max(needed + beside - budget, 1))
    if until < end and experts[until] < experts[end]:
        return until
    bare = demand.buffers.spilled(first=start, last=last, whole=False, copied=demand.expert_copy)
    if experts[end] == experts[first] or needed - (experts[end] - experts[first]) + bare > budget:
        return None
    return bisect_left(experts, experts[end], first, end)


def _joined(piece: Ending, rest: Ending) -> Ending:
    return Ending(piece.seconds + rest.seconds, piece.ram + rest.ram, piece.pieces + rest.pieces)


def _worth_knowing(found: Sequence[Ending], *, all_of_them: bool) -> Sequence[Ending]:
    """The fastest without experts in RAM, and those with some that no other beats in both seconds and RAM.

    Of the latter only the first and the last unless `all_of_them`.
    """
    ordered = sorted(found, key=lambda each: (each.seconds, each.ram))
    whole = next((ending for ending in ordered if not ending.ram), None)
    kept: list[Ending] = []
    for ending in ordered:
        if ending.ram and (not kept or ending.ram < kept[-1].ram):
            kept.append(ending)
    some = kept if all_of_them or len(kept) < MOST_CARDS else [kept[0], kept[-1]]
    return [*some, *([whole] if whole else [])]
