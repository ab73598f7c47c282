"""The same model on 1, 2, 3 PCs side by side, and the choice between them."""

from collections.abc import Sequence

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QButtonGroup, QGridLayout, QRadioButton, QWidget

from app.ui.face import pcs_word
from app.ui.models.figures import UNKNOWN
from app.ui.models.plan_view import ComparisonLine
from app.ui.parts.labels import Body, Quiet
from app.ui.said import said
from app.ui.style.palette import Tone
from app.ui.style.tokens import GAP, UNIT
from app.ui.words import tr

_COLUMNS = (tr("speed"), tr("first word"), tr("ready in"))


class PcsChoice(QWidget):
    """A radio button per number of PCs with its figures. `chosen` comes only when a person chooses."""

    chosen = Signal(int)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._lines: tuple[ComparisonLine, ...] = ()
        self._group = QButtonGroup(self)
        self._group.idClicked.connect(self.chosen.emit)
        self._widgets: list[QWidget] = []
        self._grid = QGridLayout(self)
        self._grid.setContentsMargins(0, 0, 0, 0)
        self._grid.setHorizontalSpacing(GAP * 2)
        self._grid.setVerticalSpacing(UNIT)
        self._grid.setColumnStretch(4, 1)

    def show_lines(self, lines: Sequence[ComparisonLine]) -> None:
        """Show these; nothing is redrawn when they are the same."""
        if tuple(lines) == self._lines:
            return
        focused = next((each for each in self._group.buttons() if each.hasFocus()), None)
        pcs = self._group.id(focused) if focused else None
        self._lines = tuple(lines)
        self._clear()
        if any(_has_figures(line) for line in lines):
            self._head()
        for row, line in enumerate(lines, 1):
            self._add(row, line)
        if pcs is not None and (button := self._group.button(pcs)) is not None:
            button.setFocus()

    def _clear(self) -> None:
        for each in self._group.buttons():
            self._group.removeButton(each)
        for widget in self._widgets:
            widget.hide()
            widget.deleteLater()
        self._widgets = []

    def _head(self) -> None:
        for column, words in enumerate(_COLUMNS, 1):
            self._put(Quiet(words), 0, column)

    def _add(self, row: int, line: ComparisonLine) -> None:
        button = QRadioButton(said(pcs_word(line.pcs)))
        button.setChecked(line.is_chosen)
        button.setAccessibleName(_spoken(line))
        button.setEnabled(line.fits)
        self._group.addButton(button, line.pcs)
        self._put(button, row, 0)
        has_figures = _has_figures(line)
        if has_figures:
            for column, words in enumerate((line.speed, line.first_word, line.load), 1):
                self._put(Body(words, wraps=False, is_strong=column == 1), row, column)
        note = Quiet(line.note or "", wraps=True)
        note.set_tone(Tone.TIGHT if line.is_slower else None)
        note.setToolTip(line.sentence)
        self._put(note, row, 4 if has_figures else 1, 1 if has_figures else 4)

    def _put(self, widget: QWidget, row: int, column: int, span: int = 1) -> None:
        self._grid.addWidget(widget, row, column, 1, span, Qt.AlignmentFlag.AlignVCenter)
        self._widgets.append(widget)


def _has_figures(line: ComparisonLine) -> bool:
    return line.speed != UNKNOWN


def _spoken(line: ComparisonLine) -> str:
    figures = (line.speed, line.first_word, line.load) if _has_figures(line) else ()
    named = [f"{said(name)} {said(value)}" for name, value in zip(_COLUMNS, figures, strict=False)]
    return ", ".join([said(pcs_word(line.pcs)), *named, said(line.note) if line.note else ""]).rstrip(", ")
