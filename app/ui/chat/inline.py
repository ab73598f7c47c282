"""PURE: the inline tokens of markdown-it as spans."""

from collections.abc import Sequence

from markdown_it.token import Token

from app.ui.chat.blocks import Span, Spans, Style
from app.ui.chat.formula_rules import INLINE

_OPENED = {"strong_open": Style.BOLD, "em_open": Style.ITALIC, "s_open": Style.STRIKE}
_OWN = {"code_inline": Style.CODE, INLINE: Style.FORMULA}
_CLOSED = {"strong_close": Style.BOLD, "em_close": Style.ITALIC, "s_close": Style.STRIKE}
SAFE = ("http://", "https://")


def safe_link(address: object) -> str | None:
    """An address that may be opened in a browser, None for every other: a message must not start programs."""
    text = str(address)
    return text if text.lower().startswith(SAFE) and text.isprintable() else None


def spans_of(tokens: Sequence[Token]) -> Spans:
    """The spans of a paragraph. An image is never fetched: its text is shown, with a link to it."""
    found: list[Span] = []
    style, link = Style.PLAIN, None
    for token in tokens:
        style = (style | _OPENED.get(token.type, Style.PLAIN)) & ~_CLOSED.get(token.type, Style.PLAIN)
        if token.type == "link_open":
            link = safe_link(token.attrs.get("href"))
        elif token.type == "link_close":
            link = None
        elif token.type == "image":
            found.append(Span(_alternative(token), style | Style.ITALIC, safe_link(token.attrs.get("src")) or link))
        elif text := _text(token):
            found.append(Span(text, style | _OWN.get(token.type, Style.PLAIN), link))
    return _merged(found)


def _alternative(token: Token) -> str:
    return token.content or str(token.attrs.get("src", ""))


def _text(token: Token) -> str:
    if token.type == "softbreak":
        return " "
    if token.type == "hardbreak":
        return "\u2028"
    return token.content


def _merged(spans: Sequence[Span]) -> Spans:
    found: list[Span] = []
    for span in spans:
        is_alike = found and (found[-1].style, found[-1].link) == (span.style, span.link)
        if is_alike and Style.FORMULA not in span.style:
            found[-1] = Span(found[-1].text + span.text, span.style, span.link)
        else:
            found.append(span)
    return tuple(found)
