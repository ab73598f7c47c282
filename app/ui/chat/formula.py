r"""PURE: a formula in LaTeX as an SVG picture, by ziamath and its STIX Two Math. Slow: not on the main thread.

What the packages do not know stays readable: an unknown command is its own name, anything else is no drawing at all.
ziamath's time doubles with each fraction inside a fraction, so a formula has a deadline.
"""

import re
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from types import FrameType
from typing import Any

SIZE = 16.0
"""Pixels of a letter's em at 100 %: STIX beside 13 px of the user interface's fonts."""

SECONDS = 1.5
INK = "#010203"
"""What is to be painted in the colour of the text around."""

_MARGIN = 1.0
_CALLS = 1024
_LIGHT_SIGNS, _LIGHT_DEPTH = 500, 4
_NESTING = re.compile(r"\\[{}]|\\left(?![a-z])|\\right(?![a-z])|\\begin|\\end|[{}]")
_WORDS: tuple[tuple[re.Pattern[str], str], ...] = tuple(
    (re.compile(pattern), instead)
    for pattern, instead in (
        (r"\\tag\*?\s*\{([^{}]*)\}", r"\\qquad (\\text{\1})"),
        (r"\\(?:label|ref|eqref)\s*\{[^{}]*\}|\\(?:nonumber|notag)(?![A-Za-z])", ""),
        (r"\\(begin|end)\{align\}", r"\\\1{align*}"),
        (r"\\operatorname\*", r"\\operatorname"),
        (r"\\not\s*=", r"\\neq "),
        (r"\\not\s*\\in(?![A-Za-z])", r"\\notin "),
        (r"\\(?:ce|pu)\s*\{", r"\\mathrm {"),
        (r"\\bm(?![A-Za-z])", r"\\boldsymbol"),
    )
)


class _Late(BaseException):
    """The deadline of a formula is over. Not an Exception, so that nothing on the way takes it for its own."""


@dataclass(frozen=True)
class Drawing:
    """A picture and where it stands: pixels at 100 %, from the base line of the text around it."""

    svg: str
    width: float
    ascent: float
    descent: float


def drawn(tex: str, is_display: bool, seconds: float = SECONDS) -> Drawing | None:
    """A formula without its marks as a picture; None when it cannot be drawn, or not in this time."""
    # Fonts and tables take their time to read, and most conversations have no formula.
    from ziamath.config import config
    from ziamath.zmath import Latex

    config.svg2 = False
    try:
        with nullcontext() if is_light(tex) else _deadline(seconds):
            if not _has_all_signs(tex):
                return None
            picture = Latex(simplified(tex), size=SIZE, color=INK, inline=not is_display, margin=_MARGIN)
            return _placed(picture.svg(), picture.node.bbox)
    # Packages of others on what a model wrote: whatever goes wrong in them, the text is shown instead.
    except (Exception, _Late):  # noqa: BLE001
        return None


def is_light(tex: str) -> bool:
    """Whether a formula cannot take long; watching over one makes it take three times as long."""
    depth = deepest = 0
    for mark in _NESTING.findall(tex):
        depth += (mark in {"{", r"\left", r"\begin"}) - (mark in {"}", r"\right", r"\end"})
        deepest = max(deepest, depth)
    return len(tex) <= _LIGHT_SIGNS and deepest <= _LIGHT_DEPTH


def simplified(tex: str) -> str:
    """What the packages read wrong or not at all, in words that they know."""
    for pattern, instead in _WORDS:
        tex = pattern.sub(instead, tex)
    return tex


def _has_all_signs(tex: str) -> bool:
    """Whether the font has every sign: it has no Chinese, and would draw boxes."""
    from ziamath.zmath import loadedfonts

    font = loadedfonts["default"]
    return all(sign.isascii() or sign.isspace() or font.glyphindex(sign) for sign in tex)


def _placed(svg: str, box: Any) -> Drawing | None:
    width = float(box.xmax - box.xmin) + 2 * _MARGIN
    ascent, descent = float(box.ymax) + _MARGIN, _MARGIN - float(box.ymin)
    return Drawing(svg, width, ascent, descent) if width > 2 * _MARGIN and ascent + descent > 0 else None


@contextmanager
def _deadline(seconds: float) -> Iterator[None]:
    """Raise _Late in what runs in here and takes longer than `seconds` of this thread's time."""
    end, calls = time.thread_time() + seconds, 0

    def look(_frame: FrameType, _event: str, _argument: object) -> None:
        nonlocal calls
        calls += 1
        if calls % _CALLS == 0 and time.thread_time() > end:
            raise _Late

    before = sys.getprofile()
    sys.setprofile(look)
    try:
        yield
    finally:
        sys.setprofile(before)
