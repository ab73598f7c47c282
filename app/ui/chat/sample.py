"""Conversations that never were, for screenshots and for tests of how the page looks."""

from collections.abc import Callable
from dataclasses import dataclass, replace

from PySide6.QtCore import QEventLoop
from PySide6.QtWidgets import QApplication

from app.client import ChatPiece
from app.schema.errors import ErrorInfo
from app.schema.instance import InstanceState
from app.schema.node import Status
from app.ui.chat.blocks import Block, Formula, Style, Table
from app.ui.chat.markdown import blocks_of
from app.ui.chat.page import ChatPage
from app.ui.chat.records import (
    Attachment,
    AttachmentKind,
    Author,
    Conversation,
    Figures,
    Message,
    Preset,
    Sampling,
    Stop,
)
from app.ui.showcase import alone, home

NOW = 1_795_000_000.0
MODEL = "Qwen3-32B-Q4_K_M"

TABLE = """Three things decide it, in this order:

| Where | Bandwidth | What it costs |
| :-- | --: | :-- |
| RTX 4090 | 1 008 GB/s | nothing, fill it first |
| RTX 3060 | 360 GB/s | one hop a token |
| Wi-Fi laptop | 24 MB/s | **9 ms** a token, leave it out |

So the layers go to the *fastest* card until it is full, and only the rest travels. A short check in Python:

```python
def tokens_per_second(stages: list[Stage]) -> float:
    # Every token passes all stages, one after the other.
    seconds = sum(stage.weight_bytes / stage.bandwidth + stage.hop for stage in stages)
    return 1 / seconds

print(f"{tokens_per_second(plan):.1f} tok/s")
```

Two things to keep in mind:

1. The head holds the output layer, so that the large logits stay off the wire.
2. A PC that is left out is no loss:
   - it adds a hop for every token,
   - and it may fall asleep.

> Fewest and fastest devices first, never memory-proportional for its own sake.

See [the engine's own notes](https://github.com/ggml-org/llama.cpp/tree/master/tools/rpc) and `--tensor-split`."""

FORMULAS = r"""Each token passes all stages, one after the other, so with $n$ stages of $w_i$ bytes and bandwidth $b_i$:

$$t = \sum_{i=1}^{n} \left( \frac{w_i}{b_i} + h_i \right), \qquad \text{tok/s} = \frac{1}{t}$$

- A hop costs \(h_i = r_i + \frac{2 \cdot 4d}{\beta_i}\), also on a cable for $5 or $10.
- The roots of $ax^2 + bx + c$ are $\frac{-b \pm \sqrt{b^2-4ac}}{2a}$ where $a \neq 0$.

\[
f(x) = \begin{cases} x^2 & \text{if } x \ge 0 \\ -x & \text{otherwise} \end{cases}
\qquad
A = \begin{pmatrix} a_{11} & \cdots & a_{1n} \\ \vdots & \ddots & \vdots \\ a_{n1} & \cdots & a_{nn} \end{pmatrix}
\]

| Device | Time |
| :-- | --: |
| RTX 4090 | $\hat{t} = 19.6\,\mathrm{ms}$ |
| RTX 3060 | $\hat{t} = \int_0^{w} \frac{dw}{b}$ |"""

CHINESE = """骆驼商队由许多骆驼组成，它们一只接一只地走，每一只都背着自己的一份货物。

- **速度**取决于最慢的一只
- 所以要让最强壮的骆驼多背一些

`把最快的显卡装满` 就是同样的道理。"""

POEM = """A line of lamps across the sand,\\
one bears the tent, and one the grain;\\
no single back, no single hand\\
could bring it all so far again."""

REASONING = """The user wants a short poem about a caravan. Four lines should be enough. Rhyme camel with... hard. \
Rather sand and hand.

Keep it calm, no exclamation marks."""


@dataclass(frozen=True)
class Sample:
    """A state of the page: its name, the status it needs, and what brings a new page into it."""

    name: str
    status: Status | None
    fill: Callable[[ChatPage], None]


def samples() -> tuple[Sample, ...]:
    """Every state worth looking at."""
    return (
        Sample("empty", home(), lambda page: _shelf(page, 0)),
        Sample("bare", alone(), lambda page: _shelf(page, 0)),
        Sample("table", home(), _table),
        Sample("streaming", home(), _streaming),
        Sample("waiting", home(), _waiting),
        Sample("error", alone(), _error),
        Sample("chinese", home(), _chinese),
        Sample("formulas", home(), _formulas),
        Sample("panel", home(), _panel),
        Sample("search", home(), _search),
        Sample("loading", _loading(), _short),
        Sample("editing", home(), _editing),
    )


def message(name: str, parent: str | None, author: Author, text: str, **more: object) -> Message:
    """A message of the sample conversation."""
    values = {"id": name, "conversation": "sample", "parent": parent, "author": author, "text": text}
    return Message.model_validate({"stop": Stop.END, "created_at": NOW, "model": MODEL} | values | more)


def conversation(leaf: str | None, title: str = "Which PC carries which layers?", **more: object) -> Conversation:
    """The sample conversation, open at `leaf`."""
    values = {"id": "sample", "title": title, "leaf": leaf, "model": MODEL, "created_at": NOW, "updated_at": NOW}
    return Conversation.model_validate(values | more)


def _open(page: ChatPage, messages: list[Message], **more: object) -> None:
    opened = conversation(messages[-1].id).model_copy(update=more)
    page.shelf.put(opened)
    _shelf(page, 9)
    page.talk.show(opened, messages)


def _shelf(page: ChatPage, count: int) -> None:
    titles = ("A packing list for Lisbon", "Ein Brief an die Hausverwaltung", "Regex for postal codes", "骆驼与商队")
    for number in range(count):
        made = conversation(None, titles[number % len(titles)], pinned=number == 1)
        page.shelf.put(made.model_copy(update={"id": f"other {number}", "updated_at": NOW - 40_000 * (number + 1)}))


def _table(page: ChatPage) -> None:
    notes = Attachment(name="cluster notes.txt", kind=AttachmentKind.TEXT, content="x" * 3400)
    question = message("q", None, Author.USER, "Which PC should carry which layers, and why?", attachments=(notes,))
    figures = Figures(rate=21.3, first_word=0.9, answer_tokens=412, prompt_tokens=1240)
    answers = [message(f"a{number}", "q", Author.ASSISTANT, TABLE, figures=figures) for number in range(3)]
    _open(page, [question, answers[0], answers[2], answers[1]])


def _short(page: ChatPage) -> None:
    figures = Figures(rate=22.8, first_word=0.6, answer_tokens=38, prompt_tokens=91, thinking=4.2)
    question = message("q", None, Author.USER, "A short poem about a caravan, please.")
    _open(page, [question, message("a", "q", Author.ASSISTANT, POEM, figures=figures, reasoning=REASONING)])


def _streaming(page: ChatPage) -> None:
    _short(page)
    page.talk.say("And now explain how you share the work.\nKeep it to one screen.")
    page.talk.writer.hear(ChatPiece(reasoning="The person wants the split explained."))
    writer = page.talk.writer
    if writer.answer is not None and writer.answer.first_word_at is not None:
        asked, first = writer.answer.asked_at - 4.7, writer.answer.first_word_at - 3.8
        writer.answer = replace(writer.answer, asked_at=asked, first_word_at=first)
    timings = {"predicted_n": 212.0, "predicted_ms": 9_900.0}
    page.talk.writer.hear(ChatPiece(text=TABLE[: TABLE.index("return 1")], timings=timings))


def _waiting(page: ChatPage) -> None:
    _short(page)
    page.talk.say("Summarise the attached report.")
    page.talk.writer.hear(ChatPiece(progress={"processed": 1536, "total": 6112}))


def _error(page: ChatPage) -> None:
    error = ErrorInfo(
        code="worker_lost",
        sentence="LIVING ROOM went away in the middle of the answer.",
        hint="The model comes back on WORKSHOP if it fits there. What was written is kept.",
    )
    question = message("q", None, Author.USER, "Tell me the story of the three camels.")
    text = "Once there were three camels who could not agree on the way. The first knew the stars, the second"
    figures = Figures(rate=20.9, first_word=1.1)
    _open(page, [question, message("a", "q", Author.ASSISTANT, text, stop=Stop.FAILED, error=error, figures=figures)])


def _chinese(page: ChatPage) -> None:
    question = message("q", None, Author.USER, "商队和显卡有什么关系？请简短回答。")
    figures = Figures(rate=19.7, first_word=0.8, answer_tokens=96, prompt_tokens=15800)
    _open(page, [question, message("a", "q", Author.ASSISTANT, CHINESE, figures=figures)], title="骆驼与商队")


def _formulas(page: ChatPage) -> None:
    question = message("q", None, Author.USER, "How long does a token take?")
    figures = Figures(rate=20.4, first_word=0.7, answer_tokens=388, prompt_tokens=410)
    for block in blocks_of(FORMULAS):
        for written in _written(block):
            page.formulas.get(written)
    while page.formulas.is_drawing:
        QApplication.processEvents(QEventLoop.ProcessEventsFlag.AllEvents, 50)
    _open(page, [question, message("a", "q", Author.ASSISTANT, FORMULAS, figures=figures)], title="Time of a token")


def _written(block: Block) -> list[str]:
    """The formulas of a block."""
    if isinstance(block, Formula):
        return [block.text]
    cells = [cell for row in block.rows for cell in row] if isinstance(block, Table) else [getattr(block, "spans", ())]
    return [span.text for cell in cells for span in cell if Style.FORMULA in span.style]


def _panel(page: ChatPage) -> None:
    _short(page)
    page.head.panel.setChecked(True)
    page.panel.show_presets([Preset(name="Poet", prompt="Answer in rhyme.")])
    page.talk.change(
        system_prompt="You are a patient poet. Never use exclamation marks.", sampling=Sampling(temperature=1.1)
    )
    page.panel.show_for(page.talk.conversation)


def _search(page: ChatPage) -> None:
    _table(page)
    page.shelf_view.search.setText("no such words")
    page.shelf.rows.show([])


def _editing(page: ChatPage) -> None:
    _table(page)
    page.foot.composer.edit("Which PC should carry which layers?\nAnswer in one table.", page.talk.path[0].attachments)


def _loading() -> Status:
    shown = home()
    starting = [each.model_copy(update={"state": InstanceState.STARTING}) for each in shown.instances]
    return shown.model_copy(update={"instances": tuple(starting)})
