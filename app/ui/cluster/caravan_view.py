"""A running model as a line of PCs, one behind the other, each with its layers."""

from PySide6.QtCore import QEvent, QPointF, QRectF, QSize, Qt
from PySide6.QtGui import QColor, QFont, QFontMetrics, QHelpEvent, QPainter, QPaintEvent, QPolygonF
from PySide6.QtWidgets import QHBoxLayout, QSizePolicy, QToolTip, QVBoxLayout, QWidget

from app.ui.cluster.picture import Caravan, Leg
from app.ui.parts.card import Card
from app.ui.parts.labels import Elided, Quiet
from app.ui.said import said, tip
from app.ui.style.fonts import ui_font
from app.ui.style.palette import text_on
from app.ui.style.theme import Theme
from app.ui.style.tokens import BODY, GAP, GROUP, SMALL, UNIT
from app.ui.words import tr

_HEIGHT = 44
_POINT = 10
_LEAST = 92
"""Least width of a leg, so that a PC with few layers can still be read."""


class CaravanView(Card):
    """The model's name, its state, and its way."""

    def __init__(self, theme: Theme, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.rows.setContentsMargins(GROUP, GROUP - UNIT, GROUP, GROUP - UNIT)
        self._name, self._state = Elided("", is_strong=True), Quiet()
        self.way = Way(theme)
        row = QHBoxLayout()
        row.setSpacing(GAP)
        row.addWidget(self._name, 1)
        row.addWidget(self._state)
        self.rows.addLayout(row)
        self.rows.addWidget(self.way)

    def show_caravan(self, caravan: Caravan) -> None:
        """Show this one."""
        self._name.say(caravan.model)
        self._state.say(caravan.state)
        self.way.show_legs(caravan.legs)


class Way(QWidget):
    """The legs as arrows, as wide as their share of the layers."""

    def __init__(self, theme: Theme, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._theme = theme
        self._legs: tuple[Leg, ...] = ()
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.setAccessibleName(said(tr("The way of the layers")))
        theme.changed.connect(self.update)

    def show_legs(self, legs: tuple[Leg, ...]) -> None:
        """Show these, in their order."""
        if legs != self._legs:
            self._legs = legs
            self.setAccessibleDescription(", ".join(_leg_words(each) for each in legs))
            self.update()

    def sizeHint(self) -> QSize:  # noqa: D102
        return QSize(320, _HEIGHT)

    def minimumSizeHint(self) -> QSize:  # noqa: D102
        return QSize(120, _HEIGHT)

    def widths(self) -> list[float]:
        """How wide each leg is: its share of what is left after the least that each gets."""
        least = min(float(_LEAST), self.width() / max(1, len(self._legs)))
        rest = self.width() - least * len(self._legs)
        return [least + rest * leg.part for leg in self._legs]

    def event(self, event: QEvent) -> bool:  # noqa: D102
        if isinstance(event, QHelpEvent) and event.type() is QEvent.Type.ToolTip:
            QToolTip.showText(event.globalPos(), tip("\n".join(_leg_words(each) for each in self._legs)), self)
            return True
        return super().event(event)

    def paintEvent(self, event: QPaintEvent) -> None:  # noqa: D102
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        left = 0.0
        widths = self.widths()
        for number, (leg, width) in enumerate(zip(self._legs, widths, strict=True)):
            is_last = number == len(self._legs) - 1
            self._paint_leg(painter, leg, QRectF(left, 0, width, _HEIGHT), number == 0, is_last)
            left += width

    def _paint_leg(self, painter: QPainter, leg: Leg, place: QRectF, is_first: bool, is_last: bool) -> None:
        colour = self._theme.palette.device_colour(leg.colour)
        gap = 0 if is_last else 3
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(QColor(colour))
        painter.drawPolygon(_arrow(place.adjusted(0, 0, -gap, 0), is_first))
        inner = place.adjusted(10 if is_first else _POINT + 8, 4, -gap - _POINT + 2, -4)
        painter.setPen(QColor(text_on(colour)))
        half = inner.height() / 2
        upper = QRectF(inner.left(), inner.top(), inner.width(), half)
        _draw(painter, [leg.name], upper, ui_font(BODY, is_strong=True))
        _draw(painter, _layer_texts(leg), upper.translated(0, half), ui_font(SMALL))


class Caravans(QWidget):
    """One view per running model."""

    def __init__(self, theme: Theme, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._theme = theme
        self._views: list[CaravanView] = []
        self._rows = QVBoxLayout(self)
        self._rows.setContentsMargins(0, 0, 0, 0)
        self._rows.setSpacing(GAP)

    def show_caravans(self, caravans: tuple[Caravan, ...]) -> None:
        """Show these."""
        while len(self._views) > len(caravans):
            self._views.pop().deleteLater()
        while len(self._views) < len(caravans):
            self._views.append(CaravanView(self._theme))
            self._rows.addWidget(self._views[-1])
        for view, caravan in zip(self._views, caravans, strict=True):
            view.show_caravan(caravan)
        self.setVisible(bool(caravans))


def _draw(painter: QPainter, texts: list[str], place: QRectF, font: QFont) -> None:
    """The longest text that fits, else the shortest cut off."""
    metrics = QFontMetrics(font)
    text = next((each for each in texts if metrics.horizontalAdvance(each) <= place.width()), texts[-1])
    painter.setFont(font)
    cut = metrics.elidedText(text, Qt.TextElideMode.ElideRight, int(place.width()))
    painter.drawText(place, Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter, cut)


def _layer_texts(leg: Leg) -> list[str]:
    head = [said(tr("{layers} · head", layers=leg.layers))] if leg.is_head else []
    return [*head, said(leg.layers)]


def _arrow(place: QRectF, is_first: bool) -> QPolygonF:
    tail = 0 if is_first else _POINT
    middle = place.center().y()
    tip = place.right()
    return QPolygonF(
        [
            place.topLeft(),
            QPointF(tip - _POINT, place.top()),
            QPointF(tip, middle),
            QPointF(tip - _POINT, place.bottom()),
            place.bottomLeft(),
            QPointF(place.left() + tail, middle),
        ]
    )


def _leg_words(leg: Leg) -> str:
    words = tr("{name}: {layers} (head)", name=leg.name, layers=leg.layers) if leg.is_head else None
    return said(words or tr("{name}: {layers}", name=leg.name, layers=leg.layers))
