"""The context gauge: a ring that fills, and its numbers."""

from PySide6.QtCore import QRectF, QSize, Qt
from PySide6.QtGui import QColor, QPainter, QPaintEvent, QPen
from PySide6.QtWidgets import QHBoxLayout, QWidget

from app.ui.chat.session import Gauge
from app.ui.chat.wording import fullness, short_fullness
from app.ui.parts.labels import Quiet
from app.ui.said import said
from app.ui.style.palette import Tone
from app.ui.style.theme import Theme
from app.ui.words import tr

TIGHT, FULL = 0.8, 0.95
_RING = 16


class Ring(QWidget):
    """A ring, `part` of it filled."""

    def __init__(self, theme: Theme, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._theme = theme
        self._part = 0.0
        self.setFixedSize(_RING, _RING)
        theme.changed.connect(self.update)

    def show_part(self, part: float) -> None:
        """Fill `part` (0..1) of it."""
        if part != self._part:
            self._part = part
            self.update()

    def sizeHint(self) -> QSize:  # noqa: D102
        return QSize(_RING, _RING)

    def paintEvent(self, event: QPaintEvent) -> None:  # noqa: D102
        palette = self._theme.palette
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        place = QRectF(2, 2, _RING - 4, _RING - 4)
        painter.setPen(QPen(QColor(palette.line), 2.5))
        painter.drawEllipse(place)
        colour = palette.tone(tone(self._part))[0]
        painter.setPen(QPen(QColor(colour), 2.5, Qt.PenStyle.SolidLine, Qt.PenCapStyle.FlatCap))
        painter.drawArc(place, 90 * 16, -round(self._part * 360 * 16))


class ContextGauge(QWidget):
    """How full the model's context is: ring, numbers, and the whole sentence as tooltip."""

    def __init__(self, theme: Theme, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(6)
        self.ring, self.numbers = Ring(theme), Quiet()
        row.addWidget(self.ring)
        row.addWidget(self.numbers)
        self.setAccessibleName(said(tr("Context")))

    def show_gauge(self, gauge: Gauge) -> None:
        """Show how full it is; hidden when nothing is known."""
        self.setVisible(gauge.room is not None)
        part = gauge.part
        self.ring.show_part(part or 0.0)
        self.numbers.say(short_fullness(gauge))
        # The row gives it the room of its new number only later, and would cut it off until then.
        self.numbers.setMinimumWidth(self.numbers.sizeHint().width())
        self.numbers.set_tone(tone(part or 0.0) if (part or 0.0) >= TIGHT else None)
        words = said(fullness(gauge))
        if part is not None and part >= TIGHT:
            words += ". " + said(tr("Begin a new chat soon, or launch the model with more context."))
        self.setToolTip(words)
        self.setAccessibleDescription(words)


def tone(part: float) -> Tone:
    """What a context that is this full says."""
    if part >= FULL:
        return Tone.BAD
    return Tone.TIGHT if part >= TIGHT else Tone.ACCENT
