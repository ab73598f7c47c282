"""A list of rows: arrows move, Enter does what the row is for, and it tells which rows are looked at."""

from typing import Generic

from PySide6.QtCore import QItemSelection, QPoint, QRect, Qt, QTimer, Signal
from PySide6.QtGui import QContextMenuEvent, QKeyEvent, QResizeEvent
from PySide6.QtWidgets import QAbstractItemView, QFrame, QListView, QStyledItemDelegate, QWidget

from app.ui.parts.row_list import R, RowList
from app.ui.said import said
from app.ui.style.theme import Theme
from app.ui.words import Phrase

_REST_MS = 60
"""Scrolling tells which rows are seen once it rests."""


class RowView(QListView, Generic[R]):
    """Shows a `RowList` whose rows are all `height` pixels high; `current_key` survives every change of the rows."""

    selected = Signal(object)
    """A row, or None."""
    entered = Signal()
    """Enter or a double click on the selected row."""
    menu_wanted = Signal(object, QPoint)
    """The selected row, and where on the screen its menu shall open: a right click, or the menu key."""
    looked_at = Signal()
    """Other rows are seen now."""

    def __init__(
        self, theme: Theme, rows: RowList[R], height: int, name: Phrase, parent: QWidget | None = None
    ) -> None:
        super().__init__(parent)
        self.rows = rows
        self.current_key: str | None = None
        self._height = height
        self._is_restoring = False
        rows.setParent(self)
        self.setModel(rows)
        self._dress(theme, name)
        self._rest = QTimer(self)
        self._rest.setSingleShot(True)
        self._rest.timeout.connect(self.looked_at)
        self.verticalScrollBar().valueChanged.connect(lambda: self._rest.start(_REST_MS))
        self.doubleClicked.connect(lambda: self.entered.emit())

    def paint_with(self, delegate: QStyledItemDelegate) -> None:
        """Let this delegate paint the rows; the view keeps it."""
        delegate.setParent(self)
        self.setItemDelegate(delegate)

    def show_rows(self, rows: list[R], first: str | None = None) -> None:
        """Show these; the selected row stays selected where it still is, else `first` is, or the first one."""
        self._is_restoring = True
        self.rows.show_rows(rows)
        number = self.rows.place(self.current_key)
        if number is None and rows:
            number = self.rows.place(first) or 0
        if number is not None and self.currentIndex().row() != number:
            self.setCurrentIndex(self.rows.index(number))
        self._is_restoring = False
        self._tell_selected()

    def choose(self, key: str) -> None:
        """Select the row with this key, if it is shown."""
        number = self.rows.place(key)
        if number is not None and number != self.currentIndex().row():
            self.setCurrentIndex(self.rows.index(number))
            self.scrollTo(self.currentIndex(), QAbstractItemView.ScrollHint.PositionAtCenter)

    @property
    def current(self) -> R | None:
        """The selected row."""
        index = self.currentIndex()
        return self.rows.rows[index.row()] if index.isValid() else None

    def seen(self) -> list[R]:
        """The rows that are seen now."""
        top = max(0, self.verticalScrollBar().value() // self._height)
        return list(self.rows.rows[top : top + self.viewport().height() // self._height + 2])

    def seen_first(self) -> list[R]:
        """All rows, those that are seen now first."""
        seen = self.seen()
        top = max(0, self.verticalScrollBar().value() // self._height)
        rows = self.rows.rows
        return [*seen, *rows[top + len(seen) :], *rows[:top]]

    def selectionChanged(self, selected: QItemSelection, deselected: QItemSelection) -> None:  # noqa: D102
        super().selectionChanged(selected, deselected)
        if not self._is_restoring:
            self._tell_selected()

    def keyPressEvent(self, event: QKeyEvent) -> None:  # noqa: D102
        if event.key() in {Qt.Key.Key_Return, Qt.Key.Key_Enter}:
            self.entered.emit()
            return
        super().keyPressEvent(event)

    def contextMenuEvent(self, event: QContextMenuEvent) -> None:  # noqa: D102
        row, place = self.current, event.globalPos()
        if event.reason() is QContextMenuEvent.Reason.Keyboard:
            place = self.viewport().mapToGlobal(self.visualRect(self.currentIndex()).center())
        if row is not None:
            self.menu_wanted.emit(row, place)

    def resizeEvent(self, event: QResizeEvent) -> None:  # noqa: D102
        super().resizeEvent(event)
        current = self.visualRect(self.currentIndex())
        if current.intersects(QRect(QPoint(0, 0), event.oldSize())):
            # The selected row is not lost where the list becomes shorter.
            self.scrollTo(self.currentIndex())
        self._rest.start(_REST_MS)

    def _dress(self, theme: Theme, name: Phrase) -> None:
        self.setUniformItemSizes(True)
        self.setMouseTracking(True)
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setVerticalScrollMode(QAbstractItemView.ScrollMode.ScrollPerPixel)
        self.verticalScrollBar().setSingleStep(self._height // 2)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        self.setAccessibleName(said(name))
        theme.changed.connect(self.viewport().update)

    def _tell_selected(self) -> None:
        row = self.current
        self.current_key = row.key if row else self.current_key
        self.selected.emit(row)
