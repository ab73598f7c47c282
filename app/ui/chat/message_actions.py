"""What can be done with a message, and the quiet line with its buttons below it."""

from dataclasses import dataclass
from enum import StrEnum

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QHBoxLayout, QSizePolicy, QWidget

from app.ui.chat import wording
from app.ui.chat.records import Author, Message, Stop
from app.ui.parts.buttons import IconButton
from app.ui.parts.labels import Elided, Quiet, set_property
from app.ui.said import said
from app.ui.style.theme import Theme
from app.ui.style.tokens import GAP, SMALL
from app.ui.words import Phrase, tr


class Deed(StrEnum):
    """What can be done with a message."""

    COPY = "copy"
    AGAIN = "again"
    EDIT = "edit"
    GO_ON = "go_on"
    DELETE = "delete"
    EARLIER = "earlier"
    LATER = "later"
    FOLD = "fold"


@dataclass(frozen=True)
class Shown:
    """A message as it is shown. `place` of `count` is its version; `note` says what happens before its first word.

    `model` is who answered, None where it is the model that the chat is with.
    """

    message: Message
    place: int = 1
    count: int = 1
    is_last: bool = False
    is_unfolded: bool = False
    is_thinking: bool = False
    thought: float | None = None
    note: Phrase | None = None
    model: str | None = None
    can_ask: bool = True


class Actions(QWidget):
    """The quiet line and the buttons below a message. Buttons are made when they are first wanted."""

    wanted = Signal(object)
    """A Deed."""

    def __init__(self, theme: Theme, parent: QWidget) -> None:
        super().__init__(parent)
        self._theme = theme
        self._buttons: dict[Deed, IconButton] = {}
        self.line = Elided(pixels=SMALL)
        self.line.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Fixed)
        set_property(self.line, "tone", "quiet")
        self.version = Quiet()
        self._row = QHBoxLayout(self)
        self._row.setContentsMargins(0, 0, 0, 0)
        self._row.setSpacing(2)

    def show_for(self, shown: Shown, is_awake: bool) -> None:
        """Show what fits this message; `is_awake` shows the buttons too."""
        if self._row.count() == 0:
            self._lay_out(shown.message.author)
        parts: list[Phrase | str] = [*wording.figures(shown.message), *([shown.model] if shown.model else [])]
        self.line.say(wording.SEPARATOR.join(said(each) for each in parts))
        has_versions = shown.count > 1
        self.version.say(f"{shown.place}/{shown.count}")
        self.version.setVisible(has_versions)
        wanted = deeds(shown) if is_awake else ()
        for deed in Deed:
            is_wanted = deed in wanted or (has_versions and deed in {Deed.EARLIER, Deed.LATER})
            if is_wanted or deed in self._buttons:
                self._button(deed).setVisible(is_wanted)
        self._limit(shown)

    def _limit(self, shown: Shown) -> None:
        for deed, is_end in ((Deed.EARLIER, shown.place <= 1), (Deed.LATER, shown.place >= shown.count)):
            if deed in self._buttons:
                self._buttons[deed].setEnabled(not is_end)
        for deed in (Deed.AGAIN, Deed.GO_ON):
            if deed in self._buttons:
                self._buttons[deed].setEnabled(shown.can_ask)

    def _lay_out(self, author: Author) -> None:
        if author is Author.USER:
            self._row.addStretch(1)
        self._row.addWidget(self.line)
        if author is Author.ASSISTANT:
            self._row.addSpacing(GAP)
        self._slots = self._row.count()
        self._row.addWidget(self.version)
        if author is Author.ASSISTANT:
            self._row.addStretch(1)

    def _button(self, deed: Deed) -> IconButton:
        if deed not in self._buttons:
            drawing, name = _BUTTONS[deed]
            made = IconButton(self._theme, drawing, name, lambda: self.wanted.emit(deed), size=16, parent=self)
            made.setFixedSize(26, 26)
            self._buttons[deed] = made
            before = [each for each in _ORDER[: _ORDER.index(deed)] if each is None or each in self._buttons]
            self._row.insertWidget(self._slots + len(before), made)
        return self._buttons[deed]


_BUTTONS = {
    Deed.COPY: ("copy", tr("Copy this message")),
    Deed.AGAIN: ("refresh", tr("Answer again")),
    Deed.EDIT: ("edit", tr("Edit and ask again; this version is kept")),
    Deed.GO_ON: ("play", tr("Go on with this answer")),
    Deed.DELETE: ("delete", tr("Delete this message and what follows")),
    Deed.EARLIER: ("chevron-left", tr("Version before")),
    Deed.LATER: ("chevron-right", tr("Version after")),
    Deed.FOLD: ("brain", tr("Thoughts")),
}
_ORDER: tuple[Deed | None, ...] = (
    *(Deed.EARLIER, None, Deed.LATER),
    *(Deed.COPY, Deed.EDIT, Deed.AGAIN, Deed.GO_ON, Deed.DELETE, Deed.FOLD),
)
"""Buttons from left to right; None is the version's number."""


def deeds(shown: Shown) -> tuple[Deed, ...]:
    """What can be done with a message now; with one that is being written, nothing."""
    message = shown.message
    if message.author is Author.USER:
        return (Deed.COPY, Deed.EDIT, Deed.DELETE)
    if message.stop is None:
        return ()
    may_go_on = shown.is_last and message.stop is not Stop.END and bool(message.text)
    return (Deed.COPY, Deed.AGAIN, *((Deed.GO_ON,) if may_go_on else ()), Deed.DELETE)
