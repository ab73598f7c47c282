"""The rail on the left: one button per page."""

from collections.abc import Callable

from PySide6.QtCore import QSize, Qt
from PySide6.QtGui import QKeySequence
from PySide6.QtWidgets import QFrame, QLabel, QToolButton, QVBoxLayout, QWidget

from app.ui.desk import Wish
from app.ui.parts.labels import set_property
from app.ui.said import said
from app.ui.style.fonts import ui_font
from app.ui.style.icons import icon
from app.ui.style.theme import Theme
from app.ui.style.tokens import GAP, SMALL, UNIT
from app.ui.window.pages import ENTRIES, Entry

WIDTH = 84
_ICON = 22
_MARK = 32


class Rail(QFrame):
    """Buttons that call `on_choice`; `mark` shows which page is open."""

    def __init__(self, theme: Theme, on_choice: Callable[[Wish], None], parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("rail")
        self.setFixedWidth(WIDTH)
        self._theme = theme
        self._mark = QLabel()
        self.buttons = {entry.wish: self._button(number, entry, on_choice) for number, entry in enumerate(ENTRIES, 1)}
        rows = QVBoxLayout(self)
        rows.setContentsMargins(GAP, GAP + UNIT, GAP, GAP + UNIT)
        rows.setSpacing(UNIT)
        rows.addWidget(self._mark, 0, Qt.AlignmentFlag.AlignHCenter)
        rows.addSpacing(GAP + UNIT)
        *upper, last = self.buttons.values()
        for button in upper:
            rows.addWidget(button)
        rows.addStretch(1)
        rows.addWidget(last)
        theme.changed.connect(self._tint)
        self._tint()

    def mark(self, wish: Wish) -> None:
        """Show this page's button as the open one."""
        for each, button in self.buttons.items():
            button.setChecked(each is wish)
        self._tint()

    def _button(self, number: int, entry: Entry, on_choice: Callable[[Wish], None]) -> QToolButton:
        button = QToolButton(self)
        button.setText(said(entry.name))
        button.setFont(ui_font(SMALL))
        button.setCheckable(True)
        button.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        button.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextUnderIcon)
        button.setIconSize(QSize(_ICON, _ICON))
        button.setFixedSize(WIDTH - 2 * GAP - 1, 58)
        button.setCursor(Qt.CursorShape.PointingHandCursor)
        button.setAccessibleName(said(entry.name))
        keys = QKeySequence(f"Ctrl+{number}")
        button.setToolTip(f"{said(entry.name)} ({keys.toString(QKeySequence.SequenceFormat.NativeText)})")
        set_property(button, "rail", "true")
        button.clicked.connect(lambda: on_choice(entry.wish))
        return button

    def _tint(self) -> None:
        palette = self._theme.palette
        for entry in ENTRIES:
            button = self.buttons[entry.wish]
            button.setIcon(icon(entry.icon, palette.accent_ink if button.isChecked() else palette.quiet, _ICON))
        self._mark.setPixmap(icon("llama", palette.accent_ink, _MARK).pixmap(_MARK))
