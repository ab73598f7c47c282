"""A slider with marks above its groove, and an end of it that is out of reach."""

from PySide6.QtCore import QPointF, QRect, QRectF, Qt
from PySide6.QtGui import QColor, QPainter, QPaintEvent, QPen, QRegion
from PySide6.QtWidgets import QSlider, QStyle, QStyleOptionSlider, QWidget

from app.ui.style.theme import Theme

_TALL = 5
_WIDE = 2


class MarkedSlider(QSlider):
    """Places are in the slider's own numbers and may lie between two of them."""

    def __init__(self, theme: Theme, parent: QWidget | None = None) -> None:
        super().__init__(Qt.Orientation.Horizontal, parent)
        self._theme = theme
        self._marks: tuple[float, ...] = ()
        self._end: float | None = None
        theme.changed.connect(self.update)

    def mark(self, marks: tuple[float, ...], end: float | None) -> None:
        """Draw these marks; from `end` on, if there is one, the groove is dotted in amber."""
        if (marks, end) != (self._marks, self._end):
            self._marks, self._end = marks, end
            self.update()

    def paintEvent(self, event: QPaintEvent) -> None:  # noqa: D102
        super().paintEvent(event)
        option = QStyleOptionSlider()
        self.initStyleOption(option)
        handle = self._part(option, QStyle.SubControl.SC_SliderHandle)
        groove = self._part(option, QStyle.SubControl.SC_SliderGroove)
        painter = QPainter(self)
        painter.setClipRegion(QRegion(self.rect()) - QRegion(handle))
        middle = QRectF(handle).center().y()
        if self._end is not None and self._end < self.maximum():
            self._draw_end(painter, self._x(self._end, groove, handle), groove.right(), middle)
        painter.setPen(QPen(QColor(self._theme.palette.quiet), _WIDE))
        for place in self._marks:
            left = self._x(place, groove, handle)
            painter.drawLine(QPointF(left, middle - _TALL - _WIDE), QPointF(left, middle + _TALL + _WIDE))

    def _draw_end(self, painter: QPainter, left: float, right: float, middle: float) -> None:
        """A line of dots over the groove, which is rubbed out first."""
        painter.fillRect(QRectF(left, middle - 3, right - left + 1, 6), QColor(self._theme.palette.card))
        pen = QPen(QColor(self._theme.palette.amber), 4)
        pen.setDashPattern([1.0, 1.0])
        pen.setCapStyle(Qt.PenCapStyle.FlatCap)
        painter.setPen(pen)
        painter.drawLine(QPointF(left + 4, middle), QPointF(right - 1, middle))

    def _part(self, option: QStyleOptionSlider, part: QStyle.SubControl) -> QRect:
        return self.style().subControlRect(QStyle.ComplexControl.CC_Slider, option, part, self)

    def _x(self, place: float, groove: QRect, handle: QRect) -> float:
        span = max(1, self.maximum() - self.minimum())
        return groove.left() + handle.width() / 2 + (groove.width() - handle.width()) * (place - self.minimum()) / span
