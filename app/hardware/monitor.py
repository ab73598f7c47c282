"""How busy this PC is, at a fixed rate."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from typing import Any, Protocol

import psutil

from app.schema.hardware import AcceleratorSample, LoadSample

_log = logging.getLogger("caravan.hardware")


class AcceleratorSampler(Protocol):
    """Reads how busy the accelerators are; `app.hardware.nvml.NvmlSampler` is one."""

    def sample(self) -> tuple[AcceleratorSample, ...]:
        """One sample per card."""

    def close(self) -> None:
        """Let go of the driver."""


class LoadSampler:
    """Reads processor, memory and accelerators. Call it from one thread at a time; blocking."""

    def __init__(self, accelerators: AcceleratorSampler | None = None) -> None:
        self._accelerators = accelerators
        # psutil.cpu_percent remembers its last reading per thread and samples come from a pool, so we remember it.
        self._last = _cpu_times()
        self._last_load = 0.0

    def __call__(self) -> LoadSample:
        """The load since the last call; `cpu_load` is 0 where the system does not say."""
        now = _cpu_times()
        if self._last is not None and now is not None:
            self._last_load = cpu_load(self._last, now, self._last_load)
        self._last = now
        memory = psutil.virtual_memory()
        return LoadSample(
            at=time.time(),
            cpu_load=self._last_load,
            ram_free_bytes=memory.available,
            ram_used_bytes=max(memory.total - memory.available, 0),
            accelerators=self._accelerators.sample() if self._accelerators else (),
        )

    def close(self) -> None:
        """Let go of the accelerators' driver; may be called twice."""
        if self._accelerators:
            self._accelerators.close()


def _cpu_times() -> Any | None:
    try:
        return psutil.cpu_times()
    except OSError as error:
        # Wine does not answer; memory and cards are still worth a sample.
        _log.debug("No processor times: %s", error)
        return None


def cpu_load(before: Any, now: Any, otherwise: float) -> float:
    """Share of processor time, 0..1, that was not idle between two readings of psutil; `otherwise` when none passed."""
    total, idle = (
        after - earlier for earlier, after in zip(_total_and_idle(before), _total_and_idle(now), strict=True)
    )
    return min(max(1 - idle / total, 0.0), 1.0) if total > 0 else otherwise


def _total_and_idle(times: Any) -> tuple[float, float]:
    # Linux counts guest time in user time already.
    guest = getattr(times, "guest", 0.0) + getattr(times, "guest_nice", 0.0)
    return sum(times) - guest, times.idle + getattr(times, "iowait", 0.0)


class Monitor:
    """Takes a sample every `period` seconds, in a thread, and publishes it.

    The rate does not drift; when a sample takes longer than the period, the missed ones are left out. `clock` gives
    seconds and `sleep` waits, both only replaced in tests.
    """

    def __init__(
        self,
        period: float,
        sample: Callable[[], LoadSample],
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._period = period
        self._sample = sample
        self._clock = clock
        self._sleep = sleep
        self._is_failing = False

    async def run(self, publish: Callable[[LoadSample], None]) -> None:
        """Publish samples until cancelled. A sampler that fails is reported once and tried again each period."""
        due = self._clock()
        while True:
            sample = await self._take()
            if sample is not None:
                publish(sample)
            due = next_due(due, self._clock(), self._period)
            await self._sleep(max(due - self._clock(), 0.0))

    async def _take(self) -> LoadSample | None:
        try:
            sample = await asyncio.to_thread(self._sample)
        except Exception:  # noqa: BLE001  a driver may fail in any way, and the node lives on without the figures
            if not self._is_failing:
                _log.exception("The load of this PC cannot be read; trying on silently")
            self._is_failing = True
            return None
        if self._is_failing:
            _log.info("The load of this PC can be read again")
        self._is_failing = False
        return sample


def next_due(due: float, now: float, period: float) -> float:
    """The first whole number of periods after `due` that is still to come."""
    missed = max(int((now - due) // period), 0)
    return due + (missed + 1) * period
