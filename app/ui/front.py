"""What stands between the tray and the windows: the desk, the main window at its first use, the two joining dialogs."""

from collections.abc import Callable

from PySide6.QtCore import QObject, Qt
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
from app.ui.style.theme import Theme
from app.ui.window.memory import Memory
from app.ui.window.shell import MainWindow

_QUEUED = Qt.ConnectionType.QueuedConnection


class Front(QObject):
    """Main thread only. `on_hidden` is called when the window was closed for the first time ever."""

    def __init__(self, bridge: Bridge, theme: Theme, paths: Paths, on_hidden: Callable[[], None] | None = None) -> None:
        super().__init__()
        self._bridge, self._theme = bridge, theme
        self._on_hidden = on_hidden
        self.memory = Memory(paths)
        self.desk = Desk(bridge, paths)
        self.window: MainWindow | None = None
        self.dialog: QDialog | None = None
        bridge.node_starting.connect(lambda: self.desk.take_link(Link.STARTING), _QUEUED)
        bridge.attached.connect(self._on_attached, _QUEUED)
        bridge.status_changed.connect(self._on_status, _QUEUED)
        bridge.node_lost.connect(lambda: self.desk.take_link(Link.LOST), _QUEUED)
        self.desk.wished.connect(self.do)

    def show_window(self) -> None:
        """Show the main window, in front; it is made at the first call."""
        if self.window is None:
            self.window = MainWindow(self.desk, self._theme, self.memory)
            self.window.closed.connect(self._on_closed)
        self.window.show_window()

    def do(self, wish: Wish, about: str = "") -> None:
        """Open the page or dialog that is wished for."""
        if wish is Wish.START_NODE:
            self._bridge.start_node()
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
        """The program ends: write down what is not yet."""
        if self.window is not None:
            self.window.about_to_quit()
            self.window.hide()
        self.memory.finish()

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
        if not self.memory.now.knows_tray and self._on_hidden is not None:
            self._on_hidden()
        self.memory.change(knows_tray=True)
