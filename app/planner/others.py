"""The same question on other numbers of PCs, for comparison: as if exactly so many were asked for."""

from collections.abc import Iterator, Sequence
from functools import cached_property

from app.planner.placement import Placement
from app.planner.question import Found, Question
from app.planner.search import Search


class Others:
    """The placements of one question on each number of PCs. `search` is the one that the answer came from."""

    def __init__(self, question: Question, search: Search) -> None:
        self._question = question
        self._search = search

    def on(self, pcs: int) -> Placement | None:
        """The placement on exactly that many PCs: with a head that holds no blocks only where nothing else fits."""
        found = self._best(self._sharing, pcs)
        # Alone, a head holds all blocks.
        return self._best(self._free, pcs) if found is None and pcs > 1 else found

    def _best(self, drawn: Sequence[Sequence[Search]], pcs: int) -> Placement | None:
        return self._question.seated(_first(searches, pcs) for searches in drawn)[1]

    @cached_property
    def _sharing(self) -> list[list[Search]]:
        return list(self._drawn(self._question.shared_numbers(self._search)))

    @cached_property
    def _free(self) -> list[list[Search]]:
        return list(self._drawn(()))

    def _drawn(self, shared: Sequence[int]) -> Iterator[list[Search]]:
        """For each of the `seatings` its searches: under the heads that promise most, then under all."""
        question, search = self._question, self._search
        promising = {head.node.node for head in search.compared_heads}
        for heads in question.seatings:
            led = tuple(head for head in heads if head.node.node in promising)
            whole = search if heads == search.heads else question.search(search.demand.context, heads=heads)
            yield [whole.sharing(shared, each) for each in ((led, heads) if len(led) < len(heads) else (led,))]


def _first(searches: Sequence[Search], pcs: int) -> Found:
    found = ((search, search.on(pcs)) for search in searches)
    return next((each for each in found if each[1] is not None), (searches[-1], None))
