"""What stands beside the text of an answer: what happens before its first word, and the thoughts of the model."""

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QFrame, QHBoxLayout, QWidget

from app.ui.chat import wording
from app.ui.chat.message_actions import Shown
from app.ui.chat.prose import Prose
from app.ui.parts.buttons import Button, Role
from app.ui.parts.labels import Quiet
from app.ui.parts.progress import Spinner
from app.ui.said import said
from app.ui.style.theme import Theme
from app.ui.style.tokens import BODY, GAP, GROUP, UNIT
from app.ui.words import Phrase, tr


class Note(QWidget):
    """A spinner and what happens now; hidden when nothing is to be said."""

    def __init__(self, theme: Theme, parent: QWidget) -> None:
        super().__init__(parent)
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(GAP)
        self.text = Quiet(pixels=BODY)
        row.addWidget(Spinner(theme, tr("Waiting"), size=16))
        row.addWidget(self.text, 1)
        self.hide()

    def say(self, note: Phrase | None) -> None:
        """Show a note, or none."""
        self.setVisible(note is not None)
        if note is not None:
            self.text.say(note)


class Thoughts(QFrame):
    """The reasoning of a model: folded to one line with its time, unfolded on demand."""

    toggled = Signal()

    def __init__(self, theme: Theme, parent: QWidget) -> None:
        super().__init__(parent)
        self.setObjectName("thoughts")
        self.button = Button(tr("Thoughts"), Role.QUIET, self.toggled.emit, is_small=True, parent=self)
        self.words = Prose(theme, said(tr("Thoughts")), self)
        self.words.setObjectName("quietprose")

    def show_for(self, shown: Shown) -> None:
        """Show the time, and the text when it is unfolded."""
        arrow = (
            "\N{BLACK DOWN-POINTING SMALL TRIANGLE}" if shown.is_unfolded else "\N{BLACK RIGHT-POINTING SMALL TRIANGLE}"
        )
        words = said(wording.thinking(shown.is_thinking, shown.thought))
        self.button.say(f"{arrow}  {words}")
        self.button.setAccessibleName(words)
        self.words.setVisible(shown.is_unfolded)
        text = shown.message.reasoning.strip()
        if shown.is_unfolded and self.words.toPlainText() != text:
            self.words.show_plain(text)

    def fit(self, width: int) -> None:
        """Be `width` wide and as tall as needed."""
        self.button.adjustSize()
        self.button.move(-GAP, 0)
        top = self.button.height()
        if not self.words.isHidden():
            self.words.fit(width - GROUP)
            self.words.move(GROUP, top + UNIT)
            top += self.words.height() + 2 * UNIT
        self.resize(width, top)
