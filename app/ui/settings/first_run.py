"""The page a person sees before anything else: four steps, each of which can wait."""

from collections.abc import Callable

from PySide6.QtCore import QRectF, QSize, Qt
from PySide6.QtGui import QColor, QPainter, QPaintEvent, QPen
from PySide6.QtWidgets import QHBoxLayout, QLabel, QScrollArea, QSizePolicy, QVBoxLayout, QWidget

from app.client import NodeClient
from app.schema.errors import ErrorInfo
from app.schema.node import HealthWarning, Status
from app.ui.desk import Desk, Wish
from app.ui.face import Link
from app.ui.parts.banner import Banner
from app.ui.parts.buttons import Button, Role
from app.ui.parts.card import Card
from app.ui.parts.labels import Heading, Quiet
from app.ui.parts.scrolling import scrolling
from app.ui.said import said
from app.ui.settings.first_steps import DEMO_MODEL, FIXABLE, Step, StepKind, StepState, steps
from app.ui.settings.install_view import InstallView
from app.ui.style.fonts import ui_font
from app.ui.style.icons import icon, pixmap
from app.ui.style.palette import Palette, Tone
from app.ui.style.theme import Theme
from app.ui.style.tokens import BODY, EDGE, GAP, GROUP, SMALL, UNIT
from app.ui.window.page import Page
from app.ui.wish import FIND
from app.ui.words import Phrase, tr

_WIDTH = 620
_MARK = 40
_BADGE = 24

_STATE_WORDS = {
    StepState.WAITING: tr("waiting"),
    StepState.TODO: tr("to do"),
    StepState.WORKING: tr("under way"),
    StepState.ATTENTION: tr("needs a look"),
    StepState.DONE: tr("done"),
}


class Badge(QWidget):
    """How a step stands, by shape: a number, a tick, a triangle, a broken ring."""

    def __init__(self, theme: Theme, number: int) -> None:
        super().__init__()
        self._theme, self._number, self._state = theme, number, StepState.WAITING
        self.setFixedSize(_BADGE, _BADGE)
        theme.changed.connect(self.update)

    def show_state(self, state: StepState) -> None:
        """Another state."""
        self._state = state
        self.setAccessibleName(said(_STATE_WORDS[state]))
        self.update()

    def paintEvent(self, event: QPaintEvent) -> None:  # noqa: D102
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        palette, place = self._theme.palette, QRectF(1, 1, _BADGE - 2, _BADGE - 2)
        ground, ink, edge = _badge_colours(self._state, palette)
        pen = QPen(QColor(edge), 1.5)
        if self._state in {StepState.WAITING, StepState.WORKING}:
            pen.setDashPattern([2.5, 2.0])
        painter.setPen(pen)
        painter.setBrush(QColor(ground))
        painter.drawEllipse(place)
        picture = {StepState.DONE: "check", StepState.ATTENTION: "warning"}.get(self._state)
        if picture is not None:
            inner = place.adjusted(4, 4, -4, -4)
            size = round(inner.width())
            painter.drawPixmap(inner.topLeft(), pixmap(picture, ink, size, self.devicePixelRatioF()))
            return
        painter.setPen(QColor(ink))
        painter.setFont(ui_font(SMALL + 1, is_strong=True))
        painter.drawText(place, Qt.AlignmentFlag.AlignCenter, str(self._number))


class StepCard(Card):
    """One step. Put its controls into `controls`; they are below its words."""

    def __init__(self, theme: Theme, number: int) -> None:
        super().__init__()
        self.badge, self.title = Badge(theme, number), Heading(level=2)
        self.text = Quiet(wraps=True, pixels=BODY)
        self.controls = QVBoxLayout()
        self.controls.setSpacing(GAP)
        words = QVBoxLayout()
        words.setSpacing(2)
        words.addWidget(self.title)
        words.addWidget(self.text)
        words.addLayout(self.controls)
        row = QHBoxLayout()
        row.setSpacing(GAP + UNIT)
        row.addWidget(self.badge, 0, Qt.AlignmentFlag.AlignTop)
        row.addLayout(words, 1)
        self.rows.addLayout(row)

    def show_step(self, step: Step) -> None:
        """How it stands now."""
        self.badge.show_state(step.state)
        self.title.say(step.title)
        self.text.say(step.text)
        self.setAccessibleName(f"{said(step.title)}: {said(_STATE_WORDS[step.state])}")


class Hurdles(QWidget):
    """What is in the way of other PCs, each with its fix where the node has one."""

    def __init__(self, desk: Desk, theme: Theme) -> None:
        super().__init__()
        self._desk, self._theme = desk, theme
        self._shown: tuple[HealthWarning, ...] = ()
        self.banners: list[Banner] = []
        self.outcome: Banner | None = None
        self._rows = QVBoxLayout(self)
        self._rows.setContentsMargins(0, UNIT, 0, 0)
        self._rows.setSpacing(GAP)
        self.hide()

    def show_warnings(self, warnings: tuple[HealthWarning, ...]) -> None:
        """Show these."""
        if warnings == self._shown:
            return
        self._shown = warnings
        for each in self.banners:
            each.hide()
            each.deleteLater()
        self.banners = [self._banner(each) for each in warnings]
        for banner in self.banners:
            self._rows.addWidget(banner)
        self.setVisible(bool(warnings) or self.outcome is not None)

    def _banner(self, warning: HealthWarning) -> Banner:
        can_fix = warning.code in FIXABLE and hasattr(NodeClient, "fix")
        action = tr("Fix") if can_fix else None
        return Banner(self._theme, Tone.TIGHT, warning.sentence, warning.hint, action, lambda: self._fix(warning.code))

    def _fix(self, code: str) -> None:
        for banner in self.banners:
            if banner.button is not None:
                banner.button.setEnabled(False)

        async def work(client: NodeClient) -> object:
            fix: Callable[[str], object] = getattr(client, "fix")  # noqa: B009
            return await fix(code)  # type: ignore[misc]

        self._desk.ask(work, self._fixed, self._failed)

    def _fixed(self, told: object) -> None:
        self._tell(Tone.GOOD, told if isinstance(told, str) else said(tr("Done.")), "")

    def _failed(self, error: ErrorInfo) -> None:
        self._tell(Tone.TIGHT, error.sentence, error.hint)

    def _tell(self, tone: Tone, sentence: str, hint: str) -> None:
        for banner in self.banners:
            if banner.button is not None:
                banner.button.setEnabled(True)
        if self.outcome is None:
            self.outcome = Banner(self._theme, tone, sentence, hint)
            self._rows.insertWidget(0, self.outcome)
        self.outcome.tell(tone, sentence, hint)
        self.show()


class FirstRunPage(Page):
    """Shown once: `wanted(status, memory.now)` says when, opening any other page ends it."""

    title: Phrase = tr("Welcome")

    def __init__(self, desk: Desk, theme: Theme, parent: QWidget | None = None) -> None:
        super().__init__(desk, theme, parent)
        self.cards = {kind: StepCard(theme, number) for number, kind in enumerate(StepKind, 1)}
        self.install = InstallView(desk, theme)
        self.hurdles = Hurdles(desk, theme)
        self.demo = Button(
            tr("Try the demo model"),
            Role.PRIMARY,
            lambda: desk.go(Wish.MODELS, DEMO_MODEL),
            theme=theme,
            icon_name="play",
        )
        self.search = Button(
            tr("Find a model"), Role.PLAIN, lambda: desk.go(Wish.MODELS, FIND), theme=theme, icon_name="search"
        )
        self.invite = Button(
            tr("Invite a PC"), Role.PLAIN, lambda: desk.go(Wish.INVITE), theme=theme, icon_name="invite"
        )
        self.join = Button(tr("Join a cluster"), Role.PLAIN, lambda: desk.go(Wish.JOIN), theme=theme, icon_name="join")
        self.start = Button(tr("Start Caravan"), Role.PRIMARY, lambda: desk.go(Wish.START_NODE))
        self.done = Button(tr("Skip the rest"), Role.PLAIN, lambda: desk.go(Wish.CLUSTER))
        self._mark = QLabel()
        self.install.setContentsMargins(0, UNIT, 0, 0)
        self.setFocusProxy(self.done)
        self._lay_out()
        theme.changed.connect(self._tint)
        self._tint()
        self.shown(None)

    def shown(self, status: Status | None) -> None:  # noqa: D102
        every = {step.kind: step for step in steps(status)}
        for kind, step in every.items():
            self.cards[kind].show_step(step)
        self.install.show_status(status)
        engine = every[StepKind.ENGINE].state
        self.install.setVisible(engine in {StepState.TODO, StepState.WORKING, StepState.ATTENTION})
        self.hurdles.show_warnings(every[StepKind.NETWORK].warnings)
        has_engine = engine is StepState.DONE
        self.demo.allow(None if has_engine else tr("It needs the engine: the first step."))
        self.join.setVisible(status is None or not status.peers)
        for each in (self.search, self.invite, self.join):
            each.allow(None if status is not None else tr("Caravan is not running yet."))
        is_lost = self.desk.link is Link.LOST
        self.start.setVisible(is_lost)
        if is_lost:
            self.cards[StepKind.ENGINE].text.say(tr("Caravan is not running on this PC."))
        is_over = all(step.state is StepState.DONE for step in every.values())
        self.done.say(tr("Open Caravan") if is_over or has_engine else tr("Skip the rest"))

    def _lay_out(self) -> None:
        self.cards[StepKind.ENGINE].controls.addWidget(self.install)
        self.cards[StepKind.ENGINE].controls.addLayout(_buttons(self.start))
        self.cards[StepKind.NETWORK].controls.addWidget(self.hurdles)
        self.cards[StepKind.MODEL].controls.addLayout(_buttons(self.demo, self.search))
        self.cards[StepKind.CLUSTER].controls.addLayout(_buttons(self.invite, self.join))
        column = QWidget()
        column.setMaximumWidth(_WIDTH)
        column.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Preferred)
        inner = QVBoxLayout(column)
        inner.setContentsMargins(0, EDGE, 0, EDGE)
        inner.setSpacing(GAP + UNIT)
        inner.addLayout(self._head())
        inner.addSpacing(GAP)
        for card in self.cards.values():
            inner.addWidget(card)
        inner.addSpacing(UNIT)
        inner.addLayout(self._foot())
        inner.addStretch(1)
        rows = QVBoxLayout(self)
        rows.setContentsMargins(0, 0, 0, 0)
        rows.addWidget(_scrolling(column))

    def _head(self) -> QHBoxLayout:
        row = QHBoxLayout()
        row.setSpacing(GROUP)
        row.addWidget(self._mark, 0, Qt.AlignmentFlag.AlignTop)
        words = QVBoxLayout()
        words.setSpacing(2)
        words.addWidget(Heading(tr("Welcome to Caravan")))
        text = tr("Large models, carried by the PCs you have. Four steps; each of them can wait.")
        words.addWidget(Quiet(text, wraps=True, pixels=BODY))
        row.addLayout(words, 1)
        return row

    def _foot(self) -> QHBoxLayout:
        row = QHBoxLayout()
        row.setSpacing(GAP)
        text = tr("Nothing leaves your network, except downloads you ask for.")
        row.addWidget(Quiet(text, wraps=True, pixels=12), 1)
        row.addWidget(self.done)
        return row

    def _tint(self) -> None:
        self._mark.setPixmap(icon("llama", self.theme.palette.accent_ink, _MARK).pixmap(QSize(_MARK, _MARK)))


def _badge_colours(state: StepState, palette: Palette) -> tuple[str, str, str]:
    """Ground, ink and edge."""
    if state is StepState.DONE:
        return palette.green_soft, palette.green, palette.green
    if state is StepState.ATTENTION:
        return palette.amber_soft, palette.amber, palette.amber
    if state is StepState.WAITING:
        return palette.card, palette.quiet, palette.edge
    return palette.accent_soft, palette.accent_ink, palette.accent


def _buttons(*buttons: Button) -> QHBoxLayout:
    row = QHBoxLayout()
    row.setContentsMargins(0, UNIT, 0, 0)
    row.setSpacing(GAP)
    for each in buttons:
        row.addWidget(each)
    row.addStretch(1)
    return row


def _scrolling(column: QWidget) -> QScrollArea:
    content = QWidget()
    content.setObjectName("canvas")
    row = QHBoxLayout(content)
    row.setContentsMargins(EDGE, 0, EDGE, 0)
    row.addStretch(1)
    row.addWidget(column, 100)
    row.addStretch(1)
    return scrolling(content)
