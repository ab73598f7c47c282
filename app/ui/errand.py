"""Something asked of the node: its work runs on the bridge's thread, its callbacks on the main thread."""

import asyncio
import threading
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress

from PySide6.QtCore import QObject, Qt, Signal

from app.schema.errors import ErrorInfo

TURN_SECONDS = 0.008
"""How long calls are delivered in one turn of Qt's loop, so that typing and painting come in between."""

Call = Callable[[], None]


class Mailbox(QObject):
    """Takes calls from any thread and makes them in order on the thread it lives on."""

    _waking = Signal()

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._calls: deque[Call] = deque()
        self._lock = threading.Lock()
        self._is_awake = False
        self._waking.connect(self._deliver, Qt.ConnectionType.QueuedConnection)

    def post(self, call: Call) -> None:
        """Make this call soon; returns at once. Any thread."""
        with self._lock:
            self._calls.append(call)
            must_wake, self._is_awake = not self._is_awake, True
        if must_wake:
            self._waking.emit()

    def _deliver(self) -> None:
        end = time.monotonic() + TURN_SECONDS
        try:
            while (call := self._next()) is not None:
                call()
                if time.monotonic() > end:
                    break
        finally:
            with self._lock:
                self._is_awake = bool(self._calls)
                must_wake = self._is_awake
            if must_wake:
                self._waking.emit()

    def _next(self) -> Call | None:
        with self._lock:
            return self._calls.popleft() if self._calls else None


class Errand:
    """The handle of one question or stream. `is_open` until its last callback or `cancel`."""

    def __init__(self, mailbox: Mailbox, on_error: Callable[[ErrorInfo], None]) -> None:
        self._mailbox = mailbox
        self._on_error = on_error
        self._loop: asyncio.AbstractEventLoop | None = None
        self._task: asyncio.Task[None] | None = None
        self.is_open = True

    def cancel(self) -> None:
        """End the work; no callback comes any more. Main thread; twice is harmless."""
        self.is_open = False
        loop = self._loop
        if loop is not None:
            # A closed loop has cancelled the work already.
            with suppress(RuntimeError):
                loop.call_soon_threadsafe(self._end)

    def begin(self, loop: asyncio.AbstractEventLoop, start: Callable[[], "asyncio.Task[None]"]) -> None:
        """Start the work, unless it was cancelled before. Bridge's thread."""
        self._loop = loop
        if self.is_open:
            self._task = start()

    def post(self, call: Call) -> None:
        """Make this call on the main thread, unless cancelled by then. Any thread."""
        self._mailbox.post(lambda: call() if self.is_open else None)

    def fail(self, error: ErrorInfo) -> None:
        """The work failed. Any thread."""
        self.post(lambda: self._on_error(error))

    def _end(self) -> None:
        if self._task is not None:
            self._task.cancel()
