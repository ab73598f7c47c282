"""The page Settings: a list of sections on the left, the open one beside it."""

from collections.abc import Callable
from dataclasses import dataclass

from PySide6.QtCore import QSize, Qt, QTimer
from PySide6.QtWidgets import QHBoxLayout, QListWidget, QListWidgetItem, QStackedWidget, QVBoxLayout, QWidget

from app.client import NodeClient
from app.schema.instance import InstanceState
from app.schema.node import Status
from app.ui.desk import Desk, Wish
from app.ui.face import Link
from app.ui.parts.banner import Banner
from app.ui.parts.buttons import Role
from app.ui.parts.dialog import confirm
from app.ui.said import said
from app.ui.settings.about_section import AboutSection
from app.ui.settings.advanced_section import AdvancedSection
from app.ui.settings.api_section import ApiSection
from app.ui.settings.changes import Changes
from app.ui.settings.engine_section import EngineSection
from app.ui.settings.logs_section import LogsSection
from app.ui.settings.look_section import LookSection
from app.ui.settings.models_section import ModelsSection
from app.ui.settings.restart import Baseline, waiting, waiting_sentence
from app.ui.settings.section import WIDTH, Section
from app.ui.settings.this_pc import ThisPc, sign_in_command
from app.ui.style.fonts import ui_font
from app.ui.style.icons import icon
from app.ui.style.palette import Tone
from app.ui.style.theme import Theme
from app.ui.style.tokens import BODY, EDGE, GROUP
from app.ui.window.page import Page
from app.ui.words import Phrase, tr

_LIST_WIDTH = 148
_ROW = 34
GONE_MS = 1500
"""A node that ends answers now and then; when it was silent for so long it is started again."""

_MOST_STARTS = 3
_LIVE = (InstanceState.STARTING, InstanceState.READY)


@dataclass(frozen=True)
class Entry:
    """A section in the list. `name` is what `desk.go(Wish.SETTINGS, name)` opens."""

    name: str
    words: Phrase
    icon: str
    make: Callable[[], Section]


class SettingsPage(Page):
    """`desk.go(Wish.SETTINGS, "engine")` opens a section: this-pc, models, engine, api, look, advanced, logs,
    about.

    `desk.go(Wish.LOGS)` opens the logs; what it is about may be a log's name.
    """

    title: Phrase = tr("Settings")

    def __init__(self, desk: Desk, theme: Theme, parent: QWidget | None = None) -> None:
        super().__init__(desk, theme, parent)
        self.changes = Changes(desk, self)
        self.sections: dict[str, Section] = {}
        self._baseline: Baseline | None = None
        self._starts_left = 0
        self._restarting = QTimer(self)
        self._restarting.setSingleShot(True)
        self._restarting.setInterval(GONE_MS)
        self._restarting.timeout.connect(self._start_anew)
        self.entries = self._entries()
        self.list, self.stack = QListWidget(), QStackedWidget()
        self.notice = Banner(theme, Tone.TIGHT, "", "", tr("Restart Caravan"), self._ask_restart)
        self.lost = Banner(
            theme, Tone.TIGHT, tr("Caravan is not running on this PC."), tr("Settings can be changed once it runs."),
            tr("Start Caravan"), lambda: desk.go(Wish.START_NODE),
        )  # fmt: skip
        self._fill_list()
        self._lay_out()
        self.setFocusProxy(self.list)
        theme.changed.connect(self._tint)
        self.list.setCurrentRow(0)

    @property
    def section(self) -> Section:
        """The open one."""
        shown = self.stack.currentWidget()
        assert isinstance(shown, Section)
        return shown

    def shown(self, status: Status | None) -> None:  # noqa: D102
        self.changes.take_status(status)
        if status is not None:
            self._take_baseline(status)
        elif self._starts_left and self.desk.link is Link.LOST:
            self._restarting.start()
        self._show_notices(status)
        self.section.shown(status)

    def leaving(self) -> None:  # noqa: D102
        for each in self.sections.values():
            each.leaving()

    def wish(self, about: str) -> None:
        """Open a section, or the log of this name."""
        names = [each.name for each in self.entries]
        self.list.setCurrentRow(names.index(about if about in names else "logs"))
        logs = self.sections.get("logs")
        if about not in names and isinstance(logs, LogsSection):
            logs.open_log(about)

    def about_to_quit(self) -> None:  # noqa: D102
        for each in self.sections.values():
            if isinstance(each, LogsSection | ThisPc):
                each.finish()

    def _entries(self) -> tuple[Entry, ...]:
        desk, theme, changes = self.desk, self.theme, self.changes
        command = sign_in_command(desk.paths)
        return (
            Entry("this-pc", tr("This PC"), "pc", lambda: ThisPc(desk, theme, changes, command)),
            Entry("models", tr("Models"), "models", lambda: ModelsSection(desk, theme, changes)),
            Entry("engine", tr("Engine"), "gpu", lambda: EngineSection(desk, theme, changes)),
            Entry("api", tr("API"), "key", lambda: ApiSection(desk, theme)),
            Entry("look", tr("Look"), "eye", lambda: LookSection(theme)),
            Entry("advanced", tr("Advanced"), "settings", lambda: AdvancedSection(desk, theme, changes)),
            Entry("logs", tr("Logs"), "logs", lambda: LogsSection(desk, theme)),
            Entry("about", tr("About"), "info", lambda: AboutSection(theme)),
        )

    def _open(self, row: int) -> None:
        entry = self.entries[row]
        section = self.sections.get(entry.name)
        if section is None:
            section = self.sections[entry.name] = entry.make()
            self.stack.addWidget(section)
        if self.stack.currentWidget() is not section and self.stack.count() > 1:
            self.section.leaving()
        self.stack.setCurrentWidget(section)
        self._tint()
        if self.isVisible():
            self.shown(self.desk.status)

    def _start_anew(self) -> None:
        """The node has been gone for a moment. One that is ending may have answered a last time: not for ever."""
        if self._starts_left and self.desk.link is Link.LOST:
            self._starts_left -= 1
            self.desk.go(Wish.START_NODE)

    def _take_baseline(self, status: Status) -> None:
        baseline = Baseline.of(status, self._baseline)
        if baseline is not self._baseline:
            self._baseline, self._starts_left = baseline, 0

    def _show_notices(self, status: Status | None) -> None:
        self.lost.setVisible(self.desk.link is Link.LOST)
        what = waiting(self._baseline, status) if status is not None and self._baseline is not None else ()
        is_told = bool(what) and not self.changes.is_saving
        if is_told:
            self.notice.tell(Tone.TIGHT, waiting_sentence(what))
        self.notice.setVisible(is_told)

    def _ask_restart(self) -> None:
        status = self.desk.status
        running = [each for each in status.instances if each.state in _LIVE] if status is not None else []
        if not running:
            self._restart()
            return
        text = tr("What runs on this PC now ends with it: {models}.", models=", ".join(e.model_id for e in running))
        confirm(self, tr("Restart Caravan?"), text, tr("Restart"), self._restart, Role.PRIMARY)

    def _restart(self) -> None:
        async def work(client: NodeClient) -> None:
            await client.shut_down()

        # The window sees the node go, and then asks for a new one.
        self._starts_left = _MOST_STARTS
        self.desk.ask(work)

    def _fill_list(self) -> None:
        self.list.setFixedWidth(_LIST_WIDTH)
        self.list.setFont(ui_font(BODY))
        self.list.setIconSize(QSize(18, 18))
        self.list.setAccessibleName(said(tr("Sections of the settings")))
        self.list.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        for entry in self.entries:
            item = QListWidgetItem(said(entry.words))
            item.setSizeHint(QSize(0, _ROW))
            self.list.addItem(item)
        self.list.currentRowChanged.connect(self._open)

    def _tint(self) -> None:
        palette, current = self.theme.palette, self.list.currentRow()
        for row, entry in enumerate(self.entries):
            self.list.item(row).setIcon(icon(entry.icon, palette.accent_ink if row == current else palette.quiet, 18))

    def _lay_out(self) -> None:
        row = QHBoxLayout(self)
        row.setContentsMargins(GROUP, EDGE, EDGE, 0)
        row.setSpacing(EDGE)
        row.addWidget(self.list)
        rows = QVBoxLayout()
        rows.setSpacing(GROUP)
        rows.addWidget(self.lost)
        rows.addWidget(self.notice)
        rows.addWidget(self.stack, 1)
        row.addLayout(rows, 1)
        for each in (self.lost, self.notice):
            each.setMaximumWidth(WIDTH)
            each.hide()
