"""A stacked bar: how the bytes of a device are used. Colour, pattern and words say the same thing."""

from collections.abc import Sequence

from PySide6.QtCore import QEvent, QPointF, QRectF, QSize, Qt
from PySide6.QtGui import QColor, QHelpEvent, QPainter, QPainterPath, QPaintEvent, QPen
from PySide6.QtWidgets import QSizePolicy, QToolTip, QWidget

from app.ui.parts.segments import Pattern, Segment, grounds
from app.ui.parts.sizes import size_text
from app.ui.said import said
from app.ui.style.fonts import ui_font
from app.ui.style.palette import Palette, text_on
from app.ui.style.theme import Theme
from app.ui.style.tokens import SMALL
from app.ui.words import Phrase

HEIGHT = 20
RADIUS = 4
_PADDING = 5
_STRIDE = 6
_LEAST_FOR_WORDS = 14


def bar_words(segments: Sequence[Segment]) -> str:
    """The whole bar in words, for screen readers and the tooltip."""
    return ", ".join(f"{said(each.label)} {said(size_text(each.size))}" for each in segments)


class StackedBar(QWidget):
    """One bar. Words are drawn on a segment where they fit; all of them are the tooltip and accessible description."""

    def __init__(self, theme: Theme, name: Phrase | str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._theme = theme
        self._segments: tuple[Segment, ...] = ()
        self._total = 0
        self.setFont(ui_font(SMALL))
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.setAccessibleName(said(name))
        theme.changed.connect(self.update)

    def show_segments(self, segments: Sequence[Segment], total: int | None = None) -> None:
        """Show these; `total` bytes is the whole width, None is the sum of all."""
        shown, whole = tuple(segments), total or sum(each.size for each in segments)
        if (shown, whole) != (self._segments, self._total):
            self._segments, self._total = shown, whole
            self.setAccessibleDescription(bar_words(shown))
            self.update()

    def sizeHint(self) -> QSize:  # noqa: D102
        return QSize(240, HEIGHT)

    def minimumSizeHint(self) -> QSize:  # noqa: D102
        return QSize(60, HEIGHT)

    def event(self, event: QEvent) -> bool:  # noqa: D102
        if isinstance(event, QHelpEvent) and event.type() is QEvent.Type.ToolTip:
            QToolTip.showText(event.globalPos(), bar_words(self._segments), self)
            return True
        return super().event(event)

    def paintEvent(self, event: QPaintEvent) -> None:  # noqa: D102
        painter = QPainter(self)
        painter.setFont(self.font())
        paint_bar(painter, QRectF(self.rect()), self._segments, self._total, self._theme.palette)


def paint_bar(painter: QPainter, area: QRectF, segments: Sequence[Segment], total: int, palette: Palette) -> None:
    """Draw a bar into `area` with the painter's font."""
    painter.save()
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    outline = QPainterPath()
    outline.addRoundedRect(area, RADIUS, RADIUS)
    painter.setClipPath(outline)
    painter.fillRect(area, QColor(palette.sunken))
    left = area.left()
    for segment in segments if total > 0 else ():
        width = area.width() * segment.size / total
        place = QRectF(left, area.top(), min(width, area.right() - left), area.height())
        _paint_segment(painter, place, segment, palette)
        left += width
    painter.restore()


def _paint_segment(painter: QPainter, place: QRectF, segment: Segment, palette: Palette) -> None:
    fill, *marks = grounds(palette, segment)
    painter.fillRect(place, QColor(fill))
    if segment.pattern is Pattern.STRIPES:
        _stripes(painter, place, QColor(marks[0]))
    elif segment.pattern is Pattern.DOTS:
        _dots(painter, place, QColor(marks[0]))
    if segment.pattern is not Pattern.FREE and place.width() > 2:
        painter.fillRect(QRectF(place.right() - 1, place.top(), 1, place.height()), QColor(palette.card))
    if place.height() >= _LEAST_FOR_WORDS:
        _paint_words(painter, place, segment, text_on(fill, *marks) if segment.colour else palette.ink)


def _paint_words(painter: QPainter, place: QRectF, segment: Segment, ink: str) -> None:
    room = place.width() - 2 * _PADDING
    label, size = said(segment.label), said(size_text(segment.size))
    metrics = painter.fontMetrics()
    for words in (f"{label} {size}", label):
        if metrics.horizontalAdvance(words) <= room:
            painter.setPen(QColor(ink))
            inner = place.adjusted(_PADDING, 0, -_PADDING, 0)
            painter.drawText(inner, Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter, words)
            return


def _stripes(painter: QPainter, place: QRectF, colour: QColor) -> None:
    painter.save()
    painter.setClipRect(place, Qt.ClipOperation.IntersectClip)
    painter.setPen(QPen(colour, 2))
    at = place.left() - place.height()
    while at < place.right():
        painter.drawLine(QPointF(at, place.bottom()), QPointF(at + place.height(), place.top()))
        at += _STRIDE
    painter.restore()


def _dots(painter: QPainter, place: QRectF, colour: QColor) -> None:
    painter.save()
    painter.setClipRect(place, Qt.ClipOperation.IntersectClip)
    painter.setPen(Qt.PenStyle.NoPen)
    painter.setBrush(colour)
    columns, rows = int(place.width() / _STRIDE) + 1, int(place.height() / _STRIDE) + 1
    for column in range(columns):
        for row in range(rows):
            painter.drawEllipse(QPointF(place.left() + 3 + column * _STRIDE, place.top() + 3 + row * _STRIDE), 1, 1)
    painter.restore()
