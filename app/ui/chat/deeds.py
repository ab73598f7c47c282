"""What comes of the composer and of the buttons of a message: asked, edited, answered again, gone on with, deleted."""

from PySide6.QtCore import QObject
from PySide6.QtGui import QGuiApplication

from app.ui.chat.composer import Composer
from app.ui.chat.message_actions import Deed
from app.ui.chat.talk import Talk
from app.ui.chat.tree import last_question


class Deeds(QObject):
    """Does them to one talk; remembers which question is edited in the composer."""

    def __init__(self, talk: Talk, composer: Composer, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._talk, self._composer = talk, composer
        self._editing: str | None = None

    def say(self, text: str, attachments: object) -> None:
        """Send a message, in place of the question that is edited."""
        files = attachments if isinstance(attachments, tuple) else ()
        editing, self._editing = self._editing, None
        self._talk.say(text, files, editing if editing in self._talk.tree else None)

    def edit_last(self) -> None:
        """Edit the last question that is shown, if there is one."""
        question = last_question(self._talk.path)
        if question is not None:
            self.act(Deed.EDIT, question.id)

    def stop_editing(self) -> None:
        """Give up the edit, if there is one."""
        if self._editing is not None:
            self._editing = None
            self._composer.clear()

    def act(self, deed: Deed, message: str) -> None:
        """Do what a button or a key of a message asks; nothing when it is not there any more."""
        talk = self._talk
        if message not in talk.tree:
            return
        match deed:
            case Deed.COPY:
                QGuiApplication.clipboard().setText(talk.tree.get(message).text)
            case Deed.EDIT:
                self._editing = message
                question = talk.tree.get(message)
                self._composer.edit(question.text, question.attachments)
            case Deed.AGAIN:
                # The message with the focus goes; without this the one above it would get it.
                self._composer.editor.setFocus()
                talk.again(message)
            case Deed.GO_ON:
                self._composer.editor.setFocus()
                talk.go_on(message)
            case Deed.DELETE:
                talk.delete(message)
            case Deed.EARLIER | Deed.LATER:
                talk.turn(message, -1 if deed is Deed.EARLIER else 1)
