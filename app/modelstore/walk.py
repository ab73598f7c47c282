"""Finding GGUF files below folders that may hold anything: loops, unreadable corners, millions of files."""

import logging
import os
import stat
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final, NamedTuple

log = logging.getLogger(__name__)

MAX_DEPTH: Final = 12
MAX_ENTRIES: Final = 500_000
MAX_FILES: Final = 20_000

ARRIVING: Final = ".arriving"
"""Folder in which downloads grow; nothing in it is a model yet, so no walk enters it."""


class FoundFile(NamedTuple):
    """One file: `size` in bytes, `modified_ns` since the epoch, `real` is where it lies once links are followed."""

    path: Path
    size: int
    modified_ns: int
    real: str


def found_file(path: Path) -> FoundFile | None:
    """The facts of the file at `path`, links followed; None when it is gone, no file, or not expressible as text."""
    try:
        str(path).encode()
        facts = os.stat(path)
        real = os.path.normcase(os.path.realpath(path))
    except (OSError, ValueError) as error:
        log.info("skipping %r: %s", str(path), error)
        return None
    return FoundFile(path, facts.st_size, facts.st_mtime_ns, real) if stat.S_ISREG(facts.st_mode) else None


class Walk:
    """One walk over several folders. Each real folder is entered once, so loops and nested folders do no harm."""

    def __init__(self) -> None:
        self._entered: set[str] = set()
        self._entries_left = MAX_ENTRIES
        self._files_left = MAX_FILES

    def gguf_files(self, folders: Sequence[Path]) -> list[FoundFile]:
        """All `*.gguf` below the folders, in a fixed order. A folder that cannot be read is logged and passed over."""
        found: list[FoundFile] = []
        for path in (path for folder in folders for path in self._below(folder, MAX_DEPTH)):
            file = found_file(path)
            if file is not None:
                found.append(file)
        return found

    def gguf_files_in(self, folder: Path) -> list[FoundFile]:
        """All `*.gguf` in one folder itself, in a fixed order; none where it cannot be read."""
        found = (found_file(Path(entry.path)) for entry in self._listed(folder) if self._is_model(entry))
        return [file for file in found if file is not None]

    def _below(self, folder: Path, depth: int) -> Iterator[Path]:
        real = os.path.normcase(os.path.realpath(folder))
        if real in self._entered:
            return
        self._entered.add(real)
        entries = self._listed(folder)
        yield from (Path(entry.path) for entry in entries if self._is_model(entry))
        subfolders = [entry for entry in entries if _is_folder(entry)]
        if subfolders and depth == 0:
            log.warning("not looking deeper than %s", folder)
            return
        for entry in subfolders:
            yield from self._below(Path(entry.path), depth - 1)

    def _listed(self, folder: Path) -> list[os.DirEntry[str]]:
        try:
            with os.scandir(folder) as entries:
                found = sorted(entries, key=lambda entry: entry.name)
        except OSError as error:
            log.info("cannot look into %s: %s", folder, error)
            return []
        if len(found) > self._entries_left:
            log.warning("too many files: the rest of %s is not looked at", folder)
            found = found[: self._entries_left]
        self._entries_left -= len(found)
        return found

    def _is_model(self, entry: os.DirEntry[str]) -> bool:
        """By name only; `._x.gguf` is a shadow file that macOS leaves on foreign drives."""
        if not entry.name.lower().endswith(".gguf") or entry.name.startswith("._") or self._files_left == 0:
            return False
        self._files_left -= 1
        return True


def _is_folder(entry: os.DirEntry[str]) -> bool:
    if entry.name == ARRIVING:
        return False
    try:
        return entry.is_dir()
    except OSError:
        return False
