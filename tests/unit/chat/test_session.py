"""What becomes of an answer, piece by piece."""

import pytest

from app.client import ChatPiece
from app.schema.errors import ErrorInfo
from app.ui.chat.records import Author, Figures, Message, Stop
from app.ui.chat.session import Answer, Gauge, Reading, gauge, joined

MESSAGE = Message(id="a", conversation="c", parent="q", author=Author.ASSISTANT, created_at=1.0)
LOST = ErrorInfo(code="head_failed", sentence="The model stopped in the middle of its answer.")
TIMINGS = {"prompt_n": 10.0, "cache_n": 90.0, "predicted_n": 50.0, "predicted_ms": 2500.0}


def begun(**more: int) -> Answer:
    return Answer.begin(MESSAGE, 10.0, **more)


def test_text_reasoning_and_their_times() -> None:
    answer = begun().heard(ChatPiece(progress={"processed": 5, "total": 10}), 10.2)
    assert answer.reading == Reading(5, 10)
    answer = answer.heard(ChatPiece(reasoning="Hm"), 11.0)
    assert answer.is_thinking
    assert answer.thought(13.0) == 2.0
    answer = answer.heard(ChatPiece(reasoning="."), 14.0).heard(ChatPiece(text="Yes"), 15.0)
    assert not answer.is_thinking
    assert answer.reading is None
    answer = answer.heard(ChatPiece(finish_reason="stop"), 15.5).heard(ChatPiece(timings=TIMINGS), 15.6).ended(16.0)
    kept = answer.message
    assert (kept.text, kept.reasoning, kept.stop) == ("Yes", "Hm.", Stop.END)
    assert kept.figures == Figures(rate=20.0, first_word=1.0, answer_tokens=50, prompt_tokens=100, thinking=4.0)


def test_without_figures_of_the_engine_our_own_clock_counts() -> None:
    answer = begun()
    for number in range(5):
        answer = answer.heard(ChatPiece(text="x"), 12.0 + number)
    assert answer.message.figures.rate == pytest.approx(1.0)
    assert answer.ended(20.0).message.figures.answer_tokens is None


def test_an_answer_without_words_has_no_times() -> None:
    assert begun().ended(11.0).message.figures == Figures()


@pytest.mark.parametrize(
    ("reason", "room", "limit", "stop"),
    [
        ("stop", None, None, Stop.END),
        ("length", None, 50, Stop.LIMIT),
        ("length", 150, None, Stop.CONTEXT),
        ("length", 4096, None, Stop.LIMIT),
        (None, None, None, Stop.INTERRUPTED),
    ],
)
def test_why_it_ended(reason: str | None, room: int | None, limit: int | None, stop: Stop) -> None:
    answer = Answer.begin(MESSAGE, 10.0, context=room, limit=limit)
    answer = answer.heard(ChatPiece(text="x", finish_reason=reason, timings=TIMINGS), 11.0)
    assert answer.ended(12.0).message.stop is stop


def test_usage_counts_too() -> None:
    answer = begun().heard(ChatPiece(usage={"prompt_tokens": 7, "completion_tokens": 3}), 11.0)
    assert (answer.message.figures.prompt_tokens, answer.message.figures.answer_tokens) == (7, 3)


def test_a_failure_keeps_what_has_come() -> None:
    failed = begun().heard(ChatPiece(text="Once upon"), 11.0).failed(LOST, 12.0)
    assert (failed.message.text, failed.message.stop, failed.message.error) == ("Once upon", Stop.FAILED, LOST)
    assert failed.heard(ChatPiece(text=" a time"), 13.0) == failed
    assert failed.ended(14.0) == failed


def test_stop_is_the_end() -> None:
    assert begun().heard(ChatPiece(text="a"), 11.0).stopped(11.5).ended(12.0).message.stop is Stop.STOPPED


@pytest.mark.parametrize(
    ("base", "raw", "whole"),
    [
        ("", "new", "new"),
        ("I am", "", "I am"),
        ("I am", "I a", "I am"),
        ("I am", "I am the", "I am the"),
        ("I am", " the", "I am the"),
        ("I am ", "I am the", "I am the"),
        ("Line\n", "Line\nnext", "Line\nnext"),
        ("Line\n", "next", "Line\nnext"),
    ],
)
def test_a_continued_answer_is_not_repeated(base: str, raw: str, whole: str) -> None:
    assert joined(base, raw) == whole


def test_the_gauge_is_what_the_engine_counted_last() -> None:
    counted = MESSAGE.model_copy(update={"figures": Figures(prompt_tokens=100, answer_tokens=20)})
    asked = MESSAGE.model_copy(update={"author": Author.USER})
    assert gauge([asked, counted, asked], 480) == Gauge(120, 480)
    assert gauge([asked, counted], 480).part == 0.25
    assert gauge([asked], 480).part is None
    assert gauge([], 480) == Gauge(0, 480)


def test_the_tokens_of_a_continued_answer_are_all_its_tokens() -> None:
    first = begun().heard(ChatPiece(text="Once", timings={"predicted_n": 4, "predicted_ms": 400, "prompt_n": 10}), 1.0)
    cut = first.stopped(2.0)
    assert cut.message.figures.answer_tokens == 4
    again = Answer.begin(cut.message, 5.0, base=cut.message.text)
    piece = ChatPiece(text=" upon", timings={"predicted_n": 3, "predicted_ms": 300, "prompt_n": 2, "cache_n": 12})
    figures = again.heard(piece, 6.0).ended(7.0).message.figures
    assert (figures.answer_tokens, figures.prompt_tokens) == (7, 10)
