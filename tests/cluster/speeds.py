"""Measured speeds that a test gives a PC, so that its plans have predictions without a calibration."""

import sys
import time

from app.engine.calibration import VERSION
from app.schema.node import Status
from app.schema.plan import CPU_DEVICE
from app.schema.speed import DeviceSpeed, FormatSpeed, SpeedBook, WeightFormat
from app.system.paths import Paths
from app.system.spawn import Finished
from tests.cluster.pcs import Pc


async def caravan(pc: Pc, *arguments: str) -> Finished:
    """A command as a user of that PC gives it."""
    return await pc.host.run(sys.executable, "-m", "app", "--data-dir", str(pc.folder), *arguments)


async def believing(pc: Pc, bandwidth: float) -> None:
    """Let a PC believe that its processor was measured at so many bytes/s. It is started anew."""
    status = Status.model_validate_json((await caravan(pc, "status", "--json")).stdout)
    assert status.hardware is not None
    assert status.engine.build is not None
    processor = status.hardware.processor
    speed = DeviceSpeed(
        key=f"cpu:{processor.name}:{processor.logical_cores}",
        device=CPU_DEVICE,
        name=processor.name,
        engine=status.engine.build.identity,
        threads=1,
        measured_at=time.time(),
        calibration=VERSION,
        token_seconds=1e-4,
        block_seconds=0.0,
        formats=tuple(FormatSpeed(format=each, bandwidth=bandwidth, compute=50 * bandwidth) for each in WeightFormat),
    )
    await pc.end()
    path = Paths.under(pc.folder).cache / "speeds.json"
    path.write_bytes(SpeedBook(speeds=(speed,)).model_dump_json().encode())
    await pc.start("--measure")
