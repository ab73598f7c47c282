"""Colours for code, on the thread beside the main one: reading a language takes longer than a picture may wait.

A lexer is slow with very long texts, so those stay plain.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from pygments.token import Token, _TokenType  # type: ignore[import-untyped]
from pygments.util import ClassNotFound  # type: ignore[import-untyped]

from app.ui.chat.background import Background
from app.ui.style.palette import Palette

LONGEST = 60_000
"""Characters of a code block that gets colours."""

_KINDS: tuple[tuple[_TokenType, str], ...] = (
    (Token.Comment, "comment"),
    (Token.Keyword, "keyword"),
    (Token.Operator.Word, "keyword"),
    (Token.Name.Tag, "keyword"),
    (Token.Literal.String, "string"),
    (Token.Generic.Inserted, "string"),
    (Token.Literal.Number, "number"),
    (Token.Name.Decorator, "number"),
    (Token.Name.Attribute, "number"),
    (Token.Name.Function, "name"),
    (Token.Name.Class, "name"),
    (Token.Name.Builtin, "name"),
    (Token.Generic.Heading, "name"),
    (Token.Generic.Deleted, "deleted"),
)


@dataclass(frozen=True)
class Mark:
    """`length` signs of a line from `start` on are of a kind: `keyword`, `string`, ..."""

    start: int
    length: int
    kind: str


Lines = tuple[tuple[Mark, ...], ...]
"""The marks of every line."""


def marks_of(text: str, language: str) -> Lines:
    """The marks of a code block; none for a language that nobody knows."""
    # The list of all languages takes 20 ms to read: not on the main thread.
    from pygments.lexers import get_lexer_by_name  # type: ignore[import-untyped]

    try:
        lexer = get_lexer_by_name(language, stripnl=False, ensurenl=False)
    except ClassNotFound:
        return ()
    lines: list[list[Mark]] = [[]]
    at = 0
    for token, value in lexer.get_tokens(text):
        kind = _kind(token)
        for number, part in enumerate(value.split("\n")):
            if number:
                lines.append([])
                at = 0
            # Qt counts in UTF-16.
            length = len(part.encode("utf-16-le", "surrogatepass")) // 2
            if kind and length:
                lines[-1].append(Mark(at, length, kind))
            at += length
    return tuple(map(tuple, lines))


def colour_of(kind: str, palette: Palette) -> str:
    """The colour of a kind of mark."""
    return {
        "comment": palette.quiet,
        "keyword": palette.accent_ink,
        "string": palette.green,
        "number": palette.amber,
        "deleted": palette.red,
    }.get(kind, palette.ink)


def _kind(token: _TokenType) -> str:
    return next((kind for family, kind in _KINDS if token in family), "")


class Highlighter:
    """Marks code blocks in the order in which they were asked for."""

    def __init__(self, background: Background) -> None:
        self._background = background

    def ask(self, text: str, language: str, then: Callable[[Lines], None]) -> None:
        """Call `then` on the main thread with the marks, soon; not at all when there are none."""
        if language and len(text) <= LONGEST:
            self._background.do(partial(marks_of, text, language), then)
