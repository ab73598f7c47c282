"""PURE: which running model answers for a name, on this PC or on another of the cluster."""

from collections.abc import Iterable
from dataclasses import dataclass

from app.cluster.link import PeerLink
from app.instances.head import Head
from app.schema.errors import InstanceNotFound
from app.schema.instance import InstanceState, InstanceStatus
from app.schema.node import Peer, Status


@dataclass(frozen=True)
class Here:
    """An instance whose llama-server is a child of this node."""

    status: InstanceStatus
    head: Head
    link: None = None


@dataclass(frozen=True)
class Elsewhere:
    """An instance whose head is another PC."""

    status: InstanceStatus
    link: PeerLink


Serving = Here | Elsewhere


def names(instance: InstanceStatus, model: str) -> bool:
    """Whether somebody who says `model` means this instance: by its id or its model's, `.gguf` or not, in any case."""
    wanted = model.lower().removesuffix(".gguf")
    return wanted == instance.model_id.lower() or model == instance.id


def peer_instances(status: Status) -> tuple[tuple[Peer, InstanceStatus], ...]:
    """The instances whose heads are peers that answer."""
    return tuple((peer, each) for peer, report in status.live_peers for each in report.instances)


def ready_instances(status: Status) -> tuple[InstanceStatus, ...]:
    """Every instance of the cluster that answers now, those of this PC first."""
    return tuple(each for each in status.all_instances if each.state is InstanceState.READY)


def newest_elsewhere(status: Status, model: str | None) -> tuple[Peer, InstanceStatus] | None:
    """The newest ready instance of a model on another PC, or the newest of all without a name."""
    ready = [
        (peer, each)
        for peer, each in peer_instances(status)
        if each.state is InstanceState.READY and (not model or names(each, model))
    ]
    return max(ready, key=lambda found: found[1].created_at, default=None)


def not_serving(model: str | None, instances: Iterable[InstanceStatus]) -> InstanceNotFound:
    """The error when nothing answers for a name, with what does answer."""
    known = tuple(instances)
    meant = [each for each in known if not model or names(each, model)]
    if loading := next((each for each in meant if each.state is InstanceState.STARTING), None):
        name = model or loading.model_id
        return InstanceNotFound(f"{name} is still loading.", "Ask again when it is ready: `caravan status`.")
    if not model:
        return InstanceNotFound("No model is running.", "Start one with `caravan launch MODEL`.")
    ready = dict.fromkeys(each.model_id for each in known if each.state is InstanceState.READY)
    running = f"Running now: {', '.join(ready)}." if ready else "No model is running."
    return InstanceNotFound(
        f"No instance found for model {model}.", f"{running} Start one with `caravan launch MODEL`."
    )
