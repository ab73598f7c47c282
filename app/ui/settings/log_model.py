"""The lines of a log as a Qt model: bounded, and filtered a slice at a time so that typing never waits."""

from collections.abc import Sequence

from PySide6.QtCore import QAbstractListModel, QModelIndex, QObject, QPersistentModelIndex, Qt, QTimer, Signal

from app.ui.settings.log_lines import MOST_LINES, LineFilter, LogLine

SLICE = 10_000
"""Lines looked at in one turn of Qt's loop."""

_SPARE = MOST_LINES // 10
"""Removed at once when there are too many, so that it is seldom."""

_Index = QModelIndex | QPersistentModelIndex
_TOP = QModelIndex()


class LogModel(QAbstractListModel):
    """`line(row)` is what is painted. `settled` comes when the shown lines are those of the filter."""

    settled = Signal()

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._all: list[LogLine] = []
        self._shown: list[LogLine] = []
        self._filter = LineFilter()
        self._found: list[LogLine] = []
        self._looked = 0
        self.longest = 0
        self._turn = QTimer(self)
        self._turn.setInterval(0)
        self._turn.timeout.connect(self._look_on)

    @property
    def total(self) -> int:
        """Lines there are, shown or not."""
        return len(self._all)

    @property
    def last(self) -> LogLine | None:
        """The newest line."""
        return self._all[-1] if self._all else None

    @property
    def filter(self) -> LineFilter:
        """What is shown, or will be in a moment."""
        return self._filter

    @property
    def is_settled(self) -> bool:
        """Whether the shown lines are those of the filter."""
        return not self._turn.isActive()

    def texts(self, count: int) -> list[str]:
        """The newest lines, oldest first."""
        return [line.text for line in self._all[-count:]] if count else []

    def shown_lines(self) -> list[LogLine]:
        """What is shown, oldest first."""
        return list(self._shown)

    def line(self, row: int) -> LogLine:
        """A shown line."""
        return self._shown[row]

    def rowCount(self, parent: _Index = _TOP) -> int:  # noqa: D102
        return 0 if parent.isValid() else len(self._shown)

    def data(self, index: _Index, role: int = Qt.ItemDataRole.DisplayRole) -> object:  # noqa: D102
        if role == Qt.ItemDataRole.DisplayRole and 0 <= index.row() < len(self._shown):
            return self._shown[index.row()].text
        return None

    def replace(self, lines: Sequence[LogLine]) -> None:
        """Another log."""
        self._all = list(lines[-MOST_LINES:])
        self._begin()

    def append(self, lines: Sequence[LogLine]) -> None:
        """New lines at the end; the oldest go when there are too many."""
        self._all.extend(lines)
        if self._turn.isActive():
            # The look that is under way will come to them.
            return
        taken = [line for line in lines if self._filter.takes(line)]
        if taken:
            self.longest = max(self.longest, *(len(line.text) for line in taken))
            first = len(self._shown)
            self.beginInsertRows(_TOP, first, first + len(taken) - 1)
            self._shown.extend(taken)
            self.endInsertRows()
        if len(self._all) > MOST_LINES:
            self._drop(len(self._all) - MOST_LINES + _SPARE)
        self.settled.emit()

    def show_only(self, wanted: LineFilter) -> None:
        """Show the lines that this filter takes."""
        if wanted != self._filter:
            self._filter = wanted
            self._begin()

    def _begin(self) -> None:
        self._found, self._looked = [], 0
        self._turn.start()

    def _look_on(self) -> None:
        part = self._all[self._looked : self._looked + SLICE]
        takes = self._filter.takes
        self._found.extend([line for line in part if takes(line)])
        self._looked += len(part)
        if self._looked < len(self._all):
            return
        self._turn.stop()
        self.beginResetModel()
        self._shown, self._found = self._found, []
        self.longest = max((len(line.text) for line in self._shown), default=0)
        self.endResetModel()
        if len(self._all) > MOST_LINES:
            self._drop(len(self._all) - MOST_LINES + _SPARE)
        self.settled.emit()

    def _drop(self, count: int) -> None:
        gone = {id(line) for line in self._all[:count]}
        del self._all[:count]
        shown = 0
        while shown < len(self._shown) and id(self._shown[shown]) in gone:
            shown += 1
        if shown:
            self.beginRemoveRows(_TOP, 0, shown - 1)
            del self._shown[:shown]
            self.endRemoveRows()
