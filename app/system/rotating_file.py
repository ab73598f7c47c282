"""A text file of bounded size: when it is full it becomes `name.1`, `name.1` becomes `name.2`, the last is dropped."""

import contextlib
import os
from pathlib import Path
from threading import Lock
from typing import BinaryIO

_RETRY_SHARE = 8
"""After a rotation that failed the file may grow by limit / this before the next try."""


class RotatingFile:
    """Appends lines; never raises after it is open: what a full disk or a lost folder refuses is counted as lost.

    `limit` is bytes per file, `keep` the number of files in all, so the folder holds at most about `limit * keep`.
    Safe in threads. Raises OSError only when it cannot be opened at first.
    """

    def __init__(self, path: Path, *, limit: int, keep: int) -> None:
        self._path = path
        self._limit = limit
        self._keep = keep
        self._lock = Lock()
        self._next_rotation = limit
        self._closed = False
        self.lost = 0
        self._file: BinaryIO | None = open_private(path)

    @property
    def path(self) -> Path:
        """The file that is written to now."""
        return self._path

    def write_line(self, line: str) -> None:
        """Append one line; a line longer than the limit is cut."""
        data = line.encode("utf-8", "replace")[: self._limit - 1] + b"\n"
        with self._lock:
            if self._closed:
                return
            try:
                self._append(data)
            except OSError:
                self.lost += 1

    def close(self) -> None:
        """Close the file; later lines are ignored."""
        with self._lock:
            self._closed = True
            self._drop_file()

    def _append(self, data: bytes) -> None:
        file = self._file or open_private(self._path)
        self._file = file
        size = file.seek(0, os.SEEK_END)
        if size and size + len(data) > self._next_rotation:
            file = self._rotate(size)
        file.write(data)

    def _rotate(self, size: int) -> BinaryIO:
        self._drop_file()
        try:
            self._shift()
            self._next_rotation = self._limit
        except OSError:
            # On Windows a reader may hold the file; go on in the same one and try again later.
            self._next_rotation = size + self._limit // _RETRY_SHARE
        self._file = open_private(self._path)
        return self._file

    def _shift(self) -> None:
        if self._keep == 1:
            self._path.unlink()
            return
        for number in range(self._keep - 1, 1, -1):
            with contextlib.suppress(FileNotFoundError):
                os.replace(self._numbered(number - 1), self._numbered(number))
        os.replace(self._path, self._numbered(1))

    def _numbered(self, number: int) -> Path:
        return self._path.with_name(f"{self._path.name}.{number}")

    def _drop_file(self) -> None:
        file, self._file = self._file, None
        if file is not None:
            with contextlib.suppress(OSError):
                file.close()


def open_private(path: Path) -> BinaryIO:
    """Open for appending without a buffer; a new one, and its folder, are this user's only. Raises OSError."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | getattr(os, "O_BINARY", 0)
    return open(os.open(path, flags, 0o600), "ab", buffering=0)
