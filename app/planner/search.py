"""Which head, which PCs and which devices: the fastest division over all of them, or the one on the fewest PCs."""

from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from math import inf
from operator import itemgetter

from app.planner.bounds import least_seconds, narrowed
from app.planner.drivable import accelerators, roomiest
from app.planner.eligibility import Candidate, Eligibility
from app.planner.fastest import TIED, Division, divisions, fastest, quickly, slowest_wait
from app.planner.few import hopeful
from app.planner.fewest import Fewest
from app.planner.line import MOST_ACCELERATORS, MOST_PCS, Ground, Line, on_head_processor
from app.planner.memory import Demand
from app.planner.numbers import Wish, best_by_number
from app.planner.orders import has_room, in_any_order
from app.planner.placement import Placement, placement_of, settled
from app.planner.promising import Queue
from app.planner.reach import Reach
from app.planner.rooms import Rooms
from app.planner.stop import Stop
from app.planner.swaps import climbed
from app.schema.record import NodeId

MOST_COMPARED = 4
"""Numbers of PCs that are compared with each other beside the plan's: 1 to 4."""

MOST_BEYOND = 2
"""PCs more than the least that was asked for that are looked at when fewer would be faster."""

MOST_HEADS = 2
"""Heads whose every number of PCs is searched before the fastest is chosen; those that promise most."""

HOPEFUL_HEADS = 3
"""With so many heads or fewer, all are looked at for the best placement on a number of PCs that was asked for."""

COMPARED_HEADS = 6
"""With so many heads or fewer, all are looked at for the best placement on another number of PCs."""

QUICK_TURNS = 2
"""Orders of workers that are tried where only a reason for leaving a PC out is sought."""


class Search:
    """Placements of one demand over one cluster.

    `by_speed`: the fastest is sought, ties going to the fewest PCs and the first head. Otherwise, with nothing
    measured, it is as `Fewest` says. Every placement is as `wish` says.
    """

    def __init__(
        self,
        ground: Ground,
        eligibility: Eligibility,
        heads: Sequence[Candidate],
        *,
        by_speed: bool,
        wish: Wish,
    ) -> None:
        self.ground = ground
        self.by_speed = by_speed
        self.rooms = Rooms(ground.demand, eligibility)
        self._eligibility = eligibility
        self._heads = heads
        self._wish = wish
        self._required = wish.required
        self._drawn: dict[tuple[NodeId, bool], tuple[Line, ...]] = {}
        self._searched: list[Candidate] = []

    @property
    def demand(self) -> Demand:
        """What the model asks for."""
        return self.ground.demand

    @property
    def heads(self) -> Sequence[Candidate]:
        """The heads it is about."""
        return self._heads

    @property
    def most_pcs(self) -> int:
        """The largest number of PCs that can work together, over all heads; 0 without a head."""
        most = max((1 + len(self._eligibility.workers(head)) for head in self._heads), default=0)
        return min(most, MOST_PCS)

    def best(self, numbers: Iterable[int]) -> Placement | None:
        """The preferred placement on one of these numbers of PCs, fewest first; None when nothing fits."""
        allowed = sorted(numbers)
        if not self._holds_at_all:
            return None
        return self._fastest(allowed) if self.by_speed else self._evenly.on(allowed, self._heads)

    def on(self, pcs: int) -> Placement | None:
        """The preferred placement on exactly that many PCs, for comparison: under heads that promise most."""
        if not self._holds_at_all:
            return None
        return self._on(pcs) if self.by_speed else self._evenly.on([pcs], self._heads)

    def sharing(self, numbers: Iterable[int], heads: Sequence[Candidate]) -> "Search":
        """The same search under some of its heads, which hold blocks on these numbers of PCs."""
        shared = frozenset(numbers)
        if shared == self._wish.shared and heads == self.compared_heads:
            return self
        wish = replace(self._wish, shared=shared)
        found = Search(self.ground, self._eligibility, heads, by_speed=self.by_speed, wish=wish)
        found._drawn = self._drawn
        return found

    @property
    def compared_heads(self) -> Sequence[Candidate]:
        """The heads that are looked at for comparison: those that promise most, all where they are few."""
        if len(self._heads) <= COMPARED_HEADS:
            return self._heads
        searched = {head.node.node for head in self._searched}
        return tuple(head for head in self._heads if head.node.node in searched)

    @cached_property
    def _evenly(self) -> Fewest:
        return Fewest(
            self.demand, self.rooms, lambda head, beside: self.lines(head, processors=beside), self._wish, self.most_pcs
        )

    def _on(self, pcs: int) -> Placement | None:
        found = self._compared.get(pcs) if pcs <= MOST_COMPARED else None
        if found is None:
            found = [p for head in self._able(pcs) if (p := self._under(head, inf, pcs, (pcs,)).get(pcs))]
        return self._preferred(found, (pcs,))

    def _preferred(self, found: Sequence[Placement], allowed: Sequence[int]) -> Placement | None:
        """The first of those that tie with the fastest, its workers in the order that suits their blocks."""
        least = min((placement.seconds for placement in found), default=0.0)
        first = next((placement for placement in found if placement.seconds <= least * (1 + TIED)), None)
        return settled(self.ground, self._in_another_order(first, allowed), least) if first is not None else None

    @cached_property
    def _compared(self) -> dict[int, list[Placement]]:
        """The fastest under each compared head for each number of PCs that is compared, over few workers.

        With one micro-batch and all heads compared, no other is faster unless a worker beyond the `few` is.
        """
        best: dict[int, list[Placement]] = {}
        for head in self.compared_heads:
            known = [min(placement.seconds for placement in each) for each in best.values()]
            worth = max(known) * (1 + TIED) if len(best) == MOST_COMPARED else inf
            lines = [narrowed(self.demand, few(line, MOST_COMPARED), worth) for line in self.lines(head)]
            for pcs, placement in best_by_number(self.demand, lines, self._wish, MOST_COMPARED, 0.0).items():
                best.setdefault(pcs, []).append(placement)
        return best

    def _fastest(self, allowed: Sequence[int]) -> Placement | None:
        """The fastest; of those that tie with it, the fewest PCs and then the first head."""
        survey = self._survey(is_open=allowed == list(range(1, self.most_pcs + 1)))
        best = min(survey.values(), key=lambda each: each.seconds, default=None)
        is_free = best is not None and self._is_allowed(best, allowed)
        worth = best.seconds if best is not None and is_free else inf
        order = sorted(survey, key=lambda number: (survey[number].seconds, number))
        near = max(worth, worth * (1 + TIED))
        hopeful = [self._heads[number] for number in order if survey[number].seconds <= near]
        if not is_free and len(self._heads) <= HOPEFUL_HEADS:
            hopeful = list(self._heads)
        self._searched = hopeful[:MOST_HEADS]
        if not is_free:
            worth = min((p.seconds for n in allowed for p in self._compared.get(n, ())), default=inf)
            most = min(max(allowed, default=1), min(allowed, default=1) + MOST_BEYOND)
            found = self._on_any(hopeful[:HOPEFUL_HEADS], allowed, worth, most)
            others = [head for head in self._heads if head not in hopeful[:HOPEFUL_HEADS]]
            found += self._on_any(others, allowed, min((p.seconds for p in found), default=inf) / (1 + TIED), most)
            found.sort(key=lambda placement: len(placement.nodes))
            found = found or self._on_any(self._heads, allowed, inf, max(allowed, default=1))
        else:
            fewer = min(len(survey[number].nodes) for number in order[: len(self._searched)]) - 1
            found = self._on_any(self._searched, [n for n in allowed if n <= fewer], worth, fewer)
            found += self._surveyed(survey, allowed)
        return self._preferred(found, allowed)

    def _in_another_order(self, placement: Placement, allowed: Sequence[int]) -> Placement:
        """The placement, or a faster one on its PCs, or fewer of them, whose workers come in another order."""
        demand, nodes = self.demand, placement.nodes
        if demand.largest_block == demand.smallest_block or any(placement.spilled) or placement.repacks:
            return placement
        is_led = on_head_processor(placement.offers[0], placement.head)
        lines = (line for line in self.lines(placement.head) if line.endings is None and not line.repacks)
        line = next(line for line in lines if (line.leading is not None) == is_led)
        line = line.among([worker for worker in line.workers if worker[0].offer.node.node in nodes])

        def solve(order: Line, worth: float) -> Division | None:
            bound = worth / (1 + TIED)
            found = divisions(demand, order, self._required, len(nodes), bound, allowed, self._wish.shared)
            able = [each for pcs, each in found.items() if pcs in allowed and accelerators(each) <= MOST_ACCELERATORS]
            return min(able, key=lambda each: each.seconds, default=None)

        faster = climbed(line, demand.layers, placement.seconds, solve)
        return placement if faster is None else placement_of(faster)

    def _is_allowed(self, best: Placement, allowed: Sequence[int]) -> bool:
        nodes = best.nodes
        return len(nodes) in allowed and (best.head_holds or len(nodes) not in self._wish.shared)

    def _surveyed(self, survey: Mapping[int, Placement], allowed: Sequence[int]) -> list[Placement]:
        """The fastest of each head that was searched, on whatever number of PCs, fewest first."""
        found = [survey[number] for number in sorted(survey) if self._heads[number] in self._searched]
        return sorted((each for each in found if self._is_allowed(each, allowed)), key=lambda each: len(each.nodes))

    def _on_any(self, heads: Sequence[Candidate], allowed: Sequence[int], worth: float, most: int) -> list[Placement]:
        """Placements on the allowed numbers of PCs, fewest first, then in the order of preference of the heads."""
        by_head: dict[NodeId, dict[int, Placement]] = {}
        for head in heads:
            by_head[head.node.node] = self._under(head, worth, most, allowed)
            worth = min([worth, *(p.seconds for n, p in by_head[head.node.node].items() if n in allowed)])
        if 1 in allowed and not self._required:
            for head in self._heads:
                by_head.setdefault(head.node.node, self._alone(head, worth))
        order = [by_head[head.node.node] for head in self._heads if head.node.node in by_head]
        return [found[pcs] for pcs in allowed for found in order if pcs in found]

    def _under(self, head: Candidate, worth: float, most: int, wanted: Container[int]) -> dict[int, Placement]:
        """The fastest placement under a head for each number of PCs, as far as it may come near `worth` seconds."""
        bound = worth * (1 + TIED)
        lines = [line for line in self.lines(head) if least_seconds(self.demand, line) <= bound]
        narrow = [narrowed(self.demand, line, bound, most) for line in lines]
        if bound < inf:
            numbers = [pcs for pcs in range(1, most + 1) if pcs in wanted]
            narrow = [line for each in narrow if (line := hopeful(self.demand, each, self._required, numbers, bound))]
        return best_by_number(self.demand, narrow, self._wish, most, worth, wanted)

    def _survey(self, *, is_open: bool) -> dict[int, Placement]:
        """By the number of the head, the fastest division on any number of PCs, where it may come near the fastest.

        Unless every number is allowed (`is_open`), heads that only may do so at a glance are in it too: the best on the
        numbers that are allowed are sought among them.
        """
        found: dict[int, Placement] = {}
        worth = inf
        queue = Queue(self.demand, self._bounds(), sharpens=is_open)
        while (taken := queue.next(worth * (1 + TIED))) is not None:
            number, line = taken
            narrow = narrowed(self.demand, line, worth * (1 + TIED))
            division = self._fastest_of(narrow, worth)
            if division is not None and accelerators(division) > MOST_ACCELERATORS:
                division = self._fastest_of(roomiest(narrow), worth)
            if division is not None and (number not in found or division.seconds < found[number].seconds):
                found[number] = placement_of(division)
                worth = min(worth, division.seconds)
        return found

    def _fastest_of(self, line: Line, worth: float) -> Division | None:
        """The fastest division of a line, as far as it may come near `worth` seconds."""

        def solve(order: Line) -> dict[int, Division]:
            found = fastest(self.demand, order, self._required, worth)
            return {} if found is None else {1: found}

        return in_any_order(self.demand, line, solve, (1,) if has_room(self.demand, line) else ()).get(1)

    def _bounds(self) -> list[tuple[float, int, Line]]:
        """What the placements of each line cost at least, with the number of its head."""
        numbered = ((number, line) for number, head in enumerate(self._heads) for line in self.lines(head))
        return [(least_seconds(self.demand, line), number, line) for number, line in numbered]

    def _alone(self, head: Candidate, worth: float) -> dict[int, Placement]:
        """The fastest placement on the head alone."""
        lines = [replace(line, workers=()) for line in self.lines(head)]
        hopeful = [line for line in lines if least_seconds(self.demand, line) <= worth * (1 + TIED)]
        return best_by_number(self.demand, hopeful, Wish(), 1, worth)

    @cached_property
    def _holds_at_all(self) -> bool:
        """Whether any number of PCs holds the model under any head, wishes aside."""
        reach, able = Reach(self.demand), self._able(self.most_pcs)
        return any(reach.holds(line, frozenset(), 1) for head in able for line in self.lines(head))

    def _able(self, pcs: int) -> list[Candidate]:
        """The heads under which that many PCs could hold the model, by bytes and by blocks."""
        needed = self.demand.placed_bytes
        able = [head for head in self._heads if self._eligibility.budget(head, pcs) >= needed]
        return [head for head in able if self.rooms.may_hold(head, pcs, processors=True)]

    def with_node(self, placement: Placement, candidate: Candidate) -> Placement | None:
        """A fast placement under the same head on these PCs and one more that must take part."""
        required = self._required | {candidate.node.node}
        used = {(offer.node.node, offer.device.device) for offer in placement.offers}
        used |= {(candidate.node.node, offer.device.device) for offer in candidate.offers}
        wait = slowest_wait(placement.costs, placement.counts)
        lines = [_among(line, used) for line in self.lines(placement.head)]
        bounds = [least_seconds(self.demand, line) for line in lines]
        best: Division | None = None
        for bound, line in sorted(zip(bounds, lines, strict=True), key=itemgetter(0)):
            found = self._quickly(line, required, wait) if best is None or bound < best.seconds else None
            if found is not None and (best is None or found.seconds < best.seconds):
                best = found
        return None if best is None else placement_of(best)

    def _quickly(self, line: Line, required: frozenset[NodeId], wait: float) -> Division | None:
        def solve(order: Line) -> dict[int, Division]:
            found = quickly(self.demand, order, required, wait)
            return {} if found is None else {1: found}

        return in_any_order(self.demand, line, solve, (), QUICK_TURNS).get(1)

    def lines(self, head: Candidate, *, processors: bool = True) -> tuple[Line, ...]:
        """The lines of a head with all that may be its workers."""
        key = (head.node.node, processors)
        if key not in self._drawn:
            lines = self.ground.lines(head, self._eligibility.workers(head), processors=processors)
            self._drawn[key] = tuple(few(line, MOST_ACCELERATORS) for line in lines)
        return self._drawn[key]


def _among(line: Line, devices: Container[tuple[NodeId, str]]) -> Line:
    """The line with only these devices of workers."""
    kept = (
        tuple(stop for stop in worker if (stop.offer.node.node, stop.offer.device.device) in devices)
        for worker in line.workers
    )
    return replace(line, workers=tuple(worker for worker in kept if worker))


def few(line: Line, pcs: int) -> Line:
    """The line with the workers that promise most for up to so many PCs: by what a byte costs there when one of them
    has all that it can hold, and by what they can hold.
    """
    if len(line.workers) <= pcs:
        return line
    by_price = sorted(line.workers, key=lambda worker: min(map(_price, worker)))
    by_budget = sorted(line.workers, key=lambda worker: -sum(stop.offer.budget for stop in worker))
    kept = {id(worker) for worker in (*by_price[: pcs + 1], *by_budget[: pcs - 2])}
    return replace(line, workers=tuple(worker for worker in line.workers if id(worker) in kept))


def _price(stop: Stop) -> float:
    return stop.per_byte + stop.fixed / stop.offer.budget
