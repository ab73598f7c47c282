"""A chat page over a desk whose model is the test itself."""

from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator
from typing import Any

import pytest
from PySide6.QtCore import QEvent, QObject, Qt, Signal
from PySide6.QtWidgets import QApplication

from app.client import ChatPiece
from app.schema.errors import ErrorInfo
from app.schema.node import Status
from app.system.paths import Paths
from app.ui.chat.message_actions import Deed
from app.ui.chat.message_view import MessageView
from app.ui.chat.page import ChatPage
from app.ui.desk import Desk
from app.ui.face import Link
from app.ui.showcase import home
from app.ui.style.theme import Theme

LOST = ErrorInfo(code="head_failed", sentence="The model stopped in the middle of its answer.", hint="Try again.")


class Asked:
    """One stream that the page has asked for. The test speaks in the model's place."""

    def __init__(self, on_item: Any, on_end: Any, on_error: Any) -> None:
        self.is_open = True
        self._on_item, self._on_end, self._on_error = on_item, on_end, on_error
        self.body: dict[str, Any] = {}

    def cancel(self) -> None:
        self.is_open = False

    def says(self, *texts: str, **more: Any) -> None:
        for text in texts:
            self._tell(lambda text=text: self._on_item(ChatPiece(text=text, **more)))

    def tells(self, piece: Any) -> None:
        self._tell(lambda: self._on_item(piece))

    def ends(self, reason: str | None = "stop") -> None:
        self.tells(ChatPiece(finish_reason=reason))
        self._tell(self._on_end)

    def breaks(self, error: ErrorInfo) -> None:
        self._tell(lambda: self._on_error(error))

    def _tell(self, call: Callable[[], None]) -> None:
        if self.is_open:
            call()


class BodyTaker:
    """A client that only keeps what it is asked."""

    def __init__(self, models: tuple[Any, ...] = ()) -> None:
        self.body: dict[str, Any] = {}
        self.models = models
        self.loaded: list[str] = []

    async def load(self, model: str) -> None:
        self.loaded.append(model)

    def chat(self, body: dict[str, Any]) -> AsyncGenerator[ChatPiece, None]:
        self.body = body

        async def nothing() -> AsyncGenerator[ChatPiece, None]:
            return
            yield

        return nothing()

    async def cluster_models(self) -> tuple[Any, ...]:
        return self.models


class Model(QObject):
    """Errands that the test answers itself."""

    heard = Signal(object)

    def __init__(self) -> None:
        super().__init__()
        self.client = BodyTaker()
        self.asked: list[Asked] = []
        self.heard.connect(lambda call: call(), Qt.ConnectionType.QueuedConnection)

    @property
    def last(self) -> Asked:
        return self.asked[-1]

    def ask(self, work: Callable[[Any], Awaitable[Any]], on_done: Any = None, on_error: Any = None) -> Asked:
        coroutine = work(self.client)
        try:
            coroutine.send(None)  # type: ignore[attr-defined]
        except StopIteration as answer:
            made, value = Asked(on_done or (lambda _: None), None, None), answer.value
            self.heard.emit(lambda: made.tells(value))
        return made

    def stream(
        self, work: Callable[[Any], AsyncGenerator[Any, None]], on_item: Any, on_end: Any = None, on_error: Any = None
    ) -> Asked:
        work(self.client)
        made = Asked(on_item, on_end, on_error)
        made.body = self.client.body
        self.asked.append(made)
        return made


def the_application() -> QApplication:
    made = QApplication.instance()
    assert isinstance(made, QApplication)
    return made


class Chat:
    """The page and everything around it."""

    def __init__(self, paths: Paths, status: Status | None, models: tuple[Any, ...] = ()) -> None:
        self.paths = paths
        self.model = Model()
        self.model.client.models = models
        self.theme = Theme(is_dark=False, has_motion=False)
        self.theme.apply(the_application())
        self.desk = Desk(self.model, paths)
        self.tell(status)
        self.page = ChatPage(self.desk, self.theme)
        self.page.resize(960, 672)
        self.page.show()

    def tell(self, status: Status | None) -> None:
        self.desk.take_link(Link.FOUND if status else Link.STARTING)
        if status is not None:
            self.desk.take_status(status)

    def write(self, text: str) -> None:
        self.page.foot.composer.editor.setPlainText(text)
        self.page.foot.composer.editor.send.emit()

    def exchange(self, question: str, answer: str) -> None:
        self.write(question)
        self.model.last.says(answer)
        self.model.last.ends()

    @property
    def texts(self) -> list[str]:
        return [each.text for each in self.page.talk.path]

    def close(self) -> None:
        self.page.about_to_quit()
        self.page.hide()
        self.page.deleteLater()
        QApplication.processEvents()
        QApplication.sendPostedEvents(None, QEvent.Type.DeferredDelete.value)
        QApplication.processEvents()


Open = Callable[..., Chat]


@pytest.fixture
def opened(application: QApplication, paths: Paths) -> Iterator[Open]:
    """Opens chat pages over this test's data folder; they are closed at the end."""
    made: list[Chat] = []

    def make(status: Status | None = None, models: tuple[Any, ...] = ()) -> Chat:
        made.append(Chat(paths, status, models))
        return made[-1]

    yield make
    for each in made:
        if each.page.archive.is_open:
            each.close()


@pytest.fixture
def chat(opened: Open) -> Chat:
    return opened(home())


def last_view(chat: Chat) -> MessageView:
    """The widget of the last message."""
    view = chat.page.stage.list.view(chat.page.talk.path[-1].id)
    assert view is not None
    return view


def do(chat: Chat, deed: Deed, index: int) -> None:
    """What a button or key of a message asks."""
    chat.page.stage.acted.emit(deed, chat.page.talk.path[index].id)
