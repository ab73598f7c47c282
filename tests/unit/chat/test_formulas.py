r"""Where formulas stand in Markdown, and how they are drawn."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.ui.chat.blocks import Formula, Item, Paragraph, Style, plain
from app.ui.chat.formula import drawn, is_light
from app.ui.chat.formula_rules import LONGEST, is_display, tex_of
from app.ui.chat.markdown import LONGEST_PARAGRAPH, Growing, blocks_of


def formulas(text: str) -> list[str]:
    """The formulas of a text, as they were written."""
    found: list[str] = []
    for block in blocks_of(text):
        if isinstance(block, Formula):
            found.append(block.text)
        elif isinstance(block, Paragraph | Item):
            found += [span.text for span in block.spans if Style.FORMULA in span.style]
    return found


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("so $x^2$ is", ["$x^2$"]),
        (r"so \(a_b\) is *c_d*", [r"\(a_b\)"]),
        ("the $n$th of $n-1$", ["$n$", "$n-1$"]),
        ("**$x$**, $y$.", ["$x$", "$y$"]),
        ("$$x$$", ["$$x$$"]),
        ("Text:\n$$\n-x\n- b\n$$\nmore", ["$$\n-x\n- b\n$$"]),
        ("so \\[ x\n= 1 \\] fine", ["\\[ x\n= 1 \\]"]),
        ("1. a\n   $$\n   y\n   $$\n2. b", ["$$\ny\n$$"]),
        ("> $$a$$", ["$$a$$"]),
        ("\\begin{align}\na &= b\n\\end{align}", ["\\begin{align}\na &= b\n\\end{align}"]),
        ("$100$ items", ["$100$"]),
    ],
)
def test_formulas_are_found(text: str, found: list[str]) -> None:
    assert formulas(text) == found


@pytest.mark.parametrize(
    "text",
    [
        "cost $5 and $10",
        "from $5-$10 to $1,000",
        "It is $5 and 10$ more",
        "US$5 and CA$10$",
        "a $3.50 coffee, a $4 tea",
        "$HOME/bin:$PATH",
        "`$x$` is code",
        "```\n$x$\n```",
        r"\$5$ and $ 5 $",
        "$$\nnot\n\nclosed$$",
        "$" + "x" * LONGEST + "$",
        "$",
        "$$",
        r"\[",
        r"\(\)",
    ],
)
def test_what_is_no_formula(text: str) -> None:
    assert formulas(text) == []


def test_a_formula_is_text_until_it_is_complete() -> None:
    growing = Growing()
    for sign in "Let $x$":
        growing.add(sign)
        assert [span.style for block in growing.tail for span in block.spans] == [Style.PLAIN]  # type: ignore[union-attr]
    growing.add(" ")
    (paragraph,) = growing.tail
    assert isinstance(paragraph, Paragraph)
    assert plain(paragraph.spans) == "Let $x$"
    assert [span.style for span in paragraph.spans] == [Style.PLAIN, Style.FORMULA]


def test_an_open_formula_is_not_read_as_a_list() -> None:
    growing = Growing()
    growing.add("$$\na\n- b\n\\\\ _c_\n")
    assert (len(growing.settled), len(growing.tail)) == (0, 1)
    growing.finish("$$\n")
    assert growing.settled == [Formula("$$\na\n- b\n\\\\ _c_\n$$")]


MARKS = st.lists(
    st.sampled_from(["$", "$$", "\n", "\n\n", r"\[", r"\]", "- a", "x", " ", "5", r"\\", "1. b", "|", "`"])
)


@given(MARKS, st.lists(st.integers(1, 4), min_size=1))
def test_no_cut_changes_which_formulas_are_read(marks: list[str], sizes: list[int]) -> None:
    text = "".join(marks)
    growing, at = Growing(), 0
    for number in range(len(text)):
        size = sizes[number % len(sizes)]
        growing.add(text[at : at + size])
        at += size
    growing.finish()
    assert growing.settled == blocks_of(text)


def test_marks_are_taken_off() -> None:
    written = ["$x$", r"\(x\)", "$$ x $$", r"\[x\]", "x"]
    assert [tex_of(each) for each in written] == ["x"] * 5
    assert [is_display(each) for each in written] == [False, False, True, True, True]


KNOWN = [
    r"\frac{-b \pm \sqrt{b^2-4ac}}{2a}",
    r"\sqrt[3]{x_1^2}",
    r"\sum_{i=1}^{n} \int_{0}^{\infty} \prod \lim_{x \to 0}",
    r"\alpha \Omega \in \mathbb{R} \nabla \partial \leq \neq \Rightarrow",
    r"\begin{pmatrix} a & b \\ c & d \end{pmatrix}",
    r"f(x) = \begin{cases} x & \text{if } x \ge 0 \\ -x & \text{otherwise} \end{cases}",
    r"\left( \frac{a}{b} \right) \bigl[ x \bigr]",
    r"\hat{x} \vec{v} \bar{y} \dot{z} \overline{AB}",
    r"\begin{align} a &= b \tag{1} \\ c &= d \label{two} \end{align}",
    r"\operatorname*{arg\,max}_\theta \boxed{x < y}",
    r"\unknown{x} + 1",
]


@pytest.mark.parametrize("tex", KNOWN)
def test_what_people_write_is_drawn(tex: str) -> None:
    drawing = drawn(tex, is_display=True)
    assert drawing is not None
    assert drawing.width > 10
    assert drawing.svg.startswith("<svg")


def test_a_tall_formula_reaches_below_the_line() -> None:
    letter, fraction = drawn("x", False), drawn(r"\frac{a}{b}", True)
    assert letter is not None
    assert fraction is not None
    assert fraction.ascent > letter.ascent
    assert fraction.descent > letter.descent + 5


HOSTILE = [
    r"\frac{",
    "x^",
    r"\text{中文}",
    "",
    r"\begin{pmatrix}",
    r"\frac{" * 600,
    r"\frac{1}{" * 12 + "x" + "}" * 12,
    "x^{" * 100 + "y" + "}" * 100,
    r"\left(" * 300,
    r"\begin{pmatrix}" + "1&" * 1000 + r"\end{pmatrix}",
    "<script>alert(1)</script>&amp;",
    "a\0b",
]


@pytest.mark.parametrize("tex", HOSTILE)
def test_what_cannot_be_drawn_is_none_soon(tex: str) -> None:
    start = time.thread_time()
    assert drawn(tex, is_display=True, seconds=0.3) is None
    assert time.thread_time() - start < 10.0


def test_what_may_take_long_is_watched() -> None:
    assert all(is_light(tex) for tex in KNOWN)
    assert not is_light(r"\frac{1}{" * 5 + "}" * 5)
    assert not is_light("a+" * 300)


def test_a_very_long_paragraph_is_read_once() -> None:
    text = r"\frac{" * 60_000
    start, growing = time.thread_time(), Growing()
    for at in range(0, len(text), 3_000):
        growing.add(text[at : at + 3_000])
    growing.finish()
    assert time.thread_time() - start < 40.0
    lengths = [len(plain(block.spans)) for block in growing.settled if isinstance(block, Paragraph)]
    assert max(lengths) <= LONGEST_PARAGRAPH
    assert sum(lengths) > len(text) * 0.9
