"""Which PCs and devices a model goes on: the fewest PCs that fit, the preferred ones among those."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice

from app.planner.eligibility import Candidate, Eligibility, Offer
from app.planner.memory import Demand
from app.planner.split import split

MOST_ACCELERATORS = 15
"""Devices beside the head's processor the engine can drive (`GGML_SCHED_MAX_BACKENDS` is 16 with the processor)."""

MOST_TRIES = 64
"""Sets of PCs tried for one number of PCs, shared by the heads. Only sets whose summed room suffices count."""

FEWEST_TRIES = 4
"""Sets of PCs each head may try at least."""


@dataclass(frozen=True, slots=True)
class Placement:
    """A split that fits: `offers` in layer order, `counts[i]` blocks on each; the last holds the output layer."""

    head: Candidate
    nodes: tuple[Candidate, ...]
    offers: tuple[Offer, ...]
    counts: tuple[int, ...]


def on_head_processor(offer: Offer, head: Candidate) -> bool:
    """Whether an offer is the processor of the head, which the engine drives without counting it as a device."""
    return offer.device.is_cpu and offer.node.node == head.node.node


def compute_bytes(demand: Demand, head: Candidate, offers: Sequence[Offer]) -> tuple[int, ...]:
    """Compute buffers of each stage of a split. The engine pipelines when it offloads all to two or more devices."""
    pipelined = len(offers) > 1 and not on_head_processor(offers[0], head)
    last = len(offers) - 1
    return tuple(demand.buffers.of(first=i == 0, last=i == last, pipelined=pipelined) for i in range(len(offers)))


def capacities(demand: Demand, head: Candidate, offers: Sequence[Offer]) -> tuple[int, ...]:
    """Bytes each stage has for blocks: the offer less buffers, less the output layer on the last."""
    room = [offer.budget - used for offer, used in zip(offers, compute_bytes(demand, head, offers), strict=True)]
    room[-1] -= demand.output_bytes
    return tuple(room)


def divide(demand: Demand, head: Candidate, offers: Sequence[Offer]) -> tuple[int, ...] | None:
    """Block counts over these devices, None when they cannot hold the model.

    In proportion to what the devices offer; beside a GPU a processor gets only what the GPUs cannot hold.
    """
    if not offers:
        return None
    with_gpu = any(not offer.device.is_cpu for offer in offers)
    weights = [0 if with_gpu and offer.device.is_cpu else offer.budget for offer in offers]
    return split(demand, capacities(demand, head, offers), weights)


def place(demand: Demand, head: Candidate, workers: Sequence[Candidate], *, processors: bool) -> Placement | None:
    """Place a model on exactly these PCs; None when no list of their devices holds it.

    Every worker gets at least one block. The head may get none, when its devices have no room or are not needed.
    """
    for offers in device_lists(demand, head, workers, processors=processors):
        if divide(demand, head, offers) is not None:
            return _without_spare(demand, head, workers, offers)
    return None


def device_lists(
    demand: Demand, head: Candidate, workers: Sequence[Candidate], *, processors: bool
) -> Iterator[tuple[Offer, ...]]:
    """The ordered device lists worth trying, best first (design.md, "Device lists").

    Order in a list: the head's processor, the workers' devices (weakest worker first), the head's GPUs.
    """
    own = head.usable(processors=processors)
    processor = tuple(_beside_embedding(o, demand) for o in own if o.device.is_cpu)
    others = tuple(offer for worker in reversed(workers) for offer in worker.usable(processors=processors))
    accelerators = others + tuple(offer for offer in own if not offer.device.is_cpu)
    with_gpu = any(not offer.device.is_cpu for offer in accelerators)
    for leading in ((), processor[:1]) if with_gpu else (processor[:1], ()):
        yield from _lists(demand, head, workers, leading, accelerators)
    for offer in accelerators:
        if _covers((offer,), workers):
            yield (offer,)


def _lists(
    demand: Demand,
    head: Candidate,
    workers: Sequence[Candidate],
    leading: tuple[Offer, ...],
    accelerators: tuple[Offer, ...],
) -> Iterator[tuple[Offer, ...]]:
    """Lists that start with `leading` and use every roomy accelerator up to some last one, the longest first."""
    buffer = demand.buffers.of(first=True, last=False, pipelined=not leading)
    roomy = tuple(offer for offer in accelerators if offer.budget - buffer >= demand.largest_block)
    for stop in range(len(roomy), 0, -1):
        if not _covers(roomy[:stop], workers):
            break
        limit = min(MOST_ACCELERATORS, demand.layers - len(leading))
        offers = leading + _trimmed(roomy[:stop], workers, limit)
        if offers != leading:
            yield offers
    if leading and not workers:
        yield leading


def _beside_embedding(offer: Offer, demand: Demand) -> Offer:
    return replace(offer, budget=offer.budget - demand.head_ram_bytes)


def _covers(offers: Sequence[Offer], workers: Sequence[Candidate]) -> bool:
    """Whether every worker has a device in the list."""
    return {worker.node.node for worker in workers} <= {offer.node.node for offer in offers}


def _trimmed(offers: tuple[Offer, ...], workers: Sequence[Candidate], limit: int) -> tuple[Offer, ...]:
    """At most `limit` offers: the smallest go first, but not a worker's only one. Empty when that is not enough."""
    for offer in sorted(offers[:-1], key=_spare_first):
        if len(offers) <= limit:
            break
        rest = tuple(other for other in offers if other is not offer)
        offers = rest if _covers(rest, workers) else offers
    return offers if len(offers) <= limit else ()


def _without_spare(
    demand: Demand, head: Candidate, workers: Sequence[Candidate], offers: tuple[Offer, ...]
) -> Placement | None:
    """The placement over these offers less the devices that can be spared: no PC's last one, no GPU for a processor."""
    for offer in sorted(offers, key=_spare_first):
        rest = tuple(other for other in offers if other is not offer)
        if _replaceable(offer, rest) and divide(demand, head, rest) is not None:
            offers = rest
    counts = divide(demand, head, offers)
    return None if counts is None else Placement(head, (head, *workers), offers, counts)


def _replaceable(offer: Offer, rest: Sequence[Offer]) -> bool:
    """Whether the rest has a device of the same PC that is as good a place: a GPU, or for a processor any."""
    return any(
        other.node.node == offer.node.node and (offer.device.is_cpu or not other.device.is_cpu) for other in rest
    )


def _spare_first(offer: Offer) -> tuple[bool, int, str, str]:
    return (not offer.device.is_cpu, offer.budget, offer.node.node, offer.device.device)


class Search:
    """Placements of one demand over one cluster, each number of PCs searched once.

    `find(n)` gives the preferred placement on exactly n PCs, or None. Preference: the head in the order given, then
    the set of workers that comes first by rank.
    """

    def __init__(self, demand: Demand, eligibility: Eligibility, heads: Sequence[Candidate]) -> None:
        self.demand = demand
        self._eligibility = eligibility
        self._heads = heads
        self._found: dict[tuple[int, bool], Placement | None] = {}
        self._room: dict[tuple[str, bool], int] = {}

    @property
    def most_pcs(self) -> int:
        """The largest number of PCs that can work together, over all heads; 0 without a head."""
        return max((1 + len(self._eligibility.workers(head)) for head in self._heads), default=0)

    def fewest(self, numbers: Sequence[int]) -> Placement | None:
        """The placement on the first of these numbers of PCs that fits; processors beside GPUs only if none does."""
        for processors in (False, True):
            for number in numbers:
                if (found := self.find(number, processors=processors)) is not None:
                    return found
        return None

    def find(self, number: int, *, processors: bool) -> Placement | None:
        """The preferred placement on exactly `number` PCs."""
        key = (number, processors)
        if key not in self._found:
            placements = (self._under(head, number, processors) for head in self._heads)
            self._found[key] = next((found for found in placements if found is not None), None)
        return self._found[key]

    def _under(self, head: Candidate, number: int, processors: bool) -> Placement | None:
        workers = self._eligibility.workers(head)
        rooms = [self.room(worker, processors=processors) for worker in workers]
        missing = self.demand.layers - self.room(head, processors=processors)
        tries = max(MOST_TRIES // len(self._heads), FEWEST_TRIES)
        for chosen in islice(_sets(rooms, number - 1, missing), tries):
            found = place(self.demand, head, [workers[i] for i in chosen], processors=processors)
            if found is not None:
                return found
        return None

    def room(self, candidate: Candidate, *, processors: bool) -> int:
        """An upper bound of the blocks a PC can hold: the longest run on each of its devices, added up."""
        key = (candidate.node.node, processors)
        if key not in self._room:
            least = self.demand.buffers.of(first=False, last=False, pipelined=False)
            offers = candidate.usable(processors=processors)
            self._room[key] = sum(self.demand.most_blocks(offer.budget - least) for offer in offers)
        return self._room[key]


def _sets(rooms: Sequence[int], size: int, missing: int, start: int = 0) -> Iterator[tuple[int, ...]]:
    """Index sets of that size whose rooms add up to `missing` or more and are each above 0, in lexicographic order."""
    if size == 0:
        if missing <= 0:
            yield ()
        return
    for i in range(start, len(rooms) - size + 1):
        best = sorted(rooms[i:], reverse=True)[:size]
        if sum(best) < missing or not best[-1]:
            return
        if not rooms[i] or rooms[i] + sum(sorted(rooms[i + 1 :], reverse=True)[: size - 1]) < missing:
            continue
        for rest in _sets(rooms, size - 1, missing - rooms[i], i + 1):
            yield (i, *rest)
