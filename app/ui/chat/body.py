"""The text of an answer as it grows: runs of prose and code blocks below each other."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from PySide6.QtCore import QTimer, Signal
from PySide6.QtWidgets import QWidget

from app.ui.chat.blocks import Block, Code
from app.ui.chat.code_block import CodeBlock
from app.ui.chat.highlight import Highlighter
from app.ui.chat.markdown import Growing
from app.ui.chat.prose import Prose
from app.ui.said import said
from app.ui.style.theme import Theme
from app.ui.style.tokens import GAP, UNIT
from app.ui.words import tr

STEP = 3_000
"""Characters that are read in one go: a long answer must not hold the window up."""


@dataclass
class Run:
    """Blocks that share a widget: one code block, or any number of others."""

    is_code: bool
    settled: list[Block] = field(default_factory=list)
    tail: list[Block] = field(default_factory=list)


class AnswerBody(QWidget):
    """`show_text` shows a text or how it has grown; `grown` tells that the height may have changed afterwards."""

    grown = Signal()

    def __init__(self, theme: Theme, highlighter: Highlighter, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._theme, self._highlighter = theme, highlighter
        self._growing = Growing()
        self._text, self._fed, self._is_over = "", 0, False
        self._shown = 0
        self._at = -1
        self._width = 0
        self.parts: list[Prose | CodeBlock] = []
        self._next = QTimer(self, singleShot=True, interval=0)
        self._next.timeout.connect(self._more)

    def show_text(self, text: str, is_over: bool) -> None:
        """Show a text; only what is new is read when it begins with the one before."""
        if text == self._text and is_over == self._is_over:
            return
        if not text.startswith(self._text) or self._is_over:
            self._forget()
        self._text, self._is_over = text, is_over
        self._feed()

    def fit(self, width: int) -> None:
        """Be `width` wide and as tall as needed."""
        self._width = width
        top = 0
        for part in self.parts:
            part.fit(width)
            part.move(0, top)
            top += part.height() + (GAP + UNIT if isinstance(part, CodeBlock) else 0)
        self.resize(width, top)

    def _forget(self) -> None:
        self._growing = Growing()
        self._fed, self._shown, self._at = 0, 0, -1
        self._cut(0)

    def _more(self) -> None:
        self._feed()
        self.grown.emit()

    def _feed(self) -> None:
        piece = self._text[self._fed : self._fed + STEP]
        self._fed += len(piece)
        if self._is_over and self._fed == len(self._text):
            self._growing.finish(piece)
        else:
            self._growing.add(piece)
        if self._fed < len(self._text):
            self._next.start()
        new = self._growing.settled[self._shown :]
        self._shown = len(self._growing.settled)
        self._place(runs_of(new, self._growing.tail))

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
            self.parts.append(
                CodeBlock(self._theme, self._highlighter, self)
                if is_code
                else Prose(self._theme, said(tr("Answer")), self)
            )
            self.parts[-1].show()
        return self.parts[index]

    def _fill(self, part: Prose | CodeBlock, run: Run) -> None:
        if isinstance(part, Prose):
            part.add(run.settled, run.tail)
            return
        for block in (*run.settled, *run.tail):
            if isinstance(block, Code):
                part.show_code(block.text, block.language)

    def _cut(self, length: int) -> None:
        for part in self.parts[length:]:
            part.hide()
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
