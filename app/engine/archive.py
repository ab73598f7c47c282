"""Unpack a release archive (zip, or tar.gz) that nobody has to trust: nothing lands outside its folder.

Windows zips are flat, Linux tar.gz files have one folder `llama-bNNNN` at their top, which is left out. Links may only
name a file beside them, as `libllama.so -> libllama.so.0` does.
"""

import gzip
import os
import re
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import IO

from app.schema.errors import ArchiveRefused, DiskUnusable
from app.system.files import plain_reason
from app.web.stoppable import Stop

BYTES_LIMIT = 8 << 30
"""What one archive may hold unpacked; the largest of llama.cpp's hold about 1 GB."""

ENTRIES_LIMIT = 5000

_BLOCK = 1 << 20
_TOP_FOLDERS = ("llama-", "cudart-")
_FORBIDDEN = re.compile(r'[\x00-\x1f<>:"|?*]|[. ]$')
_DEVICES = re.compile(r"(?i)(con|prn|aux|nul|com\d|lpt\d|conin\$|conout\$)(\..*)?$")
_DAMAGED = (
    gzip.BadGzipFile,
    zipfile.BadZipFile,
    tarfile.TarError,
    zlib.error,
    EOFError,
    NotImplementedError,
    RuntimeError,
)
_HINT = "Download it again from llama.cpp's release page."


@dataclass
class Unpacked:
    """Files and links that were made, relative to the folder, and their bytes."""

    files: set[PurePosixPath] = field(default_factory=set)
    links: dict[PurePosixPath, str] = field(default_factory=dict)
    total: int = 0
    seen: set[str] = field(default_factory=set)


def unpack(archive: Path, folder: Path, stop: Stop, limit: int = BYTES_LIMIT) -> frozenset[PurePosixPath]:
    """Unpack into `folder`, which exists; returns the relative paths of all files and links.

    Raises ArchiveRefused for anything suspicious or damaged, DiskUnusable when the disk takes no more, Stopped.
    What was unpacked until then stays: the caller removes the folder.
    """
    done = _Unpacking(archive.name, folder, stop, limit)
    try:
        if zipfile.is_zipfile(archive):
            _unpack_zip(archive, done)
        else:
            _unpack_tar(archive, done)
        done.make_links()
    except _DAMAGED as error:
        raise ArchiveRefused(f"{archive.name} is damaged or is no archive.", _HINT, (str(error),)) from error
    except OSError as error:
        raise DiskUnusable(
            f"{archive.name} cannot be unpacked into {folder}: {plain_reason(error)}.",
            "Make room there and try again.",
            (str(error),),
        ) from error
    return frozenset((*done.result.files, *done.result.links))


def _unpack_zip(archive: Path, done: "_Unpacking") -> None:
    with zipfile.ZipFile(archive) as opened:
        entries = opened.infolist()
        done.announce(len(entries), sum(entry.file_size for entry in entries))
        for entry in entries:
            mode = entry.external_attr >> 16
            if _is_link(mode):
                done.refuse(f"the link {entry.filename}")
            if entry.is_dir():
                done.path(entry.filename)
                continue
            with opened.open(entry) as content:
                done.write(entry.filename, content, entry.file_size, bool(mode & 0o111))


def _is_link(mode: int) -> bool:
    return mode & 0o170000 == 0o120000


def _unpack_tar(archive: Path, done: "_Unpacking") -> None:
    with gzip.open(archive) as whole, tarfile.open(fileobj=whole, mode="r:") as opened:
        for count, member in enumerate(opened, start=1):
            done.announce(count, 0)
            if member.isdir():
                done.path(member.name)
            elif member.issym():
                done.link(member.name, member.linkname)
            elif member.isreg() and (content := opened.extractfile(member)) is not None:
                done.write(member.name, content, member.size, bool(member.mode & 0o111))
            else:
                done.refuse(f"the special file {member.name}")
        done.read_to_end(whole)


class _Unpacking:
    """Writes what one archive holds and keeps its limits."""

    def __init__(self, name: str, folder: Path, stop: Stop, limit: int) -> None:
        self._name = name
        self._folder = folder
        self._stop = stop
        self._limit = limit
        self.result = Unpacked()

    def refuse(self, what: str) -> None:
        """Raises ArchiveRefused."""
        raise ArchiveRefused(f"{self._name} was not unpacked: {what} does not belong into an engine.", _HINT)

    def announce(self, entries: int, total: int) -> None:
        """Check the size an archive tells of itself."""
        if entries > ENTRIES_LIMIT or total > self._limit:
            raise ArchiveRefused(f"{self._name} was not unpacked: it holds far more than an engine.", _HINT)

    def path(self, name: str) -> PurePosixPath | None:
        """Where an entry goes, None for the top folder itself. Raises ArchiveRefused for a path that leads astray."""
        plain = name.replace("\\", "/")
        if plain.startswith("/"):
            self.refuse(f"the path {name}")
        parts = [part for part in plain.split("/") if part not in ("", ".")]
        if any(part == ".." or _FORBIDDEN.search(part) or _DEVICES.match(part) for part in parts):
            self.refuse(f"the path {name!r}")
        if parts and parts[0].startswith(_TOP_FOLDERS) and (len(parts) > 1 or plain.endswith("/")):
            parts = parts[1:]
        return PurePosixPath(*parts) if parts else None

    def _new(self, name: str) -> tuple[PurePosixPath, Path]:
        """The place of a file or link, its folder made. One name twice, or in two spellings of case, is refused."""
        self._stop.check()
        relative = self.path(name)
        if relative is None or str(relative).lower() in self.result.seen:
            raise ArchiveRefused(f"{self._name} was not unpacked: it holds {name} twice.", _HINT)
        self.result.seen.add(str(relative).lower())
        target = self._folder / relative
        target.parent.mkdir(parents=True, exist_ok=True)
        # A second archive of the same build may bring the same file.
        target.unlink(missing_ok=True)
        return relative, target

    def write(self, name: str, content: IO[bytes], size: int, is_program: bool) -> None:
        """Write one file of at most `size` bytes through to the disk."""
        relative, target = self._new(name)
        with target.open("xb") as file:
            for block in _blocks(content):
                self._stop.check()
                self.result.total += len(block)
                self.announce(0, self.result.total)
                file.write(block)
            if file.tell() != size:
                raise ArchiveRefused(f"{self._name} is damaged: {name} ends too early.", _HINT)
            file.flush()
            os.fsync(file.fileno())
        target.chmod(0o755 if is_program else 0o644)
        self.result.files.add(relative)

    def read_to_end(self, content: gzip.GzipFile) -> None:
        """Read what follows the last entry: only at its end does a gzip tell whether it is whole."""
        for block in _blocks(content):
            self._stop.check()
            self.result.total += len(block)
            self.announce(0, self.result.total)

    def link(self, name: str, target: str) -> None:
        """Remember a link; it is made when all files are there, so that nothing is written through one."""
        if target != PurePosixPath(target).name or target in ("", "..") or "\\" in target:
            self.refuse(f"the link {name} to {target}")
        relative, _ = self._new(name)
        self.result.links[relative] = target

    def make_links(self) -> None:
        """Make the links. Raises ArchiveRefused for one that leads to no file of this archive."""
        there = {*self.result.files, *self.result.links}
        for link, target in self.result.links.items():
            if link.with_name(target) not in there:
                self.refuse(f"the link {link} to {target}")
            (self._folder / link).symlink_to(target)
        for link in self.result.links:
            if not (self._folder / link).is_file():
                self.refuse(f"the link {link}")


def _blocks(content: IO[bytes] | gzip.GzipFile) -> Iterator[bytes]:
    while block := content.read(_BLOCK):
        yield block
