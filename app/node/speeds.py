"""The service that measures this PC's devices when nobody needs them, and what it found.

A device is measured once per driver, engine build and number of threads, and again after 30 days, or when Caravan
measures more than it did. A launch, a lease or an install ends a measurement at once; it is tried again later.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from app.engine.calibration import (
    NEEDED_BYTES,
    VERSION,
    Calibration,
    CalibrationFailed,
    CalibrationPlace,
    calibrate,
    sweep,
)
from app.node.book_file import BookFile
from app.schema.engine import INSTALL_ENDS
from app.schema.hardware import HardwareSnapshot
from app.schema.instance import InstanceState
from app.schema.model import ModelShape
from app.schema.node import Status
from app.schema.plan import CPU_DEVICE, ClusterView, DeviceResources
from app.schema.record import NodeId
from app.schema.speed import DeviceSpeed, FormatSpeed, SpeedBook, WeightFormat, measured_format, nearest_format

logger = logging.getLogger("caravan.node.speeds")

FRESH_SECONDS = 30 * 86_400.0
IDLE_SECONDS = 20.0
"""How long this PC must have had nothing to do before a measurement begins."""

IDLE_LOAD = 0.35
"""Processor load, 0..1, up to which this PC counts as idle."""

RETRY_SECONDS = 300.0
LONGEST_RETRY_SECONDS = 86_400.0

_LOOK_SECONDS = 1.0
_BUSY_LOOK_SECONDS = 0.1
_ENDED = frozenset({InstanceState.STOPPED, InstanceState.FAILED})

Calibrate = Callable[[CalibrationPlace, str], Awaitable[Calibration]]


@dataclass(frozen=True)
class Target:
    """A device to measure: its stable key, its engine name, and what it is called. `free_bytes` None is unknown."""

    key: str
    device: str
    name: str
    driver: str | None
    free_bytes: int | None


@dataclass(frozen=True)
class SpeedsPlace:
    """What the service works with: the node's status, the processor's threads as instances get them, a cache folder."""

    status: Callable[[], Status]
    threads: Callable[[], int | None]
    folder: Path
    calibrate: Calibrate = calibrate
    clock: Callable[[], float] = field(default=time.time)
    sleep: Callable[[float], Awaitable[None]] = field(default=asyncio.sleep)


class Speeds:
    """Measured devices of this PC. `current` is what is known now."""

    def __init__(self, place: SpeedsPlace) -> None:
        """Reads the file (blocking); a damaged one counts as none."""
        self._place = place
        self._book = BookFile(place.folder / "speeds.json", SpeedBook(), "what was measured")
        self._retries: dict[str, tuple[float, float]] = {}

    @property
    def current(self) -> tuple[DeviceSpeed, ...]:
        """What holds for the driver, build and threads of now; older figures are left out."""
        status, threads = self._place.status(), self._place.threads()
        known = {each.key: each for each in self._book.current.speeds}
        found = ((target, known.get(target.key)) for target in targets(status))
        return tuple(
            speed.model_copy(update={"device": target.device})
            for target, speed in found
            if speed is not None and matches(speed, target, _identity(status), threads)
        )

    def with_speeds(self, devices: Iterable[DeviceResources]) -> tuple[DeviceResources, ...]:
        """The devices with the bandwidth and compute that were measured; None stays where nothing was."""
        known = {each.device: each for each in self.current}
        return tuple(with_measured(each, known.get(each.device), None) for each in devices)

    async def run(self) -> None:
        """Measure what is stale whenever this PC is idle, until cancelled."""
        await asyncio.to_thread(sweep, self._place.folder)
        idle = 0.0
        while True:
            await self._place.sleep(_LOOK_SECONDS)
            status = self._place.status()
            idle = idle + _LOOK_SECONDS if is_idle(status) else 0.0
            target = self._next(status) if idle >= IDLE_SECONDS else None
            if target is not None:
                await self._measure(target)
                idle = 0.0

    def _next(self, status: Status) -> Target | None:
        now, threads = self._place.clock(), self._place.threads()
        known = {each.key: each for each in self._book.current.speeds}
        for target in targets(status):
            speed = known.get(target.key)
            if speed is not None and matches(speed, target, _identity(status), threads) and is_fresh(speed, now):
                continue
            if self._retries.get(target.key, (0.0, 0.0))[0] <= now and _has_room(target):
                return target
        return None

    async def _measure(self, target: Target) -> None:
        """Measure one device unless something else comes; what it finds is kept on disk."""
        build = self._place.status().engine.build
        if build is None:
            return
        threads = self._place.threads()
        place = CalibrationPlace(build, self._place.folder, threads)
        logger.info("measuring %s (%s)", target.name, target.device)
        try:
            found = await self._unless_busy(self._place.calibrate(place, target.device))
        except CalibrationFailed as error:
            logger.warning("%s could not be measured: %s", target.name, error)
            self._put_off(target)
            return
        if found is None:
            logger.info("measuring %s was given up: this PC is needed", target.name)
            return
        await self._keep(speed_of(target, found, build.identity, threads, self._place.clock()))

    async def _unless_busy(self, work: Awaitable[Calibration]) -> Calibration | None:
        task = asyncio.ensure_future(work)
        try:
            while not task.done():
                await asyncio.wait([task], timeout=_BUSY_LOOK_SECONDS)
                if not task.done() and is_needed(self._place.status()):
                    return None
            return task.result()
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    def _put_off(self, target: Target) -> None:
        """Try again in five minutes, then in ten, at last once a day."""
        pause = min(2 * self._retries.get(target.key, (0.0, RETRY_SECONDS / 2))[1], LONGEST_RETRY_SECONDS)
        self._retries[target.key] = (self._place.clock() + pause, pause)

    async def _keep(self, speed: DeviceSpeed) -> None:
        self._retries.pop(speed.key, None)
        others = tuple(each for each in self._book.current.speeds if each.key != speed.key)
        logger.info("%s: %s", speed.name, ", ".join(_told(speed)))
        await self._book.keep(SpeedBook(speeds=(*others, speed)))


def targets(status: Status) -> tuple[Target, ...]:
    """PURE: the devices of this PC that the engine can use, none before hardware and engine are known."""
    hardware, build = status.hardware, status.engine.build
    if hardware is None or build is None or status.load is None:
        return ()
    by_device = {each.engine_device: each for each in hardware.accelerators if each.engine_device}
    free = {sample.key: sample.free_bytes for sample in status.load.accelerators}
    gpus = []
    for listed in build.devices:
        known = by_device.get(listed.name)
        key, name = (known.key, known.name) if known else (f"device:{listed.description}", listed.description)
        driver = known.driver if known else None
        gpus.append(Target(key, listed.name, name, driver, free.get(key, listed.free_bytes)))
    return (*gpus, _processor(hardware, status.load.ram_free_bytes))


def _processor(hardware: HardwareSnapshot, free: int) -> Target:
    processor = hardware.processor
    key = f"cpu:{processor.name}:{processor.logical_cores}"
    return Target(key, CPU_DEVICE, processor.name, None, free)


def is_needed(status: Status) -> bool:
    """PURE: whether an instance, a lease or an install uses this PC, or it has no engine."""
    runs = any(each.state not in _ENDED for each in status.instances)
    installs = status.engine_install is not None and status.engine_install.phase not in INSTALL_ENDS
    return runs or bool(status.leases) or installs or status.engine.build is None


def is_idle(status: Status) -> bool:
    """PURE: whether nothing uses this PC, neither this program nor another."""
    return not is_needed(status) and status.load is not None and status.load.cpu_load <= IDLE_LOAD


def matches(speed: DeviceSpeed, target: Target, engine: str | None, threads: int | None) -> bool:
    """PURE: whether a figure holds for a device as it is now."""
    measured = (speed.key, speed.driver, speed.engine)
    is_same = measured == (target.key, target.driver, engine)
    return is_same and (target.device != CPU_DEVICE or speed.threads == threads)


def is_fresh(speed: DeviceSpeed, now: float) -> bool:
    """PURE: whether a figure that holds needs no better one yet: it is of the last 30 days and of this calibration."""
    return speed.calibration >= VERSION and abs(now - speed.measured_at) < FRESH_SECONDS


def speed_of(target: Target, found: Calibration, engine: str, threads: int | None, at: float) -> DeviceSpeed:
    """PURE: the record of a measurement."""
    return DeviceSpeed(
        key=target.key,
        device=target.device,
        name=target.name,
        driver=target.driver,
        engine=engine,
        threads=threads if target.device == CPU_DEVICE else None,
        measured_at=at,
        calibration=VERSION,
        token_seconds=found.token_seconds,
        block_seconds=found.block_seconds,
        formats=found.formats,
        repacked=found.repacked,
    )


TYPICAL_BLOCK_BYTES = 120_000_000
"""Bytes of a block when the model is not known: an 8B model in Q4_K_M."""


class Rates(NamedTuple):
    """What a device does for one model: bytes/s of an answer, FLOP/s, bytes/s of each pass of a prompt, and FLOP/s of
    the tokens after the first of a step of a few.
    """

    bandwidth: float
    compute: float
    prompt_bandwidth: float | None
    step_compute: float | None


def effective(speed: DeviceSpeed, shape: ModelShape | None) -> Rates | None:
    """PURE: what a device does for one model; None when never measured.

    The time a block costs beside its bytes is part of the bandwidth: small blocks are read slower. Of experts only
    the used ones are read for a token of an answer, all of them for a pass of a prompt. Without a model, those of a
    typical one.
    """
    found = speed.at(nearest_format(shape.quantization if shape else None)) or speed.at(WeightFormat.Q4_K)
    return None if found is None else _with_blocks(speed, found, shape)


def repacked(speed: DeviceSpeed, shape: ModelShape | None) -> Rates | None:
    """PURE: the same of a processor with rearranged weights; None where that was not measured for the model's own
    element type, and where the engine leaves it as it is.
    """
    wanted = measured_format(shape.quantization) if shape is not None else WeightFormat.Q4_K
    found = speed.repacked_at(wanted)
    return None if found is None else _with_blocks(speed, found, shape)


def _with_blocks(speed: DeviceSpeed, found: FormatSpeed, shape: ModelShape | None) -> Rates:
    passes = found.prompt_bandwidth
    token, whole = (TYPICAL_BLOCK_BYTES,) * 2 if shape is None else (read_per_block(shape), _bytes_per_block(shape))
    return Rates(
        bandwidth=_with_block(found.bandwidth, speed, token),
        compute=found.compute,
        # A pass of a prompt reads all experts.
        prompt_bandwidth=None if passes is None else _with_block(passes, speed, whole),
        step_compute=found.step_compute,
    )


def _with_block(bandwidth: float, speed: DeviceSpeed, count: float) -> float:
    """Bytes/s with what a block of so many bytes costs beside them."""
    return 1 / (1 / bandwidth + speed.block_seconds / count) if count > 0 else bandwidth


def read_per_block(shape: ModelShape) -> float:
    """PURE: bytes of weights one token reads in a block, on average."""
    used = shape.experts_used / shape.expert_count if shape.expert_count and shape.experts_used else 1.0
    unread = sum(shape.layer_expert_bytes) * (1.0 - min(used, 1.0))
    return _bytes_per_block(shape) - unread / max(shape.layers, 1)


def _bytes_per_block(shape: ModelShape) -> float:
    return sum(shape.layer_bytes) / max(shape.layers, 1)


def for_model(view: ClusterView, shape: ModelShape, speeds: Mapping[NodeId, Iterable[DeviceSpeed]]) -> ClusterView:
    """PURE: a cluster as one model meets it: every device that was measured at that model's bandwidth and compute, and
    the time a token costs there beside them.

    `speeds` holds what each PC measured of its own devices.
    """
    nodes = []
    for node in view.nodes:
        known = {each.device: each for each in speeds.get(node.node, ())}
        devices = tuple(with_measured(each, known.get(each.device), shape) for each in node.devices)
        nodes.append(node.model_copy(update={"devices": devices}))
    return view.model_copy(update={"nodes": tuple(nodes)})


def with_measured(device: DeviceResources, speed: DeviceSpeed | None, shape: ModelShape | None) -> DeviceResources:
    """PURE: a device with what was measured of it, as one model meets it; unchanged where nothing was."""
    found = effective(speed, shape) if speed is not None else None
    if speed is None or found is None:
        return device
    again = repacked(speed, shape)
    told = {**found._asdict(), "token_seconds": speed.token_seconds}
    more = {f"repacked_{name}": getattr(again, name, None) for name in Rates._fields}
    return device.model_copy(update=told | more)


def _identity(status: Status) -> str | None:
    return status.engine.build.identity if status.engine.build else None


def _has_room(target: Target) -> bool:
    return target.free_bytes is None or target.free_bytes >= NEEDED_BYTES


def _told(speed: DeviceSpeed) -> Iterable[str]:
    yield from (f"{each.format} {rates_told(each)}" for each in speed.formats)
    yield from (f"{each.format} rearranged {rates_told(each)}" for each in speed.repacked)
    yield f"{speed.token_seconds * 1e6:.0f} us per token, {speed.block_seconds * 1e6:.0f} us per block"


def rates_told(speed: FormatSpeed) -> str:
    """PURE: the figures of one element type, for a log."""
    passes = "" if speed.prompt_bandwidth is None else f" ({speed.prompt_bandwidth / 1e9:.2f} on prompts)"
    steps = "" if speed.step_compute is None else f" ({speed.step_compute / 1e9:.0f} in steps)"
    return f"{speed.bandwidth / 1e9:.2f} GB/s{passes} {speed.compute / 1e9:.0f} GFLOP/s{steps}"
