"""Sleep found by two clocks, notices, and a request that is held and withdrawn."""

import asyncio
import sys
from pathlib import Path

import psutil
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.system.power import GAP_SECONDS, ClockGap, KeepAwake, SleepWatch, clocks, power_notices

MOMENTS = st.lists(st.tuples(st.floats(0, 1e6), st.floats(0, 1e6)), max_size=20)


def ignore(*_: object) -> None:
    """Hears and does nothing."""


@given(start=st.floats(0, 1e9), steps=MOMENTS)
def test_the_gaps_are_the_times_asleep(start: float, steps: list[tuple[float, float]]) -> None:
    awake = elapsed = start
    gap = ClockGap(awake, elapsed)
    for worked, slept in steps:
        awake, elapsed = awake + worked, elapsed + worked + slept
        assert gap.observe(awake, elapsed) == pytest.approx(slept, abs=1e-3)


def test_a_clock_that_runs_ahead_is_no_sleep() -> None:
    gap = ClockGap(0, 0)
    assert gap.observe(10, 9.5) == 0
    assert gap.observe(20, 19.5) == 0


def test_the_clocks_run_together_while_awake() -> None:
    gap = ClockGap(*clocks())
    for _ in range(100):
        assert gap.observe(*clocks()) < 1


async def test_short_gaps_are_silent_and_long_ones_told_once() -> None:
    told: list[float] = []
    watch = SleepWatch(ignore, told.append)
    gap = ClockGap(0, 0)
    watch.look(gap, 2, 2 + GAP_SECONDS / 2)
    assert told == []
    watch.look(gap, 4, 4 + GAP_SECONDS / 2 + 3600)
    watch.look(gap, 6, 6 + GAP_SECONDS / 2 + 3600)
    assert told == [3600]


async def test_the_service_ends_when_cancelled() -> None:
    task = asyncio.create_task(SleepWatch(ignore, ignore).run(period=0.001))
    for _ in range(5):
        await asyncio.sleep(0.002)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


def test_notices_can_be_asked_for() -> None:
    with power_notices(ignore, ignore) as given_here:
        assert given_here is (sys.platform == "win32")


@pytest.mark.skipif(sys.platform != "win32", reason="the system's callback is Windows")
async def test_the_systems_callback_reaches_the_service() -> None:
    from app.system.power import _RESUMED, _SUSPEND, _notice_for

    heard: list[str] = []
    notice = _notice_for(lambda: heard.append("suspend"), lambda: heard.append("resume"))
    for kind in (_SUSPEND, _RESUMED, 0x0A):
        assert notice(None, kind, None) == 0
    assert heard == ["suspend", "resume"]


INHIBITOR = """#!/bin/sh
echo "$@" > "$(dirname "$0")/asked"
exec cat
"""


@pytest.fixture
def inhibitor(tmp_path: Path) -> str:
    if sys.platform == "win32":
        return "not used"
    program = tmp_path / "inhibit"
    program.write_text(INHIBITOR)
    program.chmod(0o755)
    return str(program)


async def test_hold_and_release_twice(inhibitor: str) -> None:
    keep = KeepAwake(inhibitor)
    assert not keep.is_held
    for _ in range(2):
        assert await keep.hold("A model is loaded: 测试") is None
        assert await keep.hold("again") is None
        assert keep.is_held
        await keep.release()
        await keep.release()
        assert not keep.is_held


@pytest.mark.skipif(sys.platform == "win32", reason="Windows needs no helper program")
async def test_the_helper_program_gets_the_reason_and_ends(inhibitor: str) -> None:
    keep = KeepAwake(inhibitor)
    await keep.hold("A model is loaded")
    asked = Path(inhibitor).with_name("asked")
    async with asyncio.timeout(30):
        while not (asked.exists() and asked.read_text().endswith("\n")):
            await asyncio.sleep(0.01)
    assert "--why=A model is loaded" in asked.read_text()
    assert "--what=idle" in asked.read_text()
    await keep.release()
    assert psutil.Process().children() == []


@pytest.mark.skipif(sys.platform == "win32", reason="Windows needs no helper program")
async def test_without_the_helper_program_it_says_so(tmp_path: Path) -> None:
    keep = KeepAwake(str(tmp_path / "systemd-inhibit"))
    problem = await keep.hold("A model is loaded")
    assert problem is not None
    assert "systemd-inhibit" in problem
    assert not keep.is_held
    await keep.release()
