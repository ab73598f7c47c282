"""Write files so that a crash leaves the old content or the new, never half of it; read JSON that may be damaged."""

import contextlib
import errno
import json
import logging
import os
import secrets
import time
from pathlib import Path

_log = logging.getLogger("caravan.system")

_ON_WINDOWS = os.name == "nt"

_REPLACE_PAUSES = (0.02, 0.05, 0.1, 0.2, 0.4)
"""Seconds between tries to replace a file that a scanner or a reader holds open; only Windows refuses this."""

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
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}.tmp")
    try:
        _write_through(temporary, data, 0o600 if private else 0o666)
        _replace(temporary, path)
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


def _replace(source: Path, target: Path) -> None:
    for pause in _REPLACE_PAUSES:
        try:
            os.replace(source, target)
        except PermissionError:
            if not _ON_WINDOWS:
                raise
            time.sleep(pause)
        else:
            return
    os.replace(source, target)


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


def read_json_or_none(path: Path) -> object | None:
    """The JSON value in `path`, or None when the file is missing, unreadable or not JSON.

    A byte order mark is ignored. A file that exists and cannot be used is named in the log.
    """
    try:
        return json.loads(path.read_bytes().decode("utf-8-sig"))  # type: ignore[no-any-return]
    except FileNotFoundError:
        return None
    except OSError as error:
        _log.warning("Cannot read %s: %s", path, plain_reason(error))
    except (ValueError, RecursionError) as error:
        _log.warning("Cannot use %s, it is damaged: %s", path, error)
    return None
