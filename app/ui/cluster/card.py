"""One PC's card: painted whole, so that 32 of them cost little; one widget, which keyboard and screen reader find."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from PySide6.QtCore import QEvent, QPoint, QRectF, Qt, Signal
from PySide6.QtGui import QColor, QFontMetrics, QHelpEvent, QKeyEvent, QPainter, QPaintEvent, QPen, QResizeEvent
from PySide6.QtWidgets import QToolTip, QWidget

from app.ui.cluster.gauges import Gauge
from app.ui.cluster.picture import PcCard, Presence
from app.ui.parts.bar import bar_words, paint_bar
from app.ui.parts.buttons import IconButton
from app.ui.parts.sizes import size_text
from app.ui.said import said, tip
from app.ui.style.fonts import ui_font
from app.ui.style.palette import Palette, Tone
from app.ui.style.theme import Theme
from app.ui.style.tokens import BODY, CARD_RADIUS, HEADING, SMALL
from app.ui.words import Phrase, tr

PADDING = 14
_STRIPE = 4
_MORE = 26
_LEFT, _RIGHT = Qt.AlignmentFlag.AlignLeft, Qt.AlignmentFlag.AlignRight
_MIDDLE = Qt.AlignmentFlag.AlignVCenter


@dataclass(frozen=True)
class Row:
    """A line of a card: how high it is, and who paints it into which place."""

    height: float
    paint: Callable[[QPainter, QRectF], None]


class Painter:
    """Paints cards in one palette. `is_compact` leaves out what 32 cards have no room for."""

    def __init__(self, palette: Palette, is_compact: bool) -> None:
        self._palette = palette
        self._is_compact = is_compact
        self.padding = 10 if is_compact else PADDING

    def height(self, card: PcCard) -> int:
        """How high the card is."""
        return round(sum(row.height for row in self._rows(card)) + 2 * self.padding)

    def paint(self, painter: QPainter, card: PcCard, area: QRectF, has_focus: bool) -> None:
        """Draw the card into `area`."""
        self._surface(painter, card, area, has_focus)
        inner = area.adjusted(self.padding + _STRIPE, self.padding, -self.padding, -self.padding)
        top = inner.top()
        for row in self._rows(card):
            row.paint(painter, QRectF(inner.left(), top, inner.width(), row.height))
            top += row.height

    def _rows(self, card: PcCard) -> Iterator[Row]:
        yield self._title(card)
        if card.mark:
            yield self._line(Phrase(card.mark.replace("{", "{{").replace("}", "}}")), self._palette.quiet)
        yield self._space(2 if self._is_compact else 6)
        for gauge in card.gauges:
            yield from self._gauge(gauge)
        if card.ram is not None and not self._is_compact:
            yield from self._gauge(card.ram, is_thin=True)
        for line in card.carries:
            yield self._line(line, self._palette.ink, BODY if not self._is_compact else SMALL)
        if not card.carries and not self._is_compact and card.presence is not Presence.LOST:
            yield self._line(tr("carries nothing now"), self._palette.quiet, BODY)
        if said(card.facts):
            yield self._line(card.facts, self._palette.quiet)
        if card.problem:
            tone = self._palette.red if card.presence is Presence.LOST else self._palette.amber
            yield self._line(Phrase("{text}", (("text", card.problem),)), tone)

    def _surface(self, painter: QPainter, card: PcCard, area: QRectF, has_focus: bool) -> None:
        palette = self._palette
        is_lost = card.presence is Presence.LOST
        pen = QPen(
            QColor(palette.accent if has_focus else palette.edge if is_lost else palette.line), 2 if has_focus else 1
        )
        if is_lost:
            pen.setStyle(Qt.PenStyle.DashLine)
        painter.setPen(pen)
        painter.setBrush(QColor(palette.ground if is_lost else palette.card))
        painter.drawRoundedRect(area.adjusted(1, 1, -1, -1), CARD_RADIUS, CARD_RADIUS)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(QColor(palette.edge if is_lost else palette.device_colour(card.colour)))
        stripe = QRectF(area.left() + 8, area.top() + self.padding + 2, _STRIPE, 16)
        painter.drawRoundedRect(stripe, 2, 2)

    def _title(self, card: PcCard) -> Row:
        font = ui_font(BODY if self._is_compact else HEADING, is_strong=True)

        def paint(painter: QPainter, place: QRectF) -> None:
            room = place.width() - _MORE
            word, tone = presence_word(card)
            if word is not None:
                room -= self._pill(painter, said(word), tone, place.left() + room, place) + 8
            painter.setFont(font)
            painter.setPen(QColor(self._palette.ink if card.presence is not Presence.LOST else self._palette.quiet))
            name = QFontMetrics(font).elidedText(card.name, Qt.TextElideMode.ElideMiddle, int(room))
            painter.drawText(QRectF(place.left(), place.top(), room, place.height()), _LEFT | _MIDDLE, name)

        return Row(20 if self._is_compact else 22, paint)

    def _pill(self, painter: QPainter, word: str, tone: Tone, right: float, place: QRectF) -> float:
        ink, soft = self._palette.tone(tone)
        font = ui_font(SMALL)
        width = QFontMetrics(font).horizontalAdvance(word) + 16
        area = QRectF(right - width, place.center().y() - 9, width, 18)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(QColor(soft))
        painter.drawRoundedRect(area, 9, 9)
        painter.setPen(QColor(ink))
        painter.setFont(font)
        painter.drawText(area, Qt.AlignmentFlag.AlignCenter, word)
        return width

    def _gauge(self, gauge: Gauge, is_thin: bool = False) -> Iterator[Row]:
        words = [said(gauge.size)]
        if gauge.free is not None and (is_thin or self._is_compact):
            words.append(said(tr("{size} free", size=size_text(gauge.free))))
        if gauge.temperature is not None and not self._is_compact:
            words.append(said(tr("{degrees} °C", degrees=round(gauge.temperature))))
        yield self._pair(said(gauge.name), " · ".join(words))
        if gauge.total:
            yield self._bar(gauge, 6 if is_thin or self._is_compact else 18)
        yield self._space(6 if self._is_compact else 8)

    def _pair(self, left: str, right: str) -> Row:
        font, small = ui_font(SMALL if self._is_compact else BODY), ui_font(SMALL)

        def paint(painter: QPainter, place: QRectF) -> None:
            painter.setFont(small)
            painter.setPen(QColor(self._palette.quiet))
            painter.drawText(place, _RIGHT | _MIDDLE, right)
            room = place.width() - QFontMetrics(small).horizontalAdvance(right) - 8
            painter.setFont(font)
            painter.setPen(QColor(self._palette.ink))
            name = QFontMetrics(font).elidedText(left, Qt.TextElideMode.ElideMiddle, int(room))
            painter.drawText(place, _LEFT | _MIDDLE, name)

        return Row(18 if self._is_compact else 20, paint)

    def _bar(self, gauge: Gauge, height: int) -> Row:
        def paint(painter: QPainter, place: QRectF) -> None:
            painter.setFont(ui_font(SMALL))
            paint_bar(painter, place, gauge.segments, gauge.total, self._palette)

        return Row(height, paint)

    def _line(self, text: Phrase, ink: str, pixels: int = SMALL) -> Row:
        font = ui_font(pixels)

        def paint(painter: QPainter, place: QRectF) -> None:
            painter.setFont(font)
            painter.setPen(QColor(ink))
            words = QFontMetrics(font).elidedText(said(text), Qt.TextElideMode.ElideRight, int(place.width()))
            painter.drawText(place, _LEFT | _MIDDLE, words)

        return Row(20 if pixels == BODY else 17, paint)

    def _space(self, height: int) -> Row:
        return Row(height, lambda painter, place: None)


class CardView(QWidget):
    """`wants_menu` asks for the card's menu at a place on the screen."""

    wants_menu = Signal(object, QPoint)

    def __init__(self, theme: Theme, parent: QWidget) -> None:
        super().__init__(parent)
        self._theme = theme
        self._card: PcCard | None = None
        self._is_compact = False
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.more = IconButton(theme, "more", tr("More"), self._open_menu, size=14, parent=self)
        # Enter on the card opens the same menu: one stop for the keyboard, not two.
        self.more.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        theme.changed.connect(self.update)

    @property
    def card(self) -> PcCard | None:
        """What it shows."""
        return self._card

    def show_card(self, card: PcCard, is_compact: bool) -> None:
        """Show this, if it is another."""
        if (card, is_compact) == (self._card, self._is_compact):
            return
        self._card, self._is_compact = card, is_compact
        self.setAccessibleName(card.name)
        self.setAccessibleDescription(card_words(card))
        self.more.call(tr("More about {name}", name=card.name))
        self._place_more()
        self.update()

    def resizeEvent(self, event: QResizeEvent) -> None:  # noqa: D102
        super().resizeEvent(event)
        self._place_more()

    def paintEvent(self, event: QPaintEvent) -> None:  # noqa: D102
        if self._card is None:
            return
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        Painter(self._theme.palette, self._is_compact).paint(painter, self._card, QRectF(self.rect()), self.hasFocus())

    def event(self, event: QEvent) -> bool:  # noqa: D102
        if isinstance(event, QHelpEvent) and event.type() is QEvent.Type.ToolTip and self._card is not None:
            QToolTip.showText(event.globalPos(), tip(f"{self._card.name}\n{card_words(self._card, chr(10))}"), self)
            return True
        return super().event(event)

    def keyPressEvent(self, event: QKeyEvent) -> None:  # noqa: D102
        if event.key() in (Qt.Key.Key_Menu, Qt.Key.Key_Return, Qt.Key.Key_Space):
            self._open_menu()
        else:
            super().keyPressEvent(event)

    def _open_menu(self) -> None:
        if self._card is not None:
            self.wants_menu.emit(self._card, self.more.mapToGlobal(QPoint(0, self.more.height())))

    def _place_more(self) -> None:
        padding = 10 if self._is_compact else PADDING
        self.more.move(self.width() - self.more.width() - padding + 6, padding - 2)


def presence_word(card: PcCard) -> tuple[Phrase | None, Tone]:
    """The word in a card's corner, and its tone; None for a PC that is simply there."""
    return {
        Presence.HERE: (tr("this PC"), Tone.ACCENT),
        Presence.ALIVE: (None, Tone.NEUTRAL),
        Presence.CONNECTING: (tr("connecting"), Tone.NEUTRAL),
        Presence.SUSPECT: (tr("not answering"), Tone.TIGHT),
        Presence.LOST: (tr("lost"), Tone.BAD),
    }[card.presence]


def card_words(card: PcCard, between: str = "; ") -> str:
    """Everything on a card in words, for screen readers and its tooltip."""
    word, _ = presence_word(card)
    parts = [said(word)] if word is not None else []
    if card.link is not None:
        parts.append(said(card.link.words))
    for gauge in (*card.gauges, *([card.ram] if card.ram else [])):
        parts.append(f"{said(gauge.name)} {said(gauge.size)}: {bar_words(gauge.segments)}".removesuffix(": "))
    parts += [said(each) for each in card.carries]
    parts += [said(card.facts), card.problem or ""]
    return between.join(part for part in parts if part)
