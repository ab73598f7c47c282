"""Reading the front of a file through a small window, so that no length found in the file is ever trusted.

Plain reads instead of a memory map: a file that shrinks while it is read, or a failing network drive, then gives an
error and not the end of the process.
"""

import struct
from pathlib import Path
from typing import Any, Final, Protocol

from app.modelstore.gguf_errors import hostile, truncated
from app.schema.errors import GgufHostile, GgufTruncated

MAX_HEADER_BYTES: Final = 256 << 20
"""No header is longer; the largest known (262 k tokens, 514 k merges) takes some 17 MB."""

_FIRST_READ: Final = 64 << 10
_WINDOW: Final = 1 << 20
_LENGTH: Final = struct.Struct("<Q")


class HeaderFile(Protocol):
    """What a header is read from: a file here or elsewhere. `size` is that of the whole file in bytes."""

    @property
    def path(self) -> Path:
        """How the file is called in what a person reads."""

    @property
    def size(self) -> int:
        """Bytes of the whole file."""

    def read_at(self, position: int, count: int) -> bytes:
        """Exactly `count` bytes from `position`."""


class ReadableFile:
    """An unbuffered binary file as a source of its header."""

    def __init__(self, file: Any, path: Path, size: int) -> None:
        self.file = file
        self.path = path
        self.size = size

    def read_at(self, position: int, count: int) -> bytes:
        """Exactly `count` bytes from `position`; raises GgufTruncated when the file has become shorter."""
        self.file.seek(position)
        found = bytearray()
        while len(found) < count:
            piece = self.file.read(count - len(found))
            if not piece:
                raise truncated(self.path, count - len(found), at_least=True)
            found += piece
        return bytes(found)


class HeaderSource:
    """A cursor over the first `MAX_HEADER_BYTES` of a file. Memory: one window of 1 MiB, whatever the file claims.

    Every method raises GgufTruncated when the file ends before what was asked for, and GgufHostile when the request
    itself is absurd.
    """

    def __init__(self, file: HeaderFile) -> None:
        self._file = file
        self._path = file.path
        self._limit = min(file.size, MAX_HEADER_BYTES)
        self._base = 0
        self._at = 0
        self._data = file.read_at(0, min(self._limit, _FIRST_READ))

    @property
    def position(self) -> int:
        """Bytes consumed so far."""
        return self._base + self._at

    @property
    def left(self) -> int:
        """Bytes a header may still take."""
        return self._limit - self.position

    def require(self, count: int) -> None:
        """Refuse to go on when fewer than `count` bytes are left."""
        if count > self.left:
            raise self._overrun(self.position + count)

    def _overrun(self, end: int) -> GgufTruncated | GgufHostile:
        """Why the header cannot reach up to byte `end`."""
        if end > MAX_HEADER_BYTES:
            return hostile(self._path, "its header claims to be larger than any model's")
        return truncated(self._path, end - self._limit, at_least=True)

    def _window(self, count: int) -> int:
        """Make the next `count` bytes (at most a window) available in `_data`; returns their index there."""
        if self._at + count > len(self._data):
            self.require(count)
            self._base, self._at = self.position, 0
            self._data = self._file.read_at(self._base, min(self.left, _WINDOW))
        return self._at

    def unpack(self, layout: struct.Struct) -> tuple[Any, ...]:
        """The next values in `layout`, which must be smaller than the window."""
        at = self._window(layout.size)
        self._at = at + layout.size
        return layout.unpack_from(self._data, at)

    def number(self) -> int:
        """The next unsigned 64-bit number."""
        at = self._window(8)
        self._at = at + 8
        return int.from_bytes(self._data[at : at + 8], "little")

    def raw(self, count: int) -> bytes:
        """The next `count` bytes, at most a window."""
        at = self._window(count)
        self._at = at + count
        return self._data[at : at + count]

    def skip(self, count: int) -> None:
        """Go over `count` bytes without reading them."""
        self.require(count)
        self._at += count

    def skip_texts(self, count: int) -> None:
        """Go over `count` length-prefixed texts, building none of them: some 80 ns each."""
        self.require(8 * count)
        while count:
            self._window(8)
            count -= self._walk(count)
            self.require(0)

    def _walk(self, count: int) -> int:
        """Step over up to `count` texts whose lengths lie inside the window; returns how many were passed."""
        unpack, data, at, done = _LENGTH.unpack_from, self._data, self._at, 0
        try:
            for done in range(count):  # noqa: B007 (read after the loop was left by an exception)
                at += 8 + unpack(data, at)[0]
            done = count
        except (struct.error, OverflowError):
            pass  # the next length lies beyond the window
        self._at = at
        return done
