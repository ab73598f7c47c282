"""PURE: Markdown as blocks, while it grows. Blocks that are finished stay; only the rest is read again.

CommonMark is read from left to right: a top-level block that has ended never opens again
(https://spec.commonmark.org/0.31.2/#phase-1-block-structure). So what stands before the last block of the complete
lines is settled. A list is settled item by item, since it may be as long as the answer.
"""

from dataclasses import dataclass, field, replace

from markdown_it import MarkdownIt
from markdown_it.token import Token

from app.ui.chat.blocks import Block, Code, Formula, Frame, Heading, Item, Paragraph, Rule, Span, Spans, Style, Table
from app.ui.chat.formula_rules import add_formulas, is_display
from app.ui.chat.inline import spans_of

BULLETS = ("•", "◦", "▪")
LONGEST_PARAGRAPH = 4_000
"""Signs after which a paragraph is ended at a space: each piece would read and lay out all of it again."""

_LISTS = {"bullet_list_open", "ordered_list_open"}
_NO_PARAGRAPH = {"fence", "code_block", "table_open"}


def reader() -> MarkdownIt:
    """A reader of CommonMark with tables, strikethrough and formulas. HTML is text like any other."""
    # A link that is defined further down would change blocks that are settled: such definitions stay text.
    plain = MarkdownIt("commonmark", {"html": False}).enable(["table", "strikethrough"]).disable("reference")
    return add_formulas(plain)


class Growing:
    """A text that grows at its end. `settled` only gets longer; `tail` is what may still change."""

    def __init__(self) -> None:
        self._reader = reader()
        self._rest = ""
        self._number: int | None = None
        self._is_finished = False
        self.settled: list[Block] = []
        self.tail: list[Block] = []

    def add(self, text: str) -> None:
        """More of the text."""
        text = _with_newlines(text)
        while text:
            self._rest += text[:LONGEST_PARAGRAPH]
            if "\n" in text[:LONGEST_PARAGRAPH]:
                self._settle()
            tokens = self._tokens(self._rest)
            while len(self._rest) > LONGEST_PARAGRAPH and not _NO_PARAGRAPH & {token.type for token in tokens}:
                tokens = self._end_paragraph()
            text = text[LONGEST_PARAGRAPH:]
            self.tail = self._blocks(tokens)

    def finish(self, text: str = "") -> None:
        """This is the last of the text: all is settled."""
        if not self._is_finished:
            self.add(text)
            self._is_finished = True
            self.settled += self._blocks(self._tokens(self._rest))
            self._rest, self.tail = "", []

    def _settle(self) -> None:
        tokens = self._tokens(self._rest[: self._rest.rfind("\n") + 1])
        cut = _last_start(tokens, self._number)
        if cut is None or cut.line == 0:
            return
        self.settled += self._blocks(tokens[: cut.token])
        # A list that is cut goes on with its next number; the reader would begin with the written one.
        self._number = cut.number
        self._rest = self._rest.split("\n", cut.line)[-1]

    def _end_paragraph(self) -> list[Token]:
        """Settle the first part of a very long paragraph; returns the tokens of the rest."""
        start = self._rest[:LONGEST_PARAGRAPH]
        cut = max(start.rfind(" "), start.rfind("\n")) + 1 or len(start)
        self.settled += self._blocks(self._tokens(self._rest[:cut]))
        self._number, self._rest = None, self._rest[cut:]
        return self._tokens(self._rest)

    def _tokens(self, text: str) -> list[Token]:
        return self._reader.parse(text, {} if self._is_finished else {"growing": text})

    def _blocks(self, tokens: list[Token]) -> list[Block]:
        return _Builder(self._number).build(tokens)


def _with_newlines(text: str) -> str:
    return text.replace("\r\n", "\n").replace("\r", "\n")


@dataclass(frozen=True)
class _Cut:
    """Where the last block, or the last item of the last list, begins."""

    token: int
    line: int
    number: int | None = None


def _last_start(tokens: list[Token], number: int | None) -> _Cut | None:
    starts = [index for index, token in enumerate(tokens) if token.level == 0 and token.nesting >= 0]
    if not starts:
        return None
    index = starts[-1]
    return _in_list(tokens, index, number if index == 0 else None) or _at(tokens, index)


def _at(tokens: list[Token], index: int) -> _Cut | None:
    place = tokens[index].map
    return None if place is None else _Cut(index, place[0])


def _in_list(tokens: list[Token], index: int, number: int | None) -> _Cut | None:
    if tokens[index].type not in _LISTS:
        return None
    items = [at for at in range(index, len(tokens)) if tokens[at].type == "list_item_open" and tokens[at].level == 1]
    place = tokens[items[-1]].map if len(items) > 1 else None
    if place is None:
        return None
    if tokens[index].type == "ordered_list_open":
        number = (int(tokens[index].attrs.get("start", 1)) if number is None else number) + len(items) - 1
    return _Cut(items[-1], place[0], number)


@dataclass
class _List:
    """A list that is open: the next number, None for bullets, and the sign behind it."""

    number: int | None
    sign: str = "."


@dataclass
class _Builder:
    """Walks the tokens once. `number` is where an ordered list that begins the text goes on."""

    number: int | None = None
    blocks: list[Block] = field(default_factory=list)
    lists: list[_List] = field(default_factory=list)
    quotes: int = 0
    marker: str | None = None
    rows: list[list[Spans]] = field(default_factory=list)
    alignment: list[str] = field(default_factory=list)
    kind: str = ""
    level: int = 0

    def build(self, tokens: list[Token]) -> list[Block]:
        """The blocks of a row of tokens; lists that are not closed are fine."""
        for index, token in enumerate(tokens):
            handle = getattr(self, f"on_{token.type}", None)
            if index > 0 and not self.lists:
                self.number = None
            if handle is not None:
                handle(token)
        return self.blocks

    @property
    def frame(self) -> Frame:
        """Where the next block stands."""
        return Frame(self.quotes, len(self.lists))

    def on_bullet_list_open(self, _: Token) -> None:
        """A list begins."""
        self.lists.append(_List(None))

    def on_ordered_list_open(self, token: Token) -> None:
        """A list begins, or one that was cut goes on."""
        start = self.number if self.number is not None and not self.lists else int(token.attrs.get("start", 1))
        self.lists.append(_List(start, token.markup or "."))

    def on_bullet_list_close(self, _: Token) -> None:
        """A list ends."""
        self.lists.pop()

    on_ordered_list_close = on_bullet_list_close

    def on_list_item_open(self, _: Token) -> None:
        """The next paragraph gets the marker."""
        here = self.lists[-1]
        if here.number is None:
            self.marker = BULLETS[min(len(self.lists), len(BULLETS)) - 1]
        else:
            self.marker, here.number = f"{here.number}{here.sign}", here.number + 1

    def on_list_item_close(self, _: Token) -> None:
        """An item without any text still shows its marker."""
        self._take_marker(())

    def on_blockquote_open(self, _: Token) -> None:
        """A quote begins."""
        self.quotes += 1

    def on_blockquote_close(self, _: Token) -> None:
        """A quote ends."""
        self.quotes -= 1

    def on_heading_open(self, token: Token) -> None:
        """The next text is a heading."""
        self.level = int(token.tag[1:])

    def on_heading_close(self, _: Token) -> None:
        """Text is running text again."""
        self.level = 0

    def on_inline(self, token: Token) -> None:
        """The text of a paragraph, a heading or a cell."""
        spans = spans_of(token.children or ())
        if self.kind == "table":
            self.rows[-1].append(spans)
        elif self.level:
            self._take_marker(())
            self.blocks.append(Heading(self.level, spans, self.frame))
        else:
            for part in _apart(spans):
                self._paragraph(part)

    def _paragraph(self, part: "Spans | str") -> None:
        if isinstance(part, str):
            self._take_marker(())
            self.blocks.append(Formula(part, self.frame))
        elif self.marker is not None:
            self._take_marker(part)
        else:
            self.blocks.append(Paragraph(part, self.frame))

    def on_formula_block(self, token: Token) -> None:
        """A formula on lines of its own."""
        self._paragraph(token.content)

    def on_formula_open(self, token: Token) -> None:
        """A formula that is being written: text until then."""
        self._paragraph((Span(token.content.replace("\n", "\u2028")),))

    def on_fence(self, token: Token) -> None:
        """A code block."""
        self._take_marker(())
        language = token.info.strip().split(maxsplit=1)[0] if token.info.strip() else ""
        self.blocks.append(Code(token.content.removesuffix("\n"), language, self.frame))

    on_code_block = on_fence

    def on_hr(self, _: Token) -> None:
        """A line across."""
        self._take_marker(())
        self.blocks.append(Rule(self.frame))

    def on_table_open(self, _: Token) -> None:
        """A table begins."""
        self._take_marker(())
        self.kind, self.rows, self.alignment = "table", [], []

    def on_tr_open(self, _: Token) -> None:
        """A row begins."""
        self.rows.append([])

    def on_th_open(self, token: Token) -> None:
        """A column, with how it is aligned."""
        style = str(token.attrs.get("style", ""))
        self.alignment.append(style.rpartition(":")[2] or "left")

    def on_table_close(self, _: Token) -> None:
        """The table is whole."""
        self.kind = ""
        rows = tuple(tuple(row) for row in self.rows)
        self.blocks.append(Table(rows, tuple(self.alignment), self.frame))

    def _take_marker(self, spans: Spans) -> None:
        if self.marker is not None:
            self.blocks.append(Item(self.marker, spans, self.frame))
            self.marker = None


def _apart(spans: Spans) -> list[Spans | str]:
    """Running text, and the formulas in it that want lines of their own."""
    found: list[Spans | str] = []
    start = 0
    for index, span in enumerate(spans):
        if Style.FORMULA in span.style and is_display(span.text):
            found += [_trimmed(spans[start:index]), span.text]
            start = index + 1
    found.append(_trimmed(spans[start:]) if start else spans)
    return [part for part in found if part] or [()]


def _trimmed(spans: Spans) -> Spans:
    """Text beside a formula without the space that was between them."""
    if spans:
        spans = (replace(spans[0], text=spans[0].text.lstrip()), *spans[1:])
        spans = (*spans[:-1], replace(spans[-1], text=spans[-1].text.rstrip()))
    return tuple(span for span in spans if span.text)


def blocks_of(text: str) -> list[Block]:
    """All blocks of a text that does not grow."""
    growing = Growing()
    growing.add(text)
    growing.finish()
    return growing.settled
