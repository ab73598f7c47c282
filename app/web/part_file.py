"""The growing file of a download, `NAME.part`, and beside it `NAME.part.json`: what it is a part of."""

import hashlib
import os
import threading
from io import FileIO
from pathlib import Path

from pydantic import ValidationError

from app.schema.record import Bytes, Record
from app.system.files import move, read_json_or_none, write_atomically
from app.web.stoppable import Stop

_BLOCK = 1 << 20


class PartNote(Record):
    """What a part belongs to. `etag` is a strong one of the server, None when it told none."""

    size: Bytes
    sha256: str
    etag: str | None = None


class PartFile:
    """What arrived of a file so far, with its digest. Blocking: use it in a thread. Raises OSError; the bytes stay."""

    def __init__(self, folder: Path, name: str, size: int, sha256: str) -> None:
        self.path = folder / f"{name}.part"
        self._note_path = folder / f"{name}.part.json"
        # A write that was cancelled goes on in its thread; it must not meet a closed file.
        self._lock = threading.Lock()
        self._file: FileIO | None = None
        self._digest = hashlib.sha256()
        self.size = 0
        """Bytes that are there."""
        self.note = self._known_note(size, sha256) or PartNote(size=size, sha256=sha256)

    def _known_note(self, size: int, sha256: str) -> PartNote | None:
        """The note of an earlier try at the same content; a part of anything else is deleted."""
        try:
            note = PartNote.model_validate(read_json_or_none(self._note_path))
        except ValidationError:
            note = None
        if note is not None and (note.size, note.sha256) == (size, sha256):
            return note
        self.path.unlink(missing_ok=True)
        return None

    def open(self, stop: Stop) -> None:
        """Open for appending and take the digest of what is there."""
        self._file = self.path.open("ab", buffering=0)
        length = self.path.stat().st_size
        if length > self.note.size:
            self.restart()
        elif length:
            with self.path.open("rb") as there:
                while block := there.read(_BLOCK):
                    stop.check()
                    self._count(block)

    def remember(self, etag: str | None) -> None:
        """Note what the bytes that follow belong to."""
        self.note = self.note.model_copy(update={"etag": etag})
        write_atomically(self._note_path, self.note.model_dump_json().encode())

    def write(self, data: bytes) -> None:
        """Append."""
        with self._lock:
            if self._file is None:
                return
            left = memoryview(data)
            while left:
                written = self._file.write(left) or 0
                self._count(left[:written])
                left = left[written:]

    def restart(self) -> None:
        """Drop what is there and begin at zero."""
        with self._lock:
            if self._file is not None:
                self._file.truncate(0)
                self._file.seek(0)
            self._digest = hashlib.sha256()
            self.size = 0

    def close(self) -> None:
        """Let go of the file; it stays on the disk."""
        with self._lock:
            if self._file is not None:
                self._file.close()
            self._file = None

    def finish(self, target: Path) -> bool:
        """Give the whole file its name if its content is right, else delete it; returns which.

        It is on the disk itself then: after a power cut nobody would read it again to see.
        """
        if self._file is not None:
            os.fsync(self._file.fileno())
        self.close()
        is_right = self.size == self.note.size and self._digest.hexdigest() == self.note.sha256
        if is_right:
            move(self.path, target)
        else:
            self.path.unlink(missing_ok=True)
        self._note_path.unlink(missing_ok=True)
        return is_right

    def _count(self, block: bytes | memoryview) -> None:
        self._digest.update(block)
        self.size += len(block)


def digest_of(path: Path, stop: Stop) -> str:
    """SHA-256 of a file, lower-case hex. Raises OSError, or Stopped."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            stop.check()
            digest.update(block)
    return digest.hexdigest()
