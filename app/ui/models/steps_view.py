"""A launch as a vertical list of steps, each with its own state, time and progress."""

from collections.abc import Sequence

from PySide6.QtCore import QRectF, Qt
from PySide6.QtGui import QColor, QPainter, QPen, QPixmap
from PySide6.QtWidgets import QHBoxLayout, QLabel, QSizePolicy, QStackedWidget, QVBoxLayout, QWidget

from app.schema.instance import PhaseState
from app.ui.models import figures
from app.ui.models.launch_view import Step
from app.ui.parts.labels import Elided, Quiet, set_property
from app.ui.parts.progress import Progress, Spinner
from app.ui.said import said
from app.ui.style.icons import icon
from app.ui.style.palette import Palette, Tone
from app.ui.style.theme import Theme
from app.ui.style.tokens import BODY, GAP, SMALL, UNIT
from app.ui.words import tr

_MARK = 18

_STATE_WORDS = {
    PhaseState.PENDING: tr("waiting"),
    PhaseState.ACTIVE: tr("at work"),
    PhaseState.DONE: tr("done"),
    PhaseState.FAILED: tr("failed"),
    PhaseState.SKIPPED: tr("not needed"),
}


class StepsView(QWidget):
    """Shows steps; lines are kept while the same steps are shown."""

    def __init__(self, theme: Theme, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._theme = theme
        self._shown: tuple[Step, ...] = ()
        self.lines: list[StepLine] = []
        self._rows = QVBoxLayout(self)
        self._rows.setContentsMargins(0, 0, 0, 0)
        self._rows.setSpacing(GAP)
        theme.changed.connect(self._tint)

    def show_steps(self, steps: Sequence[Step]) -> None:
        """Show these."""
        if [step.name for step in steps] != [step.name for step in self._shown]:
            for line in self.lines:
                line.hide()
                line.deleteLater()
            self.lines = [StepLine(self._theme) for _ in steps]
            for line in self.lines:
                self._rows.addWidget(line)
        self._shown = tuple(steps)
        self._tint()

    def _tint(self) -> None:
        for line, step in zip(self.lines, self._shown, strict=True):
            line.show_step(step)


class StepLine(QWidget):
    """One step."""

    def __init__(self, theme: Theme) -> None:
        super().__init__()
        self._theme = theme
        self._mark = QStackedWidget()
        self._mark.setFixedSize(_MARK, _MARK)
        self._picture, self._spinner = QLabel(), Spinner(theme, tr("At work"), _MARK)
        self._mark.addWidget(self._picture)
        self._mark.addWidget(self._spinner)
        self.words, self.aside, self.detail = Elided(), Elided(pixels=SMALL), Quiet(wraps=True)
        # It names PCs, so it may be long; while there is room it is whole.
        self.words.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Fixed)
        set_property(self.aside, "tone", "quiet")
        self.time = Quiet(pixels=BODY)
        self.bar = Progress(tr("Progress"))
        self._lay_out()

    def show_step(self, step: Step) -> None:
        """Show its state, what it says and how long it takes."""
        is_quiet = step.state in {PhaseState.PENDING, PhaseState.SKIPPED}
        is_failed = step.state is PhaseState.FAILED
        self.words.say(step.words)
        self.words.set_tone(Tone.TIGHT if is_failed else None)
        self.words.setEnabled(not is_quiet)
        # What is done is told beside its name, what goes on below its bar.
        is_below = step.state in {PhaseState.ACTIVE, PhaseState.FAILED} and step.detail is not None
        self.aside.say("" if is_below else step.detail or "")
        self.detail.say(step.detail or "")
        self.detail.setVisible(is_below)
        self.time.say(figures.duration(step.seconds) if step.seconds is not None else "")
        self.bar.setVisible(step.part is not None)
        self.bar.show_part(step.part)
        self._mark.setCurrentIndex(int(step.state is PhaseState.ACTIVE))
        name, colour = _mark(self._theme.palette, step.state)
        self._picture.setPixmap(icon(name, colour, _MARK).pixmap(_MARK) if name else _ring(colour))
        self.setAccessibleName(f"{said(step.words)}: {said(_STATE_WORDS[step.state])}")

    def _lay_out(self) -> None:
        line = QHBoxLayout(self)
        line.setContentsMargins(0, 0, 0, 0)
        line.setSpacing(GAP + UNIT)
        line.addWidget(self._mark, 0, Qt.AlignmentFlag.AlignTop)
        text = QVBoxLayout()
        text.setSpacing(UNIT)
        head = QHBoxLayout()
        head.setSpacing(GAP + UNIT)
        head.addWidget(self.words)
        head.addWidget(self.aside, 1)
        text.addLayout(head)
        text.addWidget(self.bar)
        text.addWidget(self.detail)
        line.addLayout(text, 1)
        line.addWidget(self.time, 0, Qt.AlignmentFlag.AlignTop)


def _mark(palette: Palette, state: PhaseState) -> tuple[str, str]:
    return {
        PhaseState.DONE: ("check", palette.green),
        PhaseState.FAILED: ("warning", palette.amber),
    }.get(state, ("", palette.edge))


def _ring(colour: str) -> QPixmap:
    """A small ring: nothing yet."""
    picture = QPixmap(_MARK * 2, _MARK * 2)
    picture.setDevicePixelRatio(2)
    picture.fill(Qt.GlobalColor.transparent)
    painter = QPainter(picture)
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    painter.setPen(QPen(QColor(colour), 1.5))
    painter.drawEllipse(QRectF(5, 5, _MARK - 10, _MARK - 10))
    painter.end()
    return picture
