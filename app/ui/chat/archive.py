"""The conversations on a thread of their own: work is handed in, its result comes back on Qt's main thread."""

import logging
import queue
import sqlite3
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

from PySide6.QtCore import QObject, Qt, Signal

from app.schema.errors import CaravanError, ErrorInfo
from app.ui.chat.records import Message
from app.ui.chat.store import ChatsUnusable, Store, open_in_memory, open_store

_log = logging.getLogger("caravan.ui")

Result = TypeVar("Result")
Job = Callable[[Store], None]


class Archive(QObject):
    """Use it from the main thread; every method but `close` returns at once. Work is done in the order it came."""

    failed = Signal(object)
    """An ErrorInfo: the disk is full, the file was damaged, ..."""
    _done = Signal(object)

    def __init__(self, path: Path, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._path = path
        self.is_open = True
        self._jobs: queue.SimpleQueue[Job | None] = queue.SimpleQueue()
        self._writing: dict[str, Message] = {}
        self._lock = threading.Lock()
        self._done.connect(self._deliver, Qt.ConnectionType.QueuedConnection)
        self._thread = threading.Thread(target=self._run, name="caravan conversations", daemon=True)
        self._thread.start()

    def do(self, work: Callable[[Store], Result], then: Callable[[Result], None] | None = None) -> None:
        """Do something with the store; `then` gets its result on the main thread."""

        def job(store: Store) -> None:
            result = work(store)
            if then is not None:
                self._tell(lambda: then(result))

        self._jobs.put(job)

    def write(self, message: Message) -> None:
        """Write a message soon. Of one that is written again before its turn, only the newest is."""
        with self._lock:
            is_waiting = message.id in self._writing
            self._writing[message.id] = message
        if not is_waiting:
            self._jobs.put(lambda store: self._write(store, message.id))

    def close(self) -> None:
        """Write what is left and end; waits for it."""
        self.is_open = False
        self._jobs.put(None)
        self._thread.join()

    def _deliver(self, call: Callable[[], None]) -> None:
        if self.is_open:
            call()

    def _write(self, store: Store, message: str) -> None:
        with self._lock:
            newest = self._writing.pop(message)
        store.write((newest,))

    def _run(self) -> None:
        store = self._open()
        while (job := self._jobs.get()) is not None:
            try:
                job(store)
            except CaravanError as error:
                self._report(error.info())
            except (sqlite3.Error, OSError, ValueError, KeyError) as error:
                _log.warning("Conversations: %s", error)
                self._report(_trouble(error))
        store.close()

    def _open(self) -> Store:
        try:
            opened = open_store(self._path)
        except ChatsUnusable as error:
            self._report(error.info())
            return open_in_memory()
        if opened.kept_aside is not None:
            self._report(_put_aside(opened.kept_aside))
        return opened.store

    def _report(self, error: ErrorInfo) -> None:
        self._tell(lambda: self.failed.emit(error))

    def _tell(self, call: Callable[[], None]) -> None:
        # At the end of the program Qt may be gone before the last job.
        with suppress(RuntimeError):
            self._done.emit(call)


def _put_aside(path: Path) -> ErrorInfo:
    return ErrorInfo(
        code="chats_damaged",
        sentence="The file of your conversations was damaged. A new one was begun.",
        hint=f"The old file is kept as {path}.",
    )


def _trouble(error: Exception) -> ErrorInfo:
    if "full" in str(error):
        return ErrorInfo(
            code="chats_not_kept", sentence="This conversation could not be saved: the disk is full.", hint="Make room."
        )
    return ErrorInfo(
        code="chats_not_kept",
        sentence="This conversation could not be saved.",
        hint="Export it, then start Caravan again.",
        detail=(str(error),),
    )
