"""Tells the peers at once what they would else learn with the next heartbeat: a model became ready, sharing paused."""

import asyncio
from collections.abc import Callable

from app.cluster.link import PeerLink
from app.node.bus import Bus, Closed, Overflowed
from app.schema.errors import CaravanError
from app.schema.node import PeerReport, Status

TELL_SECONDS = 2.0
"""Deadline of one telling; a peer that misses it asks by itself soon."""

PAUSE_SECONDS = 0.1
"""Least time between two tellings, so that a burst of changes is one."""


class Announcer:
    """Watches this node's own status and pushes its report to every peer that answers."""

    def __init__(self, bus: Bus, report: Callable[[], PeerReport], links: Callable[[], tuple[PeerLink, ...]]) -> None:
        self._bus = bus
        self._report = report
        self._links = links

    async def run(self) -> None:
        """Tell what changes, until cancelled or the node ends."""
        told = news(self._bus.status)
        while True:
            with self._bus.subscribe() as changes:
                try:
                    while True:
                        await changes.next()
                        now = news(self._bus.status)
                        if now != told:
                            told = now
                            await self._tell()
                            await asyncio.sleep(PAUSE_SECONDS)
                except Overflowed:
                    continue
                except Closed:
                    return

    async def _tell(self) -> None:
        report = self._report()
        await asyncio.gather(*(_tell(link, report) for link in self._links()))


async def _tell(link: PeerLink, report: PeerReport) -> None:
    try:
        async with asyncio.timeout(TELL_SECONDS):
            await link.tell(report)
    except (CaravanError, TimeoutError):
        return


def news(status: Status) -> tuple[object, ...]:
    """What peers should hear of at once; a step of progress or a sample is not."""
    instances = tuple((each.id, each.state) for each in status.instances)
    build = status.engine.build.identity if status.engine.build else None
    return (instances, status.settings.sharing, build, status.catalogue.revision, len(status.leases))
