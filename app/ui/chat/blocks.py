"""What Markdown becomes: a flat row of blocks, each with its styled text. No Qt here."""

from dataclasses import dataclass
from enum import Flag, auto


class Style(Flag):
    """How a piece of text is set."""

    PLAIN = 0
    BOLD = auto()
    ITALIC = auto()
    STRIKE = auto()
    CODE = auto()
    FORMULA = auto()


@dataclass(frozen=True)
class Span:
    """A piece of text in one style; `link` is an http or https address. A formula's text is as it was written."""

    text: str
    style: Style = Style.PLAIN
    link: str | None = None


Spans = tuple[Span, ...]


@dataclass(frozen=True)
class Frame:
    """Where a block stands: inside how many quotes, and how deep in lists."""

    quotes: int = 0
    depth: int = 0


@dataclass(frozen=True)
class Paragraph:
    """Running text."""

    spans: Spans
    frame: Frame = Frame()


@dataclass(frozen=True)
class Heading:
    """A heading of level 1 to 6."""

    level: int
    spans: Spans
    frame: Frame = Frame()


@dataclass(frozen=True)
class Item:
    """The first paragraph of a list item. `marker` is `•` or a number with its sign, `frame.depth` is 1 or more."""

    marker: str
    spans: Spans
    frame: Frame


@dataclass(frozen=True)
class Code:
    """A code block. `language` is what its writer called it, empty when nothing."""

    text: str
    language: str = ""
    frame: Frame = Frame()


@dataclass(frozen=True)
class Table:
    """A table: `rows[0]` is its head; `alignment` per column is `left`, `center` or `right`."""

    rows: tuple[tuple[Spans, ...], ...]
    alignment: tuple[str, ...]
    frame: Frame = Frame()


@dataclass(frozen=True)
class Rule:
    """A line across."""

    frame: Frame = Frame()


@dataclass(frozen=True)
class Formula:
    """A formula on lines of its own, as it was written: with its `$$` or what else it stands in."""

    text: str
    frame: Frame = Frame()


Block = Paragraph | Heading | Item | Code | Table | Rule | Formula


def plain(spans: Spans) -> str:
    """The text of spans without their styles."""
    return "".join(span.text for span in spans)


def length_of(block: Block) -> int:
    """The characters that a block shows."""
    match block:
        case Code(text=text) | Formula(text=text):
            return len(text)
        case Table(rows=rows):
            return sum(len(span.text) for row in rows for cell in row for span in cell)
        case Rule():
            return 0
    return sum(len(span.text) for span in block.spans)
