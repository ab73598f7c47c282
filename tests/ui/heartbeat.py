"""How long the main thread was held up at most, for tests of smoothness."""

import time

from PySide6.QtCore import QTimer


class Heartbeat:
    """Fires as often as Qt's loop lets it, and keeps the longest pauses: by the clock and in CPU time."""

    def __init__(self) -> None:
        self.by_clock = self.by_cpu = 0.0
        self.beats = 0
        self._at = (time.perf_counter(), time.thread_time())
        self._timer = QTimer()
        self._timer.timeout.connect(self._beat)
        self._timer.start(0)

    def _beat(self) -> None:
        now = (time.perf_counter(), time.thread_time())
        self.by_clock = max(self.by_clock, now[0] - self._at[0])
        self.by_cpu = max(self.by_cpu, now[1] - self._at[1])
        self.beats += 1
        self._at = now

    def stop(self) -> None:
        self._timer.stop()
