"""The tray icon, its tooltip, its menu and its notifications: all made from the node's last status."""

from collections.abc import Callable

from PySide6.QtCore import QCoreApplication, QObject, Qt, QUrl, Signal
from PySide6.QtGui import QAction, QColor, QCursor, QDesktopServices, QGuiApplication, QPalette
from PySide6.QtWidgets import QMenu, QMessageBox, QSystemTrayIcon

from app.schema.errors import ErrorInfo
from app.schema.node import Status
from app.schema.record import InstanceId
from app.system.paths import Paths
from app.ui.bridge import Bridge
from app.ui.face import Link, Problem, face
from app.ui.icons import Icons, taskbar_is_dark
from app.ui.keeper import Attachment
from app.ui.menu import DEMO_MODEL, Command, MenuEntry, Place, menu_model
from app.ui.notices import Notice, notices, trouble
from app.ui.words import Phrase, tr

_QUEUED = Qt.ConnectionType.QueuedConnection

QUIET = 0.68
"""How much of the text's colour is left in a line that only tells."""

_TOOLTIP_CHARACTERS = 120
"""Windows cuts longer tooltips of tray icons off."""


class Tray(QObject):
    """Shows one bridge's node. `quit` emits `finished` when the bridge has ended."""

    finished = Signal()
    notified = Signal(object)
    """A Notice, as it is shown."""

    def __init__(self, bridge: Bridge, paths: Paths) -> None:
        super().__init__()
        self._bridge = bridge
        self._paths = paths
        self._status: Status | None = None
        self._place = Place()
        self._entries: tuple[MenuEntry, ...] = ()
        self._problem: Problem | None = None
        self._box: QMessageBox | None = None
        self._icons = Icons()
        self.menu = QMenu()
        self._tint_menu()
        self.icon = QSystemTrayIcon(self)
        self.icon.setContextMenu(self.menu)
        self._connect()
        self._refresh()

    def show(self) -> None:
        """Put the icon into the tray."""
        self.icon.show()

    def quit(self) -> None:
        """End the bridge; the icon stays until that is done."""
        self._place = Place(Link.ENDING)
        self._refresh()
        self._bridge.end()

    def _connect(self) -> None:
        bridge = self._bridge
        bridge.node_starting.connect(self._on_starting, _QUEUED)
        bridge.attached.connect(self._on_attached, _QUEUED)
        bridge.status_changed.connect(self._on_status, _QUEUED)
        bridge.node_lost.connect(self._on_lost, _QUEUED)
        bridge.failed.connect(self._on_failed, _QUEUED)
        bridge.ended.connect(self._on_ended, _QUEUED)
        self.icon.activated.connect(self._on_click)
        QGuiApplication.styleHints().colorSchemeChanged.connect(self._on_scheme, _QUEUED)

    def _on_scheme(self) -> None:
        self._tint_menu()
        self._refresh()

    def _on_starting(self) -> None:
        self._move_to(Place(Link.STARTING))

    def _on_attached(self, attachment: Attachment) -> None:
        self._move_to(Place(Link.FOUND, attachment.api_url, attachment.is_ours))

    def _on_lost(self) -> None:
        self._move_to(Place(Link.LOST))

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
            self.menu.popup(QCursor.pos())

    def _notify(self, notice: Notice) -> None:
        kind = QSystemTrayIcon.MessageIcon.Warning if notice.is_problem else QSystemTrayIcon.MessageIcon.Information
        self.icon.showMessage(_said(notice.title), _said(notice.body), kind)
        self.notified.emit(notice)

    def _refresh(self) -> None:
        shown = face(self._status, self._place.link)
        self._problem = shown.problem
        self.icon.setIcon(self._icons.icon(shown.icon, taskbar_is_dark()))
        self.icon.setToolTip(_said(shown.line)[:_TOOLTIP_CHARACTERS])
        entries = menu_model(self._status, self._place)
        if entries != self._entries:
            self._show_entries(entries)

    def _tint_menu(self) -> None:
        """Lines that only tell are lighter than the others, and still read easily: 4.5 to 1 at least."""
        palette = QGuiApplication.palette()
        quiet = mixed(palette.color(QPalette.ColorRole.Text), palette.color(QPalette.ColorRole.Base), QUIET)
        for role in (QPalette.ColorRole.Text, QPalette.ColorRole.WindowText, QPalette.ColorRole.ButtonText):
            palette.setColor(QPalette.ColorGroup.Disabled, role, quiet)
        self.menu.setPalette(palette)

    def _show_entries(self, entries: tuple[MenuEntry, ...]) -> None:
        """An open menu whose lines stay the same ones only changes their words: it does not jump under the pointer."""
        if _lines(entries) != _lines(self._entries):
            self.menu.clear()
            for entry in entries:
                self._add(entry)
        for action, entry in zip(self.menu.actions(), entries, strict=True):
            action.setText(_said(entry.text).replace("&", "&&") if entry.text else "")
            action.setEnabled(entry.is_enabled)
        self._entries = entries

    def _add(self, entry: MenuEntry) -> None:
        action = QAction(self.menu)
        action.setSeparator(entry.text is None)
        if entry.command is not None:
            action.triggered.connect(self._doing(entry.command, entry.target))
        if not self.menu.actions():
            font = action.font()
            font.setBold(True)
            action.setFont(font)
        self.menu.addAction(action)

    def _doing(self, command: Command, target: str) -> Callable[[], None]:
        return {
            Command.EXPLAIN: self._explain,
            Command.LAUNCH_DEMO: lambda: self._bridge.launch(DEMO_MODEL),
            Command.UNLOAD: lambda: self._bridge.unload(InstanceId(target)),
            Command.COPY_ADDRESS: self._copy_address,
            Command.OPEN_PAGES: lambda: self._open(QUrl(f"{self._place.api_url}/docs")),
            Command.SHOW_LOGS: lambda: self._open(QUrl.fromLocalFile(str(self._paths.logs))),
            Command.START: self._bridge.start_node,
            Command.QUIT: self.quit,
        }[command]

    def _explain(self) -> None:
        if self._problem is None:
            return
        box = QMessageBox(QMessageBox.Icon.Information, _said(tr("Caravan")), _said(self._problem.sentence))
        box.setInformativeText(_said(self._problem.hint))
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


def mixed(ink: QColor, ground: QColor, part: float) -> QColor:
    """`part` of one colour, from 0 to 1, and the rest of the other."""
    return QColor.fromRgbF(
        part * ink.redF() + (1 - part) * ground.redF(),
        part * ink.greenF() + (1 - part) * ground.greenF(),
        part * ink.blueF() + (1 - part) * ground.blueF(),
    )


def _lines(entries: tuple[MenuEntry, ...]) -> list[tuple[bool, Command | None, str]]:
    return [(entry.text is None, entry.command, entry.target) for entry in entries]


def _said(phrase: Phrase) -> str:
    return phrase.said(lambda source: QCoreApplication.translate("Caravan", source))
