"""Two or three views of one thing, side by side: exactly one is on."""

from collections.abc import Sequence

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QButtonGroup, QFrame, QHBoxLayout, QToolButton, QWidget

from app.ui.said import said
from app.ui.words import Phrase


class Switch(QFrame):
    """Options by their number. `chosen` comes only when a person chooses; arrow keys move between them."""

    chosen = Signal(int)

    def __init__(self, name: Phrase, options: Sequence[Phrase], parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setProperty("surface", "switch")
        self.setAccessibleName(said(name))
        self.group = QButtonGroup(self)
        line = QHBoxLayout(self)
        line.setContentsMargins(2, 2, 2, 2)
        line.setSpacing(2)
        for number, words in enumerate(options):
            button = QToolButton()
            button.setProperty("switch", "true")
            button.setText(said(words))
            button.setAccessibleName(said(words))
            button.setCheckable(True)
            button.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
            button.setCursor(Qt.CursorShape.PointingHandCursor)
            self.group.addButton(button, number)
            line.addWidget(button)
        self.stand(0)
        self.group.idClicked.connect(self.chosen.emit)

    @property
    def now(self) -> int:
        """The number of the option that is on."""
        return self.group.checkedId()

    def stand(self, number: int) -> None:
        """Turn an option on, silently."""
        self.group.button(number).setChecked(True)
