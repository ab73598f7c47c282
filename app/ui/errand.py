"""Something asked of the node: its work runs on the bridge's thread, its callbacks on the main thread."""

import asyncio
from collections.abc import Callable
from contextlib import suppress

from app.schema.errors import ErrorInfo
from app.ui.mailbox import Call
from app.ui.mailbox import Mailbox as Mailbox


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
