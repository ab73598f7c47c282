"""A node, its peers, and the whole status that watchers mirror."""

from enum import StrEnum
from typing import Any

from pydantic import Field

from app.schema.cluster import InvitationStatus, JoinStatus, MemberInfo
from app.schema.download import Download, DownloadFigures
from app.schema.engine import EngineInstall, EngineStatus
from app.schema.hardware import HardwareSnapshot, LoadSample
from app.schema.instance import InstanceState, InstanceStatus, LastLaunch, Lease
from app.schema.memory import MemoryExcess
from app.schema.model import ModelPart
from app.schema.plan import FASTEST_LINK, DeviceResources, LinkMeasure
from app.schema.record import ModelId, NodeId, Record
from app.schema.settings import Settings
from app.schema.sighting import Sighting
from app.schema.speed import DeviceSpeed


class NodeInfo(Record):
    """Who a node is. `started_at` is seconds since the epoch; a changed value means it restarted."""

    id: NodeId
    name: str
    version: str
    started_at: float


class Reachability(StrEnum):
    """How a peer answers."""

    CONNECTING = "connecting"
    ALIVE = "alive"
    SUSPECT = "suspect"
    LOST = "lost"


class PeerReport(Record):
    """What a node tells its peers about itself, with every heartbeat. `devices` is what it offers now.

    `speeds` are its devices as it measured them, `links` those from it. Two nodes whose `members_digest` differ
    exchange their member lists; a new `catalogue_revision` says that its list of models changed. `unload_after` is its
    setting of that name.
    `excesses` are models that need more memory than planned, as its engine said.
    `kept` are parts of models that its workers have on its disk, newest last; None when it keeps none.
    """

    node: NodeInfo
    devices: tuple[DeviceResources, ...] = ()
    hardware: HardwareSnapshot | None = None
    load: LoadSample | None = None
    engine: EngineStatus = EngineStatus()
    sharing: bool = True
    leases: tuple[Lease, ...] = ()
    instances: tuple[InstanceStatus, ...] = ()
    speeds: tuple[DeviceSpeed, ...] = ()
    links: tuple[LinkMeasure, ...] = ()
    members_digest: str | None = None
    catalogue_revision: int = 0
    unload_after: float | None = None
    kept: tuple[ModelPart, ...] | None = None
    excesses: tuple[MemoryExcess, ...] = ()


class Peer(Record):
    """Another member of the cluster as this node sees it. `name` is what it was called when it joined.

    `address` is where the link reaches it (`host:port`), None while it does not. `round_trip` and `round_trip_p95` are
    the link's in seconds (median and 95th percentile of the last minutes), `throughput` the bytes/s from this node to
    the peer when they were measured.
    """

    node: NodeId
    name: str
    reachability: Reachability
    address: str | None = None
    report: PeerReport | None = None
    round_trip: float | None = None
    round_trip_p95: float | None = None
    throughput: float | None = None
    problem: str | None = None

    @property
    def called(self) -> str:
        """What the PC is called now, or when it joined."""
        return self.report.node.name if self.report is not None else self.name

    def rate_to(self, node: NodeId) -> float | None:
        """Bytes/s from the peer to another node, as the peer measured them; None also when no network is so fast."""
        links = self.report.links if self.report is not None else ()
        told = next((link.throughput for link in links if link.a == self.node and link.b == node), None)
        return told if told is not None and told <= FASTEST_LINK else None


class CatalogueStatus(Record):
    """The state of the model catalogue; the models themselves are a resource of their own. `revision` grows."""

    revision: int = 0
    models: int = 0
    unreadable: int = 0
    scanning: bool = False
    folders: tuple[str, ...] = ()


class HealthWarning(Record):
    """Something a person should know. `code` is stable, `hint` says what to do."""

    code: str
    sentence: str
    hint: str = ""


def unloads_at(instance: InstanceStatus, minutes: float | None) -> float | None:
    """When an instance that may be idle for so many minutes is unloaded; None while it works, and for ever."""
    if minutes is None or instance.state is not InstanceState.READY or instance.idle_since is None:
        return None
    return instance.idle_since + minutes * 60.0


class Status(Record):
    """Everything a node shows, immutable; `seq` grows by one with every change.

    `last_launches` is how each model was launched last, the newest first. `ending`: the node was asked to end, and
    whoever wants one had better wait for the next.
    """

    seq: int = 0
    node: NodeInfo
    hardware: HardwareSnapshot | None = None
    load: LoadSample | None = None
    engine: EngineStatus = EngineStatus()
    engine_install: EngineInstall | None = None
    peers: tuple[Peer, ...] = ()
    catalogue: CatalogueStatus = CatalogueStatus()
    instances: tuple[InstanceStatus, ...] = ()
    leases: tuple[Lease, ...] = ()
    warnings: tuple[HealthWarning, ...] = ()
    members: tuple[MemberInfo, ...] = ()
    seen: tuple[Sighting, ...] = ()
    invitation: InvitationStatus | None = None
    join: JoinStatus | None = None
    downloads: tuple[Download, ...] = ()
    settings: Settings = Settings()
    last_launches: tuple[LastLaunch, ...] = ()
    ending: bool = False

    @property
    def all_instances(self) -> tuple[InstanceStatus, ...]:
        """The instances of the cluster as far as known, each once: those whose head is this node, then its peers'.

        What a lost peer told last is not among them: it would be ready for ever.
        """
        found = {each.id: each for each in self.instances}
        for _, report in self.live_peers:
            for each in report.instances:
                found.setdefault(each.id, each)
        return tuple(found.values())

    @property
    def live_peers(self) -> tuple[tuple[Peer, PeerReport], ...]:
        """The peers that are not lost, and what each told last."""
        there = (peer for peer in self.peers if peer.reachability is not Reachability.LOST)
        return tuple((peer, peer.report) for peer in there if peer.report is not None)

    def last_launch(self, model: ModelId) -> LastLaunch | None:
        """How a model was launched last, None when it never was."""
        return next((each for each in self.last_launches if each.model_id == model), None)

    def unloads_at(self, instance: InstanceStatus) -> float | None:
        """When its head unloads an instance if nobody asks it anything (seconds since the epoch); None for never."""
        reports = (peer.report for peer in self.peers if peer.node == instance.head)
        theirs = next((report.unload_after for report in reports if report is not None), None)
        minutes = self.settings.unload_after if instance.head == self.node.id else theirs
        return unloads_at(instance, minutes)

    def peers_with(self, new: Peer) -> tuple[Peer, ...]:
        """The peers, one of them new or changed."""
        others = (each for each in self.peers if each.node != new.node)
        return tuple(sorted((*others, new), key=lambda peer: peer.node))

    def instances_with(self, new: InstanceStatus) -> tuple[InstanceStatus, ...]:
        """The instances, one of them new or changed."""
        if all(each.id != new.id for each in self.instances):
            return (*self.instances, new)
        return tuple(new if each.id == new.id else each for each in self.instances)

    def downloads_with(self, new: Download) -> tuple[Download, ...]:
        """The downloads, one of them new or changed."""
        if all(each.id != new.id for each in self.downloads):
            return (*self.downloads, new)
        return tuple(new if each.id == new.id else each for each in self.downloads)

    def downloads_at(self, figures: DownloadFigures) -> tuple[Download, ...]:
        """The downloads, one of them further than before; figures of an unknown one change nothing."""
        told = figures.model_dump(exclude={"id"})
        return tuple(each.model_copy(update=told) if each.id == figures.id else each for each in self.downloads)


class Delta(Record):
    """One numbered change: `peer`, `instance` or `download` when one of them is new or changed, `figures` when a
    download is just further, else the top-level fields of `Status` that are new. Apply it to the status `seq - 1`.

    A heartbeat of one of many peers, or a step of one of many downloads, would otherwise carry them all.
    """

    seq: int
    event: str
    changed: dict[str, Any] = Field(default_factory=dict)
    peer: Peer | None = None
    instance: InstanceStatus | None = None
    download: Download | None = None
    figures: DownloadFigures | None = None

    def apply(self, status: Status) -> Status:
        """The status after this change. Raises ValueError on a gap, then the reader must take a new snapshot."""
        if self.seq != status.seq + 1:
            raise ValueError(f"delta {self.seq} does not follow {status.seq}")
        fields = {name: getattr(status, name) for name in Status.model_fields}
        if self.peer is not None:
            fields["peers"] = status.peers_with(self.peer)
        if self.instance is not None:
            fields["instances"] = status.instances_with(self.instance)
        if self.download is not None:
            fields["downloads"] = status.downloads_with(self.download)
        if self.figures is not None:
            fields["downloads"] = status.downloads_at(self.figures)
        return Status.model_validate({**fields, **self.changed, "seq": self.seq})
