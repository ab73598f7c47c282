"""All cards, hanging on the network's line: dashed where it is Wi-Fi, broken where a PC is lost."""

from math import ceil

from PySide6.QtCore import (
    QAbstractAnimation,
    QEasingCurve,
    QPoint,
    QPointF,
    QPropertyAnimation,
    QRect,
    QRectF,
    Qt,
    Signal,
)
from PySide6.QtGui import QColor, QPainter, QPaintEvent, QPen, QResizeEvent
from PySide6.QtWidgets import QWidget

from app.schema.record import NodeId
from app.ui.cluster.card import CardView, Painter
from app.ui.cluster.facts import Medium
from app.ui.cluster.picture import PcCard, Presence
from app.ui.said import said
from app.ui.style.fonts import ui_font
from app.ui.style.icons import icon
from app.ui.style.theme import Theme
from app.ui.style.tokens import GROUP, SLOW_MS, SMALL
from app.ui.words import Phrase, tr

WIDE, NARROW = 284, 196
"""Least width of a card, and of a compact one."""

MANY = 9
"""With more PCs than this, cards are compact."""

_LINE = 34
"""Room above a card for its piece of the line."""

_TRUNK = 7
_INDENT = 20
_STUB = 22
_DOT = 4


class Canvas(QWidget):
    """Places the cards in rows; `wants_menu` is passed on from them."""

    wants_menu = Signal(object, QPoint)

    def __init__(self, theme: Theme, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._theme = theme
        self._cards: tuple[PcCard, ...] = ()
        self.views: dict[NodeId, CardView] = {}
        theme.changed.connect(self.update)

    def show_cards(self, cards: tuple[PcCard, ...]) -> None:
        """Show these; views of PCs that stay are kept."""
        if cards == self._cards:
            return
        self._cards = cards
        for node in self.views.keys() - {card.node for card in cards}:
            self.views.pop(node).deleteLater()
        new = [card.node for card in cards if card.node not in self.views]
        for node in new:
            self._add(node)
        for card in cards:
            self.views[card.node].show_card(card, self._is_compact)
        self._place(frozenset(new) if len(new) < len(cards) else frozenset())
        self.update()

    def resizeEvent(self, event: QResizeEvent) -> None:  # noqa: D102
        super().resizeEvent(event)
        self._place(frozenset())

    def paintEvent(self, event: QPaintEvent) -> None:  # noqa: D102
        if len(self._cards) < 2:
            return
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        rows = self._rows()
        self._paint_trunk(painter, rows)
        for card in self._cards:
            self._paint_stub(painter, card, self._home(card.node, rows))

    @property
    def _is_compact(self) -> bool:
        return len(self._cards) > MANY

    def _add(self, node: NodeId) -> None:
        view = CardView(self._theme, self)
        view.wants_menu.connect(self.wants_menu)
        view.show()
        self.views[node] = view

    def _rows(self) -> list[list[tuple[NodeId, QRect]]]:
        """Where each card belongs, row by row."""
        least = NARROW if self._is_compact else WIDE
        fitting = max(1, (self.width() - self._indent() + GROUP) // (least + GROUP))
        columns = max(1, min(fitting, len(self._cards)))
        width = (self.width() - self._indent() + GROUP) // columns - GROUP
        painter = Painter(self._theme.palette, self._is_compact)
        above = _LINE if len(self._cards) > 1 else 0
        rows, top = [], 0
        for row in range(ceil(len(self._cards) / columns)):
            cards = self._cards[row * columns : (row + 1) * columns]
            height = max(painter.height(card) for card in cards)
            lefts = (self._indent() + column * (width + GROUP) for column in range(columns))
            rows.append(
                [(card.node, QRect(left, top + above, width, height)) for card, left in zip(cards, lefts, strict=False)]
            )
            top += above + height + GROUP
        return rows

    def _indent(self) -> int:
        least = NARROW if self._is_compact else WIDE
        has_one_row = (self.width() + GROUP) // (least + GROUP) >= len(self._cards)
        return 0 if has_one_row else _INDENT

    def _home(self, node: NodeId, rows: list[list[tuple[NodeId, QRect]]]) -> QRect:
        return next(place for row in rows for each, place in row if each == node)

    def _place(self, new: frozenset[NodeId]) -> None:
        rows = self._rows() if self._cards else []
        for row in rows:
            for node, place in row:
                self._move(self.views[node], place, node in new)
        bottom = rows[-1][0][1].bottom() + 1 if rows else 0
        if self.minimumHeight() != bottom:
            self.setMinimumHeight(bottom)

    def _move(self, view: CardView, place: QRect, is_new: bool) -> None:
        view.resize(place.size())
        duration = self._theme.motion(SLOW_MS) if is_new and self.isVisible() else 0
        if not duration:
            view.move(place.topLeft())
            return
        motion = QPropertyAnimation(view, b"pos", view)
        motion.setDuration(duration)
        motion.setEasingCurve(QEasingCurve.Type.OutCubic)
        motion.setStartValue(place.topLeft() + QPoint(0, GROUP))
        motion.setEndValue(place.topLeft())
        motion.start(QAbstractAnimation.DeletionPolicy.DeleteWhenStopped)

    def _paint_trunk(self, painter: QPainter, rows: list[list[tuple[NodeId, QRect]]]) -> None:
        painter.setPen(QPen(QColor(self._theme.palette.edge), 2))
        heights = [row[0][1].top() - _LINE + 8 for row in rows]
        for row, y in zip(rows, heights, strict=True):
            left = _TRUNK if len(rows) > 1 else row[0][1].left() + _STUB
            painter.drawLine(QPointF(left, y), QPointF(row[-1][1].left() + _STUB, y))
        if len(rows) > 1:
            painter.drawLine(QPointF(_TRUNK, heights[0]), QPointF(_TRUNK, heights[-1]))

    def _paint_stub(self, painter: QPainter, card: PcCard, place: QRect) -> None:
        palette = self._theme.palette
        x, y = place.left() + _STUB, place.top() - _LINE + 8
        is_lost = card.presence is Presence.LOST
        pen = QPen(QColor(palette.red if is_lost else palette.edge), 2)
        if card.link is not None and card.link.medium is Medium.WIFI:
            pen.setStyle(Qt.PenStyle.DotLine)
        painter.setPen(pen)
        if is_lost:
            painter.drawLine(QPointF(x, y), QPointF(x, y + 8))
            painter.drawLine(QPointF(x - 4, y + 12), QPointF(x + 4, y + 20))
            painter.drawLine(QPointF(x + 4, y + 12), QPointF(x - 4, y + 20))
        else:
            painter.drawLine(QPointF(x, y), QPointF(x, place.top() + 1))
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(QColor(palette.accent if card.is_this else palette.edge))
        painter.drawEllipse(QPointF(x, y), _DOT, _DOT)
        self._paint_link(painter, card, QRectF(x + 10, y + 4, place.right() - x - 10, _LINE - 14))

    def _paint_link(self, painter: QPainter, card: PcCard, area: QRectF) -> None:
        palette = self._theme.palette
        words, name, ink = link_words(card), _drawing(card), palette.quiet
        if name is not None:
            icon(name, ink, 14).paint(painter, QRect(int(area.left()), int(area.center().y()) - 7, 14, 14))
            area.adjust(19, 0, 0, 0)
        painter.setFont(ui_font(SMALL))
        painter.setPen(QColor(ink))
        text = painter.fontMetrics().elidedText(said(words), Qt.TextElideMode.ElideRight, int(area.width()))
        painter.drawText(area, Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter, text)


def link_words(card: PcCard) -> Phrase:
    """What stands beside a card's piece of the line."""
    if card.link is None:
        return Phrase("")
    if card.presence is Presence.LOST:
        return tr("does not answer")
    if card.link.speed is None and card.link.round_trip is None and card.link.medium is None:
        return tr("not measured yet")
    return card.link.words


def _drawing(card: PcCard) -> str | None:
    if card.link is None or card.link.medium is None or card.presence is Presence.LOST:
        return None
    return "wifi" if card.link.medium is Medium.WIFI else "cable"
