"""The list of models: arrows move, Enter launches, and it tells which rows are looked at."""

from PySide6.QtCore import QItemSelection, Qt, QTimer, Signal
from PySide6.QtGui import QKeyEvent, QResizeEvent
from PySide6.QtWidgets import QAbstractItemView, QFrame, QListView, QWidget

from app.ui.models.list_model import RowList
from app.ui.models.row_delegate import HEIGHT, RowDelegate
from app.ui.models.rows import Row
from app.ui.said import said
from app.ui.style.theme import Theme
from app.ui.words import tr

_REST_MS = 60
"""Scrolling tells which rows are seen once it rests."""


class ModelListView(QListView):
    """Shows a `RowList`; `current_key` survives every change of the rows."""

    selected = Signal(object)
    """A Row, or None."""
    launch_wanted = Signal()
    """Enter or a double click on the selected row."""
    looked_at = Signal()
    """Other rows are seen now."""

    def __init__(self, theme: Theme, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.rows = RowList(self)
        self.current_key: str | None = None
        self._is_restoring = False
        self.setModel(self.rows)
        self.setItemDelegate(RowDelegate(theme, self))
        self._dress(theme)
        self._rest = QTimer(self)
        self._rest.setSingleShot(True)
        self._rest.timeout.connect(self.looked_at)
        self.verticalScrollBar().valueChanged.connect(lambda: self._rest.start(_REST_MS))
        self.doubleClicked.connect(lambda: self.launch_wanted.emit())

    def show_rows(self, rows: list[Row]) -> None:
        """Show these; the selected model stays selected where it still is."""
        self._is_restoring = True
        self.rows.show_rows(rows)
        number = self.rows.place(self.current_key)
        if number is None and rows:
            number = 0
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

    def seen_first(self) -> list[Row]:
        """All rows, those that are seen now first."""
        top = max(0, self.verticalScrollBar().value() // HEIGHT)
        count = self.viewport().height() // HEIGHT + 2
        rows = list(self.rows.rows)
        return [*rows[top : top + count], *rows[top + count :], *rows[:top]]

    def selectionChanged(self, selected: QItemSelection, deselected: QItemSelection) -> None:  # noqa: D102
        super().selectionChanged(selected, deselected)
        if not self._is_restoring:
            self._tell_selected()

    def keyPressEvent(self, event: QKeyEvent) -> None:  # noqa: D102
        if event.key() in {Qt.Key.Key_Return, Qt.Key.Key_Enter}:
            self.launch_wanted.emit()
            return
        super().keyPressEvent(event)

    def resizeEvent(self, event: QResizeEvent) -> None:  # noqa: D102
        super().resizeEvent(event)
        self._rest.start(_REST_MS)

    def _dress(self, theme: Theme) -> None:
        self.setUniformItemSizes(True)
        self.setMouseTracking(True)
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setVerticalScrollMode(QAbstractItemView.ScrollMode.ScrollPerPixel)
        self.verticalScrollBar().setSingleStep(HEIGHT // 2)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        self.setAccessibleName(said(tr("Models")))
        theme.changed.connect(self.viewport().update)

    def _tell_selected(self) -> None:
        index = self.currentIndex()
        row = self.rows.rows[index.row()] if index.isValid() else None
        self.current_key = row.key if row else self.current_key
        self.selected.emit(row)
