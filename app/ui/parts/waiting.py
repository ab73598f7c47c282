"""What stands where something will be that is still looked for."""

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QVBoxLayout, QWidget

from app.ui.parts.labels import Quiet
from app.ui.parts.progress import Spinner
from app.ui.style.theme import Theme
from app.ui.style.tokens import GAP
from app.ui.words import Phrase


class Waiting(QWidget):
    """A spinner in the middle, and what is waited for."""

    def __init__(self, theme: Theme, words: Phrase, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        rows = QVBoxLayout(self)
        rows.setSpacing(GAP)
        rows.addStretch(1)
        rows.addWidget(Spinner(theme, words, 24), 0, Qt.AlignmentFlag.AlignHCenter)
        rows.addWidget(Quiet(words, pixels=12), 0, Qt.AlignmentFlag.AlignHCenter)
        rows.addStretch(1)
