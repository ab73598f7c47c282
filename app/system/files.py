"""Write files so that a crash leaves the old content or the new, never half of it; read JSON that may be damaged."""

import contextlib
import errno
import json
import logging
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

_log = logging.getLogger("caravan.system")

_Result = TypeVar("_Result")

_ON_WINDOWS = os.name == "nt"

_PAUSES = (0.02, 0.05, 0.1, 0.2, 0.4)
"""Seconds between tries to use a file that a scanner, a reader or a writer holds open; only Windows refuses this."""

_HELD_OPEN = (None, 5, 32, 33)
"""Windows' "access denied" (also for a file that is just being replaced), "sharing violation", "lock violation"; where
a file was to be opened, Python does not pass the number on.
"""

_REASONS = {
    errno.ENOSPC: "the disk is full",
    errno.EDQUOT: "the disk quota is used up",
    errno.EFBIG: "the file would become larger than allowed",
    errno.EROFS: "the disk is read-only",
    errno.EACCES: "access is denied",
    errno.EPERM: "access is denied",
    errno.ENOTDIR: "a file stands where a folder should be",
    errno.EEXIST: "a file stands where a folder should be",
    errno.EISDIR: "a folder stands where a file should be",
    errno.ENOTEMPTY: "a folder stands where a file should be",
    errno.ENAMETOOLONG: "its path is too long",
    errno.ENOENT: "it does not exist",
    errno.EIO: "the disk reports an error",
}


def plain_reason(error: OSError) -> str:
    """Why the operating system refused, as the end of a sentence ("the disk is full")."""
    known = _REASONS.get(error.errno or 0)
    return known or (error.strerror or str(error)).rstrip(".").lower()


def write_atomically(path: Path, data: bytes, private: bool = False) -> None:
    """Replace the content of `path` in one step; on failure the old content is kept.

    A `private` file is readable by this user only (mode 0600; on Windows the folder's access list decides).
    Raises OSError; `plain_reason` says it in words.
    """
    temporary = path.with_name(f".{path.name}.{os.urandom(4).hex()}.tmp")
    try:
        _write_through(temporary, data, 0o600 if private else 0o666)
        move(temporary, path)
    except BaseException:
        with contextlib.suppress(OSError):
            temporary.unlink()
        raise
    _sync_folder(path.parent)


def _write_through(path: Path, data: bytes, mode: int) -> None:
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)
    with open(os.open(path, flags, mode), "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def move(source: Path, target: Path) -> None:
    """Give a file another name on the same disk, in place of what has it; waits a second for who holds one open.

    Raises OSError.
    """
    _patiently(lambda: os.replace(source, target))


def _patiently(work: Callable[[], _Result]) -> _Result:
    """Do `work`, again a few times within a second while somebody holds its file open. Blocking. Raises OSError."""
    for pause in _PAUSES:
        try:
            return work()
        except PermissionError as error:
            if not _ON_WINDOWS or getattr(error, "winerror", None) not in _HELD_OPEN:
                raise
            time.sleep(pause)
    return work()


def _sync_folder(folder: Path) -> None:
    if _ON_WINDOWS:
        return
    # Some file systems refuse to sync a folder; the file itself is safe already.
    with contextlib.suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def read_json(path: Path) -> object:
    """The JSON value in `path`; a byte order mark is ignored. Raises OSError, and ValueError when it is damaged.

    A file that is just being replaced, or that somebody holds open, is waited for, at most a second.
    """
    try:
        return json.loads(_patiently(path.read_bytes).decode("utf-8-sig"))
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error


def read_json_or_none(path: Path) -> object | None:
    """The JSON value in `path` as `read_json` reads it, or None when the file is missing, unreadable or not JSON.

    A file that exists and cannot be used is named in the log.
    """
    try:
        return read_json(path)
    except FileNotFoundError:
        return None
    except OSError as error:
        _log.warning("Cannot read %s: %s", path, plain_reason(error))
    except ValueError as error:
        _log.warning("Cannot use %s, it is damaged: %s", path, error)
    return None
