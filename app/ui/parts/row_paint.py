"""What rows of all lists are painted with: their ground, a pill at the right end, words that are cut where they end."""

from PySide6.QtCore import QRectF, Qt
from PySide6.QtGui import QColor, QFontMetricsF, QPainter, QPen
from PySide6.QtWidgets import QStyle

from app.ui.style.fonts import ui_font
from app.ui.style.icons import icon
from app.ui.style.palette import Palette, Tone
from app.ui.style.tokens import CONTROL_RADIUS, SMALL, UNIT

PILL_HEIGHT = 20
_PILL_PADDING = 9
_MOST_OF_LINE = 0.6
"""A pill leaves room for what it is about."""


def paint_ground(painter: QPainter, area: QRectF, state: QStyle.StateFlag, palette: Palette) -> None:
    """What lies under a row: chosen, hovered or nothing; a ring when the keyboard is there."""
    is_selected = bool(state & QStyle.StateFlag.State_Selected)
    fill = palette.accent_soft if is_selected else palette.hover if state & QStyle.StateFlag.State_MouseOver else None
    has_ring = is_selected and bool(state & QStyle.StateFlag.State_HasFocus)
    painter.setPen(QPen(QColor(palette.accent), 2) if has_ring else Qt.PenStyle.NoPen)
    painter.setBrush(QColor(fill) if fill else Qt.BrushStyle.NoBrush)
    if fill:
        painter.drawRoundedRect(area.adjusted(1, 1, -1, -1), CONTROL_RADIUS, CONTROL_RADIUS)


def paint_pill(
    painter: QPainter, line: QRectF, words: str, tone: Tone, palette: Palette, is_bare: bool = False
) -> float:
    """Draw a word at the right end of a line, in a capsule unless `is_bare`; returns the width it takes."""
    ink, ground = palette.tone(tone)
    font = ui_font(SMALL)
    width = min(QFontMetricsF(font).horizontalAdvance(words) + 2 * _PILL_PADDING, line.width() * _MOST_OF_LINE)
    place = QRectF(line.right() - width, line.center().y() - PILL_HEIGHT / 2, width, PILL_HEIGHT)
    painter.setPen(Qt.PenStyle.NoPen)
    painter.setBrush(QColor(ground))
    if not is_bare:
        painter.drawRoundedRect(place, PILL_HEIGHT / 2, PILL_HEIGHT / 2)
    painter.setFont(font)
    painter.setPen(QColor(ink))
    write(painter, place.adjusted(_PILL_PADDING, 0, -_PILL_PADDING + UNIT, 0), words)
    return width


def paint_icon(painter: QPainter, left: float, line: QRectF, name: str, colour: str, size: int) -> None:
    """Draw an icon in the middle of a line's height."""
    place = QRectF(left, line.center().y() - size / 2, size, size)
    icon(name, colour, size).paint(painter, place.toRect())


def write(painter: QPainter, place: QRectF, words: str, to_right: bool = False) -> None:
    """Write a line with the painter's font and pen; what has no room ends in an ellipsis."""
    cut = painter.fontMetrics().elidedText(words, Qt.TextElideMode.ElideRight, int(place.width()))
    side = Qt.AlignmentFlag.AlignRight if to_right else Qt.AlignmentFlag.AlignLeft
    painter.drawText(place, side | Qt.AlignmentFlag.AlignVCenter, cut)
