"""The model that ran last is launched when the node starts, where the settings say so."""

import asyncio
import logging
from collections.abc import Iterator

from app.node.bus import Bus
from app.node.known import unknown
from app.node.loading import on_its_way
from app.node.relaunch import Relaunch
from app.schema.errors import CaravanError, ModelNotFound, NodeNotRunning, PlacementRefused
from app.schema.node import PeerReport, Reachability, Status

logger = logging.getLogger("caravan.node.start")

PATIENCE_SECONDS = 600.0
"""How long the other PCs that the model needs may take to come up."""


class StartLaunch:
    """Tries once everything is known, and again when others offer more; what somebody launches meanwhile ends it."""

    def __init__(self, bus: Bus, relaunch: Relaunch) -> None:
        self._bus = bus
        self._relaunch = relaunch

    async def run(self) -> None:
        """Launch the model that ran last, or give up; returns then."""
        status = self._bus.status
        if not status.settings.load_at_start or not status.last_launches:
            return
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                await self._bus.until(lambda status: _can_launch(status) or None)
                there = _offered(self._bus.status)
                while not await self._tried():
                    # Compared with what there was before: a PC may come up while it is planned.
                    await self._until_more(there)
                    there = _offered(self._bus.status)
        except TimeoutError:
            logger.info("%s is not launched at the start: its PCs are not there", status.last_launches[0].model_id)
        except NodeNotRunning:
            return

    async def _tried(self) -> bool:
        """Whether it is over: launched, running somewhere already, or not to be launched at all."""
        status = self._bus.status
        model = status.last_launches[0].model_id
        if status.instances or on_its_way(status, model) is not None:
            return True
        try:
            await self._relaunch.launch(model, share=True)
        except (PlacementRefused, ModelNotFound):
            return False
        except CaravanError as error:
            logger.warning("%s is not launched at the start: %s", model, error.sentence)
        else:
            logger.info("%s is launched as it ran last", model)
        return True

    async def _until_more(self, there: frozenset[object]) -> None:
        await self._bus.until(lambda status: None if _offered(status) <= there else True)


def _can_launch(status: Status) -> bool:
    """Whether this PC knows what it can launch with; one without an engine waits for it."""
    return unknown(status) is None and status.engine.build is not None


def _offered(status: Status) -> frozenset[object]:
    """What the other PCs have for a launch: one that just started answers before it knows its devices and models."""
    alive = (each.report for each in status.peers if each.reachability is Reachability.ALIVE)
    return frozenset(offer for report in alive if report is not None for offer in _offers(report))


def _offers(report: PeerReport) -> Iterator[object]:
    yield (report.node.id, report.catalogue_revision)
    build = report.engine.build.identity if report.engine.build is not None else None
    for device in report.devices:
        yield (report.node.id, device.device, build, report.sharing)
