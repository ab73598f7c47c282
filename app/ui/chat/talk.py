"""The conversation that is open, and the one answer that is written. No widgets here."""

import time
from collections.abc import Sequence

from PySide6.QtCore import QObject, Signal

from app.schema.instance import InstanceStatus
from app.schema.record import InstanceId
from app.ui.chat.archive import Archive
from app.ui.chat.records import (
    Attachment,
    Author,
    Conversation,
    Message,
    Stop,
    new_conversation,
    new_id,
)
from app.ui.chat.request import request_body, title_of
from app.ui.chat.session import Answer
from app.ui.chat.tree import Tree
from app.ui.chat.wording import ready
from app.ui.chat.writer import Clock, Writer
from app.ui.desk import Desk
from app.ui.said import said
from app.ui.words import tr

LEAST_TOKENS = 16
"""An answer must be this long before its speed says something of the model's."""


class Talk(QObject):
    """One conversation is open; one answer at most is written, in this or in another conversation."""

    opened = Signal()
    """Another conversation."""
    path_changed = Signal()
    """Other messages are shown."""
    message_changed = Signal(str)
    """A message has grown or ended."""
    changed = Signal()
    """Title, model, prompt or sampling, or whether something is written."""
    kept = Signal(object)
    """A Conversation that was changed and is being saved."""

    def __init__(self, desk: Desk, archive: Archive, clock: Clock = time.monotonic) -> None:
        super().__init__()
        self._desk, self._archive, self.clock = desk, archive, clock
        self.writer = Writer(desk, archive, clock)
        self._is_new = True
        self._asked: InstanceId | None = None
        self.conversation = empty(None)
        self.tree = Tree()
        self.writer.grew.connect(self._grown)
        self.writer.ended.connect(self.changed)

    @property
    def answer(self) -> Answer | None:
        """The answer that is written, None when none is."""
        return self.writer.answer

    @property
    def path(self) -> list[Message]:
        """The messages that are shown."""
        return self.tree.path(self.conversation.leaf)

    @property
    def is_busy(self) -> bool:
        """Whether an answer is written, here or in another conversation."""
        return self.answer is not None

    @property
    def is_writing_here(self) -> bool:
        """Whether the answer that is written belongs to the conversation that is open."""
        return self.answer is not None and self.answer.message.conversation == self.conversation.id

    @property
    def instance(self) -> InstanceStatus | None:
        """The running model that would answer: the chosen one, or the newest."""
        those = ready(self._desk.status)
        chosen = next((each for each in those if each.model_id == self.conversation.model), None)
        return chosen or next(iter(those), None)

    @property
    def loads(self) -> str | None:
        """The model that the node loads when something is asked now: none answers, and the settings allow it."""
        status = self._desk.status
        if status is None or not status.settings.load_on_request or self.instance is not None:
            return None
        before = (each.model for each in reversed(self.path) if each.model)
        last = (each.model_id for each in status.last_launches)
        return self.conversation.model or next(before, None) or next(last, None)

    def begin(self) -> None:
        """An empty conversation; it is kept once something is said. Prompt and sampling begin anew."""
        self._open(empty(self.conversation.model), Tree(), is_new=True)

    def open(self, conversation: Conversation) -> None:
        """Open a conversation of the archive; `opened` follows when it is read."""

        self._archive.do(
            lambda store: store.messages(conversation.id), lambda messages: self.show(conversation, messages)
        )

    def show(self, conversation: Conversation, messages: Sequence[Message]) -> None:
        """Open a conversation whose messages are at hand."""
        tree = Tree(messages)
        if self.answer is not None and self.answer.message.conversation == conversation.id:
            tree.put(self.answer.message)
        self._open(conversation, tree, is_new=False)

    def change(self, **fields: object) -> None:
        """Change title, pinned, model, system_prompt or sampling of the open conversation."""
        self.conversation = self.conversation.model_copy(update=fields)
        self._keep()
        self.changed.emit()

    def take(self, conversation: Conversation) -> None:
        """The open conversation was changed elsewhere: in the list."""
        if conversation.id == self.conversation.id:
            update = {"title": conversation.title, "pinned": conversation.pinned}
            self.conversation = self.conversation.model_copy(update=update)
            self.changed.emit()

    def say(self, text: str, attachments: Sequence[Attachment] = (), instead_of: str | None = None) -> None:
        """Say something at the end of the branch that is shown, or as another version of a message, and ask.

        The old version and what followed it are kept.
        """
        if self.is_busy or not (text.strip() or attachments):
            return
        parent = self.conversation.leaf if instead_of is None else self.tree.get(instead_of).parent
        message = new_message(self.conversation, parent, Author.USER).model_copy(
            update={"text": clean(text), "attachments": tuple(attachments), "stop": Stop.END}
        )
        if self._is_new:
            self._is_new = False
            names = " ".join(each.name for each in attachments)
            self.conversation = self.conversation.model_copy(update={"title": title_of(text) or title_of(names)})
        self.tree.put(message)
        self._touch(message.id)
        self._archive.write(message)
        self._ask(message.id)

    def again(self, message: str) -> None:
        """Another answer beside this one."""
        if not self.is_busy:
            self._ask(self.tree.get(message).parent)

    def go_on(self, message: str) -> None:
        """Go on with an answer that stopped early."""
        if not self.is_busy:
            self._stream(self.tree.get(message), self.tree.path(message))

    def stop(self) -> None:
        """Stop the answer that is written; what has come stays."""
        self.writer.stop()

    def turn(self, message: str, step: int) -> None:
        """Show the version of a message that is `step` further."""
        self._show_leaf(self.tree.turned(message, step))

    def delete(self, message: str) -> None:
        """Delete a message and all that follows it, on every branch."""
        gone = self.tree.below(message)
        if self.answer is not None and self.answer.message.id in gone:
            self.stop()
        self.tree, leaf = self.tree.without(message)
        self._archive.do(lambda store: store.remove(gone))
        self._show_leaf(leaf)

    def _open(self, conversation: Conversation, tree: Tree, is_new: bool) -> None:
        self.conversation, self.tree, self._is_new = conversation, tree, is_new
        if conversation.leaf not in tree:
            self.conversation = conversation.model_copy(update={"leaf": tree.leaf_below(None)})
        self.opened.emit()

    def _show_leaf(self, leaf: str | None) -> None:
        self.conversation = self.conversation.model_copy(update={"leaf": leaf})
        self._keep()
        self.path_changed.emit()

    def _ask(self, parent: str | None) -> None:
        message = new_message(self.conversation, parent, Author.ASSISTANT)
        path = self.tree.path(parent)
        self.tree.put(message)
        self._stream(message, path)

    def _stream(self, message: Message, path: list[Message]) -> None:
        """Ask for `message`, which follows `path`, or ends it when it is continued."""
        instance = self.instance
        model = str(instance.model_id) if instance is not None else self.loads or self.conversation.model
        sampling = self.conversation.sampling
        body = request_body(model or "", path, self.conversation.system_prompt, sampling)
        room = instance.plan.context if instance is not None else None
        asked = message.model_copy(update={"model": model})
        answer = Answer.begin(asked, self.clock(), context=room, limit=sampling.max_tokens, base=message.text)
        self._asked = instance.id if instance is not None else None
        self.tree.put(answer.message)
        self._touch(message.id)
        self.writer.begin(answer, body)
        self.path_changed.emit()
        self.changed.emit()

    def _grown(self, message: Message) -> None:
        figures = message.figures
        if message.stop is not None and self._asked and figures.rate and (figures.answer_tokens or 0) >= LEAST_TOKENS:
            self._desk.take_speed(self._asked, figures.rate)
        if message.conversation == self.conversation.id:
            self.tree.put(message)
            self.message_changed.emit(message.id)

    def _touch(self, leaf: str) -> None:
        self.conversation = self.conversation.model_copy(update={"leaf": leaf, "updated_at": time.time()})
        self._keep()

    def _keep(self) -> None:
        """Save the open conversation, unless nothing was said in it yet."""
        if not self._is_new:
            conversation = self.conversation
            self._archive.do(lambda store: store.save(conversation))
            self.kept.emit(conversation)


def clean(text: str) -> str:
    """A text without halves of characters, which neither JSON nor SQLite takes, and without NUL."""
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace").replace("\0", "")


def empty(model: str | None) -> Conversation:
    """A conversation in which nothing was said yet."""
    return new_conversation(said(tr("New chat")), model)


def new_message(conversation: Conversation, parent: str | None, author: Author) -> Message:
    """An empty message below `parent`, made now."""
    return Message(id=new_id(), conversation=conversation.id, parent=parent, author=author, created_at=time.time())
