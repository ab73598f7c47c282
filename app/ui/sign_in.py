"""Start with Windows: asked and changed in the background, because the registry may take its time."""

from collections.abc import Callable, Sequence

from PySide6.QtCore import QThreadPool

from app.schema.errors import ErrorInfo
from app.system import autostart
from app.system.files import plain_reason
from app.ui.mailbox import Mailbox


class SignIn:
    """Whether Caravan starts when the person signs in. `on_change(is_on)` is called on the main thread."""

    def __init__(
        self, command: Sequence[str], on_change: Callable[[bool], None], on_error: Callable[[ErrorInfo], None]
    ) -> None:
        self._command = command
        self._on_change, self._on_error = on_change, on_error
        self._mailbox = Mailbox()
        self._worker = QThreadPool()
        self._worker.setMaxThreadCount(1)

    def look(self) -> None:
        """Find out how it is; without a command there is nothing to offer, and nothing comes."""
        if self._command:
            self._worker.start(lambda: self._run(lambda: None))

    def change(self, is_on: bool) -> None:
        """Turn it on or off."""
        self._worker.start(lambda: self._run(lambda: self._set(is_on)))

    def finish(self) -> None:
        """Wait for what was begun."""
        self._worker.waitForDone()

    def _set(self, is_on: bool) -> None:
        if is_on:
            autostart.enable(self._command)
        else:
            autostart.disable()

    def _run(self, work: Callable[[], None]) -> None:
        try:
            work()
            is_on = autostart.is_enabled()
        except OSError as error:
            sentence = f"Starting with the system could not be changed: {plain_reason(error)}."
            told = ErrorInfo(code="autostart", sentence=sentence, hint="The system's own settings can do it as well.")
            self._mailbox.post(lambda: self._on_error(told))
            return
        self._mailbox.post(lambda: self._on_change(is_on))
