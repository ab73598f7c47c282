"""Weights that a worker was sent once and keeps on this PC's disk, so that the next load need not send them again.

rpc-server's own cache writes a file per tensor above 10 MiB, named by its hash, in place, and believes later whatever
it finds under that name: half a file makes silently wrong answers. So a worker never sees a file that was not proven
whole. Each start gets a folder of its own with hard links to the proven ones, and what it saves there is taken over
only when `Whole` says so. design.md tells why that is enough. Which parts of models lie whole among the proven files is
remembered beside them, for `kept`.
"""

import asyncio
import contextlib
import logging
import os
import re
import shutil
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from app.instances.kept_parts import KeptPart, KeptParts, after_load, still_there
from app.schema.model import ModelPart
from app.system.files import plain_reason, read_json_or_none, write_atomically
from app.system.safe_paths import engine_cache_folder
from app.system.single_instance import instance_name

logger = logging.getLogger("caravan.instances.cache")

LIMIT_BYTES = 50 << 30
"""What is kept at most; the oldest go first."""

RESERVE_BYTES = 10 << 30
"""Free space that a load must leave on the disk, if it has to save all it is sent."""

MARGIN_BYTES = 4 << 30
"""Less free space than this at any look, and nothing that is saved is believed any more."""

LOOK_SECONDS = 1.0
"""Time between two looks at what a worker saves."""

LATE_SECONDS = 3.0
"""A look that comes later than this after the last one cannot vouch for a disk that may have been full in between."""

FASTEST_FILLING = 3 << 30
"""Bytes per second by which a disk fills at most."""

CACHE_PROTOCOL = 7
"""Before this major version, rpc-server also saves what belongs to a prompt, whenever it is larger than 10 MiB."""

_SAVED = "saved to"
_PARTS = "parts.json"
_PROVEN = re.compile(r"([0-9a-f]{16})\.(\d{1,15})")
_FRESH = re.compile(r"[0-9a-f]{16}")


@dataclass(frozen=True)
class Look:
    """A look at a worker's folder: when (seconds), free bytes on the disk, and size and time (ns) of what it saved."""

    at: float
    free_bytes: int
    files: Mapping[str, tuple[int, int]]


class Whole:
    """PURE: which saved files are whole, from looks in their order."""

    def __init__(self, first: Look) -> None:
        self._last = first
        self._doubtful = set(first.files)
        self._is_full = first.free_bytes < MARGIN_BYTES

    def names(self, now: Look, reported: int) -> tuple[str, ...]:
        """The files that are whole at this look; `reported` is how many rpc-server said it saved until then.

        It says so after each write, so as many are written to their end, the oldest first. A write fails without a
        word when the disk is full: a file counts only when the disk had room at the looks before and after it appeared,
        and if the second came late, more than can be filled in between.
        """
        before, self._last = self._last, now
        self._is_full = self._is_full or now.free_bytes < MARGIN_BYTES
        passed, room = now.at - before.at, min(before.free_bytes, now.free_bytes)
        if passed > LATE_SECONDS and room < passed * FASTEST_FILLING:
            self._doubtful.update(now.files.keys() - before.files.keys())
        ended = sorted(now.files, key=lambda name: now.files[name][1])[:reported]
        if self._is_full:
            return ()
        return tuple(name for name in ended if name not in self._doubtful and before.files.get(name) == now.files[name])


class EngineCache:
    """The proven files, named by hash and size, and the folders of workers that run. Its methods block."""

    def __init__(
        self, folder: Path, limit_bytes: int = LIMIT_BYTES, free_bytes: Callable[[Path], int] | None = None
    ) -> None:
        self._asked = folder
        self._limit_bytes = limit_bytes
        self._free_bytes = free_bytes or _free_bytes
        self._root: Path | None = None
        self._lock = threading.Lock()
        self._open: set[str] = set()
        self._refused: set[str] = set()
        self._parts: tuple[KeptPart, ...] = ()
        self._free_now: int | None = None
        self._looked_at: int | None = None

    def refuse(self, build: str) -> None:
        """This build (its identity) saves more than weights: no cache for it any more."""
        self._refused.add(build)

    def kept(self, build: str) -> tuple[ModelPart, ...] | None:
        """The parts that a worker of this build would find here as of the last look; None when it would have no cache.

        Asks no disk.
        """
        if build in self._refused or (self._free_now is not None and self._free_now < RESERVE_BYTES):
            return None
        room = (self._free_now or 0) - RESERVE_BYTES
        return tuple(each.part for each in self._parts if each.lease_bytes <= room)

    def refresh(self) -> None:
        """Look whether what was kept is still there, for `kept`; the first time also remove what a dead node left.

        Does nothing where nothing was ever kept.
        """
        if not self._asked.is_dir():
            self._parts = ()
            return
        with self._lock:
            try:
                root = self._ready_root()
                if self._looked_at is None:
                    self._sweep(root)
                self._free_now = self._free_bytes(root)
                changed = (root / "weights").stat().st_mtime_ns
                if changed != self._looked_at:
                    self._recheck(root)
                self._looked_at = changed
            except OSError as error:
                self._parts = ()
                logger.warning("the kept weights cannot be read: %s", plain_reason(error))

    def clear(self) -> None:
        """Remove all that is kept, for a user who wants none of it; a worker that runs has its folder until it ends.

        Does nothing where nothing was ever kept.
        """
        if not self._asked.is_dir():
            return
        with self._lock:
            try:
                root = self._ready_root()
                for path in (root / "weights").iterdir():
                    _remove(path)
                self._sweep(root)
            except OSError as error:
                logger.warning("the kept weights cannot be removed: %s", plain_reason(error))

    def loaded(self, part: ModelPart, lease_bytes: int, saved: frozenset[str], given: frozenset[str]) -> None:
        """A worker with that part became ready, and what it `saved` beside what it was `given` is kept (`hash.size`).

        Raises OSError when the folder cannot be read.
        """
        with self._lock:
            root = self._ready_root()
            there = {each.name for each in self._proven(root)}
            self._know(root, after_load(still_there(self._parts, there), part, lease_bytes, saved, given, there))

    def _recheck(self, root: Path) -> None:
        self._know(root, still_there(self._parts, {each.name for each in self._proven(root)}))

    def _know(self, root: Path, parts: tuple[KeptPart, ...]) -> None:
        if parts != self._parts:
            self._parts = parts
            try:
                write_atomically(root / _PARTS, KeptParts(parts=parts).model_dump_json().encode())
            except OSError as error:
                logger.warning("which weights are kept is forgotten with this node: %s", plain_reason(error))

    def open(self, name: str, build: str, size_bytes: int) -> "CacheSession | None":
        """A folder for a worker that holds at most `size_bytes`; None when there is no room, or on a build refused.

        A folder that cannot be made is no reason not to start: it is logged, and None.
        """
        if build in self._refused or size_bytes > self._limit_bytes:
            return None
        with self._lock:
            try:
                return self._opened(name, size_bytes)
            except OSError as error:
                logger.warning("weights are not kept: %s", error)
                return None

    def _opened(self, name: str, size_bytes: int) -> "CacheSession | None":
        root = self._ready_root()
        self._sweep(root)
        if self._free_bytes(root) < RESERVE_BYTES + size_bytes:
            logger.info("weights are not kept: the disk of %s has too little room", root)
            return None
        folder = root / "workers" / name
        shutil.rmtree(folder, ignore_errors=True)
        (folder / "rpc").mkdir(parents=True)
        _prove_links(folder)
        given = set()
        for proven in self._proven(root):
            os.link(proven, folder / "rpc" / proven.stem)
            given.add(proven.name)
        self._open.add(name)
        return CacheSession(self, folder, frozenset(given))

    def _ready_root(self) -> Path:
        if self._root is None:
            self._asked.mkdir(parents=True, exist_ok=True)
            root = engine_cache_folder(self._asked)
            # The stand-in is one folder for all data folders of this user.
            self._root = root if root.samefile(self._asked) else root / instance_name(self._asked)
            self._parts = _read(self._root / _PARTS)
        for part in ("weights", "workers"):
            (self._root / part).mkdir(parents=True, exist_ok=True)
        return self._root

    def _sweep(self, root: Path) -> None:
        """Remove what ended workers left, what is no longer as it was, and the oldest above the limit."""
        for folder in (root / "workers").iterdir():
            if folder.name not in self._open:
                shutil.rmtree(folder, ignore_errors=True)
        proven = sorted(self._proven(root), key=lambda each: each.stat().st_mtime_ns)
        total = sum(each.stat().st_size for each in proven)
        for oldest in proven:
            if total <= self._limit_bytes and self._free_bytes(root) >= RESERVE_BYTES:
                break
            total -= oldest.stat().st_size
            _remove(oldest)
        self._recheck(root)

    def _proven(self, root: Path) -> tuple[Path, ...]:
        found = []
        for path in (root / "weights").iterdir():
            named = _PROVEN.fullmatch(path.name)
            if named is not None and path.stat().st_size == int(named[2]):
                found.append(path)
            else:
                _remove(path)
        return tuple(found)

    def look(self, folder: Path, given: frozenset[str]) -> Look:
        """What a worker saved besides what it was given. Raises OSError."""
        files = {}
        for path in (folder / "rpc").iterdir():
            if path.name not in given and _FRESH.fullmatch(path.name):
                status = path.stat()
                files[path.name] = (status.st_size, status.st_mtime_ns)
        return Look(time.monotonic(), self._free_bytes(folder), files)

    def keep(self, path: Path) -> None:
        """Take over a file that is whole; it is on the disk before anybody is given it. Raises OSError."""
        with path.open("r+b") as file:
            os.fsync(file.fileno())
        with self._lock, contextlib.suppress(FileExistsError):
            os.link(path, self._ready_root() / "weights" / f"{path.name}.{path.stat().st_size}")

    def close(self, folder: Path) -> None:
        """A worker ended: its folder goes, and the oldest files above the limit."""
        with self._lock:
            self._open.discard(folder.name)
            try:
                self._sweep(self._ready_root())
            except OSError as error:
                logger.warning("the kept weights could not be cleaned up: %s", error)


@dataclass(frozen=True)
class Load:
    """What a worker is filled with, and its lease. `is_ready` tells when the model answers: then nothing is missing."""

    part: ModelPart
    lease_bytes: int
    is_ready: Callable[[], bool]


class CacheSession:
    """One worker's folder while it runs. `folder` is what rpc-server takes as its cache, `given` the proven files in it
    (`hash.size`).
    """

    def __init__(self, cache: EngineCache, folder: Path, given: frozenset[str]) -> None:
        self.folder = folder
        self._cache = cache
        self._given = given
        self._given_hashes = frozenset(name.partition(".")[0] for name in given)
        self._whole = Whole(cache.look(folder, self._given_hashes))
        self._reported = 0
        self._kept: set[str] = set()
        self._linked: set[str] = set()
        self._load: Load | None = None
        self._task: asyncio.Task[None] | None = None

    def begin(self, period: float = LOOK_SECONDS, load: Load | None = None) -> None:
        """Take over from now on what the worker saves, until `close`; and remember its part once it is ready."""
        self._load = load
        self._task = asyncio.create_task(self._follow(period), name=f"weights of {self.folder.name}")

    def heard(self, line: str) -> None:
        """An output line of the worker."""
        if _SAVED in line:
            self._reported += 1

    async def close(self) -> None:
        """The worker ended. What is not proven by now is lost."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        if self._kept:
            logger.info("%d tensors are kept for the next load", len(self._kept))
        await asyncio.to_thread(self._cache.close, self.folder)

    async def _follow(self, period: float) -> None:
        """Look again and again, also while files are written through to a slow disk."""
        whole: asyncio.Queue[str] = asyncio.Queue()
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._look(whole, period))
                group.create_task(self._keep(whole))
        except* OSError as errors:
            logger.warning("weights are not kept: %s", errors.exceptions[0])

    async def _look(self, whole: asyncio.Queue[str], period: float) -> None:
        while True:
            await asyncio.sleep(period)
            # Asked before the look: what is ready by now was saved by then.
            load = self._load if self._load is not None and self._load.is_ready() else None
            reported = self._reported
            now = await asyncio.to_thread(self._cache.look, self.folder, self._given_hashes)
            for name in self._whole.names(now, reported):
                if name not in self._kept:
                    self._kept.add(name)
                    whole.put_nowait(name)
            if load is not None and now.files.keys() == self._linked and reported == len(self._linked):
                self._load = None
                saved = frozenset(f"{name}.{size}" for name, (size, _) in now.files.items())
                await asyncio.to_thread(self._cache.loaded, load.part, load.lease_bytes, saved, self._given)

    async def _keep(self, whole: asyncio.Queue[str]) -> None:
        while True:
            name = await whole.get()
            await asyncio.to_thread(self._cache.keep, self.folder / "rpc" / name)
            self._linked.add(name)


def _read(path: Path) -> tuple[KeptPart, ...]:
    try:
        return KeptParts.model_validate(read_json_or_none(path) or {}).parts
    except ValidationError:
        return ()


def _prove_links(folder: Path) -> None:
    """Raises OSError on a disk without hard links: a worker there would save all it is sent, for nothing."""
    first, second = folder / "first", folder / "second"
    first.touch()
    os.link(first, second)
    for each in (first, second):
        each.unlink()


def _free_bytes(folder: Path) -> int:
    return shutil.disk_usage(folder).free


def _remove(path: Path) -> None:
    with contextlib.suppress(OSError):
        path.unlink()
