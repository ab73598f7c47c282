"""Six digits: typed into boxes, or shown large."""

from PySide6.QtCore import QRectF, QSize, Qt, Signal
from PySide6.QtGui import QColor, QPainter, QPaintEvent, QPen
from PySide6.QtWidgets import QLineEdit, QSizePolicy, QWidget

from app.ui.said import said
from app.ui.style.fonts import ui_font
from app.ui.style.theme import Theme
from app.ui.style.tokens import CONTROL_RADIUS, GAP, GROUP, TITLE
from app.ui.words import tr

DIGITS = 6
_BOX = QSize(44, 52)
_LARGE = 44


def digits_of(text: str) -> str:
    """The code in what was typed or pasted: its digits, at most six."""
    return "".join(sign for sign in text if sign in "0123456789")[:DIGITS]


class CodeField(QLineEdit):
    """One field that looks like six boxes; pasting `481-903` or `481 903` works. `filled` tells the sixth digit."""

    filled = Signal()

    def __init__(self, theme: Theme, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._theme = theme
        self.setObjectName("code")
        self.setAccessibleName(said(tr("Six digits of the code")))
        self.setFont(ui_font(TITLE, is_strong=True))
        self.setSizePolicy(QSizePolicy.Policy.Fixed, QSizePolicy.Policy.Fixed)
        self.setInputMethodHints(Qt.InputMethodHint.ImhDigitsOnly)
        self.setContextMenuPolicy(Qt.ContextMenuPolicy.DefaultContextMenu)
        self.textChanged.connect(self._keep_digits)
        theme.changed.connect(self.update)

    def sizeHint(self) -> QSize:  # noqa: D102
        return QSize(DIGITS * _BOX.width() + (DIGITS - 2) * GAP + GROUP + 4, _BOX.height() + 4)

    def minimumSizeHint(self) -> QSize:  # noqa: D102
        return self.sizeHint()

    def paintEvent(self, event: QPaintEvent) -> None:  # noqa: D102
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setFont(self.font())
        code = self.text()
        current = min(len(code), DIGITS - 1) if self.hasFocus() else -1
        for index in range(DIGITS):
            self._paint_box(painter, index, code[index : index + 1], index == current)

    def _paint_box(self, painter: QPainter, index: int, digit: str, is_current: bool) -> None:
        palette = self._theme.palette
        gap = (index * GAP) + (GROUP - GAP if index >= DIGITS // 2 else 0)
        place = QRectF(2 + index * _BOX.width() + gap, 2, _BOX.width(), _BOX.height())
        painter.setPen(QPen(QColor(palette.accent if is_current else palette.edge), 2 if is_current else 1))
        painter.setBrush(QColor(palette.card if self.isEnabled() else palette.sunken))
        painter.drawRoundedRect(place, CONTROL_RADIUS, CONTROL_RADIUS)
        painter.setPen(QColor(palette.ink if self.isEnabled() else palette.quiet))
        painter.drawText(place, Qt.AlignmentFlag.AlignCenter, digit)

    def _keep_digits(self, text: str) -> None:
        kept = digits_of(text)
        if kept != text:
            self.setText(kept)
            return
        self.setCursorPosition(len(kept))
        self.update()
        if len(kept) == DIGITS:
            self.filled.emit()


class LargeCode(QWidget):
    """A code to read from across the room; with none it shows six dots."""

    def __init__(self, theme: Theme, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._theme = theme
        self._code = ""
        self.setFont(ui_font(_LARGE, is_strong=True))
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        theme.changed.connect(self.update)

    def show_code(self, code: str | None) -> None:
        """Show this code."""
        if code != self._code:
            self._code = code or ""
            self.setAccessibleName(said(tr("Code: {code}", code=" ".join(self._code))) if code else "")
            self.update()

    def sizeHint(self) -> QSize:  # noqa: D102
        return QSize(320, 72)

    def paintEvent(self, event: QPaintEvent) -> None:  # noqa: D102
        painter = QPainter(self)
        painter.setFont(self.font())
        painter.setPen(QColor(self._theme.palette.accent_ink if self._code else self._theme.palette.quiet))
        signs = self._code or "·" * DIGITS
        step = painter.fontMetrics().horizontalAdvance("0") + 10
        whole = step * DIGITS + GROUP
        left = (self.width() - whole) / 2
        for index, sign in enumerate(signs):
            at = left + index * step + (GROUP if index >= DIGITS // 2 else 0)
            painter.drawText(QRectF(at, 0, step, self.height()), Qt.AlignmentFlag.AlignCenter, sign)
