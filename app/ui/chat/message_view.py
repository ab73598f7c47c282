"""One message: what was said, by whom, what it cost, and what can be done with it."""

from PySide6.QtCore import QEvent, Qt, Signal
from PySide6.QtGui import QEnterEvent, QFocusEvent, QKeyEvent, QKeySequence
from PySide6.QtWidgets import QFrame, QWidget

from app.ui.chat.body import AnswerBody
from app.ui.chat.message_actions import Actions, Deed, Shown, deeds
from app.ui.chat.pictures import HEIGHT, PictureRow
from app.ui.chat.prose import Prose
from app.ui.chat.records import AttachmentKind, Author
from app.ui.chat.thoughts import Note, Thoughts
from app.ui.chat.tools import Tools
from app.ui.parts.banner import Banner
from app.ui.parts.buttons import Button, Role
from app.ui.parts.heights import height_of
from app.ui.parts.labels import Quiet
from app.ui.said import said
from app.ui.style.palette import Tone
from app.ui.style.tokens import GAP, GROUP, UNIT
from app.ui.words import tr

ROW = 28
"""Height of the row below a message, whether its buttons are there or not."""

BELOW = GROUP
"""Space below a message."""

FOLDED, UNFOLDED = 4_000, 20_000
"""Signs of a question that are shown: a pasted log of a megabyte would hold the window up for seconds."""

_BUBBLE_PART = 0.86
_PAD_X, _PAD_TOP, _PAD_BOTTOM = 14, 10, 6


class MessageView(QFrame):
    """Shows one message after the other: `show_message`, then `fit`. It is as tall as it needs to be."""

    acted = Signal(object, str)
    """A Deed, and the id of the message."""
    grown = Signal(str)
    """The height may have changed by itself: the id of the message."""

    def __init__(self, tools: Tools, author: Author, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._theme = theme = tools.theme
        self.author = author
        self.shown: Shown | None = None
        self._is_awake = False
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setObjectName("message")
        self.files = Quiet(wraps=True, parent=self)
        self.files.setAlignment(Qt.AlignmentFlag.AlignRight)
        self.pictures = PictureRow(tools.pictures, self) if author is Author.USER else None
        self.bubble = _bubble(self) if author is Author.USER else None
        self.words = Prose(theme, said(tr("Your message")), self.bubble) if self.bubble else None
        self.body = AnswerBody(tools, self) if author is Author.ASSISTANT else None
        self.more: Button | None = None
        self._said = ""
        self.thoughts: Thoughts | None = None
        self.problem: Banner | None = None
        self.note = Note(theme, self) if author is Author.ASSISTANT else None
        self.actions_row = Actions(theme, self)
        self.actions_row.wanted.connect(self._act)
        if self.body is not None:
            self.body.grown.connect(self._tell_grown)

    def show_message(self, shown: Shown) -> None:
        """Show a message, or how it has changed."""
        is_new = self.shown is None or self.shown.message.id != shown.message.id
        self.shown = shown
        message = shown.message
        self.files.say("   ".join(each.name for each in message.attachments))
        self.files.setVisible(bool(message.attachments))
        if self.pictures is not None:
            images = tuple(each for each in message.attachments if each.kind is AttachmentKind.IMAGE)
            self.pictures.show_images(images)
        if self.words is not None:
            self._show_words(self.words, shown, is_new)
        if self.body is not None:
            self.body.show_text(message.text, message.stop is not None)
            self._show_thoughts(shown)
            self._show_problem(shown)
        if self.note is not None:
            self.note.say(shown.note)
        self.setAccessibleName(said(tr("You") if message.author is Author.USER else message.model or tr("Answer")))
        self.setAccessibleDescription(message.text[:1000])
        self.actions_row.show_for(shown, self._is_awake or (shown.is_last and message.author is Author.ASSISTANT))

    @property
    def is_presentable(self) -> bool:
        """Whether so much of it is set that it can be shown."""
        return self.body is None or self.body.is_presentable

    def work(self, deadline: float) -> None:
        """Set more of a long text, until a time of `time.perf_counter`."""
        if self.body is not None and not self.body.is_whole:
            self.body.work(deadline)

    def rest(self) -> None:
        """Show nothing, until `show_message` is called for another message."""
        self.hide()
        self.shown, self._is_awake = None, False
        if self.body is not None:
            self.body.forget()

    def fit(self, width: int) -> int:
        """Be `width` wide; returns the height, which it then has."""
        top = 0
        if not self.files.isHidden():
            top += self._put(self.files, width, top, height_of(self.files, width)) + UNIT
        if self.pictures is not None and not self.pictures.isHidden():
            top += self._put(self.pictures, width, top, HEIGHT) + GAP
        if self.thoughts is not None and not self.thoughts.isHidden():
            self.thoughts.fit(width)
            self.thoughts.move(0, top)
            top += self.thoughts.height() + GAP
        if self.bubble is not None and self.words is not None:
            top += self._fit_bubble(self.bubble, self.words, width, top)
        if self.more is not None and not self.more.isHidden():
            top += self._fit_more(self.more, width, top)
        if self.body is not None:
            self.body.fit(width)
            self.body.move(0, top)
            top += self.body.height()
        if self.note is not None and not self.note.isHidden():
            top += self._put(self.note, width, top, ROW)
        if self.problem is not None and not self.problem.isHidden():
            top += self._put(self.problem, width, top + UNIT, height_of(self.problem, width) + UNIT) + GAP
        top += self._put(self.actions_row, width, top + 2, ROW) + 2
        below = BELOW if self.author is Author.ASSISTANT else UNIT
        self.resize(width, top + below)
        return top + below

    def enterEvent(self, event: QEnterEvent) -> None:  # noqa: D102
        super().enterEvent(event)
        self._wake(True)

    def leaveEvent(self, event: QEvent) -> None:  # noqa: D102
        super().leaveEvent(event)
        self._wake(self.hasFocus() or self._holds_focus())

    def focusInEvent(self, event: QFocusEvent) -> None:  # noqa: D102
        super().focusInEvent(event)
        self._wake(True)

    def focusOutEvent(self, event: QFocusEvent) -> None:  # noqa: D102
        super().focusOutEvent(event)
        self._wake(self.underMouse() or self._holds_focus())

    def keyPressEvent(self, event: QKeyEvent) -> None:  # noqa: D102
        if event.matches(QKeySequence.StandardKey.Copy):
            self._act(Deed.COPY)
        else:
            super().keyPressEvent(event)

    def _holds_focus(self) -> bool:
        focused = self.window().focusWidget()
        return focused is not None and self.isAncestorOf(focused)

    def _wake(self, is_awake: bool) -> None:
        self._is_awake = is_awake
        if self.shown is not None:
            is_last = self.shown.is_last and self.author is Author.ASSISTANT
            self.actions_row.show_for(self.shown, is_awake or is_last)

    def _put(self, widget: QWidget, width: int, top: int, height: int) -> int:
        widget.setGeometry(0, top, width, height)
        return height

    def _fit_bubble(self, bubble: QFrame, words: Prose, width: int, top: int) -> int:
        words.fit(words.natural_width(int(width * _BUBBLE_PART) - 2 * _PAD_X))
        words.move(_PAD_X, _PAD_TOP)
        bubble.resize(words.width() + 2 * _PAD_X, words.height() + _PAD_TOP + _PAD_BOTTOM)
        bubble.move(width - bubble.width(), top)
        return bubble.height()

    def _fit_more(self, more: Button, width: int, top: int) -> int:
        more.adjustSize()
        more.move(width - more.width(), top + UNIT)
        return more.height() + UNIT

    def _show_words(self, words: Prose, shown: Shown, is_new: bool) -> None:
        """Show a question, or its beginning: then a button shows more of it."""
        text = shown.message.text
        most = UNFOLDED if shown.is_unfolded else FOLDED
        said_now = text if len(text) <= most else f"{text[:most]}…"
        if is_new or said_now != self._said:
            self._said = said_now
            words.show_plain(said_now)
        if len(text) > FOLDED and self.more is None:
            self.more = Button("", Role.QUIET, lambda: self._act(Deed.FOLD), is_small=True, parent=self)
        if self.more is not None:
            self.more.setVisible(len(text) > FOLDED)
            unfolded = tr("Show less") if len(text) <= UNFOLDED else tr("Show less (Copy takes all of it)")
            self.more.say(unfolded if shown.is_unfolded else tr("Show more"))

    def _show_thoughts(self, shown: Shown) -> None:
        if shown.message.reasoning and self.thoughts is None:
            self.thoughts = Thoughts(self._theme, self)
            self.thoughts.toggled.connect(lambda: self._act(Deed.FOLD))
        if self.thoughts is not None:
            self.thoughts.setVisible(bool(shown.message.reasoning))
            self.thoughts.show_for(shown)

    def _show_problem(self, shown: Shown) -> None:
        error = shown.message.error
        if error is not None and self.problem is None:
            self.problem = Banner(self._theme, Tone.TIGHT, "", "", tr("Continue"), self._mend, parent=self)
        if self.problem is not None:
            self.problem.setVisible(error is not None)
            if error is not None and self.problem.button is not None:
                self.problem.tell(Tone.TIGHT, error.sentence, error.hint)
                self.problem.button.say(tr("Continue") if Deed.GO_ON in deeds(shown) else tr("Try again"))
                self.problem.button.allow(None if shown.can_ask else tr("No model can answer at the moment."))

    def _mend(self) -> None:
        """Go on with an answer that broke off, or ask anew when nothing of it has come."""
        if self.shown is not None:
            self._act(Deed.GO_ON if Deed.GO_ON in deeds(self.shown) else Deed.AGAIN)

    def _act(self, deed: Deed) -> None:
        if self.shown is not None:
            self.acted.emit(deed, self.shown.message.id)

    def _tell_grown(self) -> None:
        if self.shown is not None:
            self.grown.emit(self.shown.message.id)


def _bubble(parent: QWidget) -> QFrame:
    made = QFrame(parent)
    made.setObjectName("bubble")
    return made
