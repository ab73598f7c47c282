"""The node's log and its children's output: bounded files, UTC, no secrets.

Every room logs to `caravan.<room>`. `configure` adds handlers to the root logger, so that warnings of libraries are
kept too, and `LogHandle.close` takes exactly these away again; several handles may live side by side.
"""

import contextlib
import copy
import io
import logging
import os
import sys
from datetime import UTC, datetime
from pathlib import Path

from app.schema.errors import InputError
from app.system.redaction import LineRedactor, Redactor, Secrets
from app.system.rotating_file import RotatingFile

__all__ = ["LineFile", "LogHandle", "Redactor", "Secrets", "configure", "log_names", "named_tail", "tail"]

LOG_NAME = "caravan.log"
_LOG_LIMIT = 2_000_000
_LOG_FILES = 5
_LINE_FILE_LIMIT = 1_000_000
_LINE_FILES = 2
_TAIL_BLOCK = 1 << 16
_TAIL_LIMIT = 1 << 22
_PRODUCT = logging.getLogger("caravan")


class _Formatter(logging.Formatter):
    """UTC time with milliseconds, level, logger, message; redacted as a whole, tracebacks included."""

    def __init__(self, redactor: Redactor) -> None:
        super().__init__("%(asctime)s %(levelname)-7s %(name)s: %(message)s")
        self._redactor = redactor

    def formatTime(self, record: logging.LogRecord, datefmt: str | None = None) -> str:
        moment = datetime.fromtimestamp(record.created, UTC)
        return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")

    def format(self, record: logging.LogRecord) -> str:
        if record.exc_info and record.levelno < logging.ERROR and not record.name.startswith(_PRODUCT.name):
            # A library's warning says enough; its trace at every lost packet would fill the log.
            record = copy.copy(record)
            record.exc_info = record.exc_text = None
        return self._redactor.clean(super().format(record))


class _OurHandler(logging.Handler):
    """Marks the handlers that `configure` adds. `_write` may raise OSError: nobody is left to be told."""

    def emit(self, record: logging.LogRecord) -> None:
        try:
            line = self.format(record)
        except (TypeError, ValueError, KeyError, AttributeError) as error:
            line = f"A log line of {record.name} ({record.pathname}:{record.lineno}) cannot be formatted: {error}"
        with contextlib.suppress(OSError, ValueError):
            self._write(line)

    def _write(self, line: str) -> None:
        raise NotImplementedError


class _FileHandler(_OurHandler):
    def __init__(self, file: RotatingFile) -> None:
        super().__init__()
        self._file = file

    def _write(self, line: str) -> None:
        self._file.write_line(line)

    def close(self) -> None:
        self._file.close()
        super().close()


class _ConsoleHandler(_OurHandler):
    def _write(self, line: str) -> None:
        stream = sys.stderr
        if stream is not None:
            safe = line.encode(stream.encoding or "utf-8", "replace").decode(stream.encoding or "utf-8", "replace")
            stream.write(safe + "\n")
            stream.flush()


class LogHandle:
    """The open log. `path` is the file written now; `secrets` may grow while it is open."""

    def __init__(self, path: Path, secrets: Secrets, handlers: tuple[logging.Handler, ...]) -> None:
        self.path = path
        self.secrets = secrets
        self._handlers = handlers

    def close(self) -> None:
        """Detach from logging and close the file; may be called twice."""
        root = logging.getLogger()
        for handler in self._handlers:
            root.removeHandler(handler)
            handler.close()
        if not any(isinstance(handler, _OurHandler) for handler in root.handlers):
            _PRODUCT.setLevel(logging.NOTSET)


def configure(folder: Path, *, console: bool, secrets: Secrets, level: int = logging.INFO) -> LogHandle:
    """Log to `caravan.log` in `folder` (five files of 2 MB) and, with `console`, to standard error.

    `level` is for our own loggers; libraries are heard from WARNING on. Raises OSError when the file cannot be opened.
    """
    file = RotatingFile(folder / LOG_NAME, limit=_LOG_LIMIT, keep=_LOG_FILES)
    handlers: tuple[_OurHandler, ...] = (_FileHandler(file), *((_ConsoleHandler(),) if console else ()))
    formatter = _Formatter(Redactor(secrets))
    root = logging.getLogger()
    for handler in handlers:
        handler.setFormatter(formatter)
        root.addHandler(handler)
    _PRODUCT.setLevel(level)
    return LogHandle(file.path, secrets, handlers)


class LineFile:
    """The output of one child as plain redacted lines, bounded in size. Raises OSError at open, never later."""

    def __init__(self, path: Path, secrets: Secrets, *, limit: int = _LINE_FILE_LIMIT, keep: int = _LINE_FILES) -> None:
        self._file = RotatingFile(path, limit=limit, keep=keep)
        self._redactor = LineRedactor(secrets)

    @property
    def path(self) -> Path:
        """The file that is written to now."""
        return self._file.path

    def write(self, line: str) -> None:
        """Append one line."""
        clean = self._redactor.clean(line)
        if clean is not None:
            self._file.write_line(clean)

    def close(self) -> None:
        """Close the file; later lines are ignored."""
        self._file.close()


def prune(folder: Path, keep: int) -> None:
    """Delete the oldest logs of children in `folder` until `keep` are left; the node's own log is none of them.

    One that is open elsewhere stays where the system does not allow to delete it.
    """
    found = [path for path in folder.glob("*.log*") if not path.name.startswith(LOG_NAME)]
    dated = []
    for path in found:
        with contextlib.suppress(OSError):
            dated.append((path.stat().st_mtime, path))
    for _, path in sorted(dated)[: max(0, len(dated) - keep)]:
        with contextlib.suppress(OSError):
            path.unlink()


def log_names(folder: Path) -> tuple[str, ...]:
    """The logs there are in a folder, the node's own first (blocking)."""
    own = LOG_NAME.removesuffix(".log")
    return tuple(sorted((path.stem for path in folder.glob("*.log")), key=lambda name: (name != own, name)))


def named_tail(folder: Path, name: str, lines: int) -> list[str]:
    """The last lines of a log by its name (blocking). Raises InputError for a name there is none of."""
    if name not in log_names(folder):
        raise InputError(f"There is no log named {name!r}.", "See `caravan logs --list`.")
    return tail(folder / f"{name}.log", lines)


def tail(path: Path, lines: int) -> list[str]:
    """The last `lines` lines of a file, oldest first; [] when it cannot be read. Reads 4 MiB of its end at most."""
    try:
        with path.open("rb") as file:
            data, is_whole = _read_end(file, lines)
    except OSError:
        return []
    found = data.split(b"\n")
    if found and not found[-1]:
        found.pop()
    if not is_whole and len(found) > 1:
        found = found[1:]
    return [line.decode("utf-8", "replace").rstrip("\r") for line in found[-lines:]] if lines > 0 else []


def _read_end(file: io.BufferedReader, lines: int) -> tuple[bytes, bool]:
    """Enough of the end to hold `lines` whole lines, and whether this is the whole file."""
    position = end = file.seek(0, os.SEEK_END)
    data = b""
    while position > 0 and data.count(b"\n") <= lines and end - position < _TAIL_LIMIT:
        size = min(_TAIL_BLOCK, position)
        position -= size
        file.seek(position)
        data = file.read(size) + data
    return data, position == 0
