"""The composition root of the tray: Qt, bridge and icon, from the first event to the last."""

from collections.abc import Sequence

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QApplication, QMessageBox, QSystemTrayIcon

from app.system.paths import Paths
from app.system.single_instance import Claim
from app.ui.bridge import Bridge
from app.ui.errand import Mailbox
from app.ui.front import Front
from app.ui.interrupt import on_interrupt
from app.ui.style.theme import Theme
from app.ui.tray import Tray


def make_application() -> QApplication:
    """Qt's application: without windows it goes on."""
    application = QApplication(["Caravan"])
    application.setApplicationName("Caravan")
    application.setApplicationDisplayName("Caravan")
    application.setQuitOnLastWindowClosed(False)
    application.setStyle("Fusion")
    return application


def has_tray() -> bool:
    """Whether this desktop shows tray icons."""
    return QSystemTrayIcon.isSystemTrayAvailable()


def serve(
    application: QApplication,
    paths: Paths,
    command: Sequence[str],
    claim: Claim | None = None,
    sign_in_command: Sequence[str] = (),
    is_hidden: bool = True,
) -> int:
    """Show the tray until it is quit; returns the exit code. `command` starts a node of this data folder.

    Whoever starts Caravan again speaks through `claim`, and the window is shown; `is_hidden` starts without it.
    """
    theme = Theme()
    theme.apply(application)
    bridge = Bridge(paths, command)
    front = Front(bridge, theme, paths, lambda: tray.tell_hidden())
    tray = Tray(bridge, front, paths, sign_in_command)
    tray.finished.connect(application.quit, Qt.ConnectionType.QueuedConnection)
    mailbox = Mailbox()
    try:
        with on_interrupt(tray.quit):
            if claim is not None:
                claim.listen(lambda _: mailbox.post(tray.show_window))
            tray.show()
            bridge.start()
            if not is_hidden:
                front.show_window()
            return application.exec()
    finally:
        # The session's end takes the loop away before the bridge has ended.
        front.finish()
        bridge.stop()
        tray.icon.hide()


def show_box(text: str) -> None:
    """Say something in a box of its own, before there is a tray."""
    _ = QApplication.instance() or make_application()
    QMessageBox.information(None, "Caravan", text)
