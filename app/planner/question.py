"""One question to the planner: the request with the nodes sorted, and how it is searched at a context."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from app.planner.eligibility import Candidate, Eligibility
from app.planner.line import Ground
from app.planner.memory import MICRO_BATCH, Demand, demand
from app.planner.numbers import Wish
from app.planner.placement import Placement
from app.planner.search import Search
from app.planner.speed import mix_of, work_of
from app.schema.model import ModelShape
from app.schema.plan import LinkMeasure, PlanRequest
from app.schema.record import NodeId

PICTURES_WORTH = 1.5
"""How many times as fast a model must be for its picture encoder to lie in RAM though a card has room for it."""

Found = tuple[Search, Placement | None]
"""A placement and the search that found it, or found none."""


@dataclass(frozen=True)
class Question:
    """What every step of planning needs. `heads` is not empty, each with its picture encoder on a card where one has
    room for it; `links` are by the pair of their ends. `beyond` is `ClusterView.beyond_bytes`.
    """

    request: PlanRequest
    shape: ModelShape
    eligibility: Eligibility
    heads: tuple[Candidate, ...]
    links: Mapping[frozenset[NodeId], LinkMeasure]
    beyond: int = 0

    def demand(self, context: int) -> Demand:
        """What the model asks for at a context of that many tokens."""
        return demand(self.shape, context, self.request.slots, self.request.kv_type, self.beyond)

    @cached_property
    def by_speed(self) -> bool:
        """Whether anything is known of any device's speed."""
        return any(offer.device.bandwidth for candidate in self.eligibility.kept for offer in candidate.offers)

    def placed(self, context: int) -> tuple[Search, Placement | None]:
        """The best placement at a context of that many tokens, and the search that found it.

        Who asks for N PCs means that N share the blocks: on N, a head without any is taken only when nothing else fits.
        """
        search = self.search(context)
        # Of exactly so many PCs the other numbers do not matter, and the comparison can go on with this search.
        numbers = {self.request.min_pcs} if self.request.pcs is None else self.shared_numbers(search)
        for shared in (numbers, ()):
            search, found = self.seated(self._seated(context, shared))
            if found is not None:
                break
        return search, found

    def _seated(self, context: int, shared: Collection[int]) -> Iterator[Found]:
        for heads in self.seatings:
            search = self.search(context, shared, heads)
            yield search, search.best(self.numbers(search))

    def seated(self, ways: Iterable[Found]) -> Found:
        """The first of these ways, one for each of the `seatings`, that there is.

        A later one where the first leaves blocks or experts to a processor and that one is so much faster. Ways that
        cannot be chosen are not asked for.
        """
        chosen: Found | None = None
        for search, found in ways:
            if chosen is None or _is_better(found, chosen[1]):
                chosen = search, found
            if chosen[1] is not None and not (self.by_speed and chosen[1].computes_on_processors):
                break
        assert chosen is not None, "a model has at least one way to seat its picture encoder"
        return chosen

    @cached_property
    def seatings(self) -> tuple[tuple[Candidate, ...], ...]:
        """The heads, and where that is something else, the heads with their picture encoders in RAM."""
        moved = tuple(head.leading(in_ram=True) or head for head in self.heads)
        return (self.heads,) if moved == self.heads else (self.heads, moved)

    def shared_numbers(self, search: Search) -> Sequence[int]:
        """The numbers of PCs on which the head must hold blocks too if exactly so many are asked for: all."""
        return range(1, search.most_pcs + 1)

    def search(self, context: int, shared: Collection[int] = (), heads: tuple[Candidate, ...] | None = None) -> Search:
        """A search at a context of that many tokens; on `shared` numbers of PCs the head must hold blocks too.

        `heads` None: those whose picture encoders are on cards.
        """
        request, mix = self.request, mix_of(self.request, context)
        if not self.by_speed:
            # One micro-batch: nothing overlaps, so that more devices than needed promise nothing.
            mix = replace(mix, prompt=min(mix.prompt, MICRO_BATCH))
        ground = Ground(
            demand=self.demand(context),
            work=work_of(self.shape, mix, request.kv_type),
            links=self.links,
        )
        wish = Wish(frozenset(request.use), frozenset(shared))
        led = self.heads if heads is None else heads
        return Search(ground, self.eligibility, led, by_speed=self.by_speed, wish=wish)

    def numbers(self, search: Search) -> Sequence[int]:
        """The numbers of PCs the request allows, fewest first."""
        if self.request.pcs is not None:
            return (self.request.pcs,)
        return range(self.request.min_pcs, search.most_pcs + 1)


def _is_better(found: Placement | None, before: Placement | None) -> bool:
    if found is None or before is None:
        return found is not None
    return found.seconds * PICTURES_WORTH <= before.seconds
