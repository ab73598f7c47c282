"""What an empty list says: what will be here, and the button that makes it so."""

from collections.abc import Callable

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QHBoxLayout, QLabel, QVBoxLayout, QWidget

from app.ui.parts.buttons import Button, Role
from app.ui.parts.labels import Heading, Quiet
from app.ui.style.icons import icon
from app.ui.style.theme import Theme
from app.ui.style.tokens import BODY, EDGE, GAP, GROUP
from app.ui.words import Phrase

_PICTURE = 40
_WIDTH = 420


class EmptyState(QWidget):
    """A drawing, a title, a sentence or two, and a button when `action` is given. `button` is None without one."""

    def __init__(
        self,
        theme: Theme,
        icon_name: str,
        title: Phrase | str,
        text: Phrase | str,
        action: Phrase | str | None = None,
        on_action: Callable[[], None] | None = None,
        parent: QWidget | None = None,
    ) -> None:
        super().__init__(parent)
        self._theme, self._icon_name = theme, icon_name
        self._picture = QLabel()
        self.title = Heading(title, level=2)
        self.text = Quiet(text, wraps=True, pixels=BODY)
        self.button = Button(action, Role.PRIMARY, on_action) if action is not None else None
        self._more = QVBoxLayout()
        self._lay_out()
        theme.changed.connect(self._tint)
        self._tint()

    def add_button(self, button: Button) -> None:
        """Offer a second thing, below the first."""
        self._more.addWidget(button, 0, Qt.AlignmentFlag.AlignHCenter)

    def _lay_out(self) -> None:
        rows = QVBoxLayout(self)
        rows.setContentsMargins(EDGE, EDGE, EDGE, EDGE)
        rows.setSpacing(GAP)
        rows.addStretch(2)
        centred = Qt.AlignmentFlag.AlignHCenter
        rows.addWidget(self._picture, 0, centred)
        rows.addSpacing(GAP)
        rows.addWidget(self.title, 0, centred)
        self.text.setAlignment(centred)
        self.text.setMaximumWidth(_WIDTH)
        row = QHBoxLayout()
        row.addStretch(1)
        row.addWidget(self.text, 100)
        row.addStretch(1)
        rows.addLayout(row)
        if self.button is not None:
            rows.addSpacing(GROUP - GAP)
            rows.addWidget(self.button, 0, centred)
        rows.addLayout(self._more)
        rows.addStretch(3)

    def _tint(self) -> None:
        self._picture.setPixmap(icon(self._icon_name, self._theme.palette.accent_ink, _PICTURE).pixmap(_PICTURE))
