"""Draws a row: name and verdict, and below them, quiet, what the file is and how fast it will answer."""

from PySide6.QtCore import QModelIndex, QPersistentModelIndex, QRectF, QSize, Qt
from PySide6.QtGui import QColor, QFontMetricsF, QPainter, QPen
from PySide6.QtWidgets import QStyle, QStyledItemDelegate, QStyleOptionViewItem, QWidget

from app.ui.models.list_model import ROW_ROLE
from app.ui.models.rows import Row, facts
from app.ui.models.verdicts import Fit
from app.ui.said import said
from app.ui.style.fonts import ui_font
from app.ui.style.icons import icon
from app.ui.style.palette import Palette
from app.ui.style.theme import Theme
from app.ui.style.tokens import BODY, CONTROL_RADIUS, GAP, SMALL, UNIT

HEIGHT = 56
_PADDING = 12
_PILL_HEIGHT = 20
_PILL_PADDING = 9
_LINE = 20
_PICTURE = 14


class RowDelegate(QStyledItemDelegate):
    """Paints a `Row` of `ROW_ROLE` with the theme's palette."""

    def __init__(self, theme: Theme, parent: QWidget) -> None:
        super().__init__(parent)
        self._theme = theme
        self._strong, self._small = ui_font(BODY, is_strong=True), ui_font(SMALL)

    def sizeHint(self, option: QStyleOptionViewItem, index: QModelIndex | QPersistentModelIndex) -> QSize:  # noqa: D102
        return QSize(240, HEIGHT)

    def paint(  # noqa: D102
        self, painter: QPainter, option: QStyleOptionViewItem, index: QModelIndex | QPersistentModelIndex
    ) -> None:
        row = index.data(ROW_ROLE)
        if not isinstance(row, Row):
            return
        painter.save()
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        # Qt's type stubs lack the option's public members.
        area = QRectF(option.rect).adjusted(0, 1, 0, -1)  # type: ignore[attr-defined]
        self._ground(painter, area, option.state)  # type: ignore[attr-defined]
        inner = area.adjusted(_PADDING, 7, -_PADDING, -7)
        self._first_line(painter, QRectF(inner.left(), inner.top(), inner.width(), _LINE), row)
        self._second_line(painter, QRectF(inner.left(), inner.bottom() - _LINE + 2, inner.width(), _LINE), row)
        painter.restore()

    def _ground(self, painter: QPainter, area: QRectF, state: QStyle.StateFlag) -> None:
        palette = self._theme.palette
        is_selected = bool(state & QStyle.StateFlag.State_Selected)
        fill = (
            palette.accent_soft if is_selected else palette.hover if state & QStyle.StateFlag.State_MouseOver else None
        )
        has_ring = is_selected and bool(state & QStyle.StateFlag.State_HasFocus)
        painter.setPen(QPen(QColor(palette.accent), 2) if has_ring else Qt.PenStyle.NoPen)
        painter.setBrush(QColor(fill) if fill else Qt.BrushStyle.NoBrush)
        if fill:
            painter.drawRoundedRect(area.adjusted(1, 1, -1, -1), CONTROL_RADIUS, CONTROL_RADIUS)

    def _first_line(self, painter: QPainter, line: QRectF, row: Row) -> None:
        taken = self._pill(painter, line, row)
        painter.setFont(self._strong)
        painter.setPen(QColor(self._theme.palette.ink))
        room = line.adjusted(0, 0, -taken - GAP - (_PICTURE + UNIT if row.sees else 0), 0)
        _write(painter, room, row.name)
        if row.sees:
            left = room.left() + min(painter.fontMetrics().horizontalAdvance(row.name), room.width()) + UNIT
            place = QRectF(left, line.center().y() - _PICTURE / 2, _PICTURE, _PICTURE)
            icon("image", self._theme.palette.quiet, _PICTURE).paint(painter, place.toRect())

    def _second_line(self, painter: QPainter, line: QRectF, row: Row) -> None:
        painter.setFont(self._small)
        painter.setPen(QColor(self._theme.palette.quiet))
        speed = said(row.verdict.speed_words) if row.verdict.fit.fits else ""
        width = QFontMetricsF(self._small).horizontalAdvance(speed)
        painter.drawText(line, Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter, speed)
        _write(painter, line.adjusted(0, 0, -width - GAP if speed else 0, 0), said(facts(row)))

    def _pill(self, painter: QPainter, line: QRectF, row: Row) -> float:
        """Draw the verdict at the right end; returns the width it takes."""
        words, palette = said(row.verdict.words), self._theme.palette
        ink, ground = _colours(palette, row)
        text = QFontMetricsF(self._small).horizontalAdvance(words)
        width = min(text + 2 * _PILL_PADDING, line.width() * 0.6)
        place = QRectF(line.right() - width, line.top(), width, _PILL_HEIGHT)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(QColor(ground))
        if row.verdict.fit is not Fit.CHECKING:
            painter.drawRoundedRect(place, _PILL_HEIGHT / 2, _PILL_HEIGHT / 2)
        painter.setFont(self._small)
        painter.setPen(QColor(ink))
        _write(painter, place.adjusted(_PILL_PADDING, 0, -_PILL_PADDING + UNIT, 0), words)
        return width


def _colours(palette: Palette, row: Row) -> tuple[str, str]:
    return palette.tone(row.verdict.tone)


def _write(painter: QPainter, place: QRectF, words: str) -> None:
    cut = painter.fontMetrics().elidedText(words, Qt.TextElideMode.ElideRight, int(place.width()))
    painter.drawText(place, Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter, cut)
