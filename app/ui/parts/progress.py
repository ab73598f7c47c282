"""Waiting: a spinner when nothing is known, a thin bar when something is."""

from PySide6.QtCore import QRectF, QSize, Qt, QTimerEvent
from PySide6.QtGui import QColor, QHideEvent, QPainter, QPaintEvent, QPen, QShowEvent
from PySide6.QtWidgets import QProgressBar, QWidget

from app.ui.said import said
from app.ui.style.theme import Theme
from app.ui.words import Phrase

_FRAME_MS = 40
_STEP = 14
"""Degrees per frame: a turn takes a second."""


class Spinner(QWidget):
    """An arc that turns while it is visible; three quarters of a ring that stand still where nothing may move."""

    def __init__(self, theme: Theme, name: Phrase | str, size: int = 20, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._theme, self._size = theme, size
        self._angle = 0
        self._timer = 0
        self.setFixedSize(size, size)
        self.setAccessibleName(said(name))
        theme.changed.connect(self.update)

    def sizeHint(self) -> QSize:  # noqa: D102
        return QSize(self._size, self._size)

    def showEvent(self, event: QShowEvent) -> None:  # noqa: D102
        super().showEvent(event)
        if self._theme.motion(_FRAME_MS) and not self._timer:
            self._timer = self.startTimer(_FRAME_MS)

    def hideEvent(self, event: QHideEvent) -> None:  # noqa: D102
        super().hideEvent(event)
        if self._timer:
            self.killTimer(self._timer)
            self._timer = 0

    def timerEvent(self, event: QTimerEvent) -> None:  # noqa: D102
        self._angle = (self._angle + _STEP) % 360
        self.update()

    def paintEvent(self, event: QPaintEvent) -> None:  # noqa: D102
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        place = QRectF(2, 2, self._size - 4, self._size - 4)
        painter.setPen(QPen(QColor(self._theme.palette.line), 2))
        painter.drawEllipse(place)
        pen = QPen(QColor(self._theme.palette.accent), 2)
        pen.setCapStyle(Qt.PenCapStyle.RoundCap)
        painter.setPen(pen)
        painter.drawArc(place, (90 - self._angle) * 16, -270 * 16 if not self._timer else -100 * 16)


class Progress(QProgressBar):
    """A thin bar. Put the numbers beside it in words: it shows none itself."""

    _STEPS = 1000

    def __init__(self, name: Phrase | str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setTextVisible(False)
        self.setRange(0, self._STEPS)
        self.setAccessibleName(said(name))

    def show_part(self, part: float | None) -> None:
        """How much is done, 0..1; None when nobody knows, then nothing is filled."""
        self.setValue(round(self._STEPS * min(1.0, max(0.0, part or 0.0))))
