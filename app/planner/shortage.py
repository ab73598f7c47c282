"""How much memory is missing when nothing fits, counted over the devices that could have helped."""

from collections.abc import Sequence
from dataclasses import dataclass

from app.planner.eligibility import Candidate, Offer
from app.planner.line import compute_bytes, on_head_processor
from app.planner.memory import Demand
from app.schema.plan import DeviceResources, NodeResources


@dataclass(frozen=True, slots=True)
class Shortage:
    """Bytes needed and free over some PCs, and the devices counted on each.

    `needed` is everything that has to lie on the devices: blocks, cache, output layer, compute buffers and the
    reserves. `free` is what the devices have free, reserve included, so that the numbers match what a person sees.
    `encoder` is what of `needed` the picture encoder takes.
    """

    needed: int
    free: int
    nodes: tuple[tuple[NodeResources, tuple[DeviceResources, ...]], ...]
    encoder: int = 0

    @property
    def short(self) -> int:
        """Bytes missing; 0 when the sum would do and only the division into whole layers fails."""
        return max(self.needed - self.free, 0)


def shortage(demand: Demand, head: Candidate, workers: Sequence[Candidate]) -> Shortage:
    """Count what a model needs and what these PCs have, processors included: they are the last resort.

    A picture encoder is off the budget of its device, so it is counted with the reserves.
    """
    pcs, encoder = (head, *workers), head.encoder
    offers = [offer for pc in pcs for offer in pc.usable(processors=True)]
    counted = [offer for offer in offers if _holds_a_block(demand, offer)] or offers
    processor = any(on_head_processor(offer, head) for offer in counted)
    buffers = sum(compute_bytes(demand, head, counted)) if counted else _alone(demand)
    reserves = sum(offer.device.free_bytes - offer.budget for offer in counted)
    tied = demand.tied_bytes if len(counted) == 1 else 0
    embedding = demand.head_ram_bytes - tied if processor else 0
    return Shortage(
        needed=demand.placed_bytes + buffers + reserves + embedding,
        free=sum(offer.device.free_bytes for offer in counted),
        nodes=tuple((pc.node, tuple(offer.device for offer in counted if offer.node is pc.node)) for pc in pcs),
        encoder=sum(encoder.total for offer in counted if encoder is not None and offer.device is encoder.device),
    )


def _holds_a_block(demand: Demand, offer: Offer) -> bool:
    room = offer.budget - demand.buffers.of(first=False, last=False, pipelined=False)
    return room > 0 and room >= demand.smallest_block


def _alone(demand: Demand) -> int:
    return demand.buffers.of(first=True, last=True, pipelined=False)
