"""The page Models: the picker on the left, the plan or launch of the selected model on the right, or finding more."""

from PySide6.QtCore import QElapsedTimer, QPoint, Qt, QUrl
from PySide6.QtGui import QDesktopServices, QDragEnterEvent, QDragLeaveEvent, QDropEvent
from PySide6.QtWidgets import QStackedWidget, QVBoxLayout, QWidget

from app.schema.instance import InstanceState
from app.schema.node import Status
from app.ui.desk import Desk, Wish
from app.ui.discover.downloads_panel import DownloadsPanel
from app.ui.discover.file_rows import FileRow
from app.ui.discover.find_view import FindView
from app.ui.models import launch_view
from app.ui.models.header import Header
from app.ui.models.list_pane import ListPane
from app.ui.models.pcs import Pc, is_material
from app.ui.models.picker_states import States, dropped_models
from app.ui.models.row_menu import RowMenu
from app.ui.models.rows import Row
from app.ui.models.running_strip import RunningStrip
from app.ui.models.shelf import Shelf
from app.ui.models.side import Side
from app.ui.parts.panes import Panes
from app.ui.style.theme import Theme
from app.ui.style.tokens import EDGE, GROUP
from app.ui.window.page import Page
from app.ui.wish import FIND
from app.ui.words import Phrase, tr

CALM_MS = 3000
"""Verdicts are not asked for again sooner after the last time, however memory moves."""

_MOVING = frozenset({InstanceState.STARTING, InstanceState.STOPPING})


class ModelsPage(Page):
    """Pick, plan, launch. `desk.go(Wish.MODELS, MODEL_ID)` selects a model; Chat goes to `Wish.CHAT` with its id.

    `desk.go(Wish.MODELS, FIND)` turns to finding more models; words after `FIND` are looked for at once.
    """

    title: Phrase = tr("Models")

    def __init__(self, desk: Desk, theme: Theme, parent: QWidget | None = None) -> None:
        super().__init__(desk, theme, parent)
        self.shelf = Shelf(desk, self)
        self.header, self.strip, self.pane = Header(theme), RunningStrip(theme), ListPane(theme)
        self.toolbar, self.downloads = self.header.toolbar, DownloadsPanel(desk, theme, self)
        self.side = Side(desk, theme, self.shelf)
        self.states = States(theme, self._open_folder, self._start_node, self._rescan, self._find)
        self.finding = FindView(desk, theme, self.header.find_bar)
        self.body = QStackedWidget()
        self._asked_pcs: tuple[Pc, ...] = ()
        self._since = QElapsedTimer()
        self._wanted: str | None = None
        self._was_left = False
        self.setAcceptDrops(True)
        self.setFocusProxy(self.pane.view)
        self._lay_out()
        self._connect()

    def shown(self, status: Status | None) -> None:
        """Follow the node."""
        if status is None:
            self.shelf.stop()
            # A node that comes back is asked anew.
            self._asked_pcs = ()
            self.strip.hide()
            self.downloads.show_downloads(())
            self.finding.rest()
            self.header.setEnabled(False)
            self.body.setCurrentIndex(0)
            self.states.show_no_node()
            return
        self.header.setEnabled(True)
        self.body.setCurrentIndex(int(self.header.is_finding))
        self.shelf.take_status(status)
        self.downloads.show_downloads(status.downloads)
        self.finding.show_news(status.downloads, self.shelf.pcs)
        self._follow_memory(status)
        self._show_instances()
        self._show_state()
        if self._was_left:
            self._was_left = False
            self._want_verdicts()
            self.side.details.planning.resume()
            self._turn(self.header.is_finding)

    def leaving(self) -> None:
        """Nobody looks: ask for nothing."""
        self.shelf.stop()
        self.side.rest()
        self.finding.rest()
        self._was_left = True

    def wish(self, about: str) -> None:
        """Select this model, or turn to finding more."""
        if about.startswith(FIND):
            self._find(about.removeprefix(FIND))
            return
        self._turn(False)
        self._wanted = about or None
        self._select_wanted()

    def _connect(self) -> None:
        self.shelf.changed.connect(self._show_rows)
        self.shelf.failed.connect(self.states.show_failure)
        self.shelf.added.connect(self.pane.view.choose)
        self.toolbar.wished.connect(lambda wish: self._show_rows())
        self.toolbar.rescan_wanted.connect(self._rescan)
        self.toolbar.list_wanted.connect(lambda: self.pane.view.setFocus(Qt.FocusReason.ShortcutFocusReason))
        self.pane.clear_wanted.connect(self.toolbar.clear)
        self.pane.folder_wanted.connect(self._open_folder)
        self.pane.find_wanted.connect(self._find)
        self.header.turned.connect(self._turn)
        self.downloads.launch_wanted.connect(self.wish)
        self.finding.repository.open_wanted.connect(self._open_found)
        self.pane.view.selected.connect(self._select)
        self.pane.view.entered.connect(self.side.launch)
        self.pane.view.menu_wanted.connect(self._open_menu)
        self.side.details.menu_wanted.connect(self._open_menu)
        self.pane.view.looked_at.connect(self._want_verdicts)
        self.side.instances_changed.connect(self._show_instances)
        self.strip.chat_wanted.connect(self.side.chat)
        self.strip.stop_wanted.connect(self.side.stop)
        self.strip.shown_wanted.connect(self._watch)

    def _lay_out(self) -> None:
        self.states.addWidget(Panes(self.pane, self.side))
        rows = QVBoxLayout(self)
        rows.setContentsMargins(EDGE, EDGE, EDGE, EDGE)
        rows.setSpacing(GROUP)
        for each in (self.states, self.finding):
            self.body.addWidget(each)
        for part in (self.header, self.strip, self.downloads):
            rows.addWidget(part)
        rows.addWidget(self.body, 1)
        self.strip.hide()

    def _turn(self, is_finding: bool) -> None:
        """Show what is here, or what could be."""
        self.header.turn(is_finding)
        self.body.setCurrentIndex(int(is_finding))
        self.setFocusProxy(self.header.find_bar.search if is_finding else self.pane.view)
        if is_finding:
            self.finding.resume()
        else:
            self.finding.rest()

    def _find(self, text: str = "") -> None:
        self._turn(True)
        self.header.find_bar.search.begin()
        if text:
            self.finding.look_for(text)

    def _open_found(self, found: FileRow) -> None:
        """Select in the picker what was found on the hub and is on this PC."""
        download = found.download
        names = [download.model_id, download.path] if download is not None else []
        row = next((row for name in names if name and (row := self.shelf.row_of(name))), None)
        row = row or self.shelf.row_of_file(found.file)
        self._turn(False)
        if row is not None:
            self.pane.view.choose(row.key)

    def _show_rows(self) -> None:
        self.pane.show_rows(self.shelf.rows, self.toolbar.wish)
        self.toolbar.offer_places(self.pane.places(self.shelf.rows, self.shelf.pcs))
        self._want_verdicts()
        self._show_state()
        self._select_wanted()

    def _want_verdicts(self) -> None:
        if self.isVisible():
            seen = self.pane.view.seen_first()
            keys = {row.key for row in seen}
            self.shelf.want_verdicts([*seen, *(row for row in self.shelf.rows if row.key not in keys)])

    def _follow_memory(self, status: Status) -> None:
        """Ask for everything again once the cluster is another; not while a model loads and memory moves."""
        if any(each.state in _MOVING for each in launch_view.running(status)) and self._asked_pcs:
            return
        if self._asked_pcs and self._since.isValid() and self._since.elapsed() < CALM_MS:
            return
        if is_material(self._asked_pcs, self.shelf.pcs):
            self._asked_pcs = self.shelf.pcs
            self._since.restart()
            self.shelf.verdicts.grow_old()
            self._want_verdicts()
            self.side.details.cluster_changed(self.shelf.pcs)
            self.finding.cluster_changed()

    def _show_state(self) -> None:
        status = self.desk.status
        if status is None:
            return
        has_models = self.shelf.is_known and bool(self.shelf.rows)
        self.toolbar.show_tools(has_models)
        if not self.shelf.is_known:
            self.states.show_waiting()
        elif has_models:
            self.states.show_models()
            # The window keeps the keyboard here until there is a list that can take it.
            if self.window().focusWidget() is self.parentWidget():
                self.setFocus(Qt.FocusReason.OtherFocusReason)
        else:
            self.states.show_empty(status)

    def _select_wanted(self) -> None:
        row = self.shelf.row_of(self._wanted) if self._wanted else None
        if row is not None:
            self._wanted = None
            self.pane.view.choose(row.key)

    def _show_instances(self) -> None:
        if self.desk.status is not None:
            self.side.show_status(self.desk.status)
            self.strip.show_runners(self.side.runners(self.desk.status), self.side.watched)

    def _select(self, row: Row | None) -> None:
        self.side.select(row)
        self._show_instances()

    def _open_menu(self, row: Row, place: QPoint) -> None:
        RowMenu(self.desk, row, self, self.side.details.body.complain).open_at(place)

    def _watch(self, instance: str) -> None:
        row = self.side.row_of(instance)
        if row is not None:
            self.pane.view.choose(row.key)
        self.side.watch(instance)
        self._show_instances()

    def _rescan(self) -> None:
        self.shelf.load(rescan=True)

    def _open_folder(self) -> None:
        QDesktopServices.openUrl(QUrl.fromLocalFile(str(self.desk.paths.models)))

    def _start_node(self) -> None:
        self.desk.go(Wish.START_NODE)

    def dragEnterEvent(self, event: QDragEnterEvent) -> None:  # noqa: D102
        if self.desk.status is not None and dropped_models(event.mimeData()):
            event.acceptProposedAction()
            self._turn(False)
            self.states.begin_drop()

    def dragLeaveEvent(self, event: QDragLeaveEvent) -> None:  # noqa: D102
        self.states.end_drop()

    def dropEvent(self, event: QDropEvent) -> None:  # noqa: D102
        self.states.end_drop()
        self._turn(False)
        event.acceptProposedAction()
        self.shelf.drop(dropped_models(event.mimeData()))
