"""The tray's menu as a widget: shows the lines it is given, and does not jump when only their words change."""

from collections.abc import Callable

from PySide6.QtGui import QAction, QColor, QGuiApplication, QPalette
from PySide6.QtWidgets import QMenu

from app.ui.menu import Command, MenuEntry
from app.ui.said import said

QUIET = 0.68
"""How much of the text's colour is left in a line that only tells."""


class TrayMenu(QMenu):
    """`do(command, target)` is called when a line is chosen."""

    def __init__(self, do: Callable[[Command, str], None]) -> None:
        super().__init__()
        self._do = do
        self._entries: tuple[MenuEntry, ...] = ()
        self.tint()

    def tint(self) -> None:
        """Lines that only tell are lighter than the others, and still read easily: 4.5 to 1 at least."""
        palette = QGuiApplication.palette()
        quiet = mixed(palette.color(QPalette.ColorRole.Text), palette.color(QPalette.ColorRole.Base), QUIET)
        for role in (QPalette.ColorRole.Text, QPalette.ColorRole.WindowText, QPalette.ColorRole.ButtonText):
            palette.setColor(QPalette.ColorGroup.Disabled, role, quiet)
        self.setPalette(palette)

    def show_entries(self, entries: tuple[MenuEntry, ...]) -> None:
        """An open menu whose lines stay the same ones only changes their words: it does not jump under the pointer."""
        if entries == self._entries:
            return
        if _lines(entries) != _lines(self._entries):
            self.clear()
            for entry in entries:
                self._add(entry)
        for action, entry in zip(self.actions(), entries, strict=True):
            action.setText(said(entry.text).replace("&", "&&") if entry.text else "")
            action.setEnabled(entry.is_enabled)
            action.setChecked(bool(entry.is_checked))
        self._entries = entries

    def _add(self, entry: MenuEntry) -> None:
        action = QAction(self)
        action.setSeparator(entry.text is None)
        action.setCheckable(entry.is_checked is not None)
        if (command := entry.command) is not None:
            action.triggered.connect(lambda: self._do(command, entry.target))
        if not self.actions():
            font = action.font()
            font.setBold(True)
            action.setFont(font)
        self.addAction(action)


def mixed(ink: QColor, ground: QColor, part: float) -> QColor:
    """`part` of one colour, from 0 to 1, and the rest of the other."""
    return QColor.fromRgbF(
        part * ink.redF() + (1 - part) * ground.redF(),
        part * ink.greenF() + (1 - part) * ground.greenF(),
        part * ink.blueF() + (1 - part) * ground.blueF(),
    )


def _lines(entries: tuple[MenuEntry, ...]) -> list[tuple[bool, Command | None, str]]:
    return [(entry.text is None, entry.command, entry.target) for entry in entries]
