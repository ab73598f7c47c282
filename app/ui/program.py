"""The composition root of the desktop program: look, bridge, windows and tray, wired by hand."""

import gc
import sys

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QApplication, QSystemTrayIcon

from app.ui.bridge import Bridge
from app.ui.front import Front
from app.ui.starting import Wanted
from app.ui.style.theme import Theme
from app.ui.tray import Tray

# Loaded here, beside the loop, and not at the first click on the icon.
from app.ui.window import shell as shell


class Program:
    """Everything between the icon and the node. Main thread only."""

    def __init__(self, application: QApplication, wanted: Wanted, icon: QSystemTrayIcon | None) -> None:
        self._wanted = wanted
        self._theme = Theme()
        self._bridge = Bridge(wanted.paths, wanted.command)
        self.front = Front(self._bridge, self._theme, wanted.paths, is_home=icon is None)
        self._theme.apply(application)
        self.tray = Tray(self._bridge, self.front, wanted.paths, wanted.sign_in_command, icon)
        self.tray.finished.connect(application.quit, Qt.ConnectionType.QueuedConnection)
        # The end of the session comes without a question and may leave no time for more.
        application.aboutToQuit.connect(self.front.finish)

    def begin(self) -> None:
        """Show what there is to show and look for the node."""
        self.tray.show()
        self._bridge.start()
        if not self._wanted.is_hidden:
            self.front.show_window()
        elif self.front.is_home:
            self.front.show_minimized()
        favour_the_window()

    def show_window(self) -> None:
        """Show the main window, in front."""
        self.tray.show_window()

    def quit(self) -> None:
        """End politely; the application's loop ends when that is done."""
        self.tray.quit()

    def finish(self) -> None:
        """End whatever is left; waits for it."""
        self.front.finish()
        self._bridge.stop()
        self.tray.icon.hide()


SWITCH_SECONDS = 0.0005
"""How long a thread beside the window may hold the interpreter once the window wants it (Python's default: 5 ms)."""


def favour_the_window() -> None:
    """What holds the main thread up without being its work.

    What is there now stays: the garbage collector need not look through it again and again, nor as often. A full
    collection over all modules takes tens of milliseconds. And Qt's calls let the interpreter go, hundreds of times a
    turn; beside a thread that colours code each of them waited up to 5 ms to get it back, which made 150 ms of a turn
    of 28 ms (`tests/ui/chat/test_smooth.py`).
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(10_000, 20, 50)
    sys.setswitchinterval(SWITCH_SECONDS)
