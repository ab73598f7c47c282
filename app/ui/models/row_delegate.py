"""Draws a row: name and verdict, and below them, quiet, what the file is and how fast it will answer."""

from PySide6.QtCore import QModelIndex, QPersistentModelIndex, QRectF, QSize, Qt
from PySide6.QtGui import QColor, QFontMetricsF, QPainter
from PySide6.QtWidgets import QStyledItemDelegate, QStyleOptionViewItem

from app.ui.models.rows import Row, facts
from app.ui.models.verdicts import Fit
from app.ui.parts.row_list import ROW_ROLE
from app.ui.parts.row_paint import paint_ground, paint_icon, paint_pill, write
from app.ui.said import said
from app.ui.style.fonts import ui_font
from app.ui.style.theme import Theme
from app.ui.style.tokens import BODY, GAP, SMALL, UNIT

HEIGHT = 56
_PADDING = 12
_LINE = 20
_PICTURE = 14


class RowDelegate(QStyledItemDelegate):
    """Paints a `Row` of `ROW_ROLE` with the theme's palette."""

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
        if not isinstance(row, Row):
            return
        painter.save()
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        # Qt's type stubs lack the option's public members.
        area = QRectF(option.rect).adjusted(0, 1, 0, -1)  # type: ignore[attr-defined]
        paint_ground(painter, area, option.state, self._theme.palette)  # type: ignore[attr-defined]
        inner = area.adjusted(_PADDING, 7, -_PADDING, -7)
        self._first_line(painter, QRectF(inner.left(), inner.top(), inner.width(), _LINE), row)
        self._second_line(painter, QRectF(inner.left(), inner.bottom() - _LINE + 2, inner.width(), _LINE), row)
        painter.restore()

    def _first_line(self, painter: QPainter, line: QRectF, row: Row) -> None:
        verdict, palette = row.verdict, self._theme.palette
        is_bare = verdict.fit is Fit.CHECKING
        taken = paint_pill(painter, line, said(verdict.words), verdict.tone, palette, is_bare)
        painter.setFont(self._strong)
        painter.setPen(QColor(palette.ink))
        room = line.adjusted(0, 0, -taken - GAP - (_PICTURE + UNIT if row.sees else 0), 0)
        write(painter, room, row.name)
        if row.sees:
            left = room.left() + min(painter.fontMetrics().horizontalAdvance(row.name), room.width()) + UNIT
            paint_icon(painter, left, line, "image", palette.quiet, _PICTURE)

    def _second_line(self, painter: QPainter, line: QRectF, row: Row) -> None:
        painter.setFont(self._small)
        painter.setPen(QColor(self._theme.palette.quiet))
        speed = said(row.verdict.speed_words) if row.verdict.fit.fits else ""
        width = QFontMetricsF(self._small).horizontalAdvance(speed)
        painter.drawText(line, Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter, speed)
        write(painter, line.adjusted(0, 0, -width - GAP if speed else 0, 0), said(facts(row)))
