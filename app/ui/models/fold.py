"""A line that opens and closes what is below it."""

from PySide6.QtCore import QSize, Qt, Signal
from PySide6.QtWidgets import QToolButton, QWidget

from app.ui.said import said
from app.ui.style.fonts import ui_font
from app.ui.style.icons import icon
from app.ui.style.theme import Theme
from app.ui.words import Phrase


class Fold(QToolButton):
    """Checked is open. `turned` comes when a person opens or closes it."""

    turned = Signal(bool)

    def __init__(self, theme: Theme, words: Phrase, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._theme = theme
        self.setText(said(words))
        self.setAccessibleName(said(words))
        self.setFont(ui_font(12))
        self.setCheckable(True)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setCursor(Qt.CursorShape.PointingHandCursor)
        self.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextBesideIcon)
        self.setIconSize(QSize(14, 14))
        self.setStyleSheet("QToolButton:checked { background: transparent; }")
        self.clicked.connect(self.turned)
        self.toggled.connect(self._tint)
        theme.changed.connect(self._tint)
        self._tint()

    def _tint(self) -> None:
        name = "chevron-down" if self.isChecked() else "chevron-right"
        self.setIcon(icon(name, self._theme.palette.quiet, 14))
