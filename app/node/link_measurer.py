"""The service that measures each link's throughput once, while nobody needs it.

Throughput costs the whole link for a moment, so it waits until nothing runs or loads anywhere in the cluster. The round
trip is measured all the time by the link process itself.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable

from app.schema.errors import CaravanError
from app.schema.instance import InstanceState
from app.schema.node import Reachability, Status
from app.schema.record import NodeId

logger = logging.getLogger("caravan.node.link_measurer")

QUIET_SECONDS = 5.0
"""How long nothing must have run before a link is measured."""

RETRY_SECONDS = 300.0
"""After a measurement that failed."""

LOOK_SECONDS = 1.0

_ENDED = frozenset({InstanceState.STOPPED, InstanceState.FAILED})


class LinkMeasurer:
    """Measures the links to peers, one at a time. `measure` takes seconds and raises CaravanError.

    Of two PCs only the one with the smaller identity measures: the figure is of both ways at once.
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
            found = unmeasured(status)
            node = next((each for each in found if looks >= self._failed.get(each, 0)), None)
            if node is not None and quiet >= QUIET_SECONDS:
                await self._try(node, looks)

    async def _try(self, node: NodeId, looks: int) -> None:
        try:
            throughput = await self._measure(node)
        except CaravanError as error:
            self._failed[node] = looks + round(RETRY_SECONDS / LOOK_SECONDS)
            logger.info("the link to %s could not be measured: %s", node[:8], error.sentence)
        else:
            logger.info("the link to %s carries %.0f MB/s", node[:8], throughput / 1e6)


def is_quiet(status: Status) -> bool:
    """PURE: whether nothing runs or loads on any PC that is known."""
    leases = (peer.report.leases for peer in status.peers if peer.report is not None)
    return all(each.state in _ENDED for each in status.all_instances) and not status.leases and not any(leases)


def unmeasured(status: Status) -> tuple[NodeId, ...]:
    """PURE: the peers whose link this node should measure now."""
    return tuple(
        peer.node
        for peer in status.peers
        if peer.reachability is Reachability.ALIVE and peer.throughput is None and status.node.id < peer.node
    )
