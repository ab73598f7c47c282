"""Which nodes may take part: each is kept with the memory it offers, or dropped with a reason."""

from dataclasses import dataclass, replace

from app.planner import sentences
from app.planner.encoder import Encoder, encoder_on
from app.planner.memory import reserve_bytes
from app.schema.plan import ClusterView, DeviceResources, NodeReason, NodeResources, PlanRequest
from app.schema.record import NodeId

MOST_HEADS = 16
"""PCs that are looked at as the head when more hold the model."""


@dataclass(frozen=True, slots=True)
class Offer:
    """A device with the bytes it offers: `budget` is its free memory less the reserve, above 0."""

    node: NodeResources
    device: DeviceResources
    budget: int


@dataclass(frozen=True, slots=True)
class Candidate:
    """A node that may take part. One that offers nothing can still be the head. Offers are in the node's order.

    `encoder` is the picture encoder that it holds as the head; what it takes is off the offer of its device.
    """

    node: NodeResources
    offers: tuple[Offer, ...]
    encoder: Encoder | None = None

    @property
    def has_gpu(self) -> bool:
        """Whether the node has a GPU at all, even one without room."""
        return any(not device.is_cpu for device in self.node.devices)

    def usable(self, *, processors: bool) -> tuple[Offer, ...]:
        """Its offers, processor first. A processor beside a GPU counts only when `processors` is set."""
        cpus = tuple(offer for offer in self.offers if offer.device.is_cpu)
        gpus = tuple(offer for offer in self.offers if not offer.device.is_cpu)
        return cpus + gpus if processors or not self.has_gpu else gpus

    def leading(self, *, in_ram: bool = False) -> "Candidate | None":
        """The node as the head, with its picture encoder on its first card that has room for it, else in its RAM.

        With `in_ram` the other way round. None when no device has room.
        """
        if self.node.encoder is None:
            return self
        bare = self._without_encoder()
        for offer in sorted(bare.offers, key=lambda each: each.device.is_cpu != in_ram):
            encoder = encoder_on(offer.device, self.node.encoder)
            if offer.budget > encoder.total:
                return bare._with(offer.device, -encoder.total, encoder)
        return None

    def _without_encoder(self) -> "Candidate":
        return self if self.encoder is None else self._with(self.encoder.device, self.encoder.total, None)

    def _with(self, device: DeviceResources, more: int, encoder: Encoder | None) -> "Candidate":
        """The candidate with that many bytes more on offer on a device."""
        offers = (
            replace(offer, budget=offer.budget + more) if offer.device is device else offer for offer in self.offers
        )
        return replace(self, offers=tuple(offers), encoder=encoder)

    @property
    def rank(self) -> tuple[bool, int, NodeId]:
        """Sorting key, best first: has a GPU with room, most bytes on offer there, node id."""
        preferred = self.usable(processors=False)
        budget = sum(offer.budget for offer in preferred)
        return (not (self.has_gpu and preferred), -budget, self.node.node)


@dataclass(frozen=True, slots=True)
class Eligibility:
    """All nodes of a cluster: `kept` best first, `dropped` with a sentence each, sorted by node id."""

    kept: tuple[Candidate, ...]
    dropped: tuple[NodeReason, ...]

    def heads(self, request: PlanRequest, this_node: NodeId) -> tuple[Candidate, ...]:
        """Candidates for the head, at most 16, in order of preference: this node, then by rank.

        Of more, those that must take part are kept before others.
        """
        able = [c for c in self.kept if c.node.holds_model and request.head in (None, c.node.node)]
        preferred = sorted(able, key=lambda c: (c.node.node != this_node, c.node.node not in request.use, c.rank))
        return tuple(sorted(preferred[:MOST_HEADS], key=lambda c: (c.node.node != this_node, c.rank)))

    def workers(self, head: Candidate) -> tuple[Candidate, ...]:
        """Nodes that may work for `head`: the identical engine build and memory on offer. Best first."""
        others = (c for c in self.kept if c.node.node != head.node.node)
        return tuple(c for c in others if not worker_problem(c, head))

    def budget(self, head: Candidate, pcs: int) -> int:
        """All bytes that a head and its roomiest workers offer, on that many PCs."""
        sizes = sorted((sum(offer.budget for offer in pc.offers) for pc in self.workers(head)), reverse=True)
        return sum(offer.budget for offer in head.offers) + sum(sizes[: pcs - 1])


def eligible(request: PlanRequest, cluster: ClusterView) -> Eligibility:
    """Sort the nodes of a cluster into kept and dropped. Reasons that depend on the head: `worker_problem`."""
    kept: list[Candidate] = []
    dropped: list[NodeReason] = []
    for node in sorted(cluster.nodes, key=lambda n: n.node):
        candidate = Candidate(node, _offers(node))
        sentence = _node_problem(candidate, request)
        if sentence is None:
            kept.append(candidate)
        else:
            dropped.append(NodeReason(node=node.node, node_name=node.name, sentence=sentence))
    return Eligibility(tuple(sorted(kept, key=lambda c: c.rank)), tuple(dropped))


def worker_problem(candidate: Candidate, head: Candidate) -> str | None:
    """Why a kept node cannot work for this head, as a sentence; None when it can.

    The engine builds must be identical: the RPC handshake of llama.cpp ignores patch numbers and then computes garbage.
    """
    if candidate.node.engine_build != head.node.engine_build:
        return sentences.other_build(candidate.node, head.node)
    return None if candidate.offers else sentences.no_memory(candidate.node)


def _offers(node: NodeResources) -> tuple[Offer, ...]:
    budgets = ((device, device.free_bytes - reserve_bytes(device)) for device in node.devices)
    return tuple(Offer(node, device, budget) for device, budget in budgets if budget > 0)


def _node_problem(candidate: Candidate, request: PlanRequest) -> str | None:
    node = candidate.node
    if node.node in request.avoid:
        return sentences.avoided(node)
    if node.problem is not None:
        return sentences.problem(node, node.problem)
    if node.engine_build is None:
        return sentences.no_engine(node)
    if not candidate.offers and not node.holds_model:
        return sentences.no_memory(node)
    return None
