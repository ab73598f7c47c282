"""A value that other programs need, with the button that copies it."""

from PySide6.QtCore import QTimer
from PySide6.QtGui import QGuiApplication
from PySide6.QtWidgets import QHBoxLayout, QWidget

from app.ui.parts.buttons import IconButton
from app.ui.parts.labels import Mono
from app.ui.style.theme import Theme
from app.ui.style.tokens import GAP
from app.ui.words import Phrase, tr

COPIED_MS = 1600
"""How long a copy button says that it did."""


class Copyable(QWidget):
    """A value in monospace with the button that copies it; a long one `wraps`."""

    def __init__(self, theme: Theme, name: Phrase, wraps: bool = False) -> None:
        super().__init__()
        self._name = name
        self.value = Mono("")
        self.value.setWordWrap(wraps)
        self.button = IconButton(theme, "copy", tr("Copy: {name}", name=name), self.copy, size=16)
        self._calm = QTimer(self)
        self._calm.setSingleShot(True)
        self._calm.setInterval(COPIED_MS)
        self._calm.timeout.connect(self._settle)
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(GAP)
        row.addWidget(self.value, int(wraps))
        row.addWidget(self.button)
        self.setFocusProxy(self.button)

    def show_value(self, value: str) -> None:
        """Another value."""
        self.value.say(value)
        self.button.setEnabled(bool(value))

    def copy(self) -> None:
        """Put it on the clipboard, and say so with a tick."""
        QGuiApplication.clipboard().setText(self.value.text())
        self.button.show_icon("check")
        self.button.call(tr("Copied"))
        self._calm.start()

    def _settle(self) -> None:
        self.button.show_icon("copy")
        self.button.call(tr("Copy: {name}", name=self._name))
