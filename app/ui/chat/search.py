"""PURE: what is searched for, as a condition in SQL and as an excerpt for the eye."""

from dataclasses import dataclass

from app.ui.chat.records import Conversation

SHORTEST_TRIGRAM = 3
BEFORE, AFTER = 24, 72
"""Characters shown on either side of a match."""


@dataclass(frozen=True)
class Hit:
    """A conversation that matches: where, and the text around it. `message` is None when only the title matches."""

    conversation: Conversation
    message: str | None
    excerpt: str


@dataclass(frozen=True)
class Terms:
    """The words that must all occur, in any case and in any order."""

    words: tuple[str, ...]

    @classmethod
    def of(cls, text: str) -> "Terms":
        """The words of what a person typed."""
        return cls(tuple(dict.fromkeys(text.casefold().split())))

    def __bool__(self) -> bool:
        return bool(self.words)

    def all_in(self, text: str) -> bool:
        """Whether a text holds every word."""
        folded = text.casefold()
        return all(word in folded for word in self.words)

    def condition(self, full_text: bool) -> tuple[str, list[str]]:
        """SQL over `messages m` and its values. A trigram index cannot find what is shorter than three signs."""
        indexed = [word for word in self.words if full_text and len(word) >= SHORTEST_TRIGRAM]
        others = [word for word in self.words if word not in indexed]
        parts = ["m.text LIKE ? ESCAPE '\\'"] * len(others)
        values = [f"%{_escaped(word)}%" for word in others]
        if indexed:
            parts.append("m.seq IN (SELECT rowid FROM words WHERE words MATCH ?)")
            values.append(" ".join(f'"{word.replace(chr(34), chr(34) * 2)}"' for word in indexed))
        return " AND ".join(parts), values


def excerpt(text: str, terms: Terms) -> str:
    """The text around the first word that occurs, on one line."""
    folded = text.casefold()
    places = [folded.find(word) for word in terms.words]
    at = min((place for place in places if place >= 0), default=0)
    start = max(at - BEFORE, 0)
    piece = " ".join(text[start : at + AFTER].split())
    return f"{'…' if start else ''}{piece}{'…' if at + AFTER < len(text) else ''}"


def _escaped(word: str) -> str:
    return word.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
