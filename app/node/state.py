"""PURE: `reduce(Status, Event) -> Status`, and the difference between two statuses. The bus holds the only cell."""

from typing import Any

from app.schema.event import (
    CatalogueChanged,
    EngineChanged,
    Event,
    HardwareProbed,
    InstanceChanged,
    InstanceForgotten,
    LeasesChanged,
    LoadSampled,
    PeerChanged,
    WarningsChanged,
)
from app.schema.instance import InstanceStatus
from app.schema.node import Peer, Status


def reduce(status: Status, event: Event) -> Status:
    """The status after the event; `seq` is the bus's business and stays."""
    return status.model_copy(update=_changes(status, event))


def difference(before: Status, after: Status) -> dict[str, Any]:
    """The top-level fields that differ, `seq` left out, with their new values."""
    names = (name for name in Status.model_fields if name != "seq")
    return {name: getattr(after, name) for name in names if getattr(after, name) != getattr(before, name)}


def _changes(status: Status, event: Event) -> dict[str, Any]:
    match event:
        case HardwareProbed(hardware=hardware):
            return {"hardware": hardware}
        case LoadSampled(load=load):
            return {"load": load}
        case EngineChanged(engine=engine):
            return {"engine": engine}
        case PeerChanged(peer=peer):
            return {"peers": _with_peer(status.peers, peer)}
        case CatalogueChanged(catalogue=catalogue):
            return {"catalogue": catalogue}
        case InstanceChanged(instance=instance):
            return {"instances": _with_instance(status.instances, instance)}
        case InstanceForgotten(instance_id=instance_id):
            return {"instances": tuple(each for each in status.instances if each.id != instance_id)}
        case LeasesChanged(leases=leases):
            return {"leases": leases}
        case WarningsChanged(warnings=warnings):
            return {"warnings": warnings}


def _with_peer(peers: tuple[Peer, ...], new: Peer) -> tuple[Peer, ...]:
    others = (each for each in peers if each.address != new.address)
    return tuple(sorted((*others, new), key=lambda peer: peer.address))


def _with_instance(instances: tuple[InstanceStatus, ...], new: InstanceStatus) -> tuple[InstanceStatus, ...]:
    if all(each.id != new.id for each in instances):
        return (*instances, new)
    return tuple(new if each.id == new.id else each for each in instances)
