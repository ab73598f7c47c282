"""Rows as Qt's lists want them."""

from collections.abc import Callable, Sequence
from typing import Generic, Protocol, TypeVar

from PySide6.QtCore import QAbstractListModel, QModelIndex, QObject, QPersistentModelIndex, Qt

ROW_ROLE = int(Qt.ItemDataRole.UserRole)

Index = QModelIndex | QPersistentModelIndex
_NO_INDEX = QModelIndex()


class Keyed(Protocol):
    """A row. `key` tells it from all others of its list, `name` is what typing letters in the list looks for."""

    @property
    def key(self) -> str:
        """The same for one thing, whatever else of it changes."""

    @property
    def name(self) -> str:
        """What it is called."""


R = TypeVar("R", bound=Keyed)


class RowList(QAbstractListModel, Generic[R]):
    """Shows a sequence of rows; `spoken` is a row as a screen reader reads it, `tip` its tooltip.

    `show_rows` tells Qt only what changed.
    """

    def __init__(self, spoken: Callable[[R], str], tip: Callable[[R], str], parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._spoken, self._tip = spoken, tip
        self._rows: list[R] = []

    @property
    def rows(self) -> Sequence[R]:
        """The rows in their order."""
        return self._rows

    def show_rows(self, rows: list[R]) -> None:
        """Show these. Where keys and order stay, selection and scrolling stay too."""
        if [row.key for row in rows] != [row.key for row in self._rows]:
            self.beginResetModel()
            self._rows = rows
            self.endResetModel()
            return
        before, self._rows = self._rows, rows
        for number, (old, new) in enumerate(zip(before, rows, strict=True)):
            if old != new:
                self.dataChanged.emit(self.index(number), self.index(number))

    def place(self, key: str | None) -> int | None:
        """The number of the row with this key."""
        return next((number for number, row in enumerate(self._rows) if row.key == key), None)

    def rowCount(self, parent: Index = _NO_INDEX) -> int:  # noqa: D102
        return 0 if parent.isValid() else len(self._rows)

    def data(self, index: Index, role: int = int(Qt.ItemDataRole.DisplayRole)) -> object:  # noqa: D102
        if not index.isValid() or index.row() >= len(self._rows):
            return None
        row = self._rows[index.row()]
        match role:
            case Qt.ItemDataRole.DisplayRole:
                return row.name
            case Qt.ItemDataRole.AccessibleTextRole:
                return self._spoken(row)
            case Qt.ItemDataRole.ToolTipRole:
                return self._tip(row)
        return row if role == ROW_ROLE else None
