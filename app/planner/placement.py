"""A split that fits, with what it costs."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from app.planner.eligibility import Candidate, Offer
from app.planner.fastest import TIED, Division
from app.planner.line import Ground, compute_bytes, on_head_processor
from app.planner.memory import Demand
from app.planner.speed import StageCost, timing
from app.schema.record import NodeId


@dataclass(frozen=True)
class Placement:
    """A split that fits: `offers` in layer order, `counts[i]` blocks on each; the last holds the output layer.

    The experts of the first `spilled[i]` blocks of the i-th device are in the head's RAM. `costs` is what each device
    costs, `seconds` the time of the exchanges it was chosen by. `repacks`: the costs are those of a processor that is
    alone and whose weights the engine rearranges.
    """

    head: Candidate
    offers: tuple[Offer, ...]
    counts: tuple[int, ...]
    costs: tuple[StageCost, ...]
    seconds: float
    spilled: tuple[int, ...] = ()
    repacks: bool = False

    @property
    def nodes(self) -> frozenset[NodeId]:
        """The PCs in it, head included."""
        return frozenset({self.head.node.node, *(offer.node.node for offer in self.offers)})

    @property
    def head_holds(self) -> bool:
        """Whether the head holds blocks itself."""
        return any(offer.node is self.head.node for offer in self.offers)

    @property
    def computes_on_processors(self) -> bool:
        """Whether blocks, or experts of some, are on a processor."""
        return any(self.spilled) or any(offer.device.is_cpu for offer in self.offers)

    @property
    def pipelined(self) -> bool:
        """Whether the engine overlaps the micro-batches of a prompt over the stages, if there are several."""
        return not any(self.spilled) and not on_head_processor(self.offers[0], self.head)


def placement_of(division: Division) -> Placement:
    """A division of a line as a placement."""
    stops = division.stops
    return Placement(
        head=division.line.head,
        offers=tuple(stop.offer for stop in stops),
        counts=division.counts,
        costs=tuple(stop.cost for stop in stops),
        seconds=division.seconds,
        spilled=division.spilled,
        repacks=division.line.repacks,
    )


def settled(ground: Ground, found: Placement, least: float) -> Placement:
    """The placement; on a processor alone with weights rearranged where that ties with `least` seconds, as the engine
    does it of itself.
    """
    alone = len(found.offers) == 1 and on_head_processor(found.offers[0], found.head) and not found.repacks
    cost = ground.repacked(found.offers[0]) if alone else None
    if cost is None:
        return found
    mix = ground.work.mix
    seconds = timing((cost,), found.counts, mix, pipelined=False).exchange(mix)
    repacked = replace(found, costs=(cost,), seconds=seconds, repacks=True)
    return repacked if seconds <= least * (1 + TIED) else found


def capacities(demand: Demand, head: Candidate, offers: Sequence[Offer]) -> tuple[int, ...]:
    """Bytes each stage has for blocks: the offer less buffers, less the output layer on the last.

    The head's processor has the embedding table beside it.
    """
    buffers = compute_bytes(demand, head, offers)
    room = [offer.budget - used for offer, used in zip(offers, buffers, strict=True)]
    room[-1] -= demand.output_bytes
    if on_head_processor(offers[0], head):
        room[0] -= demand.head_ram_bytes - (demand.tied_bytes if len(offers) == 1 else 0)
    return tuple(room)
