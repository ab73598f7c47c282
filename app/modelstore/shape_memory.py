"""What was read from headers, remembered on disk so that the next scan need not read them again."""

import contextlib
import logging
import os
from pathlib import Path
from typing import Final

from pydantic import ValidationError

from app.modelstore.gguf import READER_VERSION
from app.modelstore.naming import Group
from app.schema.errors import ErrorInfo, GgufHostile, GgufTruncated, GgufUnsupported, NotGguf
from app.schema.model import ModelShape
from app.schema.record import Record

log = logging.getLogger(__name__)

_FILE_NAME: Final = "model-headers.json"
_MAX_BYTES: Final = 256 << 20
_LASTING: Final = frozenset(kind.code for kind in (NotGguf, GgufTruncated, GgufHostile, GgufUnsupported))


class Reading(Record):
    """What one header gave: a shape or a problem, never both."""

    shape: ModelShape | None = None
    problem: ErrorInfo | None = None


class _Entry(Record):
    """A reading and the files it holds for: path, size in bytes, modification time in nanoseconds of each part."""

    files: tuple[tuple[str, int, int], ...]
    reading: Reading


class _Contents(Record):
    reader_version: int
    entries: dict[str, _Entry]


class ShapeMemory:
    """Readings by the files they came from. Used by one thread. A lost or damaged memory costs time, nothing else."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / _FILE_NAME
        self._entries: dict[str, _Entry] | None = None
        self._used: dict[str, _Entry] = {}

    def recall(self, group: Group) -> Reading | None:
        """The reading of exactly these files: same paths, sizes and times."""
        if self._entries is None:
            self._entries = self._load()
        entry = self._used.get(str(group.path)) or self._entries.get(str(group.path))
        if entry is None or entry.files != _stamp(group):
            return None
        self._used[str(group.path)] = entry
        return entry.reading

    def keep(self, group: Group, reading: Reading) -> None:
        """Remember a reading, unless its problem may pass without the file changing (permissions, a drive)."""
        if reading.problem is None or reading.problem.code in _LASTING:
            self._used[str(group.path)] = _Entry(files=_stamp(group), reading=reading)

    def save(self) -> None:
        """Replace the file on disk by what was recalled or kept since the last save; written whole or not at all."""
        used, self._used = self._used, {}
        if used == self._entries:
            return
        self._entries = used
        content = _Contents(reader_version=READER_VERSION, entries=used).model_dump_json(exclude_defaults=True)
        temporary = self._path.with_name(f"{_FILE_NAME}.{os.getpid()}.tmp")
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            temporary.write_bytes(content.encode())
            os.replace(temporary, self._path)
        except OSError as error:
            log.warning("cannot remember what the model files hold: %s", error)
            with contextlib.suppress(OSError):
                temporary.unlink()

    def _load(self) -> dict[str, _Entry]:
        try:
            with open(self._path, "rb") as file:
                contents = _Contents.model_validate_json(file.read(_MAX_BYTES))
        except FileNotFoundError:
            return {}
        except (OSError, ValidationError) as error:
            log.warning("starting over with reading model files: %s is unusable (%s)", self._path, type(error).__name__)
            return {}
        return contents.entries if contents.reader_version == READER_VERSION else {}


def _stamp(group: Group) -> tuple[tuple[str, int, int], ...]:
    return tuple((str(file.path), file.size, file.modified_ns) for file in group.files)
