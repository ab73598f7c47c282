"""PURE: a status as the picture of the cluster: cards, models on the way through them, strangers, warnings."""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from app.schema.instance import InstanceState, InstanceStatus, PhaseName, PhaseState
from app.schema.node import HealthWarning, Peer, Reachability, Status
from app.schema.record import InstanceId, NodeId
from app.schema.sighting import Sighting
from app.ui.cluster.facts import LinkFacts, carried, facts_line, joined, layers_words, link_facts
from app.ui.cluster.gauges import LIVE, Gauge, Machine, gpu_gauges, ram_gauge
from app.ui.face import model_name, pcs_word, percent_of
from app.ui.parts.sizes import size_text, speed_text
from app.ui.pc_colours import pc_colours
from app.ui.wish import LEAVE, Wish
from app.ui.words import Phrase, tr


class Presence(StrEnum):
    """How a PC is there."""

    HERE = "here"
    ALIVE = "alive"
    CONNECTING = "connecting"
    SUSPECT = "suspect"
    LOST = "lost"


@dataclass(frozen=True)
class PcCard:
    """One PC. `colour` is the index of its device colour; `mark` tells PCs of one name apart, empty for a lone name."""

    node: NodeId
    name: str
    mark: str
    presence: Presence
    colour: int
    link: LinkFacts | None
    gauges: tuple[Gauge, ...]
    ram: Gauge | None
    carries: tuple[Phrase, ...]
    facts: Phrase
    problem: str | None = None

    @property
    def is_this(self) -> bool:
        """Whether it is the PC that shows the picture."""
        return self.presence is Presence.HERE


@dataclass(frozen=True)
class Leg:
    """A PC on a model's way: its layers, and which part of all layers that is (0..1)."""

    node: NodeId
    name: str
    colour: int
    layers: Phrase
    part: float
    is_head: bool


@dataclass(frozen=True)
class Caravan:
    """A model and the PCs it flows through, in the order of its layers."""

    instance: InstanceId
    model: str
    state: Phrase
    is_ready: bool
    legs: tuple[Leg, ...]


@dataclass(frozen=True)
class Stranger:
    """A PC seen on the network that is not joined. Only its address is known: names come with trust."""

    key: str
    host: str
    pairing_port: int | None

    @property
    def is_inviting(self) -> bool:
        """Whether it shows a code now."""
        return self.pairing_port is not None

    @property
    def address(self) -> str:
        """Where it can be joined."""
        return self.host if self.pairing_port is None else f"{self.host}:{self.pairing_port}"


@dataclass(frozen=True)
class Advice:
    """A warning with the button that helps, if one does."""

    sentence: str
    hint: str
    fix: Phrase | None = None
    wish: Wish | None = None
    about: str = ""


@dataclass(frozen=True)
class Picture:
    """Everything the page shows."""

    summary: Phrase
    cards: tuple[PcCard, ...]
    caravans: tuple[Caravan, ...]
    strangers: tuple[Stranger, ...]
    advice: tuple[Advice, ...]


def picture(status: Status, colours: tuple[str, ...]) -> Picture:
    """The picture of a status; `colours` are a palette's device colours."""
    indices = pc_colours(status)
    peers = sorted(status.peers, key=lambda peer: (peer.called.casefold(), peer.node))
    doubled = _doubled(status)
    instances = status.all_instances
    marks = {member.node: member.short_name for member in status.members if member.node in doubled}
    own = _own_card(status, indices, colours, marks, instances)
    others = (_peer_card(peer, status.node.id, indices, colours, marks, instances) for peer in peers)
    cards = (own, *others)
    return Picture(
        summary=_summary(cards),
        cards=cards,
        caravans=tuple(_caravan(each, indices) for each in instances if each.state in LIVE),
        strangers=tuple(strangers(status.seen)),
        advice=tuple(_advice(each) for each in status.warnings),
    )


def _doubled(status: Status) -> set[NodeId]:
    names = {status.node.id: status.node.name, **{peer.node: peer.called for peer in status.peers}}
    every = [name.casefold() for name in names.values()]
    return {node for node, name in names.items() if every.count(name.casefold()) > 1}


def _own_card(
    status: Status,
    indices: dict[NodeId, int],
    colours: tuple[str, ...],
    marks: dict[NodeId, str],
    instances: tuple[InstanceStatus, ...],
) -> PcCard:
    node = status.node.id
    machine = Machine(node, status.hardware, status.load)
    colour = colours[indices[node] % len(colours)]
    gauges = gpu_gauges(machine, colour, instances)
    return PcCard(
        node=node,
        name=status.node.name,
        mark=marks.get(node, ""),
        presence=Presence.HERE,
        colour=indices[node],
        link=None,
        gauges=gauges,
        ram=ram_gauge(machine, colour, instances),
        carries=carried(node, instances, status.leases),
        facts=facts_line(status.engine, gauges, status.settings.sharing),
        problem=status.engine.problem.sentence if status.engine.problem else None,
    )


def _peer_card(
    peer: Peer,
    own: NodeId,
    indices: dict[NodeId, int],
    colours: tuple[str, ...],
    marks: dict[NodeId, str],
    instances: tuple[InstanceStatus, ...],
) -> PcCard:
    report = peer.report
    known = report if peer.reachability is not Reachability.LOST else None
    hardware = report.hardware if report else None
    machine = Machine(peer.node, hardware, known.load if known else None, known.devices if known else ())
    colour = colours[indices[peer.node] % len(colours)]
    gauges = gpu_gauges(machine, colour, instances)
    return PcCard(
        node=peer.node,
        name=peer.called,
        mark=marks.get(peer.node, ""),
        presence=Presence(peer.reachability.value),
        colour=indices[peer.node],
        link=link_facts(peer, own),
        gauges=gauges,
        ram=ram_gauge(machine, colour, instances),
        carries=carried(peer.node, instances, known.leases if known else ()),
        facts=facts_line(known.engine, gauges, known.sharing) if known else Phrase(""),
        problem=peer.problem or (known.engine.problem.sentence if known and known.engine.problem else None),
    )


def _summary(cards: tuple[PcCard, ...]) -> Phrase:
    """`3 PCs · 48 GB of GPU memory · 21 GB free`; free only when every PC tells it."""
    there = [card for card in cards if card.presence is not Presence.LOST]
    gauges = [gauge for card in there for gauge in card.gauges if gauge.total]
    parts = [pcs_word(len(cards))]
    if len(there) < len(cards):
        parts.append(tr("{count} lost", count=len(cards) - len(there)))
    if gauges:
        parts.append(tr("{size} of GPU memory", size=size_text(sum(each.total for each in gauges))))
    free = [gauge.free for gauge in gauges if gauge.free is not None]
    if gauges and len(free) == len(gauges):
        parts.append(tr("{size} free", size=size_text(sum(free))))
    return joined(parts)


def _caravan(instance: InstanceStatus, indices: dict[NodeId, int]) -> Caravan:
    return Caravan(
        instance.id,
        model_name(instance),
        _state_words(instance),
        instance.state is InstanceState.READY,
        tuple(_legs(instance, indices)),
    )


def _state_words(instance: InstanceStatus) -> Phrase:
    if instance.state is InstanceState.STARTING:
        return _loading_words(instance)
    if instance.state is InstanceState.STOPPING:
        return tr("unloading")
    words = [tr("ready"), pcs_word(instance.plan.pcs)]
    if instance.decode is not None:
        words.append(speed_text(instance.decode))
    elif instance.plan.prediction is not None:
        words.append(tr("about {speed}", speed=speed_text(instance.plan.prediction.decode)))
    return joined(words)


def _loading_words(instance: InstanceStatus) -> Phrase:
    tensors = next((phase for phase in instance.phases if phase.name is PhaseName.TENSORS), None)
    percent = percent_of(tensors) if tensors is not None and tensors.state is not PhaseState.PENDING else None
    return tr("loading") if percent is None else tr("loading, {percent} %", percent=percent)


def _legs(instance: InstanceStatus, indices: dict[NodeId, int]) -> Iterator[Leg]:
    plan = instance.plan
    carrying = [stage for stage in plan.stages if stage.layers > 0]
    for node in dict.fromkeys(stage.node for stage in carrying):
        stages = [stage for stage in carrying if stage.node == node]
        part = sum(stage.layers for stage in stages) / max(1, sum(stage.layers for stage in carrying))
        layers = layers_words(stages)
        yield Leg(node, stages[0].node_name, indices.get(node, 0), layers, part, node == plan.head)


def strangers(seen: tuple[Sighting, ...]) -> Iterator[Stranger]:
    """The PCs that are seen and not joined, those that show a code first."""
    for each in sorted(seen, key=lambda sighting: (sighting.pairing_port is None, sighting.addresses)):
        if each.node is None and each.addresses:
            yield Stranger(each.node_hint + each.instance, each.addresses[0], each.pairing_port)


_FIXES: dict[str, tuple[Phrase, Wish, str]] = {
    "engine_missing": (tr("Install the engine"), Wish.SETTINGS, "engine"),
    "engine_lacks_rpc": (tr("Install the engine"), Wish.SETTINGS, "engine"),
    "engine_library_missing": (tr("Install the engine"), Wish.SETTINGS, "engine"),
    "engine_broken": (tr("Install the engine"), Wish.SETTINGS, "engine"),
    "removed_from_cluster": (tr("Leave..."), Wish.CLUSTER, LEAVE),
    "discovery_blocked": (tr("Join by address"), Wish.JOIN, "address"),
    "discovery_port_taken": (tr("Join by address"), Wish.JOIN, "address"),
    "discovery_failed": (tr("Join by address"), Wish.JOIN, "address"),
}


def _advice(warning: HealthWarning) -> Advice:
    fix, wish, about = _FIXES.get(warning.code, (None, None, ""))
    return Advice(warning.sentence, warning.hint, fix, wish, about)
