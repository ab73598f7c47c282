"""The first moments of the tray program: Qt and the icon, at once; the rest is loaded while the icon stands there.

Nothing is imported here that the icon does not need: the schema and the client take longer to load than Qt.
"""

from collections.abc import Sequence

from PySide6.QtWidgets import QApplication, QSystemTrayIcon

from app.system.paths import Paths
from app.system.single_instance import Claim
from app.ui.icons import Icons, taskbar_seems_dark
from app.ui.interrupt import on_interrupt
from app.ui.mailbox import Mailbox
from app.ui.said import said
from app.ui.starting import Starting, Wanted
from app.ui.states import Icon
from app.ui.words import tr


def make_application() -> QApplication:
    """Qt's application: without windows it goes on."""
    application = QApplication(["Caravan"])
    application.setApplicationName("Caravan")
    application.setApplicationDisplayName("Caravan")
    application.setQuitOnLastWindowClosed(False)
    return application


def has_tray() -> bool:
    """Whether this desktop shows tray icons."""
    return QSystemTrayIcon.isSystemTrayAvailable()


def starting_icon() -> QSystemTrayIcon:
    """The tray icon of a program that is being loaded, not shown yet."""
    icon = QSystemTrayIcon(Icons().icon(Icon.WORKING_FIRST, taskbar_seems_dark()))
    icon.setToolTip(said(tr("Caravan is starting")))
    return icon


def serve(
    application: QApplication,
    paths: Paths,
    command: Sequence[str],
    icon: QSystemTrayIcon | None,
    claim: Claim | None = None,
    sign_in_command: Sequence[str] = (),
    is_hidden: bool = True,
) -> int:
    """Run until the person quits; returns the exit code. `command` starts a node of this data folder.

    Without an `icon` Caravan lives in its window: closing that quits. Whoever starts Caravan again speaks through
    `claim`, and the window is shown; `is_hidden` starts without it, or minimized where there is no icon. Raises
    ImportError when a part of Qt is missing.
    """
    starting = Starting(application, Wanted(paths, command, sign_in_command, is_hidden), icon)
    mailbox = Mailbox()
    try:
        with on_interrupt(starting.quit):
            if claim is not None:
                claim.listen(lambda _: mailbox.post(starting.show_window))
            starting.begin()
            code = application.exec()
    finally:
        # The session's end takes the loop away before the bridge has ended.
        starting.finish()
    if starting.failure is not None:
        raise starting.failure
    return code


def show_box(text: str) -> None:
    """Say something in a box of its own, before there is a tray."""
    from PySide6.QtWidgets import QMessageBox

    _ = QApplication.instance() or make_application()
    QMessageBox.information(None, "Caravan", text)
