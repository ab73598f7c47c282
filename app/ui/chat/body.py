"""The text of an answer as it grows: runs of prose and code blocks below each other."""

import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field

from PySide6.QtCore import QTimer, Signal
from PySide6.QtWidgets import QWidget

from app.ui.chat.blocks import Block, Code, length_of
from app.ui.chat.code_block import CodeBlock
from app.ui.chat.markdown import Growing
from app.ui.chat.prose import Prose
from app.ui.chat.tools import Tools
from app.ui.said import said
from app.ui.style.tokens import GAP, UNIT
from app.ui.words import tr

STEP = 3_000
"""Characters that are read in one go: a long answer must not hold the window up."""

ENOUGH = 3 * STEP
"""Characters of a long answer that are set before it is shown; the rest follows below them."""

SLICE_SIGNS, SLICE_BLOCKS = 700, 8
"""How much prose is laid out in one go."""

SLICE_SECONDS = 0.006
"""How long a text that nobody waits for is set before the window gets its turn again."""

_SPARE = 3


@dataclass
class Run:
    """Blocks that share a widget: one code block, or any number of others."""

    is_code: bool
    settled: list[Block] = field(default_factory=list)
    tail: list[Block] = field(default_factory=list)


class AnswerBody(QWidget):
    """`show_text` shows a text or how it has grown; `grown` tells that the height may have changed afterwards.

    A text that is complete from the start is set in slices: by `work`, or by itself when nobody calls that.
    """

    grown = Signal()

    def __init__(self, tools: Tools, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._tools = tools
        self._growing = Growing()
        self._text, self._fed, self._is_over, self._is_live = "", 0, False, False
        self._shown = 0
        self._at = -1
        self._waiting: deque[Run] = deque()
        self.parts: list[Prose | CodeBlock] = []
        self._spare: list[Prose | CodeBlock] = []
        self._next = QTimer(self, singleShot=True, interval=0)
        self._next.timeout.connect(self._more)

    def show_text(self, text: str, is_over: bool) -> None:
        """Show a text; only what is new is read when it begins with the one before."""
        self._is_live |= not is_over
        if text == self._text and is_over == self._is_over:
            return
        if not text.startswith(self._text) or self._is_over:
            self.forget()
            self._is_live = not is_over
        self._text, self._is_over = text, is_over
        if self._is_live:
            self._feed()
        else:
            self._next.start()

    @property
    def is_whole(self) -> bool:
        """Whether all of the text is set."""
        return self._fed == len(self._text) and not self._waiting

    @property
    def is_presentable(self) -> bool:
        """Whether so much of the text is set that it can be shown."""
        return self.is_whole or self._fed - sum(map(_signs, self._waiting)) >= ENOUGH

    def work(self, deadline: float) -> None:
        """Set more of the text, until a time of `time.perf_counter`."""
        while not self.is_whole:
            if self._waiting:
                self._place([self._waiting.popleft()])
            else:
                self._waiting.extend(sliced(self._read()))
            if time.perf_counter() > deadline:
                break
        (self._next.stop if self.is_whole else self._next.start)()

    def fit(self, width: int) -> None:
        """Be `width` wide and as tall as needed."""
        top = 0
        for part in self.parts:
            part.fit(width)
            part.move(0, top)
            top += part.height() + (GAP + UNIT if isinstance(part, CodeBlock) else 0)
        self.resize(width, top)

    def forget(self) -> None:
        """Be empty, as for another text."""
        self._next.stop()
        self._growing = Growing()
        self._text, self._is_over, self._is_live = "", False, False
        self._fed, self._shown, self._at = 0, 0, -1
        self._waiting.clear()
        self._cut(0)

    def _more(self) -> None:
        if self._is_over:
            self.work(time.perf_counter() + SLICE_SECONDS)
        else:
            self._feed()
        self.grown.emit()

    def _feed(self) -> None:
        """Set what is new of a text that grows."""
        self._place(self._read())
        if self._fed < len(self._text):
            self._next.start()

    def _read(self) -> list[Run]:
        """Read the next piece of the text."""
        piece = self._text[self._fed : self._fed + STEP]
        self._fed += len(piece)
        if self._is_over and self._fed == len(self._text):
            self._growing.finish(piece)
        else:
            self._growing.add(piece)
        new = self._growing.settled[self._shown :]
        self._shown = len(self._growing.settled)
        return runs_of(new, self._growing.tail)

    def _place(self, runs: Sequence[Run]) -> None:
        """Give every run its widget; those of the tail are used again as long as they are of the same kind."""
        index = self._at
        last = self.parts[index] if index >= 0 else None
        goes_on = isinstance(last, Prose) and bool(runs) and not runs[0].is_code
        if isinstance(last, Prose) and not goes_on:
            last.add(())
        index -= goes_on
        for run in runs:
            index += 1
            self._fill(self._part(index, run.is_code), run)
            if run.settled:
                self._at = index
        self._cut(index + 1)

    def _part(self, index: int, is_code: bool) -> Prose | CodeBlock:
        if index < len(self.parts) and isinstance(self.parts[index], CodeBlock) is not is_code:
            self._cut(index)
        if index == len(self.parts):
            self.parts.append(self._made(is_code))
            self.parts[-1].show()
        return self.parts[index]

    def _made(self, is_code: bool) -> Prose | CodeBlock:
        spare = next((each for each in self._spare if isinstance(each, CodeBlock) is is_code), None)
        if spare is not None:
            self._spare.remove(spare)
            return spare
        if is_code:
            return CodeBlock(self._tools.theme, self._tools.highlighter, self)
        made = Prose(self._tools.theme, said(tr("Answer")), self, self._tools.formulas)
        made.reshaped.connect(self.grown)
        return made

    def _fill(self, part: Prose | CodeBlock, run: Run) -> None:
        if isinstance(part, Prose):
            part.add(run.settled, run.tail)
            return
        for block in (*run.settled, *run.tail):
            if isinstance(block, Code):
                part.show_code(block.text, block.language)

    def _cut(self, length: int) -> None:
        """Drop the widgets from here on; some are kept, as making one takes longer than filling it."""
        for part in self.parts[length:]:
            part.hide()
            if len(self._spare) < _SPARE:
                part.clear()
                self._spare.append(part)
            else:
                part.deleteLater()
        del self.parts[length:]


def runs_of(settled: Sequence[Block], tail: Sequence[Block]) -> list[Run]:
    """Blocks grouped by the widget that shows them."""
    runs: list[Run] = []
    for block, is_settled in (*((each, True) for each in settled), *((each, False) for each in tail)):
        is_code = isinstance(block, Code)
        if not runs or is_code or runs[-1].is_code:
            runs.append(Run(is_code))
        (runs[-1].settled if is_settled else runs[-1].tail).append(block)
    return runs


def sliced(runs: Sequence[Run]) -> list[Run]:
    """Runs in which no prose is longer than what is laid out in one go. What is not settled stays with the last."""
    found: list[Run] = []
    for run in runs:
        found.append(Run(run.is_code))
        size = 0
        for block in run.settled:
            size += length_of(block)
            if found[-1].settled and (size > SLICE_SIGNS or len(found[-1].settled) == SLICE_BLOCKS):
                found.append(Run(run.is_code))
                size = length_of(block)
            found[-1].settled.append(block)
        found[-1].tail = run.tail
    return found


def _signs(run: Run) -> int:
    return sum(length_of(block) for block in (*run.settled, *run.tail))
