"""The service that measures the throughput to each peer once, while nobody needs the link.

Throughput costs the whole link for a moment, so it waits until nothing runs or loads anywhere in the cluster. Each PC
measures what it sends: a head sends its workers their weights, so that is the way a load takes. The round trip is
measured all the time by the link process itself.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable

from app.schema.download import ACTIVE_PHASES
from app.schema.errors import CaravanError, LinkInUse
from app.schema.instance import InstanceState
from app.schema.node import Reachability, Status
from app.schema.record import NodeId

logger = logging.getLogger("caravan.node.link_measurer")

QUIET_SECONDS = 5.0
"""How long nothing must have run before a link is measured."""

PATIENCE_SECONDS = 60.0
"""After so much quiet a PC no longer waits for a peer that should measure first."""

RETRY_SECONDS, IN_USE_SECONDS = 300.0, 30.0
"""After a measurement that failed, and after one that a link in use did not allow."""

LOOK_SECONDS = 1.0

_ENDED = frozenset({InstanceState.STOPPED, InstanceState.FAILED})


class LinkMeasurer:
    """Measures the links to peers, one at a time. `measure` takes seconds and raises CaravanError.

    Of two PCs the one with the smaller identity measures first, so that the two ways do not disturb each other.
    """

    def __init__(
        self,
        status: Callable[[], Status],
        measure: Callable[[NodeId], Awaitable[float]],
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._status = status
        self._measure = measure
        self._sleep = sleep
        self._failed: dict[NodeId, int] = {}

    async def run(self) -> None:
        """Measure what is unmeasured, until cancelled."""
        quiet, looks = 0.0, 0
        while True:
            await self._sleep(LOOK_SECONDS)
            looks += 1
            status = self._status()
            quiet = quiet + LOOK_SECONDS if is_quiet(status) else 0.0
            found = unmeasured(status, is_patient=quiet < PATIENCE_SECONDS)
            node = next((each for each in found if looks >= self._failed.get(each, 0)), None)
            if node is not None and quiet >= QUIET_SECONDS:
                await self._try(node, looks)

    async def _try(self, node: NodeId, looks: int) -> None:
        try:
            throughput = await self._measure(node)
        except CaravanError as error:
            wait = IN_USE_SECONDS if isinstance(error, LinkInUse) else RETRY_SECONDS
            self._failed[node] = looks + round(wait / LOOK_SECONDS)
            logger.info("the link to %s could not be measured: %s", node[:8], error.sentence)
        else:
            logger.info("the link carries %.1f MB/s to %s", throughput / 1e6, node[:8])


def is_quiet(status: Status) -> bool:
    """PURE: whether nothing runs or loads on any PC that answers, and nothing is downloaded here."""
    leases = (report.leases for _, report in status.live_peers)
    runs = any(each.state not in _ENDED for each in status.all_instances) or bool(status.leases) or any(leases)
    return not runs and all(each.phase not in ACTIVE_PHASES for each in status.downloads)


def unmeasured(status: Status, *, is_patient: bool = True) -> tuple[NodeId, ...]:
    """PURE: the peers to which this node should measure its way now."""
    own = status.node.id
    return tuple(
        peer.node
        for peer in status.peers
        if peer.reachability is Reachability.ALIVE
        and peer.throughput is None
        and (own < peer.node or peer.rate_to(own) is not None or not is_patient)
    )
