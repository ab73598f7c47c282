"""From the icon to the whole program: the heavy part is loaded beside Qt's loop, so a click in between is not lost."""

import importlib
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject
from PySide6.QtWidgets import QApplication, QSystemTrayIcon

from app.system.paths import Paths
from app.ui.mailbox import Mailbox

if TYPE_CHECKING:
    from app.ui.program import Program

_HEAVY = "app.ui.program"


@dataclass(frozen=True)
class Wanted:
    """What the program is started with: its data folder, and the argument lists of its node and of itself."""

    paths: Paths
    command: Sequence[str]
    sign_in_command: Sequence[str] = ()
    is_hidden: bool = True


class Starting(QObject):
    """Main thread only. What is asked for before the program is there is done when it is."""

    def __init__(self, application: QApplication, wanted: Wanted, icon: QSystemTrayIcon | None) -> None:
        super().__init__()
        self._application, self._wanted, self._icon = application, wanted, icon
        self._mailbox = Mailbox(self)
        self._program: Program | None = None
        self._wants_window = self._wants_end = False
        self._loading = threading.Thread(target=self._load, name="caravan loading")
        self.failure: ImportError | None = None

    def begin(self) -> None:
        """Show the icon, then load the rest."""
        if self._icon is not None:
            self._icon.activated.connect(self._clicked)
            self._icon.show()
        self._loading.start()

    def show_window(self) -> None:
        """Show the window, as soon as there is one."""
        self._wants_window = True
        if self._program is not None:
            self._program.show_window()

    def quit(self) -> None:
        """End politely; Qt's loop ends when that is done."""
        self._wants_end = True
        if self._program is not None:
            self._program.quit()

    def finish(self) -> None:
        """End whatever is left; waits for it."""
        if self._loading.ident is not None:
            self._loading.join()
        if self._program is not None:
            self._program.finish()
        if self._icon is not None:
            self._icon.hide()

    def _load(self) -> None:
        try:
            importlib.import_module(_HEAVY)
        except ImportError as error:
            self.failure = error
        self._mailbox.post(self._loaded)

    def _loaded(self) -> None:
        if self.failure is not None or self._wants_end:
            self._application.quit()
            return
        from app.ui.program import Program

        if self._icon is not None:
            self._icon.activated.disconnect(self._clicked)
        self._program = Program(self._application, self._wanted, self._icon)
        self._program.begin()
        if self._wants_window:
            self._program.show_window()

    def _clicked(self, reason: QSystemTrayIcon.ActivationReason) -> None:
        if reason is QSystemTrayIcon.ActivationReason.Trigger:
            self.show_window()
