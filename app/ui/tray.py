"""The tray icon, its tooltip, its menu and its notifications: all made from the node's last status."""

from collections.abc import Callable, Sequence

from PySide6.QtCore import QObject, Qt, QUrl, Signal
from PySide6.QtGui import QDesktopServices, QGuiApplication
from PySide6.QtWidgets import QMessageBox, QSystemTrayIcon

from app.schema.errors import ErrorInfo
from app.schema.node import Status
from app.schema.record import InstanceId, ModelId
from app.system.paths import Paths
from app.ui.bridge import Bridge
from app.ui.desk import Wish
from app.ui.face import Link, Problem, face
from app.ui.front import Front
from app.ui.icons import Icons, taskbar_is_dark
from app.ui.keeper import Attachment, change_sharing
from app.ui.leaving import LeavingDialog
from app.ui.menu import Command, Habits, Place, is_serving, menu_model
from app.ui.notices import Notice, notices, trouble
from app.ui.said import said
from app.ui.sign_in import SignIn
from app.ui.tray_menu import TrayMenu
from app.ui.words import tr

_QUEUED = Qt.ConnectionType.QueuedConnection

_TOOLTIP_CHARACTERS = 120
"""Windows cuts longer tooltips of tray icons off."""


class Tray(QObject):
    """Shows one bridge's node. `quit` emits `finished` when the bridge has ended."""

    finished = Signal()
    notified = Signal(object)
    """A Notice, as it is shown."""

    def __init__(
        self,
        bridge: Bridge,
        front: Front,
        paths: Paths,
        sign_in_command: Sequence[str] = (),
        icon: QSystemTrayIcon | None = None,
    ) -> None:
        """`sign_in_command` starts the tray at sign-in; without one the menu does not offer it.

        `icon` is one that is shown already. Where `front.is_home`, none is ever shown: news is told in the window.
        """
        super().__init__()
        self._bridge = bridge
        self._front = front
        self._paths = paths
        self._sign_in = SignIn(sign_in_command, self._on_sign_in, self._on_failed)
        self._starts_at_sign_in: bool | None = None
        self._leaving: LeavingDialog | None = None
        self._status: Status | None = None
        self._place = Place()
        self._problem: Problem | None = None
        self._box: QMessageBox | None = None
        self._icons = Icons()
        self.menu = TrayMenu(self._do)
        self.icon = icon or QSystemTrayIcon(self)
        self.icon.setContextMenu(self.menu)
        self._connect()
        self._refresh()

    def show(self) -> None:
        """Put the icon into the tray."""
        self._show_icon()
        self._sign_in.look()

    def show_window(self) -> None:
        """Show the main window, and the icon again after it went into the background."""
        self._show_icon()
        self._front.show_window()

    def ask_quit(self) -> None:
        """Quit; while somebody is served, ask first, once, whether that shall go on."""
        keeps = self._front.memory.now.keeps_node
        if not is_serving(self._status, self._place):
            self.quit()
        elif keeps is None:
            self._leaving = LeavingDialog(self._on_leaving)
            self._leaving.open()
        else:
            self._leave(keeps)

    def quit(self) -> None:
        """End the bridge; the icon stays until that is done."""
        if self._place.link is Link.ENDING:
            return
        self._place = Place(Link.ENDING)
        self._refresh()
        self._front.finish()
        self._bridge.end()

    def tell_hidden(self) -> None:
        """Say where the window went."""
        self._notify(Notice(tr("Caravan is still here"), tr("Its icon near the clock opens the window again.")))

    def _show_icon(self) -> None:
        if not self._front.is_home:
            self.icon.show()

    def _on_leaving(self, keeps: bool, remembers: bool) -> None:
        if remembers:
            self._front.memory.change(keeps_node=keeps)
        self._leave(keeps)

    def _leave(self, keeps: bool) -> None:
        if not keeps:
            self.quit()
            return
        # The node is our child: it lives as long as this process does, which now shows nothing.
        if self._front.window is not None:
            self._front.window.hide()
        self.icon.hide()

    def _on_sign_in(self, is_on: bool) -> None:
        self._starts_at_sign_in = is_on
        self._refresh()

    def _connect(self) -> None:
        bridge = self._bridge
        bridge.node_starting.connect(lambda: self._move_to(Place(Link.STARTING)), _QUEUED)
        bridge.attached.connect(self._on_attached, _QUEUED)
        bridge.status_changed.connect(self._on_status, _QUEUED)
        bridge.node_lost.connect(lambda: self._move_to(Place(Link.LOST)), _QUEUED)
        bridge.failed.connect(self._on_failed, _QUEUED)
        bridge.ended.connect(self._on_ended, _QUEUED)
        self.icon.activated.connect(self._on_click)
        self._front.desk.measured.connect(self._refresh)
        self._front.quit_wanted.connect(self.ask_quit)
        self._front.hidden.connect(self.tell_hidden)
        QGuiApplication.styleHints().colorSchemeChanged.connect(self._on_scheme, _QUEUED)

    def _on_scheme(self) -> None:
        self.menu.tint()
        self._refresh()

    def _on_attached(self, attachment: Attachment) -> None:
        self._move_to(Place(Link.FOUND, attachment.api_url, attachment.is_ours))

    def _move_to(self, place: Place) -> None:
        if self._place.link is not Link.ENDING:
            self._place, self._status = place, None
            self._refresh()

    def _on_status(self, status: Status) -> None:
        before, self._status = self._status, status
        self._refresh()
        for notice in notices(before, status):
            self._notify(notice)

    def _on_failed(self, error: ErrorInfo) -> None:
        self._notify(trouble(tr("Caravan"), error))

    def _on_ended(self) -> None:
        self.icon.hide()
        self.finished.emit()

    def _on_click(self, reason: QSystemTrayIcon.ActivationReason) -> None:
        if reason is QSystemTrayIcon.ActivationReason.Trigger:
            self._front.show_window()

    def _notify(self, notice: Notice) -> None:
        kind = QSystemTrayIcon.MessageIcon.Warning if notice.is_problem else QSystemTrayIcon.MessageIcon.Information
        if self._front.is_home:
            self._front.tell(notice)
        else:
            self.icon.showMessage(said(notice.title), said(notice.body), kind)
        self.notified.emit(notice)

    def _refresh(self) -> None:
        speeds = self._front.desk.speeds
        shown = face(self._status, self._place.link, speeds)
        self._problem = shown.problem
        self.icon.setIcon(self._icons.icon(shown.icon, taskbar_is_dark()))
        self.icon.setToolTip(said(shown.line)[:_TOOLTIP_CHARACTERS])
        self.menu.show_entries(menu_model(self._status, self._place, self._habits(), speeds))

    def _habits(self) -> Habits:
        remembered = self._front.memory.now
        return Habits(remembered.last_model, self._starts_at_sign_in, remembered.keeps_node)

    def _do(self, command: Command, target: str) -> None:
        go = self._front.do
        deeds: dict[Command, Callable[[], object]] = {
            Command.EXPLAIN: self._explain,
            Command.OPEN: self._front.show_window,
            Command.CHAT: lambda: go(Wish.CHAT),
            Command.MODELS: lambda: go(Wish.MODELS),
            Command.JOIN: lambda: go(Wish.JOIN),
            Command.INVITE: lambda: go(Wish.INVITE),
            Command.SETTINGS: lambda: go(Wish.SETTINGS),
            Command.LAUNCH: lambda: self._bridge.launch(ModelId(target)),
            Command.SHARING: lambda: self._bridge.ask(change_sharing),
            Command.AUTOSTART: lambda: self._sign_in.change(not self._starts_at_sign_in),
            Command.UNLOAD: lambda: self._bridge.unload(InstanceId(target)),
            Command.COPY_ADDRESS: self._copy_address,
            Command.OPEN_PAGES: lambda: self._open(QUrl(f"{self._place.api_url}/docs")),
            Command.SHOW_LOGS: lambda: self._open(QUrl.fromLocalFile(str(self._paths.logs))),
            Command.START: self._bridge.start_node,
            Command.QUIT: self.ask_quit,
            Command.QUIT_ALL: self.quit,
        }
        deeds[command]()

    def _explain(self) -> None:
        if self._problem is None:
            return
        box = QMessageBox(QMessageBox.Icon.Information, said(tr("Caravan")), said(self._problem.sentence))
        box.setInformativeText(said(self._problem.hint))
        box.setTextFormat(Qt.TextFormat.PlainText)
        box.setWindowIcon(self.icon.icon())
        box.open()
        self._box = box

    def _copy_address(self) -> None:
        QGuiApplication.clipboard().setText(f"{self._place.api_url}/v1")

    def _open(self, url: QUrl) -> None:
        if not QDesktopServices.openUrl(url):
            body = tr(
                "Open it by hand: {address}", address=url.toDisplayString(QUrl.ComponentFormattingOption.PrettyDecoded)
            )
            self._notify(Notice(tr("No program opened the address"), body, is_problem=True))
