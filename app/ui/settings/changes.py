"""Changes of settings on their way to the node: one at a time, each over what holds there then."""

from PySide6.QtCore import QObject, Signal

from app.client import NodeClient
from app.schema.errors import ErrorInfo
from app.schema.node import Status
from app.schema.settings import Settings
from app.ui.desk import Desk, Handle


class Changes(QObject):
    """`now` is what the screen shows: the node's settings, over them what is on its way. Main thread only."""

    shown = Signal()
    """`now` is another, or was told again."""
    refused = Signal(str, object)
    """A field's name and the ErrorInfo why it stays as it was."""
    accepted = Signal(str)
    """The node has saved this field."""

    def __init__(self, desk: Desk, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._desk = desk
        self._known: Settings | None = None
        self._sent: dict[str, object] = {}
        self._waiting: dict[str, object] = {}
        self._handle: Handle | None = None

    @property
    def now(self) -> Settings:
        """What the screen shows."""
        return (self._known or Settings()).model_copy(update={**self._sent, **self._waiting})

    @property
    def is_live(self) -> bool:
        """Whether there is a node whose settings are known and can be changed."""
        return self._known is not None

    @property
    def is_saving(self) -> bool:
        """Whether something is on its way."""
        return bool(self._sent or self._waiting)

    def take_status(self, status: Status | None) -> None:
        """The node's settings as they are; None without a node: nothing can be changed."""
        self._known = status.settings if status is not None else None
        self.shown.emit()

    def change(self, name: str, value: object) -> None:
        """Set this field to a value that fits it; nothing is sent when it is so already."""
        if not self.is_live or getattr(self.now, name) == value:
            return
        self._waiting[name] = value
        self.shown.emit()
        self._send()

    def _send(self) -> None:
        if self._sent or not self._waiting:
            return
        # One field at a time: what the node refuses is then known to belong to it.
        name = next(iter(self._waiting))
        self._sent = {name: self._waiting.pop(name)}
        update = dict(self._sent)

        async def work(client: NodeClient) -> Settings:
            return await client.change_settings((await client.settings()).model_copy(update=update))

        self._handle = self._desk.ask(
            work, lambda settings: self._done(name, settings), lambda error: self._failed(name, error)
        )

    def _done(self, name: str, settings: Settings) -> None:
        self._known, self._sent = settings, {}
        self.accepted.emit(name)
        self.shown.emit()
        self._send()

    def _failed(self, name: str, error: ErrorInfo) -> None:
        self._sent = {}
        # Whoever was refused keeps what was typed, before the old value is shown again.
        self.refused.emit(name, error)
        self.shown.emit()
        self._send()
