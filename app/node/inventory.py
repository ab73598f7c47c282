"""The service that looks at this PC once, finds its engine, and then samples its load until the node ends."""

import asyncio
import logging
from collections.abc import Awaitable, Callable

from app.hardware.gpu import NvidiaFinding, find_nvidia
from app.hardware.monitor import LoadSampler, Monitor
from app.hardware.nvml import open_sampler
from app.hardware.probe import probe, with_engine_devices
from app.schema.engine import EngineStatus
from app.schema.event import EngineChanged, Event, HardwareProbed, LoadSampled
from app.schema.hardware import HardwareSnapshot
from app.schema.node import HealthWarning
from app.schema.options import NVML_ROLE
from app.system.program import own_command

logger = logging.getLogger("caravan.node.inventory")

SAMPLE_SECONDS = 1.0
"""Time between two load samples."""


class Inventory:
    """Publishes the engine, the hardware and its load. `find_engine` never raises: a problem is part of its answer."""

    def __init__(
        self,
        find_engine: Callable[[], Awaitable[EngineStatus]],
        publish: Callable[[Event], None],
        warn: Callable[[tuple[HealthWarning, ...]], None],
    ) -> None:
        self._find_engine = find_engine
        self._publish = publish
        self._warn = warn
        self._looked: asyncio.Future[tuple[NvidiaFinding, HardwareSnapshot]] | None = None

    async def hardware(self) -> HardwareSnapshot:
        """What this PC is; waits for the first look."""
        return (await asyncio.shield(self._look()))[1]

    async def engine_changed(self) -> EngineStatus:
        """Look for the engine anew, and publish it with the accelerators that it drives."""
        nvidia, hardware = await asyncio.shield(self._look())
        engine = await self._find_engine()
        devices = engine.build.devices if engine.build else ()
        self._tell(with_engine_devices(hardware, nvidia, devices), engine)
        return engine

    def _look(self) -> "asyncio.Future[tuple[NvidiaFinding, HardwareSnapshot]]":
        if self._looked is None:
            self._looked = asyncio.get_running_loop().create_future()
        return self._looked

    def _tell(self, hardware: HardwareSnapshot, engine: EngineStatus) -> None:
        self._publish(HardwareProbed(hardware=hardware))
        self._publish(EngineChanged(engine=engine))
        self._warn(warnings(hardware, engine))

    async def run(self) -> None:
        """Look, then sample until cancelled."""
        nvidia, engine = await asyncio.gather(find_nvidia(own_command(NVML_ROLE)), self._find_engine())
        devices = engine.build.devices if engine.build else ()
        hardware = await probe(nvidia, devices)
        self._look().set_result((nvidia, hardware))
        self._tell(hardware, engine)
        sampler = LoadSampler(await asyncio.to_thread(open_sampler) if nvidia.is_nvml_safe else None)
        try:
            await Monitor(SAMPLE_SECONDS, sampler).run(lambda load: self._publish(LoadSampled(load=load)))
        finally:
            sampler.close()


def warnings(hardware: HardwareSnapshot, engine: EngineStatus) -> tuple[HealthWarning, ...]:
    """PURE: what a person should know about this PC, in plain words."""
    found = [HealthWarning(code="hardware", sentence=note) for note in hardware.notes]
    found += [HealthWarning(code="engine_notice", sentence=notice) for notice in engine.notices]
    if (problem := engine.problem) is not None:
        found.append(HealthWarning(code=problem.code, sentence=problem.sentence, hint=problem.hint))
    return tuple(found)
