"""PURE: the words on a PC's card: its link, its part of a model, its engine, its warmth."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from app.schema.engine import EngineStatus
from app.schema.hardware import NetworkInterface
from app.schema.instance import InstanceStatus, Lease
from app.schema.node import Peer
from app.schema.plan import Stage
from app.schema.record import NodeId
from app.ui.cluster.gauges import LIVE, Gauge
from app.ui.face import NAME_COLUMNS, model_name
from app.ui.parts.sizes import link_speed_text, milliseconds_text
from app.ui.words import Phrase, shortened, tr

_WIRELESS = ("wi-fi", "wifi", "wlan", "wlp", "wlx", "wl0", "wireless", "airport")


UNEVEN = 1.25
"""A link is told with both its speeds when one is so many times the other."""


class Medium(StrEnum):
    """How a PC is connected."""

    CABLE = "cable"
    WIFI = "wifi"


@dataclass(frozen=True)
class LinkFacts:
    """A measured link; each part None as long as nobody knows it."""

    medium: Medium | None = None
    speed: Phrase | None = None
    round_trip: Phrase | None = None

    @property
    def words(self) -> Phrase:
        """`Cable · 940 Mbit/s · 0.4 ms`."""
        names = {Medium.CABLE: tr("cable"), Medium.WIFI: tr("Wi-Fi"), None: None}
        return joined(each for each in (names[self.medium], self.speed, self.round_trip) if each is not None)


def link_facts(peer: Peer, own: NodeId) -> LinkFacts:
    """The link from this PC, `own`, to a peer."""
    hardware = peer.report.hardware if peer.report else None
    return LinkFacts(
        medium_of(hardware.interfaces if hardware else (), peer.address),
        speeds_text(peer.throughput, peer.rate_to(own)),
        milliseconds_text(peer.round_trip) if peer.round_trip is not None else None,
    )


def speeds_text(there: float | None, back: float | None) -> Phrase | None:
    """A link's speed in bytes/s to a PC and from it, both where they differ much; None while nobody knows."""
    known = [rate for rate in (there, back) if rate is not None]
    if not known:
        return None
    if there is None or back is None or max(known) < UNEVEN * min(known):
        return link_speed_text(known[0])
    return tr("{there}, {back} back", there=link_speed_text(there), back=link_speed_text(back))


def medium_of(interfaces: Iterable[NetworkInterface], address: str | None) -> Medium | None:
    """What the adapter with this address is, by its name, as Windows and Linux name adapters; None when none has it."""
    if address is None:
        return None
    host = address.rpartition(":")[0] or address
    for each in interfaces:
        if host in (known.split("/")[0] for known in each.addresses):
            return Medium.WIFI if each.name.lower().startswith(_WIRELESS) else Medium.CABLE
    return None


def engine_word(engine: EngineStatus) -> Phrase:
    """`b11434`, or that there is none, or that it is not known yet."""
    if engine.build is None:
        return tr("no engine") if engine.problem is not None else tr("looking for the engine")
    return tr("b{build}", build=engine.build.build) if engine.build.build else tr("local build")


def facts_line(engine: EngineStatus, gauges: Iterable[Gauge], sharing: bool | None) -> Phrase:
    """`b11434 · 61 °C · sharing`. The warmest GPU counts."""
    warmth = [each.temperature for each in gauges if each.temperature is not None]
    words = [engine_word(engine)]
    if warmth:
        words.append(tr("{degrees} °C", degrees=round(max(warmth))))
    if sharing is not None:
        words.append(tr("sharing") if sharing else tr("sharing is paused"))
    return joined(words)


def carried(node: NodeId, instances: Iterable[InstanceStatus], leases: Iterable[Lease]) -> tuple[Phrase, ...]:
    """What a PC carries: its layers of each live model, and parts lent to PCs whose model is not known here."""
    live = [each for each in instances if each.state in LIVE]
    lines = [_part(node, each, len(live) > 1) for each in live]
    known = {each.id for each in live}
    heads = {lease.head: lease.head_name for lease in leases if lease.instance_id not in known and lease.head != node}
    lent = [tr("a part of {head}'s model", head=shortened(name, NAME_COLUMNS)) for name in heads.values()]
    return (*(line for line in lines if line is not None), *lent)


def _part(node: NodeId, instance: InstanceStatus, is_named: bool) -> Phrase | None:
    stages = [each for each in instance.plan.stages if each.node == node and each.layers > 0]
    words = []
    if instance.head == node:
        words.append(tr("head"))
    if stages:
        words.append(layers_words(stages))
    if not words:
        return None
    if is_named:
        words.insert(0, tr("{model}", model=model_name(instance)))
    return joined(words)


def layers_words(stages: Iterable[Stage]) -> Phrase:
    """`layers 21-48, output`, counted from 1 as people do."""
    every = list(stages)
    first, last = min(each.first_layer for each in every) + 1, max(each.last_layer for each in every) + 1
    words = tr("layer {first}", first=first) if first == last else tr("layers {first}–{last}", first=first, last=last)
    return tr("{layers}, output", layers=words) if any(each.holds_output for each in every) else words


def joined(parts: Iterable[Phrase]) -> Phrase:
    """The parts with a dot between them; an empty text for none."""
    every = tuple(parts)
    if not every:
        return Phrase("")
    names = [f"part{index}" for index in range(len(every))]
    return Phrase(" · ".join(f"{{{name}}}" for name in names), tuple(zip(names, every, strict=True)))
