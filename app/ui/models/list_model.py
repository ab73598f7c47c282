"""The rows as Qt's lists want them."""

from collections.abc import Sequence

from PySide6.QtCore import QAbstractListModel, QModelIndex, QObject, QPersistentModelIndex, Qt

from app.ui.models.rows import Row, facts
from app.ui.said import said
from app.ui.words import tr

ROW_ROLE = int(Qt.ItemDataRole.UserRole)

Index = QModelIndex | QPersistentModelIndex
_NO_INDEX = QModelIndex()


class RowList(QAbstractListModel):
    """Shows a sequence of rows. `show_rows` tells Qt only what changed."""

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._rows: list[Row] = []

    @property
    def rows(self) -> Sequence[Row]:
        """The rows in their order."""
        return self._rows

    def show_rows(self, rows: list[Row]) -> None:
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
                return spoken(row)
            case Qt.ItemDataRole.ToolTipRole:
                return f"{row.model_id}\n{row.model.path}\n{said(row.verdict.sentence)}"
        return row if role == ROW_ROLE else None


def spoken(row: Row) -> str:
    """The row as a screen reader reads it."""
    pictures = tr("sees pictures") if row.sees else ""
    parts = (row.name, facts(row), pictures, row.verdict.words, row.verdict.speed_words if row.verdict.speed else "")
    return ", ".join(said(part) for part in parts if part)
