"""What stands between the tray and the windows: the desk, the main window at its first use, the two joining dialogs."""

from PySide6.QtCore import QObject, Qt, Signal
from PySide6.QtWidgets import QDialog

from app.schema.instance import InstanceState
from app.schema.node import Status
from app.system.paths import Paths
from app.ui.bridge import Bridge
from app.ui.desk import Desk, Wish
from app.ui.face import Link, in_state
from app.ui.joining.invite import InviteDialog
from app.ui.joining.join import JoinDialog
from app.ui.keeper import Attachment
from app.ui.notices import Notice
from app.ui.settings.first_steps import wanted
from app.ui.style.theme import Theme
from app.ui.window.memory import Memory
from app.ui.window.shell import MainWindow
from app.ui.words import tr

_QUEUED = Qt.ConnectionType.QueuedConnection


class Front(QObject):
    """Main thread only. `is_home`: there is no tray icon, Caravan lives in its window, and closing that quits."""

    hidden = Signal()
    """The window was closed for the first time ever, and Caravan goes on."""
    quit_wanted = Signal()

    def __init__(self, bridge: Bridge, theme: Theme, paths: Paths, is_home: bool = False) -> None:
        super().__init__()
        self._bridge, self._theme = bridge, theme
        self.is_home = is_home
        self._has_finished = False
        self.memory = Memory(paths)
        if self.memory.now.is_dark is not None:
            theme.force(self.memory.now.is_dark)
        theme.chosen.connect(lambda: self.memory.change(is_dark=theme.forced))
        self.desk = Desk(bridge, paths)
        self.desk.closes_to_tray = None if is_home else self.memory.now.closes_to_tray
        self.desk.closing_chosen.connect(lambda to_tray: self.memory.change(closes_to_tray=to_tray))
        self.window: MainWindow | None = None
        self.dialog: QDialog | None = None
        bridge.node_starting.connect(lambda: self.desk.take_link(Link.STARTING), _QUEUED)
        bridge.attached.connect(self._on_attached, _QUEUED)
        bridge.status_changed.connect(self._on_status, _QUEUED)
        bridge.node_lost.connect(lambda: self.desk.take_link(Link.LOST), _QUEUED)
        self.desk.wished.connect(self.do)

    def show_window(self) -> None:
        """Show the main window, in front; it is made at the first call."""
        self._made().show_window()

    def show_minimized(self) -> None:
        """Have the window in the task bar: the only place to find Caravan where there is no tray icon."""
        self._made().showMinimized()

    def tell(self, notice: Notice) -> None:
        """Say something in the window, if there is one."""
        if self.window is not None:
            self.window.news.tell(notice)

    def do(self, wish: Wish, about: str = "") -> None:
        """Open the page or dialog that is wished for."""
        if wish is Wish.START_NODE:
            self._bridge.start_node()
            return
        if wish is Wish.QUIT:
            self.quit_wanted.emit()
            return
        self.show_window()
        assert self.window is not None
        if wish is Wish.INVITE:
            self._open(InviteDialog(self.desk, self._theme, self.window))
        elif wish is Wish.JOIN:
            self._open(JoinDialog(self.desk, self._theme, self.window, about))
        elif wish is Wish.LOGS:
            self.window.open_page(Wish.SETTINGS, about or Wish.LOGS.value)
        else:
            self.window.open_page(wish, about)

    def finish(self) -> None:
        """The program ends: write down what is not yet. A second call does nothing."""
        if self.window is not None and not self._has_finished:
            self.window.about_to_quit()
            self.window.hide()
        self._has_finished = True
        self.memory.finish()

    def _made(self) -> MainWindow:
        if self.window is None:
            self.window = MainWindow(self.desk, self._theme, self.memory, is_home=self.is_home)
            self.window.closed.connect(self._on_closed)
            if wanted(self.desk.status, self.memory.now):
                self.window.open_first_steps()
            if self.is_home and not self.memory.now.knows_tray:
                self.tell(home_notice())
        return self.window

    def _open(self, dialog: QDialog) -> None:
        if self.dialog is not None:
            self.dialog.reject()
        self.dialog = dialog
        dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        dialog.finished.connect(lambda: self._forget(dialog))
        dialog.open()

    def _forget(self, dialog: QDialog) -> None:
        if self.dialog is dialog:
            self.dialog = None

    def _on_attached(self, attachment: Attachment) -> None:
        self.desk.take_link(Link.FOUND, attachment.api_url)

    def _on_status(self, status: Status) -> None:
        self.desk.take_status(status)
        if ready := in_state(status, InstanceState.READY):
            self.memory.change(last_model=ready[0].model_id)

    def _on_closed(self) -> None:
        if self.is_home or not self.memory.now.closes_to_tray:
            self.quit_wanted.emit()
        elif not self.memory.now.knows_tray:
            self.hidden.emit()
        self.memory.change(knows_tray=True)


def home_notice() -> Notice:
    """What is said where there is no tray icon."""
    return Notice(
        tr("Caravan lives in this window"),
        tr("This desktop shows no tray icons. Closing the window quits Caravan; minimize it to let it go on."),
    )
