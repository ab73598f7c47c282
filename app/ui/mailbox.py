"""Calls from any thread, made on the thread of Qt's loop."""

import threading
import time
from collections import deque
from collections.abc import Callable

from PySide6.QtCore import QCoreApplication, QEvent, QObject

TURN_SECONDS = 0.008
"""How long calls are delivered in one turn of Qt's loop, so that typing and painting come in between."""

Call = Callable[[], None]


class Mailbox(QObject):
    """Takes calls from any thread and makes them in order on the thread it lives on."""

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._calls: deque[Call] = deque()
        self._lock = threading.Lock()
        self._is_awake = False

    def post(self, call: Call) -> None:
        """Make this call soon; returns at once. Any thread."""
        with self._lock:
            self._calls.append(call)
            must_wake, self._is_awake = not self._is_awake, True
        if must_wake:
            self._wake()

    def customEvent(self, event: QEvent) -> None:  # noqa: D102
        self._deliver()

    def _wake(self) -> None:
        # An event and no queued signal: the tray's icon needs this before Qt's large namespace of enums is loaded.
        QCoreApplication.postEvent(self, QEvent(QEvent.Type.User))

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
                self._wake()

    def _next(self) -> Call | None:
        with self._lock:
            return self._calls.popleft() if self._calls else None
