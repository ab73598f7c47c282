"""The one answer that is written: asked for, heard piece by piece, shown and written down as it grows."""

from collections.abc import Callable
from typing import Any

from PySide6.QtCore import QObject, QTimer, Signal

from app.client import ChatPiece
from app.schema.errors import ErrorInfo
from app.ui.chat.archive import Archive
from app.ui.chat.session import Answer
from app.ui.chat.wording import broken_off
from app.ui.desk import Desk, Handle

WRITE_MS = 500
"""How often an answer that grows is written down."""

SHOW_MS = 40
"""How often it is shown."""

Clock = Callable[[], float]


class Writer(QObject):
    """`begin` one answer after the other; `answer` is None between them."""

    grew = Signal(object)
    """The Message as it is now; the last time when it has ended."""
    ended = Signal()

    def __init__(self, desk: Desk, archive: Archive, clock: Clock) -> None:
        super().__init__()
        self._desk, self._archive, self._clock = desk, archive, clock
        self._handle: Handle | None = None
        self.answer: Answer | None = None
        self._write = QTimer(self, interval=WRITE_MS)
        self._write.timeout.connect(self._write_down)
        self._show = QTimer(self, singleShot=True, interval=SHOW_MS)
        self._show.timeout.connect(self.tell)

    def begin(self, answer: Answer, body: dict[str, Any]) -> None:
        """Ask for an answer with the body of `POST /v1/chat/completions`."""
        self.answer = answer
        self._write.start()
        self._write_down()
        self._handle = self._desk.stream(lambda client: client.chat(body), self.hear, self._over, self._failed)

    def hear(self, piece: ChatPiece) -> None:
        """A piece of the answer has come."""
        if self.answer is not None:
            self.answer = self.answer.heard(piece, self._clock())
            if not self._show.isActive():
                self._show.start()

    def tell(self) -> None:
        """Show what has come until now."""
        if self.answer is not None:
            self.grew.emit(self.answer.message)

    def stop(self) -> None:
        """Stop it; what has come stays."""
        if self.answer is not None:
            if self._handle is not None:
                self._handle.cancel()
            self._end(self.answer.stopped(self._clock()))

    def _over(self) -> None:
        if self.answer is not None:
            self._end(self.answer.ended(self._clock()))

    def _failed(self, error: ErrorInfo) -> None:
        if self.answer is not None:
            told = broken_off(error, bool(self.answer.message.text))
            self._end(self.answer.failed(told, self._clock()))

    def _end(self, answer: Answer) -> None:
        self.answer, self._handle = None, None
        self._write.stop()
        self._show.stop()
        self._archive.write(answer.message)
        self.grew.emit(answer.message)
        self.ended.emit()

    def _write_down(self) -> None:
        if self.answer is not None:
            self._archive.write(self.answer.message)
