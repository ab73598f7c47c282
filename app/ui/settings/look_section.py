"""Settings of the look: light, dark, or as the system has it."""

from PySide6.QtCore import QRectF, QSize, Qt
from PySide6.QtGui import QColor, QPainter, QPainterPath, QPaintEvent, QPen
from PySide6.QtWidgets import QAbstractButton, QButtonGroup, QHBoxLayout, QSizePolicy

from app.ui.parts.card import Card
from app.ui.parts.labels import Quiet
from app.ui.said import said
from app.ui.settings.section import Section
from app.ui.style.fonts import ui_font
from app.ui.style.palette import DARK, LIGHT, Palette
from app.ui.style.theme import Theme
from app.ui.style.tokens import BODY, CARD_RADIUS, GAP, UNIT
from app.ui.words import Phrase, tr

_PICTURE = QSize(152, 96)
_LEAST_WIDTH = 96
_CHOICES: tuple[tuple[bool | None, Phrase, tuple[Palette, ...]], ...] = (
    (None, tr("As the system"), (LIGHT, DARK)),
    (False, tr("Light"), (LIGHT,)),
    (True, tr("Dark"), (DARK,)),
)


class LookChoice(QAbstractButton):
    """A small window in the look it stands for, its name below. A radio button to the keyboard."""

    def __init__(self, theme: Theme, words: Phrase, palettes: tuple[Palette, ...]) -> None:
        super().__init__()
        self._theme, self._palettes = theme, palettes
        self.setText(said(words))
        self.setAccessibleName(said(words))
        self.setFont(ui_font(BODY))
        self.setCheckable(True)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setCursor(Qt.CursorShape.PointingHandCursor)
        self.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Fixed)
        self.setMinimumWidth(_LEAST_WIDTH)
        self.setMaximumWidth(self.sizeHint().width())
        self.toggled.connect(self._tell)
        theme.changed.connect(self.update)

    def sizeHint(self) -> QSize:  # noqa: D102
        return QSize(_PICTURE.width() + 2 * UNIT, _PICTURE.height() + 2 * UNIT + 28)

    def paintEvent(self, event: QPaintEvent) -> None:  # noqa: D102
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        width = self.width() - 2.0 * UNIT
        place = QRectF(UNIT, UNIT, width, width * _PICTURE.height() / _PICTURE.width())
        for number, palette in enumerate(self._palettes):
            painter.save()
            part = place.width() / len(self._palettes)
            painter.setClipRect(QRectF(place.left() + number * part, place.top(), part, place.height()))
            _paint_window(painter, place, palette)
            painter.restore()
        self._paint_frame(painter, place)
        words = QRectF(place.left(), place.bottom() + UNIT, place.width(), 24)
        painter.setPen(QColor(self._theme.palette.ink))
        told = f"✓ {self.text()}" if self.isChecked() else self.text()
        painter.drawText(words, Qt.AlignmentFlag.AlignCenter, told)

    def _paint_frame(self, painter: QPainter, place: QRectF) -> None:
        palette = self._theme.palette
        is_marked = self.isChecked()
        painter.setBrush(Qt.BrushStyle.NoBrush)
        painter.setPen(QPen(QColor(palette.accent if is_marked else palette.edge), 2 if is_marked else 1))
        painter.drawRoundedRect(place, CARD_RADIUS, CARD_RADIUS)
        if self.hasFocus():
            painter.setPen(QPen(QColor(palette.ink), 1.5))
            painter.drawRoundedRect(place.adjusted(-3, -3, 3, 3), CARD_RADIUS + 3, CARD_RADIUS + 3)

    def _tell(self, is_checked: bool) -> None:
        self.setAccessibleDescription(said(tr("chosen")) if is_checked else "")
        self.update()


class LookSection(Section):
    """`theme.chosen` tells whoever remembers it."""

    def __init__(self, theme: Theme) -> None:
        super().__init__(tr("Look"), tr("Changes at once, on this PC only."))
        self._theme = theme
        self._group = QButtonGroup(self)
        self.choices: dict[bool | None, LookChoice] = {}
        row = QHBoxLayout()
        row.setSpacing(GAP)
        for is_dark, words, palettes in _CHOICES:
            choice = LookChoice(theme, words, palettes)
            choice.clicked.connect(lambda _=False, is_dark=is_dark: theme.force(is_dark))
            self._group.addButton(choice)
            self.choices[is_dark] = choice
            row.addWidget(choice, 100)
        row.addStretch(1)
        card = Card()
        card.rows.addLayout(row)
        reason = tr("Default: as the system, at once when it turns dark or light. Motion follows the system too.")
        card.rows.addWidget(Quiet(reason, wraps=True, pixels=12))
        self.add(card)
        self.close_column()
        theme.chosen.connect(self._mark)
        self._mark()

    def _mark(self) -> None:
        self.choices[self._theme.forced].setChecked(True)


def _paint_window(painter: QPainter, place: QRectF, palette: Palette) -> None:
    """A window of Caravan, small: rail, a heading, two cards in a row, a bar."""
    painter.translate(place.topLeft())
    painter.scale(place.width() / _PICTURE.width(), place.height() / _PICTURE.height())
    place = QRectF(0, 0, _PICTURE.width(), _PICTURE.height())
    outline = QPainterPath()
    outline.addRoundedRect(place, CARD_RADIUS, CARD_RADIUS)
    painter.fillPath(outline, QColor(palette.ground))
    painter.setClipPath(outline, Qt.ClipOperation.IntersectClip)
    painter.fillRect(QRectF(place.left(), place.top(), 22, place.height()), QColor(palette.side))
    painter.setPen(Qt.PenStyle.NoPen)
    left, top = place.left() + 32, place.top() + 12
    for colour, area in (
        (palette.accent, QRectF(place.left() + 7, place.top() + 12, 8, 8)),
        (palette.ink, QRectF(left, top, 40, 5)),
        (palette.quiet, QRectF(left, top + 10, 62, 3)),
        (palette.card, QRectF(left, top + 24, 50, 44)),
        (palette.card, QRectF(left + 58, top + 24, 50, 44)),
        (palette.devices[0], QRectF(left + 6, top + 40, 38, 6)),
        (palette.devices[1], QRectF(left + 64, top + 40, 24, 6)),
        (palette.quiet, QRectF(left + 6, top + 31, 20, 3)),
        (palette.quiet, QRectF(left + 64, top + 31, 26, 3)),
        (palette.accent, QRectF(left + 6, top + 54, 18, 7)),
    ):
        painter.setBrush(QColor(colour))
        painter.drawRoundedRect(area, 2.5, 2.5)
