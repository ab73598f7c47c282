"""One node per data folder: a file lock that the operating system drops with the process, however it dies."""

import errno
import os
import sys
from pathlib import Path
from types import TracebackType

from app.schema.errors import DataFolderUnusable, NodeAlreadyRunning
from app.system.files import plain_reason

_HELD_ELSEWHERE = {errno.EACCES, errno.EAGAIN, errno.EDEADLK, 0}
"""What a held lock is answered with; 0 comes from Wine, whose C library sets no error number here."""

if sys.platform == "win32":
    import msvcrt

    # Windows denies others the locked bytes; far behind the end of the file they do not cover the process id.
    _LOCKED_BYTE = 1 << 30

    def _lock(handle: int) -> None:
        os.lseek(handle, _LOCKED_BYTE, os.SEEK_SET)
        msvcrt.locking(handle, msvcrt.LK_NBLCK, 1)

    def _unlock(handle: int) -> None:
        os.lseek(handle, _LOCKED_BYTE, os.SEEK_SET)
        msvcrt.locking(handle, msvcrt.LK_UNLCK, 1)

else:
    import fcntl

    def _lock(handle: int) -> None:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)

    def _unlock(handle: int) -> None:
        fcntl.flock(handle, fcntl.LOCK_UN)


class FolderLock:
    """An exclusive lock on `path`, held between `acquire` and `release` or in a `with` block. The file stays."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._handle: int | None = None

    @property
    def is_held(self) -> bool:
        """Whether this object holds the lock."""
        return self._handle is not None

    def acquire(self) -> None:
        """Take the lock or fail at once.

        Raises NodeAlreadyRunning with the holder's process id where it is known, DataFolderUnusable when the file
        cannot be opened or the file system knows no locks.
        """
        if self._handle is not None:
            return
        handle = self._open()
        try:
            _lock(handle)
        except OSError as error:
            holder = _read_holder(handle)
            os.close(handle)
            raise self._refusal(error, holder) from error
        self._handle = handle
        _write_holder(handle, str(os.getpid()))

    def release(self) -> None:
        """Give the lock back; without a lock it does nothing."""
        handle, self._handle = self._handle, None
        if handle is None:
            return
        try:
            _write_holder(handle, "")
            _unlock(handle)
        finally:
            os.close(handle)

    def __enter__(self) -> "FolderLock":
        self.acquire()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()

    def _open(self) -> int:
        try:
            return os.open(self._path, os.O_RDWR | os.O_CREAT | getattr(os, "O_BINARY", 0), 0o600)
        except OSError as error:
            raise self._unusable(error) from error

    def _refusal(self, error: OSError, holder: int | None) -> NodeAlreadyRunning | DataFolderUnusable:
        if error.errno not in _HELD_ELSEWHERE:
            return self._unusable(error)
        process = f" (process {holder})" if holder else ""
        return NodeAlreadyRunning(
            f"Caravan already runs with the folder {self._path.parent}{process}.",
            "Use the one that runs, or quit it first. A second one needs a folder of its own: --data-dir.",
        )

    def _unusable(self, error: OSError) -> DataFolderUnusable:
        return DataFolderUnusable(
            f"Caravan cannot lock its folder {self._path.parent}: {plain_reason(error)}.",
            "Allow writing there, or choose another folder with --data-dir.",
            (str(error),),
        )


def _read_holder(handle: int) -> int | None:
    os.lseek(handle, 0, os.SEEK_SET)
    text = os.read(handle, 20).decode("ascii", "replace").strip()
    return int(text) if text.isdecimal() else None


def _write_holder(handle: int, text: str) -> None:
    os.ftruncate(handle, 0)
    os.lseek(handle, 0, os.SEEK_SET)
    os.write(handle, text.encode("ascii"))
