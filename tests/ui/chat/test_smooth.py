"""The window stays smooth: 500 tokens/s into a conversation of 2 000 messages, and all that is done with such a one.

No turn of the main thread may take long. It is measured in CPU time, so that a busy PC does not fail the test.
"""

import threading
import time
from collections.abc import Callable, Iterator

import pytest
from PySide6.QtCore import QEventLoop, QTimer
from PySide6.QtWidgets import QApplication

from app.client import ChatPiece
from app.ui.chat.message_actions import Deed
from app.ui.chat.records import Archived, Author, Conversation, Figures, Message
from app.ui.chat.sample import POEM, REASONING, TABLE, conversation, message
from tests.ui.chat.conftest import Chat
from tests.ui.conftest import Until
from tests.ui.heartbeat import Heartbeat, calm, most

MESSAGES = 2000
RATE = 500
SECONDS = 4.0


def spin(seconds: float) -> None:
    loop = QEventLoop()
    QTimer.singleShot(round(seconds * 1000), loop.quit)
    loop.exec()


def long_talk() -> tuple[Conversation, list[Message]]:
    messages: list[Message] = []
    for number in range(MESSAGES // 2):
        parent = messages[-1].id if messages else None
        messages.append(message(f"q{number}", parent, Author.USER, f"Question {number}? " * (1 + number % 7)))
        text = (TABLE, POEM, "Yes.", TABLE + "\n\n" + TABLE)[number % 4]
        messages.append(
            message(f"a{number}", f"q{number}", Author.ASSISTANT, text, figures=Figures(rate=20.0), reasoning=REASONING)
        )
    return conversation(messages[-1].id), messages


@pytest.fixture
def long_chat(chat: Chat) -> Iterator[Chat]:
    with calm():
        chat.page.talk.show(*long_talk())
        spin(0.3)
        yield chat


def beaten(what: str, act: Callable[[], None], seconds: float = 0.6) -> Heartbeat:
    heart = Heartbeat()
    act()
    spin(seconds)
    heart.stop()
    print(heart.told(what))  # noqa: T201
    return heart


def words() -> list[str]:
    text = "\n\n".join([TABLE, POEM] * 6)
    return [text[at : at + 4] for at in range(0, len(text), 4)]


def test_a_fast_stream_into_a_long_conversation(long_chat: Chat, until: Until) -> None:
    chat = long_chat
    chat.write("Go on")
    asked = chat.model.last

    def speak() -> None:
        pieces, start = words(), time.perf_counter()
        for number in range(round(RATE * SECONDS)):
            piece = ChatPiece(text=pieces[number % len(pieces)])
            chat.model.heard.emit(lambda piece=piece: asked.tells(piece))
            time.sleep(max(start + number / RATE - time.perf_counter(), 0))

    speaker = threading.Thread(target=speak)
    heart = beaten("500 tokens/s into 2 000 messages", speaker.start, SECONDS + 0.3)
    speaker.join()
    until(lambda: (answer := chat.page.talk.answer) is not None and answer.pieces == RATE * SECONDS)
    assert heart.by_cpu < most()
    assert len(chat.page.stage.list.views()) < 40
    chat.page.talk.stop()


def test_scrolling_through_2000_messages(long_chat: Chat, until: Until) -> None:
    messages = long_chat.page.stage.list
    bar = messages.verticalScrollBar()

    def scroll(step: int) -> None:
        for _ in range(150):
            bar.setValue(bar.value() + step)
            spin(0.01)

    for step in (-700, -90, 350):
        assert beaten(f"scrolling by {step}", lambda step=step: scroll(step), 0.1).by_cpu < most()  # type: ignore[misc]
        assert len(messages.views()) < 40
    bar.setValue(0)
    until(lambda: messages.view("q0") is not None)


def test_opening_it_from_the_disk(chat: Chat, until: Until) -> None:
    opened, messages = long_talk()
    chat.page.archive.do(lambda store: store.add(Archived(conversation=opened, messages=tuple(messages))))
    with calm():
        assert beaten("opening 2 000 messages", lambda: chat.page.talk.open(opened), 1.5).by_cpu < most()
        until(lambda: len(chat.page.talk.path) == MESSAGES)
    until(lambda: (last := chat.page.stage.list.view(messages[-1].id)) is not None and last.isVisible())


def test_jumping_and_resizing(long_chat: Chat, until: Until) -> None:
    page = long_chat.page
    messages = page.stage.list
    page.talk.opened.emit()
    for what, act in (
        ("to a hit in the middle", lambda: page.stage.reveal("a501")),
        ("to the end", messages.to_end),
        ("to the beginning", lambda: messages.verticalScrollBar().setValue(0)),
        *((f"resizing to {width}", lambda width=width: page.resize(width, 672)) for width in (760, 1400, 900)),
    ):
        assert beaten(what, act).by_cpu < most()
    page.stage.reveal("a501")
    until(lambda: (view := messages.view("a501")) is not None and view.isVisible() and abs(view.y() - 24) < 8)


def test_a_question_of_a_megabyte(chat: Chat) -> None:
    text = "a line of a log\n" * 70_000
    with calm():
        show = beaten(
            "opening a question of 1 MB",
            lambda: chat.page.talk.show(conversation("q"), [message("q", None, Author.USER, text)]),
        )
        assert show.by_cpu < most()
        view = chat.page.stage.list.view("q")
        assert view is not None
        assert view.words is not None
        assert view.more is not None
        folded = view.height()
        more = view.more
        assert beaten("more of it", more.click).by_cpu < 2 * most()
        assert (more.text(), view.height() > folded) == ("Show less (Copy takes all of it)", True)
        more.click()
        assert view.height() == folded
    chat.page.stage.acted.emit(Deed.COPY, "q")
    assert len(QApplication.clipboard().text()) == len(text)


def test_a_very_long_answer(chat: Chat, until: Until) -> None:
    text = "\n\n".join([TABLE, POEM] * 60)
    messages = [message("q", None, Author.USER, "?"), message("a", "q", Author.ASSISTANT, text)]
    with calm():
        show = beaten("opening 100 000 signs", lambda: chat.page.talk.show(conversation("a"), messages), 4.0)
    assert show.by_cpu < most()
    until(lambda: (view := chat.page.stage.list.view("a")) is not None and view.body is not None and view.body.is_whole)
