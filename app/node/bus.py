"""The node's one order of events, and the one cell that holds its Status.

Everything happens on the node's asyncio loop, so there is no lock. A reader that falls behind loses nothing silently:
its subscription ends with `Overflowed`, and it takes a new snapshot.
"""

import asyncio
import contextlib
import time
from collections import deque
from collections.abc import Callable
from types import TracebackType
from typing import Self, TypeVar

from app.node.state import delta, difference, is_story, reduce
from app.schema.errors import NodeNotRunning
from app.schema.event import Event, NodeEnding, NumberedEvent
from app.schema.node import Delta, Status

STORY_LENGTH = 1000
"""Events kept for the story of what happened; samples, heartbeats and progress are not among them."""


Found = TypeVar("Found")


class Overflowed(Exception):
    """The reader was too slow and must take a new snapshot."""


class Closed(Exception):
    """The node is shutting down."""


class Subscription:
    """A reader's place in the order of changes. `snapshot` is the status its first delta applies to."""

    def __init__(self, bus: "Bus", snapshot: Status, size: int) -> None:
        self._bus = bus
        self.snapshot = snapshot
        self._size = size
        self._waiting: deque[Delta] = deque()
        self._ready = asyncio.Event()
        self._end: type[Exception] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bus.unsubscribe(self)

    def offer(self, delta: Delta) -> None:
        """Queue a delta; a full queue ends the subscription with `Overflowed`."""
        if len(self._waiting) >= self._size:
            self.end(Overflowed)
        elif self._end is None:
            self._waiting.append(delta)
            self._ready.set()

    def end(self, reason: type[Exception]) -> None:
        """Let the reader's next `next` raise; what still waits after an overflow is dropped."""
        if reason is Overflowed:
            self._waiting.clear()
        self._end = self._end or reason
        self._ready.set()

    async def next(self) -> Delta:
        """The next change in order. Raises Overflowed or Closed when there will be none."""
        while not self._waiting:
            if self._end is not None:
                raise self._end
            self._ready.clear()
            await self._ready.wait()
        return self._waiting.popleft()


class Bus:
    """Publish events, read the status, subscribe to its changes."""

    def __init__(self, first: Status, clock: Callable[[], float] = time.time) -> None:
        self._status = first
        self._clock = clock
        self._subscriptions: set[Subscription] = set()
        self._story: deque[NumberedEvent] = deque(maxlen=STORY_LENGTH)
        self._closed = False

    @property
    def status(self) -> Status:
        """The status now."""
        return self._status

    def publish(self, event: Event) -> None:
        """Apply an event and tell every reader what changed; an event that changes nothing gets no number."""
        after = reduce(self._status, event)
        changed = difference(self._status, after)
        if not changed:
            return
        seq = self._status.seq + 1
        if is_story(self._status, event):
            self._story.append(NumberedEvent(seq=seq, at=self._clock(), event=event))
        self._status = after.model_copy(update={"seq": seq})
        told = delta(event, seq, changed)
        for subscription in self._subscriptions:
            subscription.offer(told)

    def subscribe(self, size: int = 256) -> Subscription:
        """A reader's subscription that starts at the status now; use it as a context manager."""
        subscription = Subscription(self, self._status, size)
        self._subscriptions.add(subscription)
        if self._closed:
            subscription.end(Closed)
        return subscription

    async def until(self, reached: Callable[[Status], Found | None], seconds: float | None = None) -> Found:
        """The first thing that is reached as the status changes.

        Raises NodeNotRunning when the node ends before, TimeoutError after `seconds`; None: as long as it takes.
        """
        async with asyncio.timeout(seconds):
            while True:
                with self.subscribe() as changes, contextlib.suppress(Overflowed):
                    while True:
                        if (found := reached(self._status)) is not None:
                            return found
                        try:
                            await changes.next()
                        except Closed:
                            raise NodeNotRunning("Caravan is ending on this PC.", "Start it again.") from None

    def unsubscribe(self, subscription: Subscription) -> None:
        """Forget a reader."""
        self._subscriptions.discard(subscription)

    def story(self) -> tuple[NumberedEvent, ...]:
        """The last events, oldest first."""
        return tuple(self._story)

    def close(self) -> None:
        """Say that the node ends; every subscription ends after what it still has to read, later ones at once."""
        self.publish(NodeEnding())
        self._closed = True
        for subscription in self._subscriptions:
            subscription.end(Closed)
