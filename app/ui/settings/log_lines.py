"""PURE: lines of logs: how serious each is, which of them a person wants to see, which are new."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import IntEnum

MOST_LINES = 100_000
"""Kept in memory; the oldest go first."""

LONGEST_LINE = 2_000
"""Characters of a line that are kept."""

_OURS = re.compile(r"^\d{4}-\d\d-\d\dT[\d:.]+Z (DEBUG|INFO|WARNING|ERROR|CRITICAL)\b")
# llama.cpp: minutes.seconds.milliseconds.microseconds, then one letter; common/log.cpp.
_ENGINE = re.compile(r"^(?:\d+\.\d\d\.\d{3}\.\d{3} )?([DIWE]) ")
_BAD = re.compile(r"\b(?:error|failed|fatal|abort(?:ed)?|exception|traceback)\b", re.IGNORECASE)
_WARN = re.compile(r"\bwarn(?:ing)?\b", re.IGNORECASE)


class Level(IntEnum):
    """How serious a line is."""

    DETAIL = 0
    NORMAL = 1
    WARNING = 2
    ERROR = 3


_WORDS = {
    "DEBUG": Level.DETAIL,
    "INFO": Level.NORMAL,
    "WARNING": Level.WARNING,
    "ERROR": Level.ERROR,
    "CRITICAL": Level.ERROR,
    "D": Level.DETAIL,
    "I": Level.NORMAL,
    "W": Level.WARNING,
    "E": Level.ERROR,
}


@dataclass(frozen=True, slots=True)
class LogLine:
    """One line and how serious it is."""

    text: str
    level: Level


@dataclass(frozen=True)
class LineFilter:
    """What is shown: lines at least as serious as `least` that hold every word of `words`."""

    words: tuple[str, ...] = ()
    least: Level = Level.DETAIL

    @classmethod
    def typed(cls, text: str, least: Level = Level.DETAIL) -> "LineFilter":
        """From what was typed: words apart by spaces, upper and lower case alike."""
        return cls(tuple(text.casefold().split()), least)

    def takes(self, line: LogLine) -> bool:
        """Whether the line is shown."""
        if line.level < self.least:
            return False
        if not self.words:
            return True
        folded = line.text.casefold()
        return all(word in folded for word in self.words)


def told_level(text: str) -> Level | None:
    """How serious a line says it is; None when it does not."""
    found = _OURS.match(text) or _ENGINE.match(text)
    return _WORDS[found[1]] if found else None


def clean(text: str) -> str:
    """A line as it is kept and shown: bounded, without tabs."""
    return text[:LONGEST_LINE].replace("\t", "    ")


def read_lines(texts: Iterable[str], before: Level = Level.NORMAL) -> list[LogLine]:
    """Lines of a log. An indented one, as in a trace, is as serious as the one before it."""
    lines = []
    for text in texts:
        kept = clean(text)
        level = told_level(kept)
        if level is None:
            level = before if kept[:1].isspace() else _guessed(kept, before)
        lines.append(LogLine(kept, level))
        before = level
    return lines


def _guessed(text: str, before: Level) -> Level:
    if text.startswith("Traceback"):
        return max(before, Level.ERROR)
    if _BAD.search(text):
        return Level.ERROR
    return Level.WARNING if _WARN.search(text) else Level.NORMAL


def news(known: Sequence[str], got: Sequence[str]) -> Sequence[str] | None:
    """Those lines of a log's end `got` that come after the end `known` of before; None when they do not meet."""
    if not known:
        return got
    for end in range(len(got), 0, -1):
        overlap = min(end, len(known))
        if got[end - 1] == known[-1] and list(got[end - overlap : end]) == list(known[-overlap:]):
            return got[end:]
    return None
