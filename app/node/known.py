"""Whether this PC knows enough of itself and the others to plan: in the first seconds of a node it does not yet."""

import asyncio
import contextlib

from app.node.bus import Bus
from app.schema.errors import NodeStarting
from app.schema.node import Status

KNOWN_SECONDS = 20.0
"""How long a plan or a launch of this PC's own programs waits; they are patient for 30 s."""

PEER_KNOWN_SECONDS = 3.0
"""How long a peer's launch waits here: it gives up on its request after 5 s, and must not launch a second time then."""

CLUSTER_SECONDS = 5.0
"""How long the other PCs are waited for until each was asked once; one that is off takes longer to miss."""


def unknown(status: Status) -> str | None:
    """PURE: what this PC does not know yet of itself, as the end of a sentence; None when it can plan and launch.

    An engine that was looked for and not found is known, and a later look at the model folders makes nothing unknown.
    """
    if status.catalogue.revision == 0:
        return "its models are still being read"
    if status.engine.build is None and status.engine.problem is None:
        return "its engine is still being looked for"
    return "its memory is still being measured" if status.load is None else None


def is_cluster_known(status: Status) -> bool:
    """PURE: whether it is known who belongs to the cluster, and each of these answered or failed to."""
    return bool(status.members) and all(peer.report is not None or peer.problem is not None for peer in status.peers)


async def until_cluster_known(bus: Bus, seconds: float = CLUSTER_SECONDS) -> None:
    """Wait until the other PCs were asked, for at most `seconds`. Raises NodeNotRunning when the node ends before."""
    with contextlib.suppress(TimeoutError):
        await bus.until(lambda status: is_cluster_known(status) or None, seconds)


async def until_known(bus: Bus, seconds: float = KNOWN_SECONDS) -> None:
    """Wait until this PC can plan and launch, and for the other PCs, but not in vain.

    Raises NodeStarting after `seconds`, NodeNotRunning when the node ends before.
    """
    loop = asyncio.get_running_loop()
    end = loop.time() + seconds
    try:
        await bus.until(lambda status: unknown(status) is None or None, seconds)
    except TimeoutError:
        if (missing := unknown(bus.status)) is not None:
            raise NodeStarting(
                f"Caravan has only just started on {bus.status.node.name}: {missing}.", "Try again in a moment."
            ) from None
    await until_cluster_known(bus, min(CLUSTER_SECONDS, end - loop.time()))
