"""PURE: how fast bytes arrive."""

from collections import deque

RATE_SECONDS = 5.0
"""The rate is that of so many last seconds."""


class RateMeter:
    """Bytes per second over the last seconds. Bytes of an earlier try, the first told, do not count."""

    def __init__(self) -> None:
        self._seen: deque[tuple[float, int]] = deque()

    def add(self, at: float, done: int) -> float | None:
        """Take a reading; returns the rate, None until a second has passed. Fewer bytes than before start anew."""
        if self._seen and done < self._seen[-1][1]:
            self._seen.clear()
        self._seen.append((at, done))
        while at - self._seen[0][0] > RATE_SECONDS:
            self._seen.popleft()
        since, before = self._seen[0]
        return (done - before) / (at - since) if at - since >= 1.0 else None
