"""Draws a repository: its name and who made it, and below them, quiet, what people say with their downloads."""

from PySide6.QtCore import QModelIndex, QPersistentModelIndex, QRectF, QSize
from PySide6.QtGui import QColor, QPainter
from PySide6.QtWidgets import QStyledItemDelegate, QStyleOptionViewItem

from app.ui.discover.results import Result
from app.ui.parts.row_list import ROW_ROLE
from app.ui.parts.row_paint import paint_ground, paint_icon, write
from app.ui.said import said
from app.ui.style.fonts import ui_font
from app.ui.style.theme import Theme
from app.ui.style.tokens import BODY, GAP, SMALL

HEIGHT = 56
_PADDING = 12
_LINE = 20
_PICTURE = 14
_MOST_OF_AUTHOR = 0.4


class ResultDelegate(QStyledItemDelegate):
    """Paints a `Result` of `ROW_ROLE` with the theme's palette."""

    def __init__(self, theme: Theme) -> None:
        super().__init__()
        self._theme = theme
        self._strong, self._small = ui_font(BODY, is_strong=True), ui_font(SMALL)

    def sizeHint(self, option: QStyleOptionViewItem, index: QModelIndex | QPersistentModelIndex) -> QSize:  # noqa: D102
        return QSize(240, HEIGHT)

    def paint(  # noqa: D102
        self, painter: QPainter, option: QStyleOptionViewItem, index: QModelIndex | QPersistentModelIndex
    ) -> None:
        row = index.data(ROW_ROLE)
        if not isinstance(row, Result):
            return
        painter.save()
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        # Qt's type stubs lack the option's public members.
        area = QRectF(option.rect).adjusted(0, 1, 0, -1)  # type: ignore[attr-defined]
        paint_ground(painter, area, option.state, self._theme.palette)  # type: ignore[attr-defined]
        inner = area.adjusted(_PADDING, 7, -_PADDING, -7)
        self._first_line(painter, QRectF(inner.left(), inner.top(), inner.width(), _LINE), row)
        painter.setFont(self._small)
        painter.setPen(QColor(self._theme.palette.quiet))
        write(painter, QRectF(inner.left(), inner.bottom() - _LINE + 2, inner.width(), _LINE), said(row.facts))
        painter.restore()

    def _first_line(self, painter: QPainter, line: QRectF, row: Result) -> None:
        palette = self._theme.palette
        painter.setFont(self._small)
        painter.setPen(QColor(palette.quiet))
        taken = min(painter.fontMetrics().horizontalAdvance(row.author) + 1.0, line.width() * _MOST_OF_AUTHOR)
        write(painter, line.adjusted(line.width() - taken, 0, 0, 0), row.author, to_right=True)
        if row.is_gated:
            taken += _PICTURE + GAP
            paint_icon(painter, line.right() - taken, line, "lock", palette.amber, _PICTURE)
        painter.setFont(self._strong)
        painter.setPen(QColor(palette.ink))
        write(painter, line.adjusted(0, 0, -taken - GAP, 0), row.name)
