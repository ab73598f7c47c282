"""Samples at a fixed rate, over errors and slow drivers."""

import asyncio
from collections import namedtuple
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.hardware.monitor import LoadSampler, Monitor, cpu_load, next_due
from app.schema.hardware import AcceleratorSample, LoadSample


class Stop(Exception):
    """Ends a monitor from its sleep."""


class FakeClock:
    """Time that passes only in `sleep` and in what a test adds; ends the monitor after `turns` sleeps."""

    def __init__(self, turns: int) -> None:
        self.now = 100.0
        self.turns = turns

    def read(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        if self.turns == 0:
            raise Stop
        self.turns -= 1
        self.now += seconds


def load(at: float) -> LoadSample:
    return LoadSample(at=at, cpu_load=0.5, ram_free_bytes=1, ram_used_bytes=1)


async def run(clock: FakeClock, sample: Callable[[], LoadSample]) -> list[float]:
    published: list[LoadSample] = []
    with pytest.raises(Stop):
        await Monitor(2.0, sample, clock=clock.read, sleep=clock.sleep).run(published.append)
    return [each.at for each in published]


async def test_rate_does_not_drift_with_the_cost_of_a_sample() -> None:
    clock = FakeClock(turns=5)

    def sample() -> LoadSample:
        begun = clock.now
        clock.now += 0.3
        return load(begun)

    assert await run(clock, sample) == pytest.approx([100, 102, 104, 106, 108, 110])


async def test_slow_sample_leaves_the_missed_ones_out() -> None:
    clock = FakeClock(turns=3)
    costs = iter([0.1, 5.0, 0.1, 0.1])

    def sample() -> LoadSample:
        begun = clock.now
        clock.now += next(costs)
        return load(begun)

    assert await run(clock, sample) == pytest.approx([100, 102, 108, 110])


@pytest.mark.expects_error_logs
async def test_failing_sampler_is_told_once_per_streak(caplog: pytest.LogCaptureFixture) -> None:
    clock = FakeClock(turns=7)
    fails = iter([False, True, True, True, False, True, True, False])

    def sample() -> LoadSample:
        if next(fails):
            raise RuntimeError("driver gone")
        return load(clock.now)

    assert await run(clock, sample) == pytest.approx([100, 108, 114])
    assert caplog.text.count("cannot be read") == 2


@given(st.floats(0, 1e6), st.floats(0, 1e6), st.floats(0.1, 60))
def test_next_due_is_ahead_and_within_a_period(due: float, late: float, period: float) -> None:
    later = next_due(due, due + late, period)
    assert due + late - 1e-6 <= later <= due + late + period + 1e-6
    assert later > due


Times = namedtuple("Times", "user system idle iowait guest guest_nice", defaults=(0, 0, 0))
WindowsTimes = namedtuple("WindowsTimes", "user system idle interrupt dpc")


@pytest.mark.parametrize(
    ("before", "now", "expected"),
    [
        (Times(10, 0, 10), Times(13, 1, 16), 0.4),
        (Times(10, 0, 10), Times(10, 0, 10), 0.7),
        (Times(10, 0, 10, 0), Times(10, 0, 12, 2), 0.0),
        (Times(10, 0, 10, 0, 5), Times(14, 0, 14, 0, 9), 0.5),
        (Times(10, 0, 10), Times(20, 0, 9), 1.0),
        (WindowsTimes(1, 1, 1, 0, 0), WindowsTimes(2, 1, 4, 0, 0), 0.25),
    ],
)
def test_cpu_load(before: object, now: object, expected: float) -> None:
    assert cpu_load(before, now, 0.7) == pytest.approx(expected)


class Cards:
    """Accelerators that count how often they are closed."""

    closed = 0

    def sample(self) -> tuple[AcceleratorSample, ...]:
        return (AcceleratorSample(key="GPU-1", utilization=0.5),)

    def close(self) -> None:
        self.closed += 1


async def test_real_load_of_this_pc_from_any_thread() -> None:
    cards = Cards()
    sampler = LoadSampler(cards)
    for _ in range(3):
        sample = await asyncio.to_thread(sampler)
    assert 0 <= sample.cpu_load <= 1
    assert sample.ram_free_bytes > 0
    assert sample.ram_used_bytes > 0
    assert sample.accelerators[0].key == "GPU-1"
    sampler.close()
    assert cards.closed == 1
