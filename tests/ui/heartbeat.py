"""How long the main thread was held up, for tests of smoothness.

What a turn may take is an aim for a quiet PC: 50 ms. The same turn takes up to twice the CPU time beside programs that
share the processor's caches and cores, and more on a slower PC. So tests fail at twice the aim, and on a PC that is
slower now than the one of the figures at as many times more (`most`).
"""

import gc
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

from PySide6.QtCore import QTimer

from app.ui.program import favour_the_window

AIM = 0.050
"""Seconds of CPU time that one turn of the main thread may take."""

ON_A_QUIET_PC = 0.0145
"""Seconds of CPU time of `_some_work` on the PC of the figures."""


def most() -> float:
    """Seconds of CPU time of a turn at which a test fails on this PC, as busy as it is now."""
    return 2 * AIM * max(1.0, min(_some_work() for _ in range(3)) / ON_A_QUIET_PC)


def _some_work() -> float:
    began, words = time.thread_time(), dict[str, int]()
    for number in range(60_000):
        words[str(number % 977)] = words.get(str(number % 977), 0) + number
    return time.thread_time() - began


class Heartbeat:
    """Fires as often as Qt's loop lets it. Keeps the pauses in seconds: `gaps` by the clock, as a person sees them, and
    `work` in CPU time, which another program on a busy PC does not lengthen.
    """

    def __init__(self) -> None:
        self.gaps: list[float] = []
        self.work: list[float] = []
        self._at = (time.perf_counter(), time.thread_time())
        self._timer = QTimer()
        self._timer.timeout.connect(self._beat)
        self._timer.start(0)

    @property
    def beats(self) -> int:
        """How often it has fired."""
        return len(self.gaps)

    @property
    def by_clock(self) -> float:
        """The longest pause by the clock."""
        return max(self.gaps, default=0.0)

    @property
    def by_cpu(self) -> float:
        """The longest pause in CPU time."""
        return max(self.work, default=0.0)

    def stop(self) -> None:
        self._beat()
        self._timer.stop()

    def told(self, what: str) -> str:
        """Both in milliseconds, for a test's output."""
        seen = f"seen: 95 % {high(self.gaps) * 1e3:.1f} ms, max {self.by_clock * 1e3:.1f} ms"
        work = f"work: 95 % {high(self.work) * 1e3:.1f} ms, max {self.by_cpu * 1e3:.1f} ms"
        return f"{what}: {self.beats} turns; {seen}; {work}"

    def _beat(self) -> None:
        now = (time.perf_counter(), time.thread_time())
        self.gaps.append(now[0] - self._at[0])
        self.work.append(now[1] - self._at[1])
        self._at = now


def high(pauses: list[float]) -> float:
    """The 95th percentile of the pauses that are more than an idle turn of the loop."""
    busy = sorted(each for each in pauses if each > 0.0005) or [0.0]
    return busy[int(len(busy) * 0.95)]


@contextmanager
def calm() -> Iterator[None]:
    """The interpreter as the program has it."""
    threshold, interval = gc.get_threshold(), sys.getswitchinterval()
    favour_the_window()
    yield
    sys.setswitchinterval(interval)
    gc.set_threshold(*threshold)
    gc.unfreeze()
