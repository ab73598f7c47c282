"""What the window remembers from one start to the next, in `window.json` of the data folder."""

import base64
import logging
from pathlib import Path

from pydantic import ValidationError
from PySide6.QtCore import QThreadPool

from app.schema.record import ModelId, Record
from app.system.files import plain_reason, write_atomically
from app.system.paths import Paths

_log = logging.getLogger("caravan.ui")


class Remembered(Record):
    """`place` is Qt's own description of where the window stood, `keeps_node` the answer to "keep serving?".

    `is_dark` is the look the person chose, None follows the system. `closes_to_tray`: closing the window leaves Caravan
    in the tray.
    """

    page: str = "cluster"
    place: str = ""
    last_model: ModelId | None = None
    keeps_node: bool | None = None
    knows_tray: bool = False
    is_dark: bool | None = None
    saw_first_steps: bool = False
    closes_to_tray: bool = True

    @property
    def place_bytes(self) -> bytes:
        """The place as Qt takes it; empty when there is none."""
        try:
            return base64.b64decode(self.place, validate=True)
        except ValueError:
            return b""


class Memory:
    """Main thread only. `change` writes in the background; nothing is lost but the place when that fails."""

    def __init__(self, paths: Paths) -> None:
        self._file = paths.data / "window.json"
        self._writer = QThreadPool()
        self._writer.setMaxThreadCount(1)
        self.now = _read(self._file)

    def change(self, **fields: object) -> None:
        """Remember other values of these fields."""
        changed = self.now.model_copy(update=fields)
        if changed != self.now:
            self.now = changed
            data = changed.model_dump_json().encode()
            self._writer.start(lambda: _write(self._file, data))

    def finish(self) -> None:
        """Wait until everything is written."""
        self._writer.waitForDone()


def _read(file: Path) -> Remembered:
    try:
        return Remembered.model_validate_json(file.read_bytes())
    except (OSError, ValidationError):
        return Remembered()


def _write(file: Path, data: bytes) -> None:
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(file, data)
    except OSError as error:
        _log.info("The window's place is not remembered: %s", plain_reason(error))
