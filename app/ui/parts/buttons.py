"""Buttons in four roles, and buttons that are an icon."""

from collections.abc import Callable
from enum import StrEnum

from PySide6.QtCore import QEvent, QSize, Qt
from PySide6.QtGui import QKeySequence
from PySide6.QtWidgets import QPushButton, QToolButton, QWidget

from app.ui.said import said, tip
from app.ui.style.icons import icon
from app.ui.style.palette import Palette
from app.ui.style.theme import Theme
from app.ui.words import Phrase


class Role(StrEnum):
    """What a button is for. At most one primary in a view; quiet has no frame; danger destroys."""

    PRIMARY = "primary"
    PLAIN = "plain"
    QUIET = "quiet"
    DANGER = "danger"


class Button(QPushButton):
    """A button with words. With an icon it needs the theme, which tints it."""

    def __init__(
        self,
        text: Phrase | str,
        role: Role = Role.PLAIN,
        on_click: Callable[[], None] | None = None,
        *,
        theme: Theme | None = None,
        icon_name: str | None = None,
        is_small: bool = False,
        parent: QWidget | None = None,
    ) -> None:
        super().__init__(parent)
        self._role, self._theme, self._icon_name = role, theme, icon_name
        self.setProperty("role", role.value)
        if is_small:
            self.setProperty("scale", "small")
        self.say(text)
        self.setCursor(Qt.CursorShape.PointingHandCursor)
        self.setAutoDefault(role is Role.PRIMARY)
        if on_click is not None:
            self.clicked.connect(lambda: on_click())
        if theme is not None and icon_name is not None:
            theme.changed.connect(self._tint)
            self._tint()

    def say(self, text: Phrase | str) -> None:
        """Show other words; an `&` in them is an `&`."""
        words = said(text)
        self.setText(words.replace("&", "&&"))
        self.setAccessibleName(words)

    def allow(self, reason: Phrase | str | None) -> None:
        """Enable, or disable with the reason why (None enables). The reason is tooltip and accessible description."""
        self.setEnabled(reason is None)
        words = said(reason) if reason is not None else ""
        self.setToolTip(tip(words))
        self.setAccessibleDescription(words)

    def _tint(self) -> None:
        if self._theme is not None and self._icon_name is not None:
            ink = _ink(self._theme.palette, self._role) if self.isEnabled() else self._theme.palette.quiet
            self.setIcon(icon(self._icon_name, ink, 16))
            self.setIconSize(QSize(16, 16))

    def changeEvent(self, event: QEvent) -> None:  # noqa: D102
        super().changeEvent(event)
        if event.type() is QEvent.Type.EnabledChange:
            self._tint()


class IconButton(QToolButton):
    """A button that is an icon; `name` is its accessible name and tooltip, the shortcut is told with it."""

    def __init__(
        self,
        theme: Theme,
        icon_name: str,
        name: Phrase | str,
        on_click: Callable[[], None] | None = None,
        *,
        size: int = 20,
        shortcut: QKeySequence | QKeySequence.StandardKey | str | None = None,
        parent: QWidget | None = None,
    ) -> None:
        super().__init__(parent)
        self._theme, self._icon_name, self._size = theme, icon_name, size
        self.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self.setCursor(Qt.CursorShape.PointingHandCursor)
        self.setIconSize(QSize(size, size))
        self.setFixedSize(size + 12, size + 12)
        if shortcut is not None:
            self.setShortcut(QKeySequence(shortcut))
        self.call(name)
        if on_click is not None:
            self.clicked.connect(lambda: on_click())
        theme.changed.connect(self._tint)
        self._tint()

    def call(self, name: Phrase | str) -> None:
        """Give it another name: what it does now."""
        words = said(name)
        keys = self.shortcut().toString(QKeySequence.SequenceFormat.NativeText)
        self.setAccessibleName(words)
        self.setToolTip(tip(f"{words} ({keys})" if keys else words))

    def show_icon(self, icon_name: str) -> None:
        """Another drawing."""
        if icon_name != self._icon_name:
            self._icon_name = icon_name
            self._tint()

    def _tint(self) -> None:
        self.setIcon(icon(self._icon_name, self._theme.palette.ink, self._size))


def _ink(palette: Palette, role: Role) -> str:
    return {Role.PRIMARY: palette.on_accent, Role.DANGER: palette.on_red, Role.QUIET: palette.accent_ink}.get(
        role, palette.ink
    )
