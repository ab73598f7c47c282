"""One transfer: from what is on the disk to every file at its place, checked."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

from app.modelstore.hub.hub import Hub, file_address
from app.modelstore.hub.places import safe_file_name
from app.node.downloads.book import Entry
from app.node.downloads.shelf import Shelf
from app.schema.download import HubPart
from app.schema.errors import DiskUnusable, HubFileNotFound, WrongDigest
from app.system.files import plain_reason
from app.web.asking import web_client
from app.web.download import Downloader, Target
from app.web.stoppable import in_thread


@dataclass(frozen=True)
class TransferTools:
    """What a transfer needs of others. `keep` saves an entry, `progress` hears the bytes that are on the disk."""

    hub: Hub
    shelf: Shelf
    keep: Callable[[Entry], Awaitable[None]]
    progress: Callable[[int], None]
    pauses: tuple[float, ...]


async def transfer(entry: Entry, tools: TransferTools) -> Path:
    """Carry out a download; returns the path of the model's first file.

    Raises DownloadFailed, NotFound, or DiskUnusable; cancelled or failed, what arrived stays and the next call goes on.
    """
    try:
        entry = await _placed(entry, tools)
        # From here on nobody removes what it counts on.
        await tools.keep(entry)
        await asyncio.to_thread(tools.shelf.check_room, entry, 0)
        await asyncio.to_thread(tools.shelf.make_ready, entry)
        try:
            entry = await _fetched(entry, tools)
        except HubFileNotFound:
            entry = await _fetched(await _moved(entry, tools), tools)
        return await in_thread(lambda _: tools.shelf.put(entry))
    except OSError as error:
        raise DiskUnusable(
            f"{entry.name} cannot be written to the models folder: {plain_reason(error)}.",
            "Check that folder and its disk, and resume; what arrived is kept.",
        ) from error


async def _placed(entry: Entry, tools: TransferTools) -> Entry:
    """The entry with its folder. Looking at what is there takes a while."""
    folder, found = await in_thread(lambda stop: tools.shelf.find_folder(entry, stop))
    known = {each.path: each for each in (*entry.arrived, *found)}
    return entry.model_copy(update={"folder": str(folder), "arrived": tuple(known.values())})


async def _fetched(entry: Entry, tools: TransferTools) -> Entry:
    """Get every file that is not whole yet."""
    site = await tools.hub.site()
    before = 0
    async with web_client(site) as client:
        downloader = Downloader(client, site, tools.shelf.arriving(entry), tools.pauses)
        for part in entry.files:
            if not await asyncio.to_thread(tools.shelf.is_whole, entry, part):
                target = _target(part, file_address(site, entry.repository, entry.revision, part))
                await downloader.fetch(target, lambda done, before=before: tools.progress(before + done))  # type: ignore[misc]
                arrived = await asyncio.to_thread(tools.shelf.arrived, entry, part)
                entry = entry.model_copy(update={"arrived": (*entry.arrived, arrived)})
                await tools.keep(entry)
            before += part.size_bytes
    return entry


def _target(part: HubPart, address: str) -> Target:
    name = safe_file_name(part.path)
    if part.sha256 is None:
        raise WrongDigest(
            f"The hub names no SHA-256 for {name}, so its content could not be checked.",
            "Choose another file, or download it with another program.",
        )
    return Target(name, address, part.size_bytes, part.sha256, is_pinned=True)


async def _moved(entry: Entry, tools: TransferTools) -> Entry:
    """The entry at the newest commit, when the same content is still there. Raises HubFileNotFound."""
    listing = await tools.hub.look(entry.repository)
    by_content = {part.sha256: part for file in (*listing.files, *listing.projectors) for part in file.parts}
    if any(part.sha256 not in by_content for part in entry.files):
        raise HubFileNotFound(
            f"{entry.name} was changed at the hub since this download began.",
            "Cancel this download and begin a new one.",
        )
    return entry.model_copy(
        update={
            "revision": listing.details.revision,
            "parts": tuple(by_content[part.sha256] for part in entry.parts),
            "projector": by_content[entry.projector.sha256] if entry.projector else None,
        }
    )
