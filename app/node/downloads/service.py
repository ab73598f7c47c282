"""The service that downloads models: a list that survives restarts, one transfer at a time, tried again by itself.

What a download does after each thing that can happen is told in design.md.
"""

import asyncio
import logging
import secrets
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

from app.modelstore.hub.files import find_file, projector_for
from app.modelstore.hub.hub import Hub, Listing
from app.node.downloads.book import Entry, read_book, write_book
from app.node.downloads.shelf import Shelf
from app.node.downloads.telling import Telling
from app.node.downloads.transfer import TransferTools, transfer
from app.schema.download import ACTIVE_PHASES, Download, DownloadId, DownloadPhase, DownloadRequest, HubFile
from app.schema.errors import (
    CaravanError,
    DiskUnusable,
    DownloadFailed,
    DownloadInterrupted,
    DownloadNotFound,
    InputError,
    RateLimited,
    WrongDigest,
)
from app.schema.event import Event
from app.schema.hub_reference import is_revision, read_reference
from app.schema.record import ModelId
from app.system.files import plain_reason
from app.web.stoppable import in_thread

logger = logging.getLogger("caravan.node.downloads")

PATIENCE = (10.0, 30.0, 60.0, 120.0, 300.0)
"""Seconds before each new try after the connection failed for longer; the last one is repeated for ever."""

LONGEST_WAIT = 3600.0

PAUSES = (1.0, 2.0)
"""Seconds before each new try at once, before the longer waits, which are told."""

TICK_SECONDS = 1.0
"""How often the rate is told while nothing arrives."""


@dataclass(frozen=True)
class DownloadTools:
    """What the service needs of others. `found` looks at the models folder anew and names the model at a path."""

    hub: Hub
    models: Path
    book: Path
    publish: Callable[[Event], None]
    found: Callable[[Path], Awaitable[ModelId | None]]
    patience: tuple[float, ...] = PATIENCE
    pauses: tuple[float, ...] = PAUSES
    clock: Callable[[], float] = time.monotonic


class Downloads:
    """The only writer of the list of downloads and of the folder in which they grow."""

    def __init__(self, tools: DownloadTools) -> None:
        self._tools = tools
        self._shelf = Shelf(tools.models)
        self._entries: dict[DownloadId, Entry] = {}
        self._telling = Telling(tools.publish, tools.clock)
        self._waits: dict[DownloadId, tuple[float, int]] = {}
        """Until when a download that was interrupted is left alone, and how often in a row it was."""
        self._wake = asyncio.Event()
        self._saving = asyncio.Lock()
        self._starting = asyncio.Lock()
        self._looked = asyncio.Event()
        self._refusal: OSError | None = None
        """Why the list of earlier is not read yet; nothing changes until it is: a new one would be saved over it."""
        self._running: tuple[DownloadId, asyncio.Task[None]] | None = None

    async def start(self, request: DownloadRequest) -> Download:
        """Begin to download; what is on the list already is resumed or shown instead.

        Raises InputError, RepositoryNotFound, HubFileNotFound, GatedRepository, WrongDigest, DiskUnusable or
        DownloadFailed.
        """
        await self._until_read()
        repository, revision = _named(request)
        listing = await self._tools.hub.look(repository, revision)
        entry = _new_entry(listing, find_file(listing.files, request.file))
        async with self._starting:
            return await self._begin(entry)

    async def _begin(self, entry: Entry) -> Download:
        same = next((each for each in self._entries.values() if each.content == entry.content), None)
        if same is not None and await self._is_current(same):
            return await self.resume(same.id) if same.phase in _RESUMABLE else self._telling.now(same.id)
        await asyncio.to_thread(self._shelf.check_room, entry, await asyncio.to_thread(self._still_needed, entry.id))
        if same is not None:
            self._drop(same.id)
        self._telling.begin(entry, 0)
        await self._change(entry)
        self._wake.set()
        return self._telling.now(entry.id)

    async def pause(self, download: DownloadId) -> Download:
        """Stop for now. Raises DownloadNotFound, InputError for one that has ended, or DiskUnusable."""
        entry = await self._find(download)
        if entry.phase is DownloadPhase.PAUSED:
            return self._telling.now(download)
        if entry.phase not in ACTIVE_PHASES:
            raise InputError(f"{entry.name} is not being downloaded.", "Only what is downloading can be paused.")
        return await self._halt(entry, DownloadPhase.PAUSED)

    async def resume(self, download: DownloadId) -> Download:
        """Go on with one that is paused or failed; an active one tries again at once. Raises as `pause`."""
        entry = await self._find(download)
        if entry.phase not in (*_RESUMABLE, *ACTIVE_PHASES):
            raise InputError(f"{entry.name} has ended already.", "Begin a new download of it.")
        self._waits.pop(download, None)
        if entry.phase in _RESUMABLE:
            await self._change(entry.model_copy(update={"phase": DownloadPhase.QUEUED, "error": None}))
        self._wake.set()
        return self._telling.now(download)

    async def cancel(self, download: DownloadId) -> Download:
        """End one for good and remove what arrived. Raises as `pause`."""
        entry = await self._find(download)
        if entry.phase is DownloadPhase.CANCELLED:
            return self._telling.now(download)
        halted = await self._halt(entry, DownloadPhase.CANCELLED)
        if halted.phase is DownloadPhase.DONE:
            raise InputError(f"{entry.name} is downloaded already.", "Delete it with `caravan models remove`.")
        await asyncio.to_thread(self._shelf.clear, entry)
        return self._telling.count(download, 0)

    async def forget(self, download: DownloadId) -> None:
        """Take one that is done, failed or cancelled off the list. Raises as `pause`."""
        entry = await self._find(download)
        if entry.phase in (*ACTIVE_PHASES, DownloadPhase.PAUSED):
            raise InputError(f"{entry.name} is still being downloaded.", "Cancel it first.")
        await asyncio.to_thread(self._shelf.clear, entry)
        self._drop(download)
        await self._save()

    async def forget_deleted(self) -> None:
        """Take finished downloads off the list whose files are gone."""
        done = [each for each in self._entries.values() if each.phase is DownloadPhase.DONE]
        gone = [each.id for each in done if not await self._is_current(each)]
        for download in gone:
            self._drop(download)
        if gone:
            await self._save()

    def is_downloading(self, path: Path) -> bool:
        """Whether a download that goes on has a file of this name at this place."""
        active = (each for each in self._entries.values() if each.phase in ACTIVE_PHASES and each.folder)
        return any(self._shelf.final(each, part) == path for each in active for part in each.files)

    async def run(self) -> None:
        """Carry out downloads until cancelled; those that ran when the node ended go on by themselves."""
        await self._load()
        while True:
            self._wake.clear()
            entry, seconds = self._next()
            if entry is None:
                await _woken(self._wake, seconds)
                continue
            task = asyncio.create_task(self._carry_out(entry), name=f"download {entry.name}")
            self._running = (entry.id, task)
            try:
                while not task.done():
                    await asyncio.wait([task], timeout=TICK_SECONDS)
                    self._telling.tick(entry.id)
            finally:
                task.cancel()
                await asyncio.wait([task])
                self._running = None

    async def _load(self) -> None:
        entries = await self._read()
        await asyncio.to_thread(self._shelf.clear_unknown, entries)
        for entry in entries:
            self._entries[entry.id] = entry
            done = entry.total if entry.phase is DownloadPhase.DONE else None
            self._telling.begin(
                entry, await asyncio.to_thread(self._shelf.bytes_there, entry) if done is None else done
            )
        self._refusal = None
        self._looked.set()

    async def _read(self) -> tuple[Entry, ...]:
        """The list of earlier, as soon as the disk gives it."""
        while True:
            try:
                return await asyncio.to_thread(read_book, self._tools.book)
            except OSError as error:
                if self._refusal is None:
                    logger.warning("the list %s cannot be read: %s", self._tools.book, plain_reason(error))
                self._refusal = error
                self._looked.set()
            await asyncio.sleep(self._tools.patience[0])

    async def _until_read(self) -> None:
        """Wait until the list of earlier was read. Raises DiskUnusable when the disk refuses it."""
        await self._looked.wait()
        if self._refusal is not None:
            raise _unread(self._tools.book, self._refusal)

    def _next(self) -> tuple[Entry | None, float | None]:
        """The first download whose turn it is, or how long until one's turn comes; None without end."""
        queued = [each for each in self._entries.values() if each.phase in ACTIVE_PHASES]
        now = self._tools.clock()
        left = [max(0.0, self._waits[each.id][0] - now) if each.id in self._waits else 0.0 for each in queued]
        ready = next((each for each, seconds in zip(queued, left, strict=True) if seconds <= 0), None)
        return ready, min(left, default=None)

    async def _carry_out(self, entry: Entry) -> None:
        try:
            there = await asyncio.to_thread(self._shelf.bytes_there, entry)
            if there:
                entry = entry.model_copy(update={"phase": DownloadPhase.CHECKING})
                await self._change(entry)
            path = await transfer(entry, self._tools_for(entry))
            await self._done(entry.id, path)
        except DownloadInterrupted as error:
            await self._wait_for(entry.id, error)
        except CaravanError as error:
            logger.warning("%s not downloaded: %s", entry.name, error.sentence)
            await self._fail(entry.id, error)
        except Exception:
            logger.exception("the download of %s broke", entry.name)
            await self._fail(entry.id, DownloadFailed("Something went wrong inside Caravan.", "See `caravan logs`."))

    def _tools_for(self, entry: Entry) -> TransferTools:
        def progress(done: int) -> None:
            now = self._entries[entry.id]
            if now.phase in (DownloadPhase.QUEUED, DownloadPhase.CHECKING):
                self._entries[entry.id] = now.model_copy(update={"phase": DownloadPhase.DOWNLOADING})
                self._telling.change(self._entries[entry.id])
            self._telling.progress(entry.id, done)

        async def keep(changed: Entry) -> None:
            await self._change(changed.model_copy(update={"phase": self._entries[entry.id].phase}))

        return TransferTools(self._tools.hub, self._shelf, keep, progress, self._tools.pauses)

    async def _done(self, download: DownloadId, path: Path) -> None:
        model = await self._tools.found(path)
        self._waits.pop(download, None)
        entry = self._entries[download]
        logger.info("%s downloaded to %s", entry.name, path)
        changes = {"phase": DownloadPhase.DONE, "path": str(path), "model_id": model, "error": None}
        self._telling.count(download, entry.total, is_told=False)
        await self._change(entry.model_copy(update=changes))

    async def _wait_for(self, download: DownloadId, error: DownloadInterrupted) -> None:
        """Queue it again for later; bytes that came meanwhile begin the waits anew."""
        tries = 0 if self._telling.has_progressed(download) else self._waits.get(download, (0.0, 0))[1]
        patience = self._tools.patience
        told = error.wait if isinstance(error, RateLimited) else None
        seconds = min(told, LONGEST_WAIT) if told is not None else patience[min(tries, len(patience) - 1)]
        self._waits[download] = (self._tools.clock() + seconds, tries + 1)
        logger.info("%s waits %.0f s: %s", self._entries[download].name, seconds, error.sentence)
        self._telling.note(download, f"{error.sentence} Caravan tries again in {_words(seconds)}.")
        await self._change(self._entries[download].model_copy(update={"phase": DownloadPhase.QUEUED}))

    async def _fail(self, download: DownloadId, error: CaravanError) -> None:
        self._waits.pop(download, None)
        there = await asyncio.to_thread(self._shelf.bytes_there, self._entries[download])
        self._telling.count(download, there, is_told=False)
        changes = {"phase": DownloadPhase.FAILED, "error": error.info()}
        await self._change(self._entries[download].model_copy(update=changes))

    async def _halt(self, entry: Entry, phase: DownloadPhase) -> Download:
        """Take one out of the work; the task that carries it out has ended afterwards.

        It is out before that task ends, so that the work does not begin with it again.
        """
        self._waits.pop(entry.id, None)
        if entry.phase is not DownloadPhase.DONE:
            self._entries[entry.id] = entry.model_copy(update={"phase": phase})
        running = self._running
        if running is not None and running[0] == entry.id:
            running[1].cancel()
            await asyncio.wait([running[1]])
        latest = self._entries[entry.id]
        if latest.phase is not DownloadPhase.DONE:
            await self._change(latest.model_copy(update={"phase": phase, "error": None}))
        return self._telling.now(entry.id)

    async def _change(self, entry: Entry) -> None:
        self._entries[entry.id] = entry
        await self._save()
        self._telling.change(entry)

    async def _save(self) -> None:
        async with self._saving:
            try:
                entries = tuple(self._entries.values())
                await in_thread(lambda _: write_book(self._tools.book, entries))
            except OSError as error:
                logger.warning("the list of downloads cannot be saved: %s", plain_reason(error))

    def _drop(self, download: DownloadId) -> None:
        self._entries.pop(download, None)
        self._waits.pop(download, None)
        self._telling.forget(download)

    async def _find(self, download: DownloadId) -> Entry:
        await self._until_read()
        try:
            return self._entries[download]
        except KeyError:
            raise DownloadNotFound("There is no such download.", "See `caravan models downloads`.") from None

    async def _is_current(self, entry: Entry) -> bool:
        """Whether an entry of the same content still stands for it: a finished one only while its files are there."""
        if entry.phase is not DownloadPhase.DONE:
            return entry.phase is not DownloadPhase.CANCELLED
        return await asyncio.to_thread(lambda: all(self._shelf.final(entry, part).exists() for part in entry.parts))

    def _still_needed(self, but: DownloadId) -> int:
        active = [each for each in self._entries.values() if each.phase in ACTIVE_PHASES and each.id != but]
        return sum(each.total - self._shelf.bytes_there(each) for each in active)


_RESUMABLE = (DownloadPhase.PAUSED, DownloadPhase.FAILED)


async def _woken(wake: asyncio.Event, seconds: float | None) -> None:
    try:
        async with asyncio.timeout(seconds):
            await wake.wait()
    except TimeoutError:
        return


def _unread(book: Path, error: OSError) -> DiskUnusable:
    return DiskUnusable(
        f"The list of downloads in {book} cannot be read: {plain_reason(error)}.",
        "Allow reading it, or close the program that holds it open. Caravan tries again by itself.",
        (str(error),),
    )


def _named(request: DownloadRequest) -> tuple[str, str | None]:
    """The repository and revision of a request. Raises InputError."""
    reference = read_reference(request.repository)
    if reference is None:
        raise InputError(f"{request.repository!r} is no repository.", "Name it like owner/name.")
    revision = request.revision or reference.revision
    if revision is not None and not is_revision(revision):
        raise InputError(f"{revision!r} is no revision.", "Name a branch, a tag or a commit.")
    return reference.repository, revision


def _new_entry(listing: Listing, file: HubFile) -> Entry:
    """The download of a file with its projector. Raises WrongDigest when nobody vouches for its content."""
    projector = projector_for(file, listing.projectors)
    entry = Entry(
        id=DownloadId(secrets.token_hex(4)),
        repository=listing.details.model.repository,
        revision=listing.details.revision,
        name=file.name,
        quantization=file.quantization,
        parts=file.parts,
        projector=projector.parts[0] if projector is not None else None,
        phase=DownloadPhase.QUEUED,
    )
    if any(part.sha256 is None for part in entry.files):
        raise WrongDigest(
            f"The hub names no SHA-256 for {file.name}, so its content could not be checked.",
            "Choose another file, or download it with another program.",
        )
    return entry


def _words(seconds: float) -> str:
    return f"{seconds:.0f} seconds" if seconds < 90 else f"{seconds / 60:.0f} minutes"
