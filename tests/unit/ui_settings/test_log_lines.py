"""Lines: their level, the filter, what is new."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.ui.settings.log_lines import LONGEST_LINE, Level, LineFilter, LogLine, news, read_lines, told_level


@pytest.mark.parametrize(
    ("text", "level"),
    [
        ("2026-11-21T01:54:43.123Z INFO    caravan.node: it begins", Level.NORMAL),
        ("2026-11-21T01:54:43.123Z WARNING caravan.node: error in name only", Level.WARNING),
        ("2026-11-21T01:54:43.123Z ERROR   caravan.node: no", Level.ERROR),
        ("2026-11-21T01:54:43.123Z DEBUG   caravan.node: failed", Level.DETAIL),
        ("0.00.008.150 I srv  llama_server: initializing ...", Level.NORMAL),
        ("0.12.008.150 W srv  something", Level.WARNING),
        ("1.00.008.150 E srv  something", Level.ERROR),
        ("0.00.008.150 D srv  something", Level.DETAIL),
        ("llama_model_load: error loading model", None),
        ("I am a sentence", Level.NORMAL),
        ("", None),
    ],
)
def test_a_line_says_how_serious_it_is(text: str, level: Level | None) -> None:
    assert told_level(text) == level


def test_a_trace_is_as_serious_as_its_error() -> None:
    lines = read_lines(
        [
            "2026-11-21T01:54:43.123Z ERROR   caravan.node: no",
            "Traceback (most recent call last):",
            '  File "x.py", line 1',
            "ValueError: x",
            "2026-11-21T01:54:44.123Z INFO    caravan.node: on",
        ]
    )
    assert [line.level for line in lines] == [Level.ERROR, Level.ERROR, Level.ERROR, Level.NORMAL, Level.NORMAL]


def test_a_line_of_the_engine_without_a_letter_is_guessed() -> None:
    levels = [line.level for line in read_lines(["llama_load: failed to load", "warning: low", "fine"])]
    assert levels == [Level.ERROR, Level.WARNING, Level.NORMAL]


def test_a_line_is_bounded() -> None:
    assert len(read_lines(["x" * 10_000_000])[0].text) == LONGEST_LINE


def test_the_filter_wants_every_word_in_any_case() -> None:
    line = LogLine("2026 WARNING caravan.cluster: LAPTOP has not answered", Level.WARNING)
    assert LineFilter.typed("laptop WARN").takes(line)
    assert not LineFilter.typed("laptop kitchen").takes(line)
    assert LineFilter.typed("", Level.WARNING).takes(line)
    assert not LineFilter.typed("laptop", Level.ERROR).takes(line)
    assert LineFilter.typed("STRASSE").takes(LogLine("Straße", Level.NORMAL))


@given(st.integers(0, 40), st.integers(0, 40), st.integers(1, 30), st.integers(1, 30))
def test_new_lines_are_never_told_twice_nor_lost(count: int, seen: int, kept: int, asked: int) -> None:
    log = [f"line {number}" for number in range(count)]
    known, got = log[:seen][-kept:], log[-asked:]
    found = news(known, got)
    if not known:
        assert found == got
    elif found is None:
        # What came since is more than was asked for.
        assert len(log) - len(log[:seen]) >= asked
    else:
        assert [*log[:seen], *found] == log


def test_logs_that_do_not_meet_are_told_apart() -> None:
    assert news(["1", "2"], ["7", "8"]) is None
    assert news(["1", "2"], ["1", "2"]) == []
