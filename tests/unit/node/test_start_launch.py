"""The model of last time is launched at the start once its PCs are there, in whatever order they come up."""

import asyncio
from collections.abc import Callable
from typing import cast

from app.node.bus import Bus
from app.node.relaunch import Relaunch
from app.node.start_launch import StartLaunch
from app.schema.engine import EngineBuild, EngineStatus
from app.schema.errors import ModelNotFound, PlacementRefused
from app.schema.event import PeerChanged
from app.schema.hardware import LoadSample
from app.schema.instance import LastLaunch
from app.schema.node import CatalogueStatus, NodeInfo, Peer, PeerReport, Reachability, Status
from app.schema.plan import DeviceResources, Plan, PlanRequest
from app.schema.record import InstanceId, ModelId, NodeId
from app.schema.settings import Settings
from tests.turns import a_while, until

HERE, OTHER = NodeId("a" * 64), NodeId("b" * 64)
TINY = ModelId("tiny")
DEVICE = DeviceResources(device="CPU", name="cpu", total_bytes=2000, free_bytes=1000, is_cpu=True)
READY = Status(
    node=NodeInfo(id=HERE, name="HERE", version="1", started_at=0.0),
    engine=EngineStatus(build=EngineBuild.model_construct(identity="b1")),
    load=LoadSample.model_construct(),
    catalogue=CatalogueStatus(revision=1),
    settings=Settings(load_at_start=True),
    last_launches=(LastLaunch(model_id=TINY, wishes=PlanRequest(model_id=TINY), at=1.0),),
)


def peer(*devices: DeviceResources, revision: int = 0) -> PeerChanged:
    """The other PC, which answers and offers these devices."""
    info = NodeInfo(id=OTHER, name="OTHER", version="1", started_at=0.0)
    report = PeerReport(node=info, devices=devices, catalogue_revision=revision)
    return PeerChanged(peer=Peer(node=OTHER, name="OTHER", reachability=Reachability.ALIVE, report=report))


class Bed:
    """A start whose launches fail with `refusal` until the other PC offers what `is_enough` says."""

    def __init__(self, refusal: Exception, is_enough: Callable[[PeerReport], object]) -> None:
        self.bus = Bus(READY)
        self.tries = 0
        self.launched = False
        self.while_planning: PeerChanged | None = None
        self._refusal = refusal
        self._is_enough = is_enough
        self.start = StartLaunch(self.bus, cast("Relaunch", self))

    async def launch(self, name: str, share: bool = False) -> tuple[InstanceId, Plan]:
        """Stands for `Relaunch.launch`."""
        self.tries += 1
        seen = self.bus.status.peers
        if self.while_planning is not None:
            self.bus.publish(self.while_planning)
            self.while_planning = None
        await asyncio.sleep(0)
        if not any(each.report is not None and self._is_enough(each.report) for each in seen):
            raise self._refusal
        self.launched = True
        return InstanceId("i"), Plan.model_construct()


REFUSED = PlacementRefused("tiny is 1 GB short.", "Add a PC.")


async def test_a_pc_that_answers_before_it_knows_its_devices_is_waited_for() -> None:
    bed = Bed(REFUSED, lambda report: report.devices)
    running = asyncio.create_task(bed.start.run())
    await until(lambda: bed.tries == 1)
    bed.bus.publish(peer())
    await a_while()
    assert not bed.launched
    bed.bus.publish(peer(DEVICE))
    await until(running.done)
    assert bed.launched


async def test_a_pc_that_comes_up_while_it_is_planned_is_not_missed() -> None:
    bed = Bed(REFUSED, lambda report: report.devices)
    bed.while_planning = peer(DEVICE)
    await asyncio.wait_for(bed.start.run(), 30)
    assert bed.launched


async def test_a_model_that_only_another_pc_holds_is_waited_for() -> None:
    bed = Bed(ModelNotFound("There is no model tiny.", ""), lambda report: report.catalogue_revision)
    running = asyncio.create_task(bed.start.run())
    await until(lambda: bed.tries == 1)
    bed.bus.publish(peer(DEVICE))
    await a_while()
    assert not running.done()
    bed.bus.publish(peer(DEVICE, revision=1))
    await until(running.done)
    assert bed.launched


async def test_nothing_new_of_the_others_is_no_reason_to_try_again() -> None:
    bed = Bed(REFUSED, lambda _: False)
    running = asyncio.create_task(bed.start.run())
    await until(lambda: bed.tries == 1)
    bed.bus.publish(peer(DEVICE))
    await until(lambda: bed.tries == 2)
    bed.bus.publish(peer(DEVICE.model_copy(update={"free_bytes": 900})))
    await a_while()
    assert bed.tries == 2
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
