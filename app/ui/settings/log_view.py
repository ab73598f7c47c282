"""The list of log lines: monospace, one height, serious ones marked, what was searched for lit.

It is a table of one column: a list of Qt's lays out every row anew after each change, 0.3 s for 100 000 of them.
"""

from PySide6.QtCore import QModelIndex, QPersistentModelIndex, QRectF, Qt
from PySide6.QtGui import QColor, QFontMetricsF, QGuiApplication, QKeyEvent, QKeySequence, QPainter, QResizeEvent
from PySide6.QtWidgets import (
    QAbstractItemView,
    QHeaderView,
    QStyle,
    QStyledItemDelegate,
    QStyleOptionViewItem,
    QTableView,
    QWidget,
)

from app.ui.said import said
from app.ui.settings.log_lines import Level, LogLine
from app.ui.settings.log_model import LogModel
from app.ui.style.fonts import mono_font
from app.ui.style.palette import Palette
from app.ui.style.theme import Theme
from app.ui.words import tr

_HEIGHT = 18
_LEFT = 12
_MARK = 3


class LogView(QTableView):
    """Stays at the end while it is there and new lines come; Ctrl+C copies the selected lines."""

    def __init__(self, model: LogModel, theme: Theme, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.lines, self._theme = model, theme
        self.setModel(model)
        self.setFont(mono_font())
        self.setItemDelegate(_Painter(self, model, theme))
        self.setShowGrid(False)
        self.setWordWrap(False)
        self.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        for header in (self.verticalHeader(), self.horizontalHeader()):
            header.hide()
            header.setSectionResizeMode(QHeaderView.ResizeMode.Fixed)
        self.verticalHeader().setMinimumSectionSize(_HEIGHT)
        self.verticalHeader().setDefaultSectionSize(_HEIGHT)
        self.setSelectionMode(QAbstractItemView.SelectionMode.ExtendedSelection)
        self.setHorizontalScrollMode(QAbstractItemView.ScrollMode.ScrollPerPixel)
        self.setVerticalScrollMode(QAbstractItemView.ScrollMode.ScrollPerPixel)
        self.setTextElideMode(Qt.TextElideMode.ElideNone)
        self.setTabKeyNavigation(False)
        self.setCornerWidget(QWidget(self))
        self.setAccessibleName(said(tr("Lines of the log")))
        model.settled.connect(self._widen)
        theme.changed.connect(self.viewport().update)

    @property
    def is_at_end(self) -> bool:
        """Whether the newest line is in view."""
        bar = self.verticalScrollBar()
        return bar.value() >= bar.maximum() - _HEIGHT

    def selected_lines(self) -> list[LogLine]:
        """The selected lines in their order."""
        return [self.lines.line(row) for row in sorted(index.row() for index in self.selectedIndexes())]

    def keyPressEvent(self, event: QKeyEvent) -> None:  # noqa: D102
        if event.matches(QKeySequence.StandardKey.Copy):
            QGuiApplication.clipboard().setText("\n".join(line.text for line in self.selected_lines()))
            return
        super().keyPressEvent(event)

    def resizeEvent(self, event: QResizeEvent) -> None:  # noqa: D102
        super().resizeEvent(event)
        self._widen()

    def _widen(self) -> None:
        """As wide as the longest line, at least as wide as the view."""
        width = round(self.lines.longest * QFontMetricsF(self.font()).averageCharWidth()) + 2 * _LEFT
        self.setColumnWidth(0, max(width, self.viewport().width()))


class _Painter(QStyledItemDelegate):
    def __init__(self, view: LogView, model: LogModel, theme: Theme) -> None:
        super().__init__(view)
        self._view, self._model, self._theme = view, model, theme

    def paint(
        self, painter: QPainter, option: QStyleOptionViewItem, index: QModelIndex | QPersistentModelIndex
    ) -> None:
        line, palette = self._model.line(index.row()), self._theme.palette
        place = QRectF(option.rect)  # type: ignore[attr-defined]
        if option.state & QStyle.StateFlag.State_Selected:  # type: ignore[attr-defined]
            painter.fillRect(place, QColor(palette.accent_soft))
        ink, mark = _ink(line.level, palette)
        if mark:
            painter.fillRect(QRectF(place.left(), place.top() + 1, _MARK, place.height() - 2), QColor(mark))
        inner = place.adjusted(_LEFT, 0, 0, 0)
        painter.setFont(self._view.font())
        self._light(painter, inner, line.text, palette)
        painter.setPen(QColor(ink))
        painter.drawText(inner, Qt.AlignmentFlag.AlignVCenter | Qt.TextFlag.TextSingleLine, line.text)

    def _light(self, painter: QPainter, place: QRectF, text: str, palette: Palette) -> None:
        """Ground behind what was searched for."""
        words = self._model.filter.words
        folded = text.casefold() if words else ""
        if len(folded) != len(text):
            return
        metrics = QFontMetricsF(painter.font())
        for word in words:
            if (at := folded.find(word)) >= 0:
                left = place.left() + metrics.horizontalAdvance(text[:at])
                width = metrics.horizontalAdvance(text[at : at + len(word)])
                lit = QRectF(left - 1, place.top() + 1, width + 2, place.height() - 2)
                painter.fillRect(lit, QColor(palette.amber_soft))


def _ink(level: Level, palette: Palette) -> tuple[str, str | None]:
    """The colour of a line's text, and of the mark before it."""
    return {
        Level.DETAIL: (palette.quiet, None),
        Level.NORMAL: (palette.ink, None),
        Level.WARNING: (palette.amber, palette.amber),
        Level.ERROR: (palette.red, palette.red),
    }[level]
