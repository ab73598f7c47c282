"""The chat page: conversations at the left, messages and composer in the middle, prompt and sampling at the right."""

from PySide6.QtCore import Qt, QTimer, Signal
from PySide6.QtGui import QDragEnterEvent, QDropEvent, QKeySequence, QResizeEvent, QShortcut
from PySide6.QtWidgets import QHBoxLayout, QMenu, QVBoxLayout, QWidget

from app.client import NodeClient
from app.schema.model import HeldModel
from app.schema.node import Status
from app.schema.record import ModelId
from app.ui.chat import wording
from app.ui.chat.archive import Archive
from app.ui.chat.background import Background
from app.ui.chat.composer import local_files
from app.ui.chat.deeds import Deeds
from app.ui.chat.foot import Foot
from app.ui.chat.formulas import Formulas
from app.ui.chat.head import MODEL_COLUMNS, ChatHead, Choice
from app.ui.chat.highlight import Highlighter
from app.ui.chat.look import chat_sheet
from app.ui.chat.pictures import Pictures
from app.ui.chat.records import Conversation
from app.ui.chat.session import gauge
from app.ui.chat.shelf import Shelf
from app.ui.chat.shelf_view import WIDTH as SHELF_WIDTH
from app.ui.chat.shelf_view import ShelfView
from app.ui.chat.side_panel import WIDTH as PANEL_WIDTH
from app.ui.chat.side_panel import SidePanel
from app.ui.chat.stage import Stage
from app.ui.chat.talk import Talk, clean
from app.ui.chat.tools import Tools
from app.ui.desk import Desk, Handle, Wish
from app.ui.style.theme import Theme
from app.ui.window.page import Page
from app.ui.wish import NEW_CHAT
from app.ui.words import Phrase, shortened, tr

CONVERSATIONS = "chats.db"
TICK_MS = 500
LEAST_TALK = 360
"""What the conversation itself needs, in pixels."""


class ChatPage(Page):
    """Everything of the chat. `open_models` is emitted when the person wants to launch a model."""

    title = tr("Chat")
    open_models = Signal()

    def __init__(self, desk: Desk, theme: Theme, parent: QWidget | None = None) -> None:
        super().__init__(desk, theme, parent)
        self.archive = Archive(desk.paths.data / CONVERSATIONS)
        self.background = Background()
        self.formulas = Formulas(self.background)
        self.shelf, self.talk = Shelf(self.archive), Talk(desk, self.archive)
        self._revision: int | None = None
        self._with_images: frozenset[str] = frozenset()
        self._held: tuple[HeldModel, ...] = ()
        self._with_switch: frozenset[str] = frozenset()
        self._to_reveal = ""
        self._was_shown = False
        self._asking: Handle | None = None
        self.shelf_view = ShelfView(self.shelf, theme)
        self.head = ChatHead(theme, self._menu)
        self.stage = Stage(
            self.talk, Tools(theme, Highlighter(self.background), self.formulas, Pictures(self.background))
        )
        self.foot = Foot(theme, self.archive)
        self.panel = SidePanel(theme)
        self.deeds = Deeds(self.talk, self.foot.composer, self)
        self._tick = QTimer(self, interval=TICK_MS)
        self._tick.timeout.connect(self.stage.tick)
        self._lay_out()
        self._connect()
        self._connect_talk()
        self._dress()
        self.shelf.load()
        self.talk.begin()

    def shown(self, status: Status | None) -> None:  # noqa: D102
        self._judge()
        if not self._was_shown:
            self._was_shown = True
            self.foot.composer.editor.setFocus()
        revision = status.catalogue.revision if status is not None else None
        if revision is not None and revision != self._revision:
            self._revision = revision
            self._asking = self.desk.ask(lambda client: client.cluster_models(), self._know_models, lambda _: None)

    def wish(self, about: str) -> None:
        """A conversation's id: open it. `NEW_CHAT`: begin one. Any other text is a model's: chat with it."""
        if about == NEW_CHAT:
            self._begin()
        elif conversation := self.shelf.get(about):
            self.talk.open(conversation)
        elif about:
            self.talk.change(model=about)
        self.foot.composer.editor.setFocus()

    def about_to_quit(self) -> None:
        """Stop the answer, write everything down. Call it once; the page is of no use afterwards."""
        if self._asking is not None:
            self._asking.cancel()
        self.panel.flush()
        self.talk.stop()
        self.archive.close()
        self.background.close()

    def resizeEvent(self, event: QResizeEvent) -> None:  # noqa: D102
        super().resizeEvent(event)
        self._share_width()

    def dragEnterEvent(self, event: QDragEnterEvent) -> None:  # noqa: D102
        if local_files(event.mimeData()):
            event.acceptProposedAction()

    def dropEvent(self, event: QDropEvent) -> None:  # noqa: D102
        self.foot.take_files(local_files(event.mimeData()))
        event.acceptProposedAction()

    def _lay_out(self) -> None:
        self.setAcceptDrops(True)
        middle = QVBoxLayout()
        middle.setSpacing(0)
        middle.addWidget(self.head)
        middle.addWidget(self.stage, 1)
        middle.addWidget(self.foot)
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(0)
        row.addWidget(self.shelf_view)
        row.addLayout(middle, 1)
        row.addWidget(self.panel)
        self.panel.hide()

    def _show_panel(self, is_wanted: bool) -> None:
        self.panel.setVisible(is_wanted)
        self._share_width()

    def _share_width(self) -> None:
        """In a narrow window the list of chats makes room for the panel; beside both, nothing could be read."""
        has_room = self.width() >= SHELF_WIDTH + PANEL_WIDTH + LEAST_TALK
        self.shelf_view.setVisible(has_room or self.panel.isHidden())

    def _search(self) -> None:
        if self.shelf_view.isHidden():
            self.head.panel.setChecked(False)
        self.shelf_view.search.setFocus()

    def _connect(self) -> None:
        composer, panel, head, deeds = self.foot.composer, self.panel, self.head, self.deeds
        composer.sent.connect(deeds.say)
        composer.stopped.connect(self.talk.stop)
        composer.thinking_chosen.connect(self._choose_thinking)
        composer.gave_up_edit.connect(deeds.stop_editing)
        composer.recalled.connect(deeds.edit_last)
        self.stage.acted.connect(deeds.act)
        for asker in (self.stage.wants_models, self.foot.wants_models, head.wants_models):
            asker.connect(self._go_models)
        self.shelf_view.chosen.connect(self._choose)
        self.shelf_view.wants_new.connect(self._begin)
        head.chosen.connect(lambda model: self.talk.change(model=model))
        head.wants_load.connect(self._load)
        head.wants_plan.connect(lambda: self.desk.go(Wish.MODELS, self._model() or ""))
        head.panel_toggled.connect(self._show_panel)
        panel.prompt_changed.connect(lambda text: self.talk.change(system_prompt=clean(text)))
        panel.sampling_changed.connect(lambda sampling: self.talk.change(sampling=sampling))
        panel.preset_kept.connect(self.shelf.keep_preset)
        panel.preset_dropped.connect(self.shelf.drop_preset)
        self.theme.changed.connect(self._dress)
        # Ctrl+N is the window's: the same keys twice would do nothing at all.
        for keys, action in (("Ctrl+F", self._search), ("Ctrl+L", composer.editor.setFocus)):
            QShortcut(QKeySequence(keys), self, action, context=Qt.ShortcutContext.WidgetWithChildrenShortcut)

    def _connect_talk(self) -> None:
        talk, shelf = self.talk, self.shelf
        talk.opened.connect(self._opened)
        talk.path_changed.connect(self._show_gauge)
        talk.message_changed.connect(lambda _: self._show_gauge())
        talk.changed.connect(self._judge)
        talk.kept.connect(self._kept)
        shelf.changed.connect(talk.take)
        shelf.deleted.connect(self._deleted)
        shelf.imported.connect(lambda found: talk.open(found[0]) if found else None)
        shelf.presets_changed.connect(self.panel.show_presets)
        shelf.rows.modelReset.connect(lambda: self.shelf_view.mark(talk.conversation.id))
        self.archive.failed.connect(self.foot.tell)

    def _dress(self) -> None:
        self.setStyleSheet(chat_sheet(self.theme.palette))

    def _model(self) -> str | None:
        instance = self.talk.instance
        return None if instance is None else str(instance.model_id)

    def _judge(self) -> None:
        """Show what can be done now."""
        status, talk = self.desk.status, self.talk
        choices = {
            each.model_id: Choice(each.model_id, tuple(wording.places(status, each)))
            for each in reversed(wording.ready(status))
            if status is not None
        }
        model, reason = self._model(), wording.why_not(status, talk.conversation.model, talk.loads)
        self.head.show_title(talk.conversation.title)
        loads = wording.loadable(status, self._held)
        self.head.show_models(list(choices.values())[::-1], model, wording.nobody(status, talk.loads), loads)
        has_model = reason is None or wording.is_on_its_way(status)
        self.stage.judge(reason is None and not talk.is_busy, has_model, model or talk.conversation.model)
        self.foot.wait_for(reason if talk.path or wording.is_on_its_way(status) else None)
        self.foot.takes_images = model in self._with_images
        has_switch = model in self._with_switch
        self.panel.know_thinking(has_switch)
        self.foot.composer.show_thinking(talk.conversation.sampling.thinking is not False if has_switch else None)
        placeholder = tr("Write to {model}", model=shortened(model, MODEL_COLUMNS)) if model else tr("Write a message")
        elsewhere = tr("Another chat is being answered. Stop it, or wait.")
        is_elsewhere = talk.is_busy and not talk.is_writing_here
        blocked: Phrase | None = elsewhere if is_elsewhere else reason
        self.foot.composer.show_state(talk.is_busy, blocked, elsewhere if is_elsewhere else placeholder)
        (self._tick.start if talk.is_busy else self._tick.stop)()
        self._show_gauge()

    def _show_gauge(self) -> None:
        instance = self.talk.instance
        room = instance.plan.context if instance is not None else None
        self.foot.composer.gauge.show_gauge(gauge(self.talk.path, room))

    def _know_models(self, models: tuple[HeldModel, ...]) -> None:
        self._held = models
        shapes = {each.model.id: each.model.shape for each in models}
        self._with_switch = frozenset(key for key, shape in shapes.items() if shape and shape.has_thinking_switch)
        self._with_images = frozenset(each.model.id for each in models if each.model.projector_path is not None)
        self._judge()

    def _choose_thinking(self, thinks: bool) -> None:
        sampling = self.talk.conversation.sampling.model_copy(update={"thinking": thinks})
        self.talk.change(sampling=sampling)
        self.panel.show_for(self.talk.conversation)

    def _load(self, model: str) -> None:
        """Launch a model as it ran last, and let it answer here once it is ready."""

        async def work(client: NodeClient) -> None:
            await client.load(ModelId(model))

        self.talk.change(model=model)
        self.desk.ask(work)

    def _go_models(self) -> None:
        self.open_models.emit()
        self.desk.go(Wish.MODELS)

    def _begin(self) -> None:
        self.deeds.stop_editing()
        self.talk.begin()
        self.foot.composer.editor.setFocus()

    def _choose(self, conversation: str, message: str) -> None:
        found = self.shelf.get(conversation)
        if found is None:
            return
        if conversation == self.talk.conversation.id:
            if message:
                self.stage.reveal(message)
            return
        self._to_reveal = message
        self.talk.open(found)

    def _opened(self) -> None:
        self.deeds.stop_editing()
        conversation, message = self.talk.conversation, self._to_reveal
        self._to_reveal = ""
        self.panel.show_for(conversation)
        self.shelf_view.mark(conversation.id)
        self._judge()
        if message:
            self.stage.reveal(message)

    def _kept(self, conversation: Conversation) -> None:
        self.shelf.put(conversation)
        self.shelf_view.mark(conversation.id)

    def _deleted(self, conversation: Conversation) -> None:
        answer = self.talk.answer
        if answer is not None and answer.message.conversation == conversation.id:
            self.talk.stop()
        if conversation.id == self.talk.conversation.id:
            self.talk.begin()

    def _menu(self) -> QMenu | None:
        conversation = self.shelf.get(self.talk.conversation.id)
        return self.shelf_view.menu_for(conversation) if conversation is not None else None
