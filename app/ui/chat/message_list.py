"""The messages of a conversation, of which only those in sight are widgets."""

import time
from collections.abc import Callable, Sequence

from PySide6.QtCore import Qt, QTimer, Signal
from PySide6.QtGui import QKeyEvent, QResizeEvent
from PySide6.QtWidgets import QAbstractScrollArea, QFrame, QWidget

from app.ui.chat.heights import Heights
from app.ui.chat.message_view import MessageView
from app.ui.chat.view_pool import Make, Reuse, ViewPool
from app.ui.said import said
from app.ui.style.tokens import EDGE, READING_WIDTH
from app.ui.words import tr

BUDGET_SECONDS = 0.008
"""How long widgets may be filled before the window gets its turn again."""

ABOVE = EDGE
_STEP = 60
_NEAR_END = 24
_ROUNDS = 4


class MessageList(QAbstractScrollArea):
    """`show_keys` says which messages there are; `make` makes a view for one and `estimate` guesses its height.

    It stays at the end while it is there, and where it is when the person has scrolled away. A view that has left the
    sight rests until `reuse` shows another message in it. Views are filled in slices; a message takes the room that
    was guessed until its view can be shown.
    """

    at_end_changed = Signal(bool)

    def __init__(
        self, make: Make, reuse: Reuse, estimate: Callable[[str, int], int], parent: QWidget | None = None
    ) -> None:
        super().__init__(parent)
        self._estimate = estimate
        self._heights = Heights(ABOVE)
        self._views = ViewPool(make, reuse, self.viewport(), self.refit)
        self._shown_at = 0
        self._is_moving = False
        self._column = 0
        self.is_at_end = True
        self.setObjectName("messages")
        self.setAccessibleName(said(tr("Messages")))
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.verticalScrollBar().setSingleStep(_STEP)
        self.verticalScrollBar().valueChanged.connect(self._scrolled)
        self._soon = QTimer(self, singleShot=True, interval=0)
        self._soon.timeout.connect(self.arrange)

    @property
    def column(self) -> int:
        """Width of the messages."""
        return max(min(self.width() - 2 * EDGE, READING_WIDTH), 80)

    def view(self, key: str) -> MessageView | None:
        """The widget of a message, None when it is out of sight."""
        return self._views.get(key)

    def views(self) -> list[MessageView]:
        """All widgets there are now."""
        return [view for _, view in self._views.items()]

    def show_keys(self, keys: Sequence[str], is_other: bool = False) -> None:
        """Show these messages; those that were there keep their widget. `is_other`: another conversation, its end."""
        width = self.column
        self._heights.show(keys, lambda key: self._estimate(key, width), keeps=not is_other)
        for key in [key for key, _ in self._views.items() if is_other or key not in self._heights]:
            self._views.drop(key)
        if is_other:
            self._set_at_end(True)
        self.arrange()

    def rebuild(self) -> None:
        """Make all widgets anew: the colours have changed."""
        self._views.clear()
        self.arrange()

    def refit(self, key: str) -> None:
        """A message has changed its height."""
        if key in self._views:
            self._heights.doubt(key)
            self.arrange()

    def to_end(self) -> None:
        """Go to the end and stay there."""
        self._set_at_end(True)
        self.arrange()

    def reveal(self, key: str) -> None:
        """Bring the beginning of a message into sight."""
        if key in self._heights:
            self._set_at_end(False)
            self._move_to(self._heights.tops[self._heights.place(key)] - EDGE)
            self.arrange()
            self._move_to(self._heights.tops[self._heights.place(key)] - EDGE)

    def arrange(self) -> None:
        """Make the widgets in sight, measure them, put each in its place and drop the others."""
        deadline = time.perf_counter() + BUDGET_SECONDS
        anchor, offset = self._anchor()
        for _ in range(_ROUNDS):
            self._set_range()
            self._move_to(self._maximum() if self.is_at_end else self._heights.tops[anchor] + offset)
            if not self._measure(self._in_sight(), deadline):
                break
        self._set_range()
        self._move_to(self._maximum() if self.is_at_end else self._heights.tops[anchor] + offset)
        self._put()

    def resizeEvent(self, event: QResizeEvent) -> None:  # noqa: D102
        super().resizeEvent(event)
        if self.column != self._column:
            self._column = self.column
            self._heights.doubt()
        self.arrange()

    def keyPressEvent(self, event: QKeyEvent) -> None:  # noqa: D102
        holder = self.window().focusWidget()
        focused = next((key for key, view in self._views.items() if view is holder), None)
        if focused is not None and event.key() in {Qt.Key.Key_Up, Qt.Key.Key_Down}:
            self._focus(self._heights.place(focused) + (-1 if event.key() == Qt.Key.Key_Up else 1))
        elif event.key() == Qt.Key.Key_End:
            self.to_end()
        elif event.key() == Qt.Key.Key_Home:
            self._set_at_end(False)
            self._move_to(0)
            self.arrange()
        else:
            super().keyPressEvent(event)

    def scrollContentsBy(self, dx: int, dy: int) -> None:  # noqa: D102
        # The widgets are moved by `_put`.
        return

    def _focus(self, index: int) -> None:
        """Give the focus to another message, and bring it into sight."""
        if not 0 <= index < len(self._heights.keys):
            return
        value, height = self.verticalScrollBar().value(), self.viewport().height()
        key, tops = self._heights.keys[index], self._heights.tops
        if tops[index] < value or tops[index + 1] > value + height:
            self.reveal(key)
        view = self._realized(key)
        while not view.is_presentable:
            view.work(0)
        self._heights.measure(index, view.fit(self.column))
        self.arrange()
        view.show()
        view.setFocus(Qt.FocusReason.TabFocusReason)

    def _scrolled(self, value: int) -> None:
        if self._is_moving:
            return
        self._set_at_end(value >= self._maximum() - _NEAR_END)
        self.arrange()

    def _set_at_end(self, is_at_end: bool) -> None:
        if is_at_end != self.is_at_end:
            self.is_at_end = is_at_end
            self.at_end_changed.emit(is_at_end)

    def _anchor(self) -> tuple[int, int]:
        """The message that stays where it is on the screen, and how far its beginning is above the edge.

        It is the first in sight of which the height is known: what comes into sight above it grows upwards.
        """
        value = self.verticalScrollBar().value()
        sight = self._heights.between(value, value + self.viewport().height())
        index = next((each for each in sight if self._is_known(each)), next(iter(sight), 0))
        return index, value - self._heights.tops[index]

    def _is_known(self, index: int) -> bool:
        key = self._heights.keys[index]
        return self._heights.is_measured(key) and key in self._views

    def _in_sight(self) -> list[int]:
        """The messages in sight, from the last to the first while at the end, then those a little beyond."""
        value, height = self.verticalScrollBar().value(), self.viewport().height()
        sight = list(self._heights.between(value, value + height))[:: -1 if self.is_at_end else 1]
        return list(dict.fromkeys((*sight, *self._heights.between(value - height // 2, value + height + height // 2))))

    def _measure(self, indices: list[int], deadline: float) -> bool:
        """Fill and measure what is not measured yet; whether any height was another than thought."""
        has_changed = False
        for index in indices:
            if self._is_known(index):
                continue
            if time.perf_counter() > deadline:
                self._soon.start()
                break
            view = self._realized(self._heights.keys[index])
            view.work(deadline)
            if view.is_presentable:
                has_changed |= self._heights.measure(index, view.fit(self.column))
        return has_changed

    def _realized(self, key: str) -> MessageView:
        """The view of a message; a new one has yet to be filled and measured."""
        if key not in self._views:
            self._heights.doubt(key)
        return self._views.take(key)

    def _put(self) -> None:
        value, sight = self.verticalScrollBar().value(), set(self._in_sight())
        # What is in sight is moved as a picture; only what comes into sight is painted.
        self.viewport().scroll(0, self._shown_at - value)
        self._shown_at = value
        left = (self.width() - self.column) // 2
        for key, view in list(self._views.items()):
            index = self._heights.place(key)
            if index in sight:
                view.move(left, self._heights.tops[index] - value)
                if self._heights.is_measured(key):
                    view.show()
            elif not view.isAncestorOf(self.window().focusWidget() or self) and not view.hasFocus():
                self._views.drop(key)
            else:
                view.move(left, self._heights.tops[index] - value)

    def _maximum(self) -> int:
        return max(self._heights.tops[-1] - self.viewport().height(), 0)

    def _set_range(self) -> None:
        self._is_moving = True
        bar = self.verticalScrollBar()
        bar.setPageStep(max(self.viewport().height() - _STEP, 1))
        bar.setRange(0, self._maximum())
        self._is_moving = False

    def _move_to(self, value: int) -> None:
        """Set the bar without taking it for the person's wish."""
        self._is_moving = True
        self.verticalScrollBar().setValue(value)
        self._is_moving = False
