"""PURE: what a node can offer the planner, from its hardware, its load and its engine's device list."""

from collections import Counter
from collections.abc import Container, Iterable, Mapping

from app.instances.placement import held_bytes
from app.schema.engine import EngineStatus
from app.schema.instance import InstanceStatus
from app.schema.model import EncoderShape, ModelFile, ModelPart
from app.schema.node import NodeInfo, Peer, PeerReport, Reachability, Status
from app.schema.plan import CPU_DEVICE, FASTEST_LINK, ClusterView, DeviceResources, LinkMeasure, NodeResources, Plan
from app.schema.record import NodeId


def own_resources(
    node: NodeInfo, engine: EngineStatus, devices: tuple[DeviceResources, ...], holds_model: bool
) -> NodeResources:
    """This node as the planner sees it."""
    return NodeResources(
        node=node.id,
        name=node.name,
        holds_model=holds_model,
        engine_build=engine.build.identity if engine.build else None,
        devices=devices,
        problem=engine.problem.sentence if engine.problem else None,
    )


def peer_resources(peer: Peer, holds_model: bool) -> NodeResources | None:
    """A peer as the planner sees it, None before its first answer."""
    report = peer.report
    if report is None:
        return None
    return NodeResources(
        node=report.node.id,
        name=report.node.name,
        holds_model=holds_model,
        engine_build=report.engine.build.identity if report.engine.build else None,
        devices=report.devices,
        problem=_peer_problem(peer, report),
    )


def _peer_problem(peer: Peer, report: PeerReport) -> str | None:
    if peer.reachability is Reachability.LOST:
        return f"{report.node.name} does not answer."
    if not report.sharing:
        return f"Sharing is paused on {report.node.name}."
    return report.engine.problem.sentence if report.engine.problem else None


def with_freed(view: ClusterView, gone: Iterable[InstanceStatus]) -> ClusterView:
    """The cluster once these instances have given back what their plans say they hold."""
    freed: Counter[tuple[NodeId, str]] = Counter()
    for instance in gone:
        freed.update(held_bytes(instance.plan))
    nodes = (
        node.model_copy(update={"devices": tuple(_freed(each, freed[node.node, each.device]) for each in node.devices)})
        for node in view.nodes
    )
    return view.model_copy(update={"nodes": tuple(nodes)})


def with_memory_before(view: ClusterView, plan: Plan) -> ClusterView:
    """The cluster with the memory free that the plan was made with, on the devices that it uses.

    Peers tell late that they have it back. A draft model is left to what the head says now: its lease ends at once.
    """
    before = {(stage.node, stage.device): stage.free_bytes for stage in plan.stages}
    if plan.experts is not None:
        before[plan.head, CPU_DEVICE] = plan.experts.free_bytes
    if plan.encoder is not None:
        before[plan.head, plan.encoder.device] = plan.encoder.free_bytes

    def restored(node: NodeId, device: DeviceResources) -> DeviceResources:
        return device.model_copy(update={"free_bytes": before.get((node, device.device), device.free_bytes)})

    nodes = (
        node.model_copy(update={"devices": tuple(restored(node.node, each) for each in node.devices)})
        for node in view.nodes
    )
    return view.model_copy(update={"nodes": tuple(nodes)})


def _freed(device: DeviceResources, more: int) -> DeviceResources:
    return device.model_copy(update={"free_bytes": min(device.total_bytes, device.free_bytes + more)})


def with_encoders(view: ClusterView, encoders: Mapping[NodeId, EncoderShape]) -> ClusterView:
    """The cluster with the picture encoder that each node loads beside the model in question."""
    nodes = (node.model_copy(update={"encoder": encoders.get(node.node, node.encoder)}) for node in view.nodes)
    return view.model_copy(update={"nodes": tuple(nodes)})


def own_links(status: Status) -> tuple[LinkMeasure, ...]:
    """The links from this node, as far as they are measured: what it sends by itself, what comes back by the peers."""
    return tuple(
        LinkMeasure(
            a=status.node.id,
            b=peer.node,
            round_trip=peer.round_trip,
            throughput=peer.throughput,
            back=peer.rate_to(status.node.id),
        )
        for peer in status.peers
    )


def _plausible(rate: float | None) -> float | None:
    """What a peer told, None when no network is that fast."""
    return rate if rate is not None and rate <= FASTEST_LINK else None


def links_of(status: Status) -> tuple[LinkMeasure, ...]:
    """Every link of the cluster that this node knows: its own, and those that its peers tell of between each other."""
    known = {frozenset((link.a, link.b)): link for link in own_links(status)}
    for peer in status.peers:
        for link in peer.report.links if peer.report is not None else ():
            if link.a == peer.node and status.node.id != link.b:
                pair = frozenset((link.a, link.b))
                known[pair] = _joined(known.get(pair), link)
    return tuple(known.values())


def _joined(known: LinkMeasure | None, told: LinkMeasure) -> LinkMeasure:
    """A link between two peers by what both tell; of each way the word of its sender counts."""
    rate = _plausible(told.throughput)
    if known is None:
        return told.model_copy(update={"throughput": rate, "back": _plausible(told.back)})
    trip = told.round_trip if known.round_trip is None else known.round_trip
    return known.model_copy(update={"round_trip": trip, "back": rate or known.back})


def with_model(
    view: ClusterView,
    model: ModelFile,
    kept: Mapping[NodeId, tuple[ModelPart, ...] | None],
    in_ram: Container[NodeId] = (),
) -> ClusterView:
    """The cluster with what it has of one model beside the file: parts on workers' disks, the file in a head's RAM."""
    nodes = []
    for node in view.nodes:
        parts = kept.get(node.node)
        own = None if parts is None else tuple(part for part in parts if part.is_of(model))
        nodes.append(node.model_copy(update={"kept": own, "has_in_ram": node.node in in_ram}))
    return view.model_copy(update={"nodes": tuple(nodes)})
