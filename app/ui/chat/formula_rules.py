r"""PURE: where formulas stand in Markdown: `$x$`, `$$x$$`, `\(x\)`, `\[x\]` and `\begin{align} ... \end{align}`.

Amounts of money are no formulas. A `$` opens one only before a sign that is no space and behind one that is no letter
or digit; the next `$` must close it: behind a sign that is no space, and before one that is no digit
(https://pandoc.org/MANUAL.html#math). What begins as an amount and goes on in words is money too.

While a text grows (`env["growing"]` is the text) a formula that is not closed yet stays as it was written, and so does
a `$` at its very end, of which the next sign decides.
"""

import re

from markdown_it import MarkdownIt
from markdown_it.rules_block import StateBlock
from markdown_it.rules_inline import StateInline

LONGEST = 4_000
"""Signs of a formula; what is longer is text."""

INLINE, BLOCK, OPEN = "formula_inline", "formula_block", "formula_open"
"""Types of the tokens. The content is as it was written, marks included."""

_CLOSING = {"$$": "$$", r"\[": r"\]", r"\(": r"\)"}
_ENVIRONMENT = re.compile(r"\\begin\{((?:equation|align|gather|multline|eqnarray|alignat|flalign|displaymath)\*?)\}")
_MONEY = re.compile(r"\d[\d.,]*[kKmMbB]?(?:\s|-|–).*[A-Za-z]{2}|\d[\d.,]*[kKmMbB]?[-–/+]?$")
_MATHS = re.compile(r"[\\^_={}<>]")


def add_formulas(reader: MarkdownIt) -> MarkdownIt:
    """Let a reader of Markdown know formulas."""
    reader.inline.ruler.before("escape", INLINE, _inline)
    reader.block.ruler.before("fence", BLOCK, _block, {"alt": ["paragraph", "blockquote", "list"]})
    return reader


def tex_of(written: str) -> str:
    """A formula without its marks."""
    for opening, closing in (*_CLOSING.items(), ("$", "$")):
        if written.startswith(opening) and written.endswith(closing):
            return written[len(opening) : -len(closing)].strip()
    return written.strip()


def is_display(written: str) -> bool:
    """Whether a formula stands on lines of its own."""
    return not written.startswith((r"\(", "$")) or written.startswith("$$")


def end_of_formula(text: str, at: int) -> int | None:
    """Where the formula ends that begins at `at`, None when none does."""
    opening = text[at : at + 2]
    if opening in _CLOSING:
        return _closed(text, at, _CLOSING[opening])
    return _end_of_dollar(text, at) if opening[:1] == "$" else None


def _closed(text: str, at: int, closing: str) -> int | None:
    end = at + 2
    while (end := text.find(closing, end, at + LONGEST)) >= 0:
        if not _is_escaped(text, end):
            return end + 2 if text[at + 2 : end].strip() else None
        end += 1
    return None


def _end_of_dollar(text: str, at: int) -> int | None:
    before = text[at - 1 : at]
    if before.isalnum() or before == "$" or text[at + 1 : at + 2].isspace():
        return None
    end = at + 1
    while (end := text.find("$", end, at + LONGEST)) >= 0 and _is_escaped(text, end):
        end += 1
    inner, after = text[at + 1 : end], text[end + 1 : end + 2]
    if end < 0 or not inner or inner[-1].isspace() or after.isdigit() or after == "$":
        return None
    # `$HOME/bin:$PATH`: what is followed by a letter must end as formulas do.
    if after.isalpha() and not (inner[-1].isalnum() or inner[-1] in ")}]'"):
        return None
    is_money = not _MATHS.search(inner) and _MONEY.match(inner) and not inner.isdigit()
    return None if is_money else end + 1


def _is_escaped(text: str, at: int) -> bool:
    count = 0
    while at - count > 0 and text[at - count - 1] == "\\":
        count += 1
    return count % 2 == 1


def _inline(state: StateInline, silent: bool) -> bool:
    if state.src[state.pos] not in "$\\":
        return False
    end = end_of_formula(state.src, state.pos)
    if end is None or _is_undecided(state, end):
        return False
    if not silent:
        token = state.push(INLINE, "", 0)
        token.content = state.src[state.pos : end]
    state.pos = end
    return True


def _is_undecided(state: StateInline, end: int) -> bool:
    growing = state.env.get("growing")
    return growing is not None and end == len(state.src) and growing.endswith("$") and growing.endswith(state.src)


def _block(state: StateBlock, first: int, last: int, silent: bool) -> bool:
    if state.is_code_block(first):
        return False
    start = state.bMarks[first] + state.tShift[first]
    closing = _closing_of(state.src[start : state.eMarks[first]])
    if closing is None:
        return False
    line = first
    while line < last and (line == first or not state.isEmpty(line)):
        end = state.eMarks[line]
        if end - start > LONGEST:
            return False
        found = state.src.find(closing, start + 2 if line == first else state.bMarks[line], end)
        if found >= 0 and not _is_escaped(state.src, found):
            is_alone = state.src[found + len(closing) : end].strip() in {"", ".", ",", ";"}
            return is_alone and _push(state, BLOCK, first, line + 1, silent)
        line += 1
    is_open = line == last and "growing" in state.env and state.lineMax == last
    return is_open and not silent and _push(state, OPEN, first, line, silent)


def _closing_of(line: str) -> str | None:
    if line[:2] in {"$$", r"\["}:
        return _CLOSING[line[:2]]
    environment = _ENVIRONMENT.match(line)
    return None if environment is None else rf"\end{{{environment.group(1)}}}"


def _push(state: StateBlock, kind: str, first: int, after: int, silent: bool) -> bool:
    if not silent:
        token = state.push(kind, "", 0)
        token.block, token.map = True, [first, after]
        token.content = state.getLines(first, after, state.blkIndent, False).strip()
        state.line = after
    return True
