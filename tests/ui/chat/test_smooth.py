"""The window stays smooth: 500 tokens/s into a conversation of 2 000 messages, and scrolling through all of them."""

import threading
import time

from PySide6.QtCore import QEventLoop, QTimer

from app.client import ChatPiece
from app.ui.chat.records import Author, Figures
from app.ui.chat.sample import POEM, REASONING, TABLE, conversation, message
from tests.ui.chat.conftest import Chat

MESSAGES = 2000
RATE = 500
SECONDS = 4.0
SMOOTH_MS = 50


class Heart:
    """Measures how long the main thread does not come back to its loop: `gaps` as a person sees it, `work` as the
    processor time it took, which another program on a busy PC does not lengthen. Both in milliseconds.
    """

    def __init__(self) -> None:
        self.gaps: list[float] = []
        self.work: list[float] = []
        self._at, self._worked = 0.0, 0.0
        self._timer = QTimer(interval=2)
        self._timer.timeout.connect(self._beat)

    def start(self) -> None:
        self._at, self._worked = time.perf_counter(), time.thread_time()
        self._timer.start()

    def stop(self) -> None:
        self._timer.stop()

    def _beat(self) -> None:
        at, worked = time.perf_counter(), time.thread_time()
        self.gaps.append((at - self._at) * 1000)
        self.work.append((worked - self._worked) * 1000)
        self._at, self._worked = at, worked

    def told(self, what: str) -> str:
        seen = f"seen: 95 % {high(self.gaps):.1f} ms, max {max(self.gaps):.1f} ms"
        return (
            f"{what}: {len(self.gaps)} beats; {seen}; work: 95 % {high(self.work):.1f} ms, max {max(self.work):.1f} ms"
        )


def high(numbers: list[float]) -> float:
    """The 95th percentile."""
    return sorted(numbers)[int(len(numbers) * 0.95)]


def spin(seconds: float) -> None:
    loop = QEventLoop()
    QTimer.singleShot(round(seconds * 1000), loop.quit)
    loop.exec()


def fill(chat: Chat) -> None:
    messages = []
    for number in range(MESSAGES // 2):
        parent = messages[-1].id if messages else None
        messages.append(message(f"q{number}", parent, Author.USER, f"Question {number}? " * (1 + number % 7)))
        text = (TABLE, POEM, "Yes.", TABLE + "\n\n" + TABLE)[number % 4]
        messages.append(
            message(f"a{number}", f"q{number}", Author.ASSISTANT, text, figures=Figures(rate=20.0), reasoning=REASONING)
        )
    chat.page.talk.show(conversation(messages[-1].id), messages)


def words() -> list[str]:
    text = "\n\n".join([TABLE, POEM] * 6)
    return [text[at : at + 4] for at in range(0, len(text), 4)]


def test_a_fast_stream_into_a_long_conversation(chat: Chat) -> None:
    heart = Heart()
    spin(0.2)
    heart.start()
    fill(chat)
    spin(0.5)
    print(heart.told("opening 2 000 messages"))  # noqa: T201
    chat.write("Go on")
    asked, heart = chat.model.last, Heart()
    heart.start()

    def speak() -> None:
        pieces, start = words(), time.perf_counter()
        for number in range(round(RATE * SECONDS)):
            piece = ChatPiece(text=pieces[number % len(pieces)])
            chat.model.heard.emit(lambda piece=piece: asked.tells(piece))
            time.sleep(max(start + number / RATE - time.perf_counter(), 0))

    speaker = threading.Thread(target=speak)
    speaker.start()
    spin(SECONDS + 0.3)
    speaker.join()
    heart.stop()
    print(heart.told("500 tokens/s into 2 000 messages"))  # noqa: T201
    assert chat.page.talk.answer is not None
    assert chat.page.talk.answer.pieces == RATE * SECONDS
    assert high(heart.work) < SMOOTH_MS / 2
    assert high(heart.gaps) < SMOOTH_MS
    assert len(chat.page.stage.list.views()) < 40
    chat.page.talk.stop()


def test_scrolling_through_2000_messages(chat: Chat) -> None:
    fill(chat)
    spin(0.3)
    bar, heart = chat.page.stage.list.verticalScrollBar(), Heart()
    heart.start()
    for _ in range(150):
        bar.setValue(bar.value() - 700)
        spin(0.01)
    heart.stop()
    print(heart.told("scrolling"))  # noqa: T201
    assert high(heart.work) < SMOOTH_MS
    assert len(chat.page.stage.list.views()) < 40
    bar.setValue(0)
    spin(0.3)
    assert chat.page.stage.list.view("q0") is not None
