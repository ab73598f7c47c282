"""Draws a repository: its name and who made it, and below them, quiet, what people say with their downloads."""

from PySide6.QtCore import QRectF
from PySide6.QtGui import QColor, QPainter

from app.ui.discover.results import Result
from app.ui.parts.row_delegate import ListDelegate, two_lines
from app.ui.parts.row_paint import paint_icon, write
from app.ui.said import said
from app.ui.style.theme import Theme
from app.ui.style.tokens import GAP

HEIGHT = 56
_PICTURE = 14
_MOST_OF_AUTHOR = 0.4


class ResultDelegate(ListDelegate[Result]):
    """Paints a `Result` of `ROW_ROLE` with the theme's palette."""

    def __init__(self, theme: Theme) -> None:
        super().__init__(theme, Result, HEIGHT)

    def draw(self, painter: QPainter, area: QRectF, row: Result) -> None:  # noqa: D102
        first, second = two_lines(area)
        self._first_line(painter, first, row)
        painter.setFont(self.small)
        painter.setPen(QColor(self.theme.palette.quiet))
        write(painter, second, said(row.facts))

    def _first_line(self, painter: QPainter, line: QRectF, row: Result) -> None:
        palette = self.theme.palette
        painter.setFont(self.small)
        painter.setPen(QColor(palette.quiet))
        taken = min(painter.fontMetrics().horizontalAdvance(row.author) + 1.0, line.width() * _MOST_OF_AUTHOR)
        write(painter, line.adjusted(line.width() - taken, 0, 0, 0), row.author, to_right=True)
        if row.is_gated:
            taken += _PICTURE + GAP
            paint_icon(painter, line.right() - taken, line, "lock", palette.amber, _PICTURE)
        painter.setFont(self.strong)
        painter.setPen(QColor(palette.ink))
        write(painter, line.adjusted(0, 0, -taken - GAP, 0), row.name)
