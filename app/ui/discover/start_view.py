"""What finding shows before anything was asked: what there is to find, and a few words to begin with."""

from functools import partial

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QFrame, QGridLayout, QHBoxLayout, QLabel, QScrollArea, QVBoxLayout, QWidget

from app.ui.parts.buttons import Button, Role
from app.ui.parts.labels import Heading, Quiet
from app.ui.said import said
from app.ui.style.icons import icon
from app.ui.style.theme import Theme
from app.ui.style.tokens import BODY, EDGE, GAP, GROUP
from app.ui.words import Phrase, tr, verbatim

_PICTURE = 40
_WIDTH = 460
_COLUMNS = 3

SUGGESTIONS: tuple[tuple[str, Phrase], ...] = (
    ("Qwen3", tr("Answers, code, many languages; 0.6B to 235B")),
    ("Gemma 3", tr("Sees pictures; 1B to 27B")),
    ("gpt-oss", tr("Thinks before it answers; 20B and 120B")),
    ("Llama 3.3", tr("One large model for conversations; 70B")),
    ("Mistral Small", tr("Quick for its size; 24B")),
)
"""Names people look for, with what their makers say of them on the hub."""


class StartView(QScrollArea):
    """`wanted` is what the person wants to look for; an empty text is what is downloaded most."""

    wanted = Signal(str)

    def __init__(self, theme: Theme, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._theme = theme
        self._picture = QLabel()
        self.buttons: list[Button] = []
        canvas = QWidget()
        canvas.setObjectName("canvas")
        rows = QVBoxLayout(canvas)
        rows.setContentsMargins(EDGE, GAP, EDGE, GAP)
        rows.setSpacing(GAP)
        centred = Qt.AlignmentFlag.AlignHCenter
        rows.addStretch(2)
        rows.addWidget(self._picture, 0, centred)
        rows.addSpacing(GAP)
        rows.addWidget(Heading(tr("Find a model on Hugging Face"), level=2), 0, centred)
        self._say(rows, BODY, tr(
            "Type a name, or paste the address of a model's page. For each size of a model Caravan says whether it "
            "fits on your PCs and how fast it will answer, before anything is downloaded."
        ))  # fmt: skip
        rows.addSpacing(GROUP - GAP)
        rows.addLayout(self._suggestions())
        rows.addSpacing(GROUP - GAP)
        self._say(rows, 12, tr(
            "Nothing is asked of Hugging Face before you do. Without internet: copy a .gguf file from another PC and "
            "drop it here."
        ))  # fmt: skip
        rows.addStretch(3)
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setWidgetResizable(True)
        self.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.setWidget(canvas)
        theme.changed.connect(self._tint)
        self._tint()

    def _say(self, rows: QVBoxLayout, pixels: int, words: Phrase) -> None:
        text = Quiet(words, wraps=True, pixels=pixels)
        text.setAlignment(Qt.AlignmentFlag.AlignHCenter)
        text.setMaximumWidth(_WIDTH)
        row = QHBoxLayout()
        row.addStretch(1)
        row.addWidget(text, 100)
        row.addStretch(1)
        rows.addLayout(row)

    def _suggestions(self) -> QHBoxLayout:
        grid = QGridLayout()
        grid.setSpacing(GAP)
        every = [*((name, name, about) for name, about in SUGGESTIONS), ("", said(tr("Most downloaded")), verbatim(""))]
        for number, (text, words, about) in enumerate(every):
            button = Button(words, Role.PLAIN, partial(self.wanted.emit, text))
            button.setToolTip(said(about))
            button.setAccessibleDescription(said(about))
            self.buttons.append(button)
            grid.addWidget(button, number // _COLUMNS, number % _COLUMNS)
        row = QHBoxLayout()
        row.addStretch(1)
        row.addLayout(grid)
        row.addStretch(1)
        return row

    def _tint(self) -> None:
        self._picture.setPixmap(icon("search", self._theme.palette.accent_ink, _PICTURE).pixmap(_PICTURE))
