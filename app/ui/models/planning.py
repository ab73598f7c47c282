"""The plan of the selected model: asked for again after each change and a pause; only the last answer counts."""

from collections.abc import Awaitable, Callable

from PySide6.QtCore import QObject, QTimer, Signal

from app.client import NodeClient
from app.schema.errors import ErrorInfo
from app.schema.plan import Plan, PlanRequest, Refusal
from app.ui.desk import Desk, Handle

PAUSE_MS = 150
"""A slider that is dragged asks once it rests."""


class Planning(QObject):
    """One question at a time. `answer` is the last one, None while it is not known for `request`."""

    changed = Signal()
    """`request`, `answer`, `error` or `is_asking` is another."""

    def __init__(self, desk: Desk, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._desk = desk
        self._handle: Handle | None = None
        self.request: PlanRequest | None = None
        self.answer: Plan | Refusal | None = None
        self.error: ErrorInfo | None = None
        self.is_asking = False
        self._pause = QTimer(self)
        self._pause.setSingleShot(True)
        self._pause.timeout.connect(self._ask)

    def begin(self, request: PlanRequest) -> None:
        """Ask for another model, at once. The answer before it is forgotten."""
        self.answer = self.error = None
        self._put(request, 0)

    def change(self, request: PlanRequest, pause: int = PAUSE_MS) -> None:
        """The same model with other wishes. The last answer stays until the new one comes."""
        if request != self.request:
            self._put(request, pause)

    def again(self) -> None:
        """The same question: the cluster changed."""
        if self.request is not None:
            self._put(self.request, PAUSE_MS)

    def resume(self) -> None:
        """Ask again what `stop` dropped."""
        if self.is_asking and self._handle is None and not self._pause.isActive():
            self.again()

    def stop(self) -> None:
        """Drop what is asked."""
        self._pause.stop()
        self._drop()

    def _put(self, request: PlanRequest, pause: int) -> None:
        self._drop()
        self.request, self.is_asking = request, True
        self._pause.start(pause)
        self.changed.emit()

    def _drop(self) -> None:
        if self._handle is not None:
            self._handle.cancel()
            self._handle = None

    def _ask(self) -> None:
        if self.request is not None:
            self._handle = self._desk.ask(_question(self.request), self._answered, self._failed)

    def _answered(self, answer: Plan | Refusal) -> None:
        self.answer, self.error, self.is_asking = answer, None, False
        self.changed.emit()

    def _failed(self, error: ErrorInfo) -> None:
        self.answer, self.error, self.is_asking = None, error, False
        self.changed.emit()


def _question(request: PlanRequest) -> Callable[[NodeClient], Awaitable[Plan | Refusal]]:
    async def work(client: NodeClient) -> Plan | Refusal:
        return await client.plan(request)

    return work
