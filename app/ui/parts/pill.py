"""A short word in a coloured capsule: a verdict, a state."""

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QLabel, QSizePolicy, QWidget

from app.ui.parts.labels import set_property
from app.ui.said import said
from app.ui.style.fonts import ui_font
from app.ui.style.palette import Tone
from app.ui.style.tokens import SMALL
from app.ui.words import Phrase


class Pill(QLabel):
    """`show_as` changes word and tone. The word alone must say it: colour only helps."""

    def __init__(self, text: Phrase | str = "", tone: Tone = Tone.NEUTRAL, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setTextFormat(Qt.TextFormat.PlainText)
        self.setFont(ui_font(SMALL))
        self.setSizePolicy(QSizePolicy.Policy.Maximum, QSizePolicy.Policy.Fixed)
        self.show_as(text, tone)

    def show_as(self, text: Phrase | str, tone: Tone) -> None:
        """Another word in another tone."""
        self.setText(said(text))
        set_property(self, "pill", tone.value)
