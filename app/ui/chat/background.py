"""One thread beside the main one, for what takes longer than a picture may wait."""

import logging
import queue
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any, TypeVar

from PySide6.QtCore import QObject, Qt, Signal

_log = logging.getLogger("caravan.ui")

Result = TypeVar("Result")


class Background(QObject):
    """Does work in the order in which it was given. One per chat page; `close` it at the end."""

    _done = Signal(object)

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._given: queue.SimpleQueue[tuple[Callable[[], Any], Callable[[Any], None]] | None] = queue.SimpleQueue()
        self._done.connect(_deliver, Qt.ConnectionType.QueuedConnection)
        self._is_closing = False
        self._thread = threading.Thread(target=self._run, name="caravan chat colours", daemon=True)
        self._thread.start()

    def do(self, work: Callable[[], Result], then: Callable[[Result], None]) -> None:
        """Call `work` on the thread, and `then` with what it returned on the main thread."""
        self._given.put((work, then))

    def close(self) -> None:
        """End; waits for what is being done, and drops the rest."""
        self._is_closing = True
        self._given.put(None)
        self._thread.join()

    def _run(self) -> None:
        for work, then in iter(self._given.get, None):
            if self._is_closing:
                continue
            try:
                result = work()
            # A reader of a language that fails leaves its text plain.
            except Exception as error:  # noqa: BLE001
                _log.warning("Chat colours: %s", error)
                continue
            # At the end of the program Qt may be gone already.
            with suppress(RuntimeError):
                self._done.emit((then, result))


def _deliver(parcel: tuple[Callable[[Any], None], Any]) -> None:
    then, result = parcel
    # The widget that waits may have been deleted meanwhile.
    with suppress(RuntimeError):
        then(result)
