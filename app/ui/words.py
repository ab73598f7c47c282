"""PURE: what a person reads, as phrases that are translated when they are shown."""

import unicodedata
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Phrase:
    """A text to translate and the values it names in braces; a value may be a phrase itself."""

    source: str
    values: tuple[tuple[str, object], ...] = ()

    def said(self, translate: Callable[[str], str]) -> str:
        """The text in the language of `translate`, which maps a source text to its translation."""
        filled = {name: value.said(translate) if isinstance(value, Phrase) else value for name, value in self.values}
        return translate(self.source).format(**filled)

    def __str__(self) -> str:
        return self.said(lambda source: source)


def tr(source: str, **values: object) -> Phrase:
    """A phrase. `pyside6-lupdate` finds its source text by the name of this function."""
    return Phrase(source, tuple(values.items()))


def verbatim(text: str) -> Phrase:
    """A text that is a sentence already, such as a node's own."""
    return Phrase("{text}", (("text", text),))


def shortened(text: str, columns: int) -> str:
    """`text` on one line of at most `columns` columns; a Chinese or Japanese sign takes two. The middle is left out."""
    clean = " ".join("".join(sign if sign.isprintable() else " " for sign in text).split())
    if _width(clean) <= columns:
        return clean
    room = columns - 1
    front, back = _fitting(clean, room - room // 2), _fitting(clean[::-1], room // 2)[::-1]
    return f"{front}…{back}"


def _width(text: str) -> int:
    return sum(_columns(sign) for sign in text)


def _columns(sign: str) -> int:
    return 2 if unicodedata.east_asian_width(sign) in "WF" else 1


def _fitting(text: str, columns: int) -> str:
    used = 0
    for index, sign in enumerate(text):
        used += _columns(sign)
        if used > columns:
            return text[:index]
    return text
