"""What a page works with: the node's last status, and a way to ask the node."""

from collections.abc import AsyncGenerator, Awaitable, Callable
from typing import Protocol, TypeVar

from PySide6.QtCore import QObject, Qt, QTimer, Signal

from app.client import NodeClient
from app.schema.errors import ErrorInfo
from app.schema.node import Status
from app.schema.record import InstanceId
from app.system.paths import Paths
from app.ui.face import Link
from app.ui.wish import Wish as Wish

T = TypeVar("T")

CALM_MS = 100
"""Statuses that come faster are told together: 32 PCs send that many heartbeats."""


class Handle(Protocol):
    """Something that was asked. `is_open` is False after `cancel`."""

    is_open: bool

    def cancel(self) -> None:
        """End it; no callback comes any more."""


class Errands(Protocol):
    """Whoever runs questions to the node: the bridge, or a test in its place. See `Bridge.ask` and `Bridge.stream`."""

    def ask(
        self,
        work: Callable[[NodeClient], Awaitable[T]],
        on_done: Callable[[T], None] | None = None,
        on_error: Callable[[ErrorInfo], None] | None = None,
    ) -> Handle:
        """Run a coroutine function."""

    def stream(
        self,
        work: Callable[[NodeClient], AsyncGenerator[T, None]],
        on_item: Callable[[T], None],
        on_end: Callable[[], None] | None = None,
        on_error: Callable[[ErrorInfo], None] | None = None,
    ) -> Handle:
        """Run an async generator function."""


class Desk(QObject):
    """One per application, shared by all pages; main thread only.

    `status` is None as long as no node is known, `link` says how it stands, `api_url` (`http://127.0.0.1:52415`) where
    it answers. `paths` are the data folder's. `speeds` are the tokens/s of the last answer of each instance.
    `closes_to_tray` says whether closing the window leaves Caravan in the tray; None where there is no tray.
    """

    status_changed = Signal(object)
    """A Status; at most ten a second. Not sent when the node is lost: see `link_changed`."""
    link_changed = Signal()
    """`link`, `api_url` or, at a loss, `status` is another."""
    measured = Signal()
    """`speeds` has another figure."""
    closing_chosen = Signal(bool)
    """`closes_to_tray` was chosen."""
    wished = Signal(object, str)
    """A Wish of `go`, and what it is about (a model's id, a conversation's), or an empty text."""

    def __init__(self, errands: Errands, paths: Paths) -> None:
        super().__init__()
        self._errands = errands
        self.paths = paths
        self.status: Status | None = None
        self.link = Link.STARTING
        self.api_url: str | None = None
        self.speeds: dict[InstanceId, float] = {}
        self.closes_to_tray: bool | None = None
        self._is_behind = False
        self._calm = QTimer(self)
        self._calm.setSingleShot(True)
        self._calm.setTimerType(Qt.TimerType.CoarseTimer)
        self._calm.timeout.connect(self._catch_up)

    def ask(
        self,
        work: Callable[[NodeClient], Awaitable[T]],
        on_done: Callable[[T], None] | None = None,
        on_error: Callable[[ErrorInfo], None] | None = None,
    ) -> Handle:
        """Run `work(client)` on the bridge's thread; exactly one callback follows on the main thread.

        Without `on_error` a failure becomes a notification. After `handle.cancel()` no callback comes.
        """
        return self._errands.ask(work, on_done, on_error)

    def stream(
        self,
        work: Callable[[NodeClient], AsyncGenerator[T, None]],
        on_item: Callable[[T], None],
        on_end: Callable[[], None] | None = None,
        on_error: Callable[[ErrorInfo], None] | None = None,
    ) -> Handle:
        """Run the async generator `work(client)` on the bridge's thread: on the main thread `on_item` per item in
        order, then exactly one of `on_end` and `on_error`. `handle.cancel()` closes it; no callback comes after.
        """
        return self._errands.stream(work, on_item, on_end, on_error)

    def go(self, wish: Wish, about: str = "") -> None:
        """Send the person to another page or dialog."""
        self.wished.emit(wish, about)

    def choose_closing(self, to_tray: bool) -> None:
        """Closing the window leaves Caravan in the tray, or quits it."""
        self.closes_to_tray = to_tray
        self.closing_chosen.emit(to_tray)

    def take_status(self, status: Status) -> None:
        """The node's new status. The shell calls it."""
        self.status = status
        if self._calm.isActive():
            self._is_behind = True
            return
        self._tell()

    def take_link(self, link: Link, api_url: str | None = None) -> None:
        """The node was found or lost. The shell calls it."""
        self.link, self.api_url = link, api_url
        if link is not Link.FOUND:
            self.status = None
        self.link_changed.emit()

    def take_speed(self, instance: InstanceId, rate: float) -> None:
        """An answer of an instance came with this many tokens/s. The chat calls it."""
        self.speeds[instance] = rate
        self.measured.emit()

    def _catch_up(self) -> None:
        if self._is_behind:
            self._tell()

    def _tell(self) -> None:
        self._is_behind = False
        self._calm.start(CALM_MS)
        if self.status is not None:
            self.status_changed.emit(self.status)
