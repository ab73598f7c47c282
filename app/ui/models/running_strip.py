"""The models that run or start now, at the top of the page: what, where, and the way to end each."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QFrame, QHBoxLayout, QVBoxLayout, QWidget

from app.schema.instance import InstanceState, InstanceStatus
from app.ui.models import launch_view
from app.ui.parts.buttons import Button, Role
from app.ui.parts.labels import Elided
from app.ui.parts.pill import Pill
from app.ui.said import said
from app.ui.style.palette import Tone
from app.ui.style.theme import Theme
from app.ui.style.tokens import GAP, UNIT
from app.ui.words import Phrase, tr


@dataclass(frozen=True)
class Runner:
    """An instance as the strip shows it. `unloads_at` is when it goes if nobody asks it anything, None for never."""

    instance: InstanceStatus
    name: str
    unloads_at: float | None = None


_STATES: dict[InstanceState, tuple[Phrase, Tone]] = {
    InstanceState.STARTING: (tr("launching"), Tone.ACCENT),
    InstanceState.READY: (tr("ready"), Tone.GOOD),
    InstanceState.STOPPING: (tr("unloading"), Tone.NEUTRAL),
    InstanceState.STOPPED: (tr("unloaded"), Tone.NEUTRAL),
    InstanceState.FAILED: (tr("failed"), Tone.TIGHT),
}


_STOP_WORDS = {
    InstanceState.STARTING: tr("Cancel"),
    InstanceState.READY: tr("Unload"),
    InstanceState.FAILED: tr("Dismiss"),
}


class RunningStrip(QWidget):
    """One line per instance. It hides when there is none."""

    shown_wanted = Signal(str)
    """An InstanceId to look at."""
    chat_wanted = Signal(str)
    """A model id."""
    stop_wanted = Signal(str)
    """An InstanceId."""

    def __init__(self, theme: Theme, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._theme = theme
        self._lines: dict[str, RunningLine] = {}
        self._rows = QVBoxLayout(self)
        self._rows.setContentsMargins(0, 0, 0, 0)
        self._rows.setSpacing(UNIT)

    def show_runners(self, runners: Sequence[Runner], watched: str | None = None) -> None:
        """Show these, in this order; the one that is watched already needs no button for it."""
        wanted = {runner.instance.id: runner for runner in runners}
        for name in [each for each in self._lines if each not in wanted]:
            line = self._lines.pop(name)
            line.hide()
            line.deleteLater()
        for name, runner in wanted.items():
            if name not in self._lines:
                self._lines[name] = self._made(name)
            self._lines[name].show_runner(runner)
            self._lines[name].look.setVisible(name != watched)
        self.setVisible(bool(runners))

    def _made(self, name: str) -> "RunningLine":
        line = RunningLine(self._theme)
        line.look.clicked.connect(partial(self.shown_wanted.emit, name))
        line.stop.clicked.connect(partial(self.stop_wanted.emit, name))
        line.chat.clicked.connect(lambda: self.chat_wanted.emit(line.model_id))
        self._rows.addWidget(line)
        return line


class RunningLine(QFrame):
    """One instance: state, name, where it runs, buttons."""

    def __init__(self, theme: Theme) -> None:
        super().__init__()
        self.setProperty("surface", "card")
        self.model_id = ""
        self.state, self.words = Pill(), Elided()
        self.look = Button(tr("Show"), Role.QUIET, is_small=True)
        self.chat = Button(tr("Chat"), Role.QUIET, theme=theme, icon_name="chat", is_small=True)
        self.stop = Button(tr("Unload"), Role.QUIET, is_small=True)
        line = QHBoxLayout(self)
        line.setContentsMargins(12, UNIT, UNIT, UNIT)
        line.setSpacing(GAP)
        for each in (self.state, self.words, self.look, self.chat, self.stop):
            line.addWidget(each, int(each is self.words))

    def show_runner(self, runner: Runner) -> None:
        """Show its state now."""
        instance = runner.instance
        self.model_id = instance.model_id
        words, tone = _STATES[instance.state]
        self.state.show_as(words, tone)
        said_line = tr("{model} on {pcs}", model=runner.name, pcs=launch_view.where(instance.plan))
        if (left := launch_view.left(runner.unloads_at, time.time())) is not None:
            said_line = tr("{line} · {left}", line=said_line, left=left)
        self.words.say(said_line)
        self.chat.setVisible(instance.state is InstanceState.READY)
        self.stop.setVisible(instance.state in _STOP_WORDS)
        self.stop.say(_STOP_WORDS.get(instance.state, ""))
        for button in (self.look, self.chat, self.stop):
            button.setAccessibleName(f"{button.text()}: {said(said_line)}")
