"""What a person reads about membership."""

from app.identity.trust import MEMBER_LIMIT
from app.schema.errors import ClusterFull, InputError, NodeNotFound, PairingFailed, PeerRefused
from app.schema.node import HealthWarning

_LEAVE_FIRST = "Choose Leave (or run `caravan leave`), then join the cluster again: this PC then comes as a new one."


def removed_warning() -> HealthWarning:
    """Another member removed this PC."""
    return HealthWarning(
        code="removed_from_cluster",
        sentence="This PC was removed from its cluster on another PC. It trusts nobody any more.",
        hint=_LEAVE_FIRST,
    )


def removed_here() -> PairingFailed:
    """What was asked needs a PC that was not removed."""
    return PairingFailed("This PC was removed from its cluster.", _LEAVE_FIRST)


def already_in_a_cluster(names: tuple[str, ...]) -> PairingFailed:
    """A PC belongs to one cluster."""
    return PairingFailed(
        f"This PC is in a cluster already, with {', '.join(names)}.",
        "To add a PC to it, invite that PC from here. To join another one, choose Leave (or `caravan leave`) first.",
    )


def cluster_is_full() -> ClusterFull:
    """No room for one more."""
    return ClusterFull(f"A cluster holds at most {MEMBER_LIMIT} PCs.", "Remove a PC that is no longer used.")


def use_leave() -> InputError:
    """A PC does not remove itself."""
    return InputError("This PC cannot remove itself.", "Choose Leave (or run `caravan leave`).")


def no_member() -> NodeNotFound:
    """There is no such member."""
    return NodeNotFound("That PC is not part of the cluster.", "It may have been removed already.")


def not_trusted() -> PeerRefused:
    """A peer whose trust ended a moment ago, or that is only pending, asks for more than it may."""
    return PeerRefused("A PC that is no member of this cluster asked for its list and was refused.")


def began_anew(name: str) -> PairingFailed:
    """The same PC joins once more while the first attempt was waiting for its connection."""
    return PairingFailed(f"{name} began to join once more; the earlier attempt was given up.")


def not_connected(name: str, why: tuple[str, ...]) -> PairingFailed:
    """The code was right, and then no connection came about."""
    return PairingFailed(
        f"{name} and this PC agreed on the code, but could not connect to each other. Nothing was changed.",
        "A firewall on one of them may block Caravan (TCP port 52416). Allow it there, then try again.",
        why,
    )
