"""Which head, which PCs and which devices: the fastest division over all of them, or the one on the fewest PCs."""

from collections.abc import Container, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from math import inf

from app.planner.eligibility import Candidate, Eligibility, Offer
from app.planner.fastest import TIED, Division, divisions, fastest, least_seconds, whole_seconds
from app.planner.line import Ground, Line, Stop, compute_bytes, on_head_processor
from app.planner.memory import Demand
from app.planner.speed import StageCost
from app.planner.split import split
from app.schema.record import NodeId

MOST_ACCELERATORS = 15
"""Devices beside the head's processor the engine can drive (`GGML_SCHED_MAX_BACKENDS` is 16 with the processor)."""

MOST_COMPARED = 8
"""Numbers of PCs that are compared with each other: 1 to 8."""

MOST_HEADS = 2
"""Heads whose every number of PCs is searched before the fastest is chosen; those that promise most."""

COMPARED_HEADS = 3
"""With so many heads or fewer, all are looked at for the best placement on another number of PCs."""


@dataclass(frozen=True, slots=True)
class Wish:
    """PCs that must take part, and the numbers of PCs on which the head must hold blocks as well."""

    required: frozenset[NodeId] = frozenset()
    shared: frozenset[int] = frozenset()


@dataclass(frozen=True)
class Placement:
    """A split that fits: `offers` in layer order, `counts[i]` blocks on each; the last holds the output layer.

    `costs` is what each device costs. `seconds` is the time of the exchanges it was chosen by.
    """

    head: Candidate
    offers: tuple[Offer, ...]
    counts: tuple[int, ...]
    costs: tuple[StageCost, ...]
    seconds: float

    @property
    def nodes(self) -> frozenset[NodeId]:
        """The PCs in it, head included."""
        return frozenset({self.head.node.node, *(offer.node.node for offer in self.offers)})

    @property
    def pipelined(self) -> bool:
        """Whether the engine overlaps the micro-batches of a prompt."""
        return len(self.offers) > 1 and not on_head_processor(self.offers[0], self.head)


class Search:
    """Placements of one demand over one cluster.

    `by_speed`: the fastest is sought, ties going to the fewest PCs and the first head. Otherwise, with nothing
    measured, the fewest PCs win, then the first head; processors beside GPUs only count when nothing else fits, and
    devices share in proportion to their memory. Every placement is as `wish` says.
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
        self._eligibility = eligibility
        self._heads = heads
        self._wish = wish
        self._required = wish.required
        self._found: dict[tuple[NodeId, bool], dict[int, Placement]] = {}
        self._drawn: dict[tuple[NodeId, bool], tuple[Line, ...]] = {}
        self._worth = inf
        self._wanted = range(1, self.most_pcs + 1)
        self._rooms: dict[tuple[NodeId, bool], int] = {}
        self._most = self.most_pcs

    @property
    def demand(self) -> Demand:
        """What the model asks for."""
        return self.ground.demand

    @property
    def most_pcs(self) -> int:
        """The largest number of PCs that can work together, over all heads; 0 without a head."""
        return max((1 + len(self._eligibility.workers(head)) for head in self._heads), default=0)

    def best(self, numbers: Iterable[int]) -> Placement | None:
        """The preferred placement on one of these numbers of PCs, fewest first; None when nothing fits."""
        allowed = sorted(numbers)
        if not self._holds_at_all:
            return None
        return self._fastest(allowed) if self.by_speed else self._fewest(allowed)

    def on(self, pcs: int) -> Placement | None:
        """The best placement on exactly that many PCs, for comparison: under the heads searched, else under any.

        With a head that holds no blocks where nothing else fits, whatever was wished.
        """
        if not self._holds_at_all:
            return None
        found = self._on(pcs) if self.by_speed else self._fewest([pcs])
        return self._unshared.on(pcs) if found is None and pcs in self._wish.shared else found

    @cached_property
    def _unshared(self) -> "Search":
        wish = Wish(self._required)
        return Search(self.ground, self._eligibility, self._heads, by_speed=self.by_speed, wish=wish)

    def _on(self, pcs: int) -> Placement | None:
        few = len(self._heads) <= COMPARED_HEADS
        known = [head for head in self._heads if few or (head.node.node, True) in self._found]
        found = [p for head in known if (p := self._under(head, True).get(pcs))]
        if not found:
            others = [head for head in self._heads if head not in known]
            searched = (_best(self.demand, self._lines(head), self._wish, pcs, 0.0) for head in others)
            found = [placements[pcs] for placements in searched if pcs in placements]
        return min(found, key=lambda p: p.seconds, default=None)

    def _fewest(self, allowed: Sequence[int]) -> Placement | None:
        for processors in (False, True):
            for pcs in allowed:
                for head in self._heads:
                    if self._may_hold(head, pcs, processors=processors):
                        found = self._under(head, processors).get(pcs)
                        if found is not None:
                            return self._even(found)
        return None

    def _may_hold(self, head: Candidate, pcs: int, *, processors: bool) -> bool:
        """Whether the rooms of that many PCs add up: a bound that costs next to nothing."""
        rooms = sorted((self.room(worker, processors=processors) for worker in self._workers(head)), reverse=True)
        return self.room(head, processors=processors) + sum(rooms[: pcs - 1]) >= self.demand.layers

    def _fastest(self, allowed: Sequence[int]) -> Placement | None:
        """The fastest; of those that tie with it, the fewest PCs and then the first head."""
        widely = len(allowed) < self.most_pcs
        self._wanted = range(allowed[0], allowed[-1] + 1) if allowed else range(0)
        promising = self._promising(widely=widely)
        if len(self._heads) > COMPARED_HEADS and not widely:
            self._look_narrowly(promising[1:MOST_HEADS])
        few = len(self._heads) <= COMPARED_HEADS
        heads = [head for head in self._heads if (widely and few) or head in promising[:MOST_HEADS]]
        found = self._on_any(allowed, heads) or self._on_any(allowed, self._heads)
        least = min((placement.seconds for placement in found), default=0.0)
        return next((placement for placement in found if placement.seconds <= least * (1 + TIED)), None)

    def _look_narrowly(self, heads: Sequence[Candidate]) -> None:
        """Search heads over those of their lines only that can win."""
        bound = self._worth * (1 + TIED)
        for head in heads:
            lines = [line for line in self._lines(head) if least_seconds(self.demand, line) <= bound]
            found = _best(self.demand, lines, self._wish, self._most, self._worth, self._wanted)
            self._found[head.node.node, True] = found

    def _on_any(self, allowed: Sequence[int], heads: Sequence[Candidate]) -> list[Placement]:
        lonely = [] if 1 not in allowed or self._required else [self._alone(head) for head in self._heads]
        first = [placement for placement in lonely if placement is not None]
        return first + [p for pcs in allowed for head in heads if (p := self._under(head, True).get(pcs))]

    def _promising(self, *, widely: bool) -> list[Candidate]:
        """The heads whose best possible time may win, best first; sets how fast a placement must be to matter.

        Unless searched `widely`, no more PCs are looked at than any of these best times takes, and than are compared.
        """
        floors: dict[int, float] = {}
        most = MOST_COMPARED
        for bound, number, line in sorted(self._bounds(), key=_by_bound):
            if bound > self._worth * (1 + TIED):
                break
            found = fastest(self.demand, line, self._required)
            if found is not None:
                self._worth = min(self._worth, whole_seconds(found))
                most = max(most, 1 + len(found.stops))
                floors[number] = min(found.seconds, floors.get(number, inf))
        self._most = self.most_pcs if widely else min(most, self.most_pcs)
        worth, self._worth = self._worth, inf if widely else self._worth
        best = sorted(floors, key=lambda number: (floors[number], number))
        return [self._heads[number] for number in best if widely or floors[number] <= worth * (1 + TIED)]

    def _bounds(self) -> list[tuple[float, int, Line]]:
        """What the placements of each line cost at least, with the number of its head."""
        numbered = ((number, line) for number, head in enumerate(self._heads) for line in self._lines(head))
        return [(least_seconds(self.demand, line), number, line) for number, line in numbered]

    def _alone(self, head: Candidate) -> Placement | None:
        """The fastest placement on the head alone."""
        return _best(self.demand, self.ground.lines(head, (), processors=True), Wish(), 1, inf).get(1)

    def fits(self, numbers: Sequence[int]) -> bool:
        """Whether any placement exists; faster than `best`."""
        if self._required or numbers != range(1, self.most_pcs + 1):
            return self.best(numbers) is not None
        return self._holds_at_all

    @cached_property
    def _holds_at_all(self) -> bool:
        """Whether any number of PCs holds the model under any head, wishes aside."""
        able = [head for head in self._heads if self._may_hold(head, self.most_pcs, processors=True)]
        return any(_holds(self.demand, line) for head in able for line in self._lines(head))

    def with_node(self, placement: Placement, candidate: Candidate) -> Placement | None:
        """The fastest placement under the same head on these PCs and one more that must take part."""
        workers = [w for w in self._workers(placement.head) if w.node.node in placement.nodes or w is candidate]
        required = self._required | {candidate.node.node}
        lines = self.ground.lines(placement.head, workers, processors=True)
        found = [division for line in lines if (division := fastest(self.demand, line, required)) is not None]
        return min(map(_placement, found), key=lambda p: p.seconds, default=None)

    def room(self, candidate: Candidate, *, processors: bool) -> int:
        """An upper bound of the blocks a PC can hold: the longest run on each of its devices, added up."""
        key = (candidate.node.node, processors)
        if key not in self._rooms:
            least = self.demand.buffers.of(first=False, last=False, pipelined=False)
            offers = candidate.usable(processors=processors)
            self._rooms[key] = sum(self.demand.most_blocks(offer.budget - least) for offer in offers)
        return self._rooms[key]

    def _workers(self, head: Candidate) -> tuple[Candidate, ...]:
        return self._eligibility.workers(head)

    def _lines(self, head: Candidate, *, processors: bool = True) -> tuple[Line, ...]:
        key = (head.node.node, processors)
        if key not in self._drawn:
            self._drawn[key] = self.ground.lines(head, self._workers(head), processors=processors)
        return self._drawn[key]

    def _under(self, head: Candidate, processors: bool) -> dict[int, Placement]:
        """The fastest placement under a head for each number of PCs."""
        key = (head.node.node, processors)
        if key not in self._found:
            lines = self._lines(head, processors=processors)
            self._found[key] = _best(self.demand, lines, self._wish, self._most, self._worth, self._wanted)
        return self._found[key]

    def _even(self, placement: Placement) -> Placement:
        """The same devices, sharing in proportion to what they offer; beside a GPU a processor takes what is left."""
        offers = placement.offers
        with_gpu = any(not offer.device.is_cpu for offer in offers)
        weights = [0 if with_gpu and offer.device.is_cpu else offer.budget for offer in offers]
        counts = split(self.demand, capacities(self.demand, placement.head, offers), weights)
        return placement if counts is None else replace(placement, counts=counts)


def capacities(demand: Demand, head: Candidate, offers: Sequence[Offer]) -> tuple[int, ...]:
    """Bytes each stage has for blocks: the offer less buffers, less the output layer on the last.

    The head's processor has the embedding table beside it.
    """
    buffers = compute_bytes(demand, head, offers)
    room = [offer.budget - used for offer, used in zip(offers, buffers, strict=True)]
    room[-1] -= demand.output_bytes
    if on_head_processor(offers[0], head):
        room[0] -= demand.head_ram_bytes
    return tuple(room)


def _best(
    demand: Demand,
    lines: Iterable[Line],
    wish: Wish,
    most: int,
    worth: float,
    wanted: Container[int] = range(1 << 16),
) -> dict[int, Placement]:
    """The fastest placement over these lines for each number of PCs."""
    best: dict[int, Placement] = {}
    for line in lines:
        for pcs, division in _drivable(demand, line, wish, most, worth, wanted).items():
            if pcs not in best or division.seconds < best[pcs].seconds:
                best[pcs] = _placement(division)
    return best


def _by_bound(entry: tuple[float, int, Line]) -> tuple[float, int]:
    return entry[:2]


def _placement(division: Division) -> Placement:
    stops = division.stops
    return Placement(
        head=division.line.head,
        offers=tuple(stop.offer for stop in stops),
        counts=division.counts,
        costs=tuple(stop.cost for stop in stops),
        seconds=division.seconds,
    )


def _drivable(
    demand: Demand, line: Line, wish: Wish, most: int, worth: float, wanted: Container[int]
) -> dict[int, Division]:
    """The divisions of a line; one over more devices than the engine drives is sought again among the roomiest."""
    found = divisions(demand, line, wish.required, most, worth, wanted, wish.shared)
    if all(_accelerators(division) <= MOST_ACCELERATORS for division in found.values()):
        return found
    narrow = divisions(demand, _roomiest(line), wish.required, most, worth, wanted, wish.shared)
    kept = {pcs: division for pcs, division in found.items() if _accelerators(division) <= MOST_ACCELERATORS}
    return {**narrow, **kept}


def _accelerators(division: Division) -> int:
    return sum(stop is not division.line.leading for stop in division.stops)


def _roomiest(line: Line) -> Line:
    """The line with the accelerators that offer most, as many as the engine drives."""
    stops = [stop for stop in line.stops() if stop is not line.leading]
    kept = {id(stop) for stop in sorted(stops, key=_by_room)[:MOST_ACCELERATORS]}

    def chosen(group: Sequence[Stop]) -> tuple[Stop, ...]:
        return tuple(stop for stop in group if id(stop) in kept)

    workers = tuple(chosen(worker) for worker in line.workers if chosen(worker))
    return replace(line, workers=workers, own=chosen(line.own))


def _by_room(stop: Stop) -> tuple[int, str, str]:
    return (-stop.offer.budget, stop.offer.node.node, stop.offer.device.device)


def _holds(demand: Demand, line: Line) -> bool:
    """Whether a line holds the model on any number of PCs.

    Each device in turn takes all it can: a later start never helps, so what is reached that way is the furthest.
    """
    reached, used, last = 0, 0, demand.layers - 1
    for stop in line.stops():
        room = stop.room
        if reached == 0 and room.is_enough:
            return True
        if room.to_end <= min(reached, last):
            return used < MOST_ACCELERATORS or _holds(demand, _roomiest(line))
        further = demand.furthest(reached, room.capacity) if reached else room.from_start
        used += further > reached and stop is not line.leading
        reached = max(reached, min(further, last))
        if stop is line.leading and not reached:
            return False
    return False
