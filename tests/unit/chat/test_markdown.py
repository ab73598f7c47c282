"""Markdown becomes blocks, and the same ones however its text is cut into pieces."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.ui.chat.blocks import Code, Frame, Heading, Item, Paragraph, Rule, Span, Style, Table, plain
from app.ui.chat.markdown import Growing, blocks_of

SAMPLE = """# Title

Some *text* with **bold**, `code` and [a link](https://example.org).
Second line.

- one
- two

  more of two
  - deep
- three

3. third
4. fourth
5. fifth

> quoted
> more

| a | b |
|:--|--:|
| 1 | 2 |
| 3 | **4** |

```python
print("hi")

```
---
~~~
open
"""

LINES = [
    "- a", "- b", "  c", "    d", "1. x", "1. y", "7) z", "> q", "", "```", "```py", "---", "--", "| a | b |", "|-|-|",
    "| 1 | 2 |", "# h", "text", "=", "\tcode", "<b>", "* * *", "  - n", "[l]: http://x.y", "a *b* **c", "![i](u)",
]  # fmt: skip


def test_each_kind_of_block() -> None:
    blocks = blocks_of(SAMPLE)
    assert blocks[0] == Heading(1, (Span("Title"),))
    assert [type(each) for each in blocks[:3]] == [Heading, Paragraph, Item]
    assert [each.marker for each in blocks if isinstance(each, Item)] == ["•", "•", "◦", "•", "3.", "4.", "5."]
    assert Paragraph((Span("more of two"),), Frame(depth=1)) in blocks
    assert Paragraph((Span("quoted more"),), Frame(quotes=1)) in blocks
    table = next(each for each in blocks if isinstance(each, Table))
    assert (len(table.rows), table.alignment) == (3, ("left", "right"))
    assert table.rows[2][1] == (Span("4", Style.BOLD),)
    assert blocks[-3:] == [Code('print("hi")\n', "python"), Rule(), Code("open", "")]


def grown(text: str, sizes: list[int]) -> Growing:
    growing, at = Growing(), 0
    for size in [*sizes, len(text)]:
        growing.add(text[at : at + size])
        at += size
    return growing


@pytest.mark.parametrize("size", [1, 2, 3, 7, 50])
def test_pieces_make_the_same_blocks_as_the_whole(size: int) -> None:
    growing = grown(SAMPLE, [size] * (len(SAMPLE) // size))
    before_the_end = list(growing.settled)
    growing.finish()
    assert growing.settled == blocks_of(SAMPLE)
    assert growing.settled[: len(before_the_end)] == before_the_end
    assert len(before_the_end) >= 12


@given(st.lists(st.sampled_from(LINES), max_size=14), st.lists(st.integers(1, 9), max_size=40))
def test_no_cut_changes_what_is_read(lines: list[str], sizes: list[int]) -> None:
    text = "\n".join(lines)
    growing = grown(text, sizes)
    growing.finish()
    assert growing.settled == blocks_of(text)


@given(st.lists(st.sampled_from(LINES), max_size=14))
def test_what_is_settled_and_the_tail_are_the_whole(lines: list[str]) -> None:
    growing = Growing()
    for line in lines:
        growing.add(line + "\n")
    assert growing.settled + growing.tail == blocks_of("\n".join(lines) + "\n")


def test_a_long_list_is_settled_item_by_item_and_keeps_its_numbers() -> None:
    growing = Growing()
    for _ in range(20):
        growing.add("1. item\n")
    growing.finish()
    assert [each.marker for each in growing.settled if isinstance(each, Item)] == [f"{n}." for n in range(1, 21)]


@pytest.mark.parametrize("address", ["javascript:alert(1)", "file:///etc/passwd", "C:\\x.exe", "//host/x", "data:x,y"])
def test_only_web_addresses_are_links(address: str) -> None:
    block = blocks_of(f"[click](<{address}>)")[0]
    assert isinstance(block, Paragraph)
    assert all(span.link is None for span in block.spans)


def test_html_is_text() -> None:
    block = blocks_of("<script>alert(1)</script>")[0]
    assert isinstance(block, Paragraph)
    assert plain(block.spans) == "<script>alert(1)</script>"


def test_an_image_is_a_link_and_never_loaded() -> None:
    assert blocks_of("![a cat](http://x.y/cat.png)") == [
        Paragraph((Span("a cat", Style.ITALIC, "http://x.y/cat.png"),))
    ]
