"""The middle of the chat: the messages, what is said when there are none, and the way back to the end."""

from PySide6.QtCore import QSize, Signal
from PySide6.QtGui import QResizeEvent
from PySide6.QtWidgets import QStackedLayout, QVBoxLayout, QWidget

from app.ui.chat import wording
from app.ui.chat.message_actions import Deed, Shown
from app.ui.chat.message_list import MessageList
from app.ui.chat.message_view import BELOW, FOLDED, ROW, MessageView
from app.ui.chat.records import Author, Message
from app.ui.chat.talk import Talk
from app.ui.chat.tools import Tools
from app.ui.parts.buttons import IconButton
from app.ui.parts.empty import EmptyState
from app.ui.style.tokens import GROUP
from app.ui.words import tr

_LINE, _SIGN = 20, 7
"""Guessed height of a line and width of a sign, for messages that were never in sight."""


class Stage(QWidget):
    """Follows a talk. `acted` carries what the person wants with a message."""

    acted = Signal(object, str)
    wants_models = Signal()

    def __init__(self, talk: Talk, tools: Tools, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._talk, self._tools = talk, tools
        theme = tools.theme
        self._unfolded: set[str] = set()
        self._path: dict[str, Message] = {}
        self._can_ask, self._has_model = True, True
        self._model: str | None = None
        self.list = MessageList(self._make, self._reuse, self._estimate)
        self.ready = EmptyState(
            theme,
            "chat",
            tr("What would you like to know?"),
            tr("The model runs on your own PCs; nothing you write leaves them. Drop a text file here to ask about it."),
        )
        self.bare = EmptyState(
            theme,
            "llama",
            tr("First, a model"),
            tr("A chat needs a model that runs. Models shows those on your PCs, and which of them fit."),
            tr("Choose a model"),
            self.wants_models.emit,
        )
        self.to_end = IconButton(theme, "chevron-down", tr("To the end"), self.list.to_end, size=18, parent=self)
        self._lay_out()
        talk.opened.connect(self._show_other)
        talk.path_changed.connect(self._show_path)
        talk.message_changed.connect(self._follow)
        theme.changed.connect(self.list.rebuild)
        self.list.at_end_changed.connect(self._offer_end)

    def _lay_out(self) -> None:
        self._pages = QStackedLayout()
        for page in (self.list, self.ready, self.bare):
            self._pages.addWidget(page)
        outer = QVBoxLayout(self)
        outer.setContentsMargins(0, 0, 0, 0)
        outer.addLayout(self._pages)
        self.to_end.setObjectName("toend")
        self.to_end.setFixedSize(QSize(32, 32))
        self.to_end.hide()
        self.setFocusProxy(self.list)
        self._pages.setCurrentWidget(self.ready)

    def judge(self, can_ask: bool, has_model: bool, model: str | None) -> None:
        """Whether something can be asked now, whether there is a model (or one on its way), and which one."""
        has_changed = (can_ask, model) != (self._can_ask, self._model)
        self._can_ask, self._model = can_ask, model
        self._choose_page(has_model)
        if has_changed:
            for view in self.list.views():
                self._refresh(view)

    def reveal(self, message: str) -> None:
        """Bring a message into sight."""
        self.list.reveal(message)

    def tick(self) -> None:
        """Time has gone by: what is told with seconds is told anew."""
        self._talk.writer.tell()

    def resizeEvent(self, event: QResizeEvent) -> None:  # noqa: D102
        super().resizeEvent(event)
        self.to_end.move((self.width() - self.to_end.width()) // 2, self.height() - self.to_end.height() - GROUP)

    def _choose_page(self, has_model: bool) -> None:
        self._has_model = has_model
        page = self.list if self._path else self.ready if has_model else self.bare
        if self._pages.currentWidget() is not page:
            self._pages.setCurrentWidget(page)
            self.to_end.raise_()
        self._offer_end(self.list.is_at_end)

    def _offer_end(self, is_at_end: bool) -> None:
        self.to_end.setVisible(bool(self._path) and not is_at_end)

    def _show_other(self) -> None:
        self._unfolded.clear()
        self._take_path()
        self.list.show_keys(list(self._path), is_other=True)
        self._choose_page(self._has_model)

    def _show_path(self) -> None:
        is_new = self._talk.is_writing_here
        self._take_path()
        self.list.show_keys(list(self._path))
        for view in self.list.views():
            self._refresh(view)
        if is_new:
            self.list.to_end()
        self._choose_page(self._has_model)

    def _take_path(self) -> None:
        self._path = {each.id: each for each in self._talk.path}

    def _follow(self, message: str) -> None:
        if message not in self._path:
            return
        self._path[message] = self._talk.tree.get(message)
        view = self.list.view(message)
        if view is not None:
            self._refresh(view)
            self.list.refit(message)

    def _make(self, key: str, parent: QWidget) -> MessageView:
        view = MessageView(self._tools, self._path[key].author, parent)
        view.acted.connect(self._act)
        view.show_message(self._shown(key))
        return view

    def _reuse(self, key: str, view: MessageView) -> bool:
        if view.author is not self._path[key].author:
            return False
        view.show_message(self._shown(key))
        return True

    def _refresh(self, view: MessageView) -> None:
        if view.shown is not None and view.shown.message.id in self._path:
            view.show_message(self._shown(view.shown.message.id))

    def _shown(self, key: str) -> Shown:
        place, count = self._talk.tree.place(key)
        answer = self._talk.answer
        live = answer if answer is not None and answer.message.id == key else None
        message = self._path[key]
        now = self._talk.clock()
        return Shown(
            message,
            place,
            count,
            is_last=key == next(reversed(self._path)),
            is_unfolded=key in self._unfolded,
            is_thinking=live.is_thinking if live else False,
            thought=live.thought(now) if live else message.figures.thinking,
            note=wording.waiting(live, now) if live else None,
            model=message.model if message.model != self._model else None,
            can_ask=self._can_ask,
        )

    def _act(self, deed: Deed, message: str) -> None:
        if deed is Deed.FOLD:
            self._unfolded ^= {message}
            self._follow(message)
        else:
            self.acted.emit(deed, message)

    def _estimate(self, key: str, width: int) -> int:
        message = self._path[key]
        signs = max(width // _SIGN, 1)
        text = message.text[:FOLDED] if message.author is Author.USER else message.text
        lines = text.count("\n") + len(text) // signs + 1
        around = ROW + BELOW + (_LINE if message.author is Author.USER else 0)
        return lines * _LINE + around
