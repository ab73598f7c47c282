"""PURE: `reduce(Status, Event) -> Status`, and the difference between two statuses. The bus holds the only cell."""

from typing import Any

from app.schema.download import Download
from app.schema.event import (
    DownloadChanged,
    DownloadForgotten,
    DownloadProgressed,
    EngineInstallChanged,
    EngineInstallProgressed,
    Event,
    InstanceChanged,
    InstanceForgotten,
    InvitationChanged,
    LoadSampled,
    PeerChanged,
    PeerForgotten,
    SightingsChanged,
)
from app.schema.instance import InstanceStatus
from app.schema.node import Delta, Peer, Status


def reduce(status: Status, event: Event) -> Status:
    """The status after the event; `seq` is the bus's business and stays."""
    return status.model_copy(update=_changes(status, event))


def difference(before: Status, after: Status) -> dict[str, Any]:
    """The top-level fields that differ, `seq` left out, with their new values."""
    pairs = ((name, getattr(before, name), getattr(after, name)) for name in Status.model_fields if name != "seq")
    return {name: new for name, old, new in pairs if new is not old and new != old}


def delta(event: Event, seq: int, changed: dict[str, Any]) -> Delta:
    """What readers are told of an event that changed those fields."""
    match event:
        case PeerChanged(peer=peer):
            return Delta(seq=seq, event=event.type, peer=peer)
        case InstanceChanged(instance=instance):
            return Delta(seq=seq, event=event.type, instance=instance)
        case DownloadChanged(download=download):
            return Delta(seq=seq, event=event.type, download=download)
        case DownloadProgressed(figures=figures):
            return Delta(seq=seq, event=event.type, figures=figures)
        case _:
            return Delta(seq=seq, event=event.type, changed=changed)


def is_story(before: Status, event: Event) -> bool:
    """Whether an event is worth keeping: a sample, a heartbeat or a step of progress that says nothing else is not."""
    match event:
        case LoadSampled() | EngineInstallProgressed() | InvitationChanged() | SightingsChanged():
            return False
        case DownloadProgressed():
            return False
        case PeerChanged(peer=peer):
            return all(_news_of(peer) != _news_of(each) for each in before.peers)
        case InstanceChanged(instance=instance):
            return all(_steps_of(instance) != _steps_of(each) for each in before.instances)
        case _:
            return True


def _news_of(peer: Peer) -> tuple[object, ...]:
    report = peer.report
    return (peer.node, peer.reachability, peer.problem, *((report.node, report.engine) if report else ()))


def _steps_of(instance: InstanceStatus) -> tuple[object, ...]:
    return (instance.id, instance.state, instance.error, *((phase.name, phase.state) for phase in instance.phases))


def _changes(status: Status, event: Event) -> dict[str, Any]:
    match event:
        case EngineInstallChanged(install=install) | EngineInstallProgressed(install=install):
            return {"engine_install": install}
        case PeerChanged(peer=peer):
            return {"peers": status.peers_with(peer)}
        case PeerForgotten(node=node):
            return {"peers": tuple(each for each in status.peers if each.node != node)}
        case InstanceChanged() | InstanceForgotten():
            return {"instances": _instances(status, event)}
        case DownloadChanged() | DownloadProgressed() | DownloadForgotten():
            return {"downloads": _downloads(status, event)}
        case _:
            # Every other event carries the new value of the field of the same name.
            return {name: getattr(event, name) for name in type(event).model_fields if name != "type"}


def _instances(status: Status, event: InstanceChanged | InstanceForgotten) -> tuple[InstanceStatus, ...]:
    if isinstance(event, InstanceChanged):
        return status.instances_with(event.instance)
    return tuple(each for each in status.instances if each.id != event.instance_id)


def _downloads(status: Status, event: DownloadChanged | DownloadProgressed | DownloadForgotten) -> tuple[Download, ...]:
    match event:
        case DownloadChanged(download=download):
            return status.downloads_with(download)
        case DownloadProgressed(figures=figures):
            return status.downloads_at(figures)
        case DownloadForgotten(id=gone):
            return tuple(each for each in status.downloads if each.id != gone)
