"""The question to the hub: asked once typing rests, or at once with Enter; one at a time."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from PySide6.QtCore import QObject, QTimer, Signal

from app.client import NodeClient
from app.schema.download import HubModel, HubRepository, HubSort
from app.schema.errors import ErrorInfo
from app.schema.hub_reference import read_reference
from app.ui.desk import Desk, Handle

PAUSE_MS = 400
"""Typing that rests so long is a question."""

LIMIT = 100
"""Repositories that are asked for."""


@dataclass(frozen=True)
class Found:
    """What a question found. `repository` is there when the question named one, then it is the only one."""

    models: tuple[HubModel, ...]
    repository: HubRepository | None = None


class Search(QObject):
    """`found` is the last answer; it stays while the next one is asked for. Without a question it is None."""

    changed = Signal()
    """`question`, `found`, `error` or `is_asking` is another."""

    def __init__(self, desk: Desk, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._desk = desk
        self._handle: Handle | None = None
        self.question: str | None = None
        self.sort = HubSort.DOWNLOADS
        self.found: Found | None = None
        self.error: ErrorInfo | None = None
        self.is_asking = False
        self._text = ""
        self._pause = QTimer(self)
        self._pause.setSingleShot(True)
        self._pause.setInterval(PAUSE_MS)
        self._pause.timeout.connect(self.enter)

    @property
    def is_reference(self) -> bool:
        """Whether the question names one repository."""
        return self.question is not None and read_reference(self.question) is not None

    def type(self, text: str) -> None:
        """The person types: ask once that rests. An empty text asks nothing."""
        self._text = text
        if text.strip():
            self._pause.start()
        else:
            self.forget()

    def enter(self) -> None:
        """Ask what is typed, now; the same question that is on its way is not asked again."""
        if not self._text.strip() or (self.is_asking and self._text == self.question):
            return
        self.ask(self._text)

    def ask(self, text: str) -> None:
        """Ask this now; an empty text is what is wanted most."""
        self._pause.stop()
        self._drop()
        self._text = self.question = text
        self.error, self.is_asking = None, True
        self._handle = self._desk.ask(_question(text.strip(), self.sort), self._answered, self._failed)
        self.changed.emit()

    def order(self, sort: HubSort) -> None:
        """Another order: the same question again."""
        self.sort = sort
        if self.question is not None and not self.is_reference:
            self.ask(self.question)

    def again(self) -> None:
        """The same question again, after it failed."""
        if self.question is not None:
            self.ask(self.question)

    def resume(self) -> None:
        """Ask again what `stop` dropped."""
        if self.is_asking and self._handle is None:
            self.again()

    def stop(self) -> None:
        """Nobody looks: drop what is asked."""
        self._pause.stop()
        self._drop()

    def forget(self) -> None:
        """No question any more."""
        self.stop()
        self.question = self.found = self.error = None
        self.is_asking = False
        self.changed.emit()

    def _drop(self) -> None:
        if self._handle is not None:
            self._handle.cancel()
            self._handle = None

    def _answered(self, found: Found) -> None:
        self.found, self.error, self.is_asking, self._handle = found, None, False, None
        self.changed.emit()

    def _failed(self, error: ErrorInfo) -> None:
        self.found, self.error, self.is_asking, self._handle = None, error, False, None
        self.changed.emit()


def _question(text: str, sort: HubSort) -> Callable[[NodeClient], Awaitable[Found]]:
    async def work(client: NodeClient) -> Found:
        if read_reference(text) is not None:
            repository = await client.hub.repository(text)
            return Found((repository.model,), repository)
        return Found(await client.hub.search(text, sort, LIMIT))

    return work
