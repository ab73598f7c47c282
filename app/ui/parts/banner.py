"""A sentence that wants to be seen where it matters, with its hint and the button that helps."""

from collections.abc import Callable

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QFrame, QHBoxLayout, QLabel, QVBoxLayout, QWidget

from app.ui.parts.buttons import Button, IconButton, Role
from app.ui.parts.labels import Body, Quiet, set_property
from app.ui.said import said
from app.ui.style.icons import icon
from app.ui.style.palette import Tone
from app.ui.style.theme import Theme
from app.ui.style.tokens import GAP, UNIT
from app.ui.words import Phrase, tr

_ICONS = {Tone.GOOD: "check", Tone.TIGHT: "warning", Tone.BAD: "warning"}


class Banner(QFrame):
    """`tell` changes what it says. Tones have a drawing of their own: a tick, a triangle, an i."""

    def __init__(
        self,
        theme: Theme,
        tone: Tone,
        sentence: Phrase | str,
        hint: Phrase | str = "",
        action: Phrase | str | None = None,
        on_action: Callable[[], None] | None = None,
        on_close: Callable[[], None] | None = None,
        parent: QWidget | None = None,
    ) -> None:
        super().__init__(parent)
        self._theme, self._tone = theme, tone
        self.setProperty("surface", "banner")
        self._picture = QLabel()
        self._sentence, self._hint = Body(), Quiet(wraps=True, pixels=12)
        self.button = Button(action, Role.PLAIN, on_action, is_small=True) if action is not None else None
        self._close = IconButton(theme, "close", tr("Close this note"), on_close, size=14) if on_close else None
        self._lay_out()
        self.tell(tone, sentence, hint)
        theme.changed.connect(self._tint)

    def tell(self, tone: Tone, sentence: Phrase | str, hint: Phrase | str = "") -> None:
        """Say something else."""
        self._tone = tone
        self._sentence.say(sentence)
        self._hint.say(hint)
        self._hint.setVisible(bool(said(hint)))
        self.setAccessibleName(f"{said(sentence)} {said(hint)}".strip())
        set_property(self, "tone", tone.value)
        self._tint()

    def _lay_out(self) -> None:
        row = QHBoxLayout(self)
        row.setContentsMargins(12, 10, 12, 10)
        row.setSpacing(GAP + UNIT)
        row.addWidget(self._picture, 0, Qt.AlignmentFlag.AlignTop)
        words = QVBoxLayout()
        words.setSpacing(2)
        words.addWidget(self._sentence)
        words.addWidget(self._hint)
        row.addLayout(words, 1)
        if self.button is not None:
            row.addWidget(self.button, 0, Qt.AlignmentFlag.AlignVCenter)
        if self._close is not None:
            row.addWidget(self._close, 0, Qt.AlignmentFlag.AlignTop)

    def _tint(self) -> None:
        ink, _ = self._theme.palette.tone(self._tone)
        self._picture.setPixmap(icon(_ICONS.get(self._tone, "info"), ink, 18).pixmap(18))
