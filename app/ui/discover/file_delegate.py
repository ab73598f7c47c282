"""Draws a quantization on one line, in columns: what it is, how large, how fast, whether it fits."""

from PySide6.QtCore import QRectF
from PySide6.QtGui import QColor, QFontMetricsF, QPainter

from app.ui.discover.file_rows import FileRow
from app.ui.models.verdicts import Fit
from app.ui.parts.row_delegate import PADDING, ListDelegate
from app.ui.parts.row_paint import paint_icon, paint_pill, write
from app.ui.said import said
from app.ui.style.theme import Theme
from app.ui.style.tokens import GAP, UNIT

HEIGHT = 36
_SIZE_WIDTH, _SPEED_WIDTH, _PILL_WIDTH = 56, 68, 96
_PICTURE = 14
_LEAST_FOR_SPEED = 400
"""In a narrow pane the speed gives way."""


class FileDelegate(ListDelegate[FileRow]):
    """Paints a `FileRow` of `ROW_ROLE` with the theme's palette."""

    def __init__(self, theme: Theme) -> None:
        super().__init__(theme, FileRow, HEIGHT)

    def draw(self, painter: QPainter, area: QRectF, row: FileRow) -> None:  # noqa: D102
        line = area.adjusted(PADDING, 0, -GAP, 0)
        self._name(painter, line.adjusted(0, 0, -self._columns(painter, line, row) - GAP, 0), row)

    def _columns(self, painter: QPainter, line: QRectF, row: FileRow) -> float:
        """Draw what stands at the right; returns the width it takes."""
        verdict, palette = row.verdict, self.theme.palette
        is_bare = verdict.fit in {Fit.CHECKING, Fit.UNKNOWN}
        pill = line.adjusted(max(0.0, line.width() - 2 * _PILL_WIDTH), 0, 0, 0)
        right = max(_PILL_WIDTH, paint_pill(painter, pill, said(verdict.words), verdict.tone, palette, is_bare)) + GAP
        painter.setFont(self.small)
        painter.setPen(QColor(palette.quiet))
        if line.width() >= _LEAST_FOR_SPEED:
            speed = said(verdict.speed_words) if verdict.fit.fits else ""
            write(painter, _column(line, right, _SPEED_WIDTH), speed, to_right=True)
            right += _SPEED_WIDTH
        painter.setPen(QColor(palette.ink))
        write(painter, _column(line, right, _SIZE_WIDTH), said(row.size), to_right=True)
        return right + _SIZE_WIDTH

    def _name(self, painter: QPainter, line: QRectF, row: FileRow) -> None:
        palette = self.theme.palette
        painter.setFont(self.strong)
        painter.setPen(QColor(palette.ink))
        write(painter, line, row.name)
        left = line.left() + painter.fontMetrics().horizontalAdvance(row.name) + GAP
        if row.is_here and left < line.right():
            paint_icon(painter, left, line, "check", palette.green, _PICTURE)
            left += _PICTURE + UNIT
        painter.setFont(self.small)
        if row.mark is not None:
            words = said(row.mark)
            painter.setPen(QColor(palette.green if row.is_here else palette.accent_ink))
            write(painter, QRectF(left, line.top(), max(0.0, line.right() - left), line.height()), words)
            left += QFontMetricsF(self.small).horizontalAdvance(words) + GAP
        meaning = said(row.meaning) if row.meaning is not None else ""
        if QFontMetricsF(self.small).horizontalAdvance(meaning) < line.right() - left:
            painter.setPen(QColor(palette.quiet))
            write(painter, QRectF(left, line.top(), line.right() - left, line.height()), meaning)


def _column(line: QRectF, right: float, width: float) -> QRectF:
    """The column that ends `right` pixels before the line's end."""
    return QRectF(line.right() - right - width, line.top(), width, line.height())
