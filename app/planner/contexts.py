"""The largest context with which a model fits: as asked, on a number of PCs, on the devices of a plan.

What is needed only grows with the context, so each is found by bisection over whole steps of KV cells.
"""

from collections.abc import Callable, Container, Sequence
from dataclasses import replace

from app.planner.eligibility import Candidate, Offer
from app.planner.line import Line, head_processor
from app.planner.memory import CELL_STEP
from app.planner.placement import Placement
from app.planner.question import Question
from app.planner.reach import Reach
from app.planner.search import Search
from app.planner.shares import share_fits
from app.schema.record import NodeId

SMALLEST_CONTEXT = 512
"""The planner never goes below this by itself."""

MOST_TOKENS = 1 << 24
"""Where the search ends whatever the model was trained for: the most that can be asked for."""


class Contexts:
    """The largest contexts of one question: multiples of 256 from 512 on, or all that the model was trained for.

    `search` is one of the question's, at any context. Of every answer: `fits` is a context that is known to fit, 0 when
    none is, `below` one that is known not to; None when nothing fits.
    """

    def __init__(self, question: Question, search: Search) -> None:
        self._question = question
        self._searches = [
            search if heads == search.heads else question.search(search.demand.context, heads=heads)
            for heads in question.seatings
        ]
        self._required = frozenset(question.request.use)
        trained = question.shape.context_length
        self._limit = min(trained * question.request.slots, MOST_TOKENS) if trained else MOST_TOKENS
        self._reaches: dict[int, Reach] = {}

    def as_asked(self, fits: int = 0, below: int | None = None) -> int | None:
        """On whatever split of the numbers of PCs and under the heads that the request allows."""
        if self._question.request.shares:
            return self._largest([lambda step: share_fits(self._question, self._reach(step).demand)], fits, below)
        ways = [(head, search.lines(head)) for search in self._searches for head in search.heads]
        return self._largest([self._asked_under(head, lines) for head, lines in ways], fits, below)

    def on(self, pcs: int, fits: int = 0, below: int | None = None) -> int | None:
        """On exactly that many PCs, whatever number was asked for."""
        ways = [(head, search) for search in self._searches for head in search.heads]
        able = [way for way in ways if len(self._question.eligibility.workers(way[0])) >= pcs - 1]
        return self._largest([self._on_under(head, search.lines(head), pcs) for head, search in able], fits, below)

    def in_place(self, placement: Placement, fits: int, below: int | None = None) -> int | None:
        """On no other devices than those of a placement, under its head."""
        if self._question.request.shares:
            return self.as_asked(fits, below)
        used = {(offer.node.node, offer.device.device) for offer in placement.offers}
        processor = head_processor(placement.head)
        if any(placement.spilled) and processor is not None:
            used.add(_key(processor))
        search = next(each for each in self._searches if placement.head in each.heads)
        lines = [_among(line, used) for line in search.lines(placement.head)]
        kept = [line for line in lines if line is not None]
        return self._largest([self._asked_under(placement.head, kept)], fits, below)

    def _largest(self, tests: Sequence[Callable[[int], bool]], fits: int, below: int | None) -> int | None:
        """The largest that passes any of these tests, which take steps: each only has to beat those before it."""
        last = _steps(self._limit)
        first = min(SMALLEST_CONTEXT // CELL_STEP, last)
        low = max(min(_steps(fits), last), first - 1)
        high = last + 1 if below is None else min(last + 1, _steps(below))
        for test in tests:
            if low + 1 < high and test(low + 1):
                low = _furthest(test, low + 1, high)
        return self._tokens(low) if low >= first else None

    def _asked_under(self, head: Candidate, lines: Sequence[Line]) -> Callable[[int], bool]:
        pcs, least = self._question.request.pcs, self._question.request.min_pcs
        budget = self._question.eligibility.budget(head, self._searches[0].most_pcs if pcs is None else pcs)

        def test(step: int) -> bool:
            reach = self._reach(step)
            if reach.demand.placed_bytes > budget:
                return False
            if pcs is None:
                return any(reach.holds(line, self._required, least) for line in lines)
            return any(reach.holds_on(line, self._required, pcs) for line in lines)

        return test

    def _on_under(self, head: Candidate, lines: Sequence[Line], pcs: int) -> Callable[[int], bool]:
        budget = self._question.eligibility.budget(head, pcs)

        def test(step: int) -> bool:
            reach = self._reach(step)
            is_near = reach.demand.placed_bytes <= budget
            return is_near and any(reach.holds_on(line, self._required, pcs) for line in lines)

        return test

    def _reach(self, step: int) -> Reach:
        if step not in self._reaches:
            self._reaches[step] = Reach(self._question.demand(self._tokens(step)))
        return self._reaches[step]

    def _tokens(self, step: int) -> int:
        return min(step * CELL_STEP, self._limit)


def _steps(tokens: int) -> int:
    """Steps of KV cells that hold so many tokens."""
    return -(-tokens // CELL_STEP)


def _furthest(test: Callable[[int], bool], low: int, high: int) -> int:
    """The last step below `high` that passes; `low` does. All that is there often passes, so that is tried first."""
    if high - 1 > low and test(high - 1):
        return high - 1
    high -= 1
    while high - low > 1:
        middle = (low + high) // 2
        if test(middle):
            low = middle
        else:
            high = middle
    return low


def _key(offer: Offer) -> tuple[NodeId, str]:
    return (offer.node.node, offer.device.device)


def _among(line: Line, devices: Container[tuple[NodeId, str]]) -> Line | None:
    """The line with only these devices; None where its processor is not among them."""
    if line.leading is not None and _key(line.leading.offer) not in devices:
        return None
    kept = [tuple(stop for stop in worker if _key(stop.offer) in devices) for worker in line.workers]
    own = tuple(stop for stop in line.own if _key(stop.offer) in devices)
    if line.endings is not None and not own:
        return None
    endings = replace(line.endings, cards=own) if line.endings is not None else None
    return replace(line, workers=tuple(worker for worker in kept if worker), own=own, endings=endings)
