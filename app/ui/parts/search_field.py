"""The field one searches with: Escape empties it, arrow down and Enter go on in the list."""

from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QAction, QKeySequence, QShortcut
from PySide6.QtWidgets import QLineEdit, QWidget

from app.ui.said import said
from app.ui.style.icons import icon
from app.ui.style.theme import Theme
from app.ui.words import Phrase


class SearchField(QLineEdit):
    """`entered` comes with Enter, `left` with arrow down: the person goes on in the list below."""

    entered = Signal()
    left = Signal()

    def __init__(self, theme: Theme, placeholder: Phrase, name: Phrase, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._theme = theme
        self.setPlaceholderText(said(placeholder))
        self.setAccessibleName(said(name))
        self.setClearButtonEnabled(True)
        self._picture = QAction(self)
        self.addAction(self._picture, QLineEdit.ActionPosition.LeadingPosition)
        for key, act in (
            (Qt.Key.Key_Down, self.left.emit),
            (Qt.Key.Key_Return, self.entered.emit),
            (Qt.Key.Key_Enter, self.entered.emit),
            (Qt.Key.Key_Escape, self.clear),
        ):
            shortcut = QShortcut(QKeySequence(key), self)
            shortcut.setContext(Qt.ShortcutContext.WidgetShortcut)
            shortcut.activated.connect(act)
        theme.changed.connect(self._tint)
        self._tint()

    def begin(self) -> None:
        """Take the keyboard, whatever was typed before selected."""
        self.setFocus(Qt.FocusReason.ShortcutFocusReason)
        self.selectAll()

    def _tint(self) -> None:
        self._picture.setIcon(icon("search", self._theme.palette.quiet, 16))
