"""What PCs can hold at most, at a glance: bounds that cost next to nothing and rule out heads and numbers of PCs."""

from app.planner.eligibility import Candidate, Eligibility, Offer
from app.planner.memory import Demand
from app.schema.record import NodeId


class Rooms:
    """The bounds of one demand over the nodes that take part."""

    def __init__(self, demand: Demand, eligibility: Eligibility) -> None:
        self._demand = demand
        self._eligibility = eligibility
        self._blocks: dict[tuple[NodeId, bool], int] = {}

    def may_hold(self, head: Candidate, pcs: int, *, processors: bool) -> bool:
        """Whether the blocks that so many PCs can hold add up to all."""
        workers = self._eligibility.workers(head)
        rooms = sorted((self.blocks(worker, processors=processors) for worker in workers), reverse=True)
        return self._of_head(head, processors=processors) + sum(rooms[: pcs - 1]) >= self._demand.layers

    def blocks(self, candidate: Candidate, *, processors: bool) -> int:
        """An upper bound of the blocks a PC can hold: the longest run on each of its devices, added up."""
        key = (candidate.node.node, processors)
        if key not in self._blocks:
            self._blocks[key] = sum(self.most(offer) for offer in candidate.usable(processors=processors))
        return self._blocks[key]

    def _of_head(self, head: Candidate, *, processors: bool) -> int:
        """The same for a head, whose cards may leave experts in its RAM."""
        offers = head.usable(processors=processors)
        if not self._demand.has_experts or not any(offer.device.is_cpu for offer in offers):
            return self.blocks(head, processors=processors)
        return sum(self.most(offer, without_experts=not offer.device.is_cpu) for offer in offers)

    def most(self, offer: Offer, *, without_experts: bool = False) -> int:
        """The same of one device; `without_experts` for a card of the head that may leave them in its RAM."""
        buffers = self._demand.buffers
        least = buffers.of(first=False, last=False, pipelined=False)
        if without_experts:
            least = min(least, buffers.spilled(first=False, last=False, whole=False, copied=0))
        return self._demand.most_blocks(offer.budget - least, without_experts=without_experts)
