"""Where the files of a download lie on the disk: growing, checked, at their place. Blocking: use it in threads."""

import contextlib
import os
import shutil
from pathlib import Path

from app.modelstore.hub.places import folder_for, safe_file_name
from app.modelstore.walk import ARRIVING
from app.node.downloads.book import Arrived, Entry
from app.schema.download import HubPart
from app.schema.errors import DiskUnusable
from app.system.files import move, plain_reason
from app.web.part_file import digest_of
from app.web.stoppable import Stop

SPARE_BYTES = 512 << 20
"""What a download leaves free on the disk."""


class Shelf:
    """The folder of models, and in it the one where downloads grow. Both are on one disk, so moving is a rename."""

    def __init__(self, models: Path) -> None:
        self._models = models

    def arriving(self, entry: Entry) -> Path:
        """The folder where the files of a download grow."""
        return self._models / ARRIVING / entry.id

    def growing(self, entry: Entry, part: HubPart) -> Path:
        """Where a file is until all of them are whole."""
        return self.arriving(entry) / safe_file_name(part.path)

    def final(self, entry: Entry, part: HubPart) -> Path:
        """Where a file belongs. The entry must have its folder."""
        assert entry.folder is not None
        return Path(entry.folder) / safe_file_name(part.path)

    def bytes_there(self, entry: Entry) -> int:
        """How much of a download is on the disk."""
        return sum(self._bytes_of(entry, part) for part in entry.files)

    def _bytes_of(self, entry: Entry, part: HubPart) -> int:
        """The largest of: a growing part, a whole file that waits, one that is at its place."""
        growing = self.growing(entry, part)
        places = [
            growing.with_name(f"{growing.name}.part"),
            growing,
            *([self.final(entry, part)] if entry.folder else []),
        ]
        return min(part.size_bytes, max(_size(path) for path in places))

    def find_folder(self, entry: Entry, stop: Stop) -> tuple[Path, tuple[Arrived, ...]]:
        """The folder for a download and those of its files that lie there already, checked.

        Where another file has one of the names, a folder of the revision's own is taken: nothing is overwritten.
        Raises OSError, or Stopped.
        """
        usual = folder_for(self._models, entry.repository)
        for folder in (usual, usual / entry.revision[:8]):
            placed = entry.model_copy(update={"folder": str(folder)})
            there = [part for part in entry.files if os.path.lexists(self.final(placed, part))]
            if all(_is_right(self.final(placed, part), part, stop) for part in there):
                return folder, tuple(_arrived(self.final(placed, part)) for part in there)
        raise FileExistsError(f"another file is in the way in {usual / entry.revision[:8]}")

    def check_room(self, entry: Entry, others: int) -> None:
        """Raises DiskUnusable when what is missing, and `others` bytes of earlier downloads, would fill the disk."""
        missing = entry.total - self.bytes_there(entry)
        free = self._free_bytes(entry)
        if missing and missing + others + SPARE_BYTES > free:
            queued = f" besides the {_words(others)} of other downloads" if others else ""
            raise DiskUnusable(
                f"{entry.name} needs {_words(missing)} more{queued} on the disk that holds {self._models}, "
                f"{_words(free)} are free.",
                f"Make room there, {_words(SPARE_BYTES)} more than it needs; what arrived is kept.",
            )

    def _free_bytes(self, entry: Entry) -> int:
        """Free on the disk of the models, whose folder somebody may have deleted. Raises DiskUnusable."""
        try:
            self._models.mkdir(mode=0o700, parents=True, exist_ok=True)
            return shutil.disk_usage(self._models).free
        except OSError as error:
            raise self._unusable(entry, error) from error

    def is_whole(self, entry: Entry, part: HubPart) -> bool:
        """Whether a file was checked and lies as it lay then, where it grew or at its place."""
        known = {each.path: each for each in entry.arrived}
        for path in (self.growing(entry, part), *([self.final(entry, part)] if entry.folder else [])):
            with contextlib.suppress(OSError):
                if known.get(str(path)) == _arrived(path):
                    return True
        return False

    def put(self, entry: Entry) -> Path:
        """Move every file to its place, the first of the model last. Returns that one. Raises OSError."""
        Path(str(entry.folder)).mkdir(parents=True, exist_ok=True)
        for part in (*((entry.projector,) if entry.projector else ()), *reversed(entry.parts)):
            growing = self.growing(entry, part)
            if growing.exists():
                move(growing, self.final(entry, part))
        self.clear(entry)
        return self.final(entry, entry.parts[0])

    def clear(self, entry: Entry) -> None:
        """Remove what arrived and is not at its place."""
        folder = self.arriving(entry)
        shutil.rmtree(folder, ignore_errors=True)
        with contextlib.suppress(OSError):
            folder.parent.rmdir()

    def clear_unknown(self, known: tuple[Entry, ...]) -> None:
        """Remove what belongs to no download any more."""
        names = {each.id for each in known}
        with contextlib.suppress(OSError):
            for folder in (self._models / ARRIVING).iterdir():
                if folder.name not in names:
                    shutil.rmtree(folder, ignore_errors=True)

    def arrived(self, entry: Entry, part: HubPart) -> Arrived:
        """What to remember of a file that was checked while it grew. Raises OSError."""
        return _arrived(self.growing(entry, part))

    def make_ready(self, entry: Entry) -> None:
        """The folder in which it grows. Raises DiskUnusable."""
        try:
            self.arriving(entry).mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise self._unusable(entry, error) from error

    def _unusable(self, entry: Entry, error: OSError) -> DiskUnusable:
        return DiskUnusable(
            f"{entry.name} cannot be written to {self._models}: {plain_reason(error)}.",
            "Check that folder and its disk.",
        )


def _is_right(path: Path, part: HubPart, stop: Stop) -> bool:
    return path.is_file() and _size(path) == part.size_bytes and digest_of(path, stop) == part.sha256


def _arrived(path: Path) -> Arrived:
    found = path.stat()
    return Arrived(path=str(path), size=found.st_size, modified_ns=found.st_mtime_ns)


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0


def _words(count: int) -> str:
    return f"{count / (1 << 30):.1f} GB"
