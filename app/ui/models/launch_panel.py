"""One launch from its first step to its end: progress and Cancel, then Chat and Unload, or why it failed and Retry."""

import time
from collections.abc import Awaitable, Callable

from PySide6.QtCore import QTimer, Signal
from PySide6.QtGui import QGuiApplication
from PySide6.QtWidgets import QFrame, QHBoxLayout, QPlainTextEdit, QScrollArea, QVBoxLayout, QWidget

from app.client import NodeClient
from app.schema.instance import InstanceState, InstanceStatus
from app.ui.desk import Desk
from app.ui.models import launch_view, plan_view
from app.ui.models.bars_view import BarsView
from app.ui.models.pcs import Pc
from app.ui.models.steps_view import StepsView
from app.ui.parts.banner import Banner
from app.ui.parts.buttons import Button, Role
from app.ui.parts.card import Card, Line
from app.ui.parts.labels import Elided, Quiet
from app.ui.said import said
from app.ui.style.fonts import mono_font
from app.ui.style.palette import Tone
from app.ui.style.theme import Theme
from app.ui.style.tokens import GAP, GROUP, HEADING
from app.ui.words import Phrase, tr

LOG_LINES = 60
_TICK_MS = 500
_LOG_HEIGHT = 132


class LaunchPanel(Card):
    """Shows one instance. It decides nothing: the page does what the signals ask for."""

    chat_wanted = Signal(str)
    """A model id."""
    stop_wanted = Signal(str)
    """An InstanceId: cancel the launch, or unload."""
    retry_wanted = Signal(object)
    """The InstanceStatus that failed."""
    plan_wanted = Signal()
    """Back to the plan of this model."""

    def __init__(
        self, desk: Desk, theme: Theme, parent: QWidget | None = None, clock: Callable[[], float] = time.time
    ) -> None:
        super().__init__(parent)
        self._desk, self._clock = desk, clock
        self._instance: InstanceStatus | None = None
        self._logged: str | None = None
        self._lines: tuple[str, ...] = ()
        self.title, self.subtitle = Elided(pixels=HEADING, is_strong=True), Quiet(wraps=True, pixels=12)
        self.trouble = Banner(theme, Tone.TIGHT, "")
        self.steps, self.bars = StepsView(theme), BarsView(theme)
        self.measured = Quiet(wraps=True, pixels=12)
        self.log = _log_box()
        self.cancel = Button(tr("Cancel"), Role.PLAIN, self._stop)
        self.unload = Button(tr("Unload"), Role.PLAIN, self._stop)
        self.chat = Button(tr("Chat"), Role.PRIMARY, self._chat, theme=theme, icon_name="chat")
        self.retry = Button(tr("Retry"), Role.PRIMARY, self._retry, theme=theme, icon_name="refresh")
        self.back = Button(tr("Change the plan"), Role.QUIET, self.plan_wanted.emit)
        self.copy = Button(tr("Copy diagnostics"), Role.PLAIN, self._copy, theme=theme, icon_name="copy")
        self._tick = QTimer(self)
        self._tick.setInterval(_TICK_MS)
        self._tick.timeout.connect(self._show_steps)
        self._lay_out()

    def show_instance(self, instance: InstanceStatus, name: str, pcs: tuple[Pc, ...]) -> None:
        """Show its state now; any PC of the cluster can end it."""
        if self._instance is None or self._instance.id != instance.id:
            self._logged, self._lines = None, ()
        self._instance = instance
        self.title.say(launch_view.title(instance, name))
        self.subtitle.say(self._subtitle(instance))
        self.bars.show_bars(plan_view.bars(instance.plan, pcs))
        self._show_steps()
        self._show_end(instance)
        self._show_buttons(instance.state)

    def _subtitle(self, instance: InstanceStatus) -> Phrase:
        words, status = launch_view.subtitle(instance), self._desk.status
        unloads_at = status.unloads_at(instance) if status is not None else None
        left = launch_view.left(unloads_at, self._clock())
        return words if left is None else tr("{words}; idle, {left}", words=words, left=left)

    def rest(self) -> None:
        """Nobody looks: stop counting seconds."""
        self._tick.stop()

    def _show_steps(self) -> None:
        if self._instance is None:
            return
        self.steps.show_steps(launch_view.steps(self._instance, self._clock()))
        is_moving = self._instance.state is InstanceState.STARTING
        if is_moving and not self._tick.isActive():
            self._tick.start()
        elif not is_moving:
            self._tick.stop()

    def _show_end(self, instance: InstanceStatus) -> None:
        is_failed = instance.state is InstanceState.FAILED
        is_ready = instance.state is InstanceState.READY
        self.trouble.setVisible(is_failed)
        self.log.setVisible(is_failed and bool(self.log.toPlainText()))
        # A ready model's steps have told all they had to tell.
        self.steps.setVisible(not is_ready)
        self.bars.setVisible(not is_failed)
        expected = launch_view.expectation(instance, self._desk.speeds.get(instance.id, instance.decode))
        self.measured.say(expected or "")
        self.measured.setVisible(expected is not None and is_ready)
        if is_failed and instance.error is not None:
            self.trouble.tell(Tone.TIGHT, instance.error.sentence, instance.error.hint)
            self._fetch_log(instance)

    def _show_buttons(self, state: InstanceState) -> None:
        is_failed, is_ready = state is InstanceState.FAILED, state is InstanceState.READY
        self.cancel.setVisible(state is InstanceState.STARTING)
        self.unload.setVisible(state in {InstanceState.READY, InstanceState.STOPPING})
        self.unload.allow(None if is_ready else tr("It is being unloaded."))
        self.cancel.allow(None)
        for each in (self.retry, self.copy):
            each.setVisible(is_failed)
        self.chat.setVisible(is_ready)
        self.back.setVisible(is_failed or is_ready)

    def _fetch_log(self, instance: InstanceStatus) -> None:
        if self._logged == instance.id:
            return
        self._logged = instance.id
        self._show_log(launch_view.last_lines(instance.error, ()))
        self._desk.ask(_log_tail(launch_view.log_name(instance)), self._show_log, lambda error: None)

    def _show_log(self, lines: tuple[str, ...]) -> None:
        if lines:
            self._lines = tuple(lines)
            self.log.setPlainText("\n".join(lines))
            self.log.verticalScrollBar().setValue(self.log.verticalScrollBar().maximum())
            self.log.show()
        elif not self._lines:
            self.log.clear()
            self.log.hide()

    def _stop(self) -> None:
        if self._instance is not None:
            for each in (self.cancel, self.unload):
                each.allow(tr("It is being unloaded."))
            self.stop_wanted.emit(self._instance.id)

    def _chat(self) -> None:
        if self._instance is not None:
            self.chat_wanted.emit(self._instance.model_id)

    def _retry(self) -> None:
        if self._instance is not None:
            self.retry_wanted.emit(self._instance)

    def _copy(self) -> None:
        if self._instance is not None:
            QGuiApplication.clipboard().setText(launch_view.diagnostics(self._instance, self._lines))
            self.copy.say(tr("Copied"))
            QTimer.singleShot(2000, self.copy, lambda: self.copy.say(tr("Copy diagnostics")))

    def _lay_out(self) -> None:
        self.rows.setSpacing(GAP)
        self.rows.addWidget(self.title)
        self.rows.addWidget(self.subtitle)
        canvas = QWidget()
        canvas.setObjectName("canvas")
        rows = QVBoxLayout(canvas)
        rows.setContentsMargins(0, GAP, 0, GAP)
        rows.setSpacing(GROUP)
        for each in (self.trouble, self.steps, self.log, self.measured, self.bars):
            rows.addWidget(each)
        rows.addStretch(1)
        area = QScrollArea()
        area.setFrameShape(QFrame.Shape.NoFrame)
        area.setWidgetResizable(True)
        area.setWidget(canvas)
        self.rows.addWidget(area, 1)
        self.rows.addWidget(Line())
        foot = QHBoxLayout()
        foot.setSpacing(GAP)
        foot.addWidget(self.back)
        foot.addStretch(1)
        for button in (self.copy, self.cancel, self.unload, self.retry, self.chat):
            foot.addWidget(button)
        self.rows.addLayout(foot)


def _log_box() -> QPlainTextEdit:
    box = QPlainTextEdit()
    box.setReadOnly(True)
    box.setFont(mono_font())
    box.setFixedHeight(_LOG_HEIGHT)
    box.setLineWrapMode(QPlainTextEdit.LineWrapMode.NoWrap)
    box.setAccessibleName(said(tr("Last lines of the engine")))
    box.setTabChangesFocus(True)
    return box


def _log_tail(name: str) -> Callable[[NodeClient], Awaitable[tuple[str, ...]]]:
    async def work(client: NodeClient) -> tuple[str, ...]:
        lines, _ = await client.logs(name, LOG_LINES)
        return tuple(lines)

    return work
