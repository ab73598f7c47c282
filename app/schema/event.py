"""What happens in a node, as values. Every event is one step of `node.state.reduce`."""

from typing import Annotated, Literal

from pydantic import Field

from app.schema.cluster import InvitationStatus, JoinStatus, MemberInfo
from app.schema.download import Download, DownloadFigures, DownloadId
from app.schema.engine import EngineInstall, EngineStatus
from app.schema.hardware import HardwareSnapshot, LoadSample
from app.schema.instance import InstanceStatus, LastLaunch, Lease
from app.schema.node import CatalogueStatus, HealthWarning, Peer
from app.schema.record import InstanceId, NodeId, Record
from app.schema.settings import Settings
from app.schema.sighting import Sighting


class HardwareProbed(Record):
    type: Literal["hardware_probed"] = "hardware_probed"
    hardware: HardwareSnapshot


class LoadSampled(Record):
    type: Literal["load_sampled"] = "load_sampled"
    load: LoadSample


class EngineChanged(Record):
    type: Literal["engine_changed"] = "engine_changed"
    engine: EngineStatus


class EngineInstallChanged(Record):
    type: Literal["engine_install_changed"] = "engine_install_changed"
    install: EngineInstall


class EngineInstallProgressed(Record):
    type: Literal["engine_install_progressed"] = "engine_install_progressed"
    install: EngineInstall


class PeerChanged(Record):
    type: Literal["peer_changed"] = "peer_changed"
    peer: Peer


class PeerForgotten(Record):
    type: Literal["peer_forgotten"] = "peer_forgotten"
    node: NodeId


class MembersChanged(Record):
    type: Literal["members_changed"] = "members_changed"
    members: tuple[MemberInfo, ...]


class SightingsChanged(Record):
    type: Literal["sightings_changed"] = "sightings_changed"
    seen: tuple[Sighting, ...]


class InvitationChanged(Record):
    type: Literal["invitation_changed"] = "invitation_changed"
    invitation: InvitationStatus | None


class JoinChanged(Record):
    type: Literal["join_changed"] = "join_changed"
    join: JoinStatus | None


class SettingsChanged(Record):
    type: Literal["settings_changed"] = "settings_changed"
    settings: Settings


class CatalogueChanged(Record):
    type: Literal["catalogue_changed"] = "catalogue_changed"
    catalogue: CatalogueStatus


class InstanceChanged(Record):
    type: Literal["instance_changed"] = "instance_changed"
    instance: InstanceStatus


class InstanceForgotten(Record):
    type: Literal["instance_forgotten"] = "instance_forgotten"
    instance_id: InstanceId


class DownloadChanged(Record):
    type: Literal["download_changed"] = "download_changed"
    download: Download


class DownloadProgressed(Record):
    type: Literal["download_progressed"] = "download_progressed"
    figures: DownloadFigures


class DownloadForgotten(Record):
    type: Literal["download_forgotten"] = "download_forgotten"
    id: DownloadId


class LeasesChanged(Record):
    type: Literal["leases_changed"] = "leases_changed"
    leases: tuple[Lease, ...]


class WarningsChanged(Record):
    type: Literal["warnings_changed"] = "warnings_changed"
    warnings: tuple[HealthWarning, ...]


class LastLaunchesChanged(Record):
    type: Literal["last_launches_changed"] = "last_launches_changed"
    last_launches: tuple[LastLaunch, ...]


class NodeEnding(Record):
    """The node is ending: it may answer for some seconds more, and takes nothing new."""

    type: Literal["node_ending"] = "node_ending"
    ending: bool = True


Event = Annotated[
    HardwareProbed
    | LoadSampled
    | EngineChanged
    | EngineInstallChanged
    | EngineInstallProgressed
    | PeerChanged
    | PeerForgotten
    | MembersChanged
    | SightingsChanged
    | InvitationChanged
    | JoinChanged
    | SettingsChanged
    | CatalogueChanged
    | InstanceChanged
    | InstanceForgotten
    | DownloadChanged
    | DownloadProgressed
    | DownloadForgotten
    | LeasesChanged
    | WarningsChanged
    | LastLaunchesChanged
    | NodeEnding,
    Field(discriminator="type"),
]


class NumberedEvent(Record):
    """An event with the sequence number and time (seconds since the epoch) it got on the bus."""

    seq: int
    at: float
    event: Event
