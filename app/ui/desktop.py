"""The composition root of the tray: Qt, bridge and icon, from the first event to the last."""

from collections.abc import Sequence

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QApplication, QMessageBox, QSystemTrayIcon

from app.system.paths import Paths
from app.ui.bridge import Bridge
from app.ui.interrupt import on_interrupt
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


def serve(application: QApplication, paths: Paths, command: Sequence[str]) -> int:
    """Show the tray until it is quit; returns the exit code. `command` starts a node of this data folder."""
    bridge = Bridge(paths, command)
    tray = Tray(bridge, paths)
    tray.finished.connect(application.quit, Qt.ConnectionType.QueuedConnection)
    try:
        with on_interrupt(tray.quit):
            tray.show()
            bridge.start()
            return application.exec()
    finally:
        # The session's end takes the loop away before the bridge has ended.
        bridge.stop()
        tray.icon.hide()


def show_box(text: str) -> None:
    """Say something in a box of its own, before there is a tray."""
    _ = QApplication.instance() or make_application()
    QMessageBox.information(None, "Caravan", text)
