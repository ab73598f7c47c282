"""Draws a row: name and verdict, and below them, quiet, what the file is and how fast it will answer."""

from PySide6.QtCore import QRectF, Qt
from PySide6.QtGui import QColor, QFontMetricsF, QPainter

from app.ui.models.rows import Row, facts
from app.ui.models.verdicts import Fit
from app.ui.parts.row_delegate import ListDelegate, two_lines
from app.ui.parts.row_paint import paint_icon, paint_pill, write
from app.ui.said import said
from app.ui.style.theme import Theme
from app.ui.style.tokens import GAP, UNIT

HEIGHT = 56
_PICTURE = 14


class RowDelegate(ListDelegate[Row]):
    """Paints a `Row` of `ROW_ROLE` with the theme's palette."""

    def __init__(self, theme: Theme) -> None:
        super().__init__(theme, Row, HEIGHT)

    def draw(self, painter: QPainter, area: QRectF, row: Row) -> None:  # noqa: D102
        first, second = two_lines(area)
        self._first_line(painter, first, row)
        self._second_line(painter, second, row)

    def _first_line(self, painter: QPainter, line: QRectF, row: Row) -> None:
        verdict, palette = row.verdict, self.theme.palette
        is_bare = verdict.fit is Fit.CHECKING
        taken = paint_pill(painter, line, said(verdict.words), verdict.tone, palette, is_bare)
        painter.setFont(self.strong)
        painter.setPen(QColor(palette.ink))
        room = line.adjusted(0, 0, -taken - GAP - (_PICTURE + UNIT if row.sees else 0), 0)
        write(painter, room, row.name)
        if row.sees:
            left = room.left() + min(painter.fontMetrics().horizontalAdvance(row.name), room.width()) + UNIT
            paint_icon(painter, left, line, "image", palette.quiet, _PICTURE)

    def _second_line(self, painter: QPainter, line: QRectF, row: Row) -> None:
        painter.setFont(self.small)
        painter.setPen(QColor(self.theme.palette.quiet))
        speed = said(row.verdict.speed_words) if row.verdict.fit.fits else ""
        width = QFontMetricsF(self.small).horizontalAdvance(speed)
        painter.drawText(line, Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter, speed)
        write(painter, line.adjusted(0, 0, -width - GAP if speed else 0, 0), said(facts(row)))
