"""Download one file so that nothing is lost: resumed after a cut, a cancel or a restart, checked while it arrives.

Resuming follows RFC 9110, 13.1.5 and 14.2 (If-Range, Range). The address is asked anew for every try, because GitHub
and Hugging Face answer with one that is good for some minutes only.
"""

import asyncio
import contextlib
import re
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path

import httpx

from app.schema.errors import DiskUnusable, DownloadFailed, DownloadInterrupted, WrongDigest
from app.system.files import plain_reason
from app.web.asking import TryAgain, body, check_status, opened
from app.web.part_file import PartFile, digest_of
from app.web.site import Site
from app.web.stoppable import in_thread

PAUSES = (1.0, 2.0, 4.0, 8.0, 15.0)
"""Seconds before each new try after a cut; as many tries in a row as there are pauses."""

WORTHWHILE = 256 << 10
"""Bytes that a try must bring to count as progress; then the tries are counted anew."""

_RANGE = re.compile(r"bytes (\d{1,18})-\d{1,18}/(\d{1,18})")

Progress = Callable[[int], None]
"""Told the bytes of the file that are there; they may become fewer when a server cannot resume."""


@dataclass(frozen=True)
class Target:
    """A file to have: `sha256` is lower-case hex, `size` in bytes.

    `is_pinned`: the address can never mean other content, so resuming asks for no proof that it did not change. Sites
    whose files come from several places tell another ETag at each of them.
    """

    name: str
    url: str
    size: int
    sha256: str
    is_pinned: bool = False


class Downloader:
    """Downloads files of one site into one folder."""

    def __init__(self, client: httpx.AsyncClient, site: Site, folder: Path, pauses: tuple[float, ...] = PAUSES) -> None:
        self._client = client
        self._site = site
        self._folder = folder
        self._pauses = pauses

    async def fetch(self, target: Target, progress: Progress) -> Path:
        """The file, whole and checked; one that is there already is not asked for.

        Raises DownloadFailed, RateLimited, WrongDigest or DiskUnusable; cancelled or failed, it keeps what arrived.
        """
        path = self._folder / target.name
        try:
            if not await self._is_there(path, target):
                await self._download(path, target, progress)
        except OSError as error:
            raise DiskUnusable(
                f"{target.name} cannot be written to {self._folder}: {plain_reason(error)}.",
                "Make room there and try again; what arrived is kept.",
            ) from error
        progress(target.size)
        return path

    async def _is_there(self, path: Path, target: Target) -> bool:
        try:
            return await in_thread(lambda stop: digest_of(path, stop)) == target.sha256
        except FileNotFoundError:
            return False

    async def _download(self, path: Path, target: Target, progress: Progress) -> None:
        for _ in range(2):
            async with self._part(target) as part:
                had_earlier = part.size > 0
                await self._complete(part, target, progress)
                if await asyncio.to_thread(part.finish, path):
                    return
            if not had_earlier:
                break
        raise WrongDigest(
            f"{target.name} is not what it should be (its SHA-256 differs), so it was deleted.",
            f"Try again. If it stays so, something between this PC and the site changes files. {self._site.by_hand}",
        )

    @contextlib.asynccontextmanager
    async def _part(self, target: Target) -> AsyncIterator[PartFile]:
        part = await asyncio.to_thread(PartFile, self._folder, target.name, target.size, target.sha256)
        try:
            await in_thread(part.open)
            yield part
        finally:
            await asyncio.to_thread(part.close)

    async def _complete(self, part: PartFile, target: Target, progress: Progress) -> None:
        failures = 0
        while part.size < target.size:
            before = part.size
            try:
                await self._continue(part, target, progress)
            except TryAgain as again:
                failures = 0 if part.size - before >= WORTHWHILE else failures
                if failures == len(self._pauses):
                    raise again.told from again
                await asyncio.sleep(self._pauses[failures])
                failures += 1

    async def _continue(self, part: PartFile, target: Target, progress: Progress) -> None:
        """One request for what is missing. Raises TryAgain when it ends early."""
        async with opened(self._client, self._site, target.url, _range(part, target)) as response:
            await self._meet(part, target, response)
            progress(part.size)
            async with body(response) as chunks:
                async for chunk in chunks:
                    if part.size + len(chunk) > target.size:
                        raise DownloadFailed(f"{target.name} is longer than it should be.", self._site.by_hand)
                    await asyncio.to_thread(part.write, chunk)
                    progress(part.size)
        if part.size < target.size:
            told = f"{target.name} stopped arriving before its end."
            raise TryAgain(DownloadInterrupted(told, self._site.by_hand))

    async def _meet(self, part: PartFile, target: Target, response: httpx.Response) -> None:
        """Make the part fit what the server sends: the rest, or all of it."""
        continues = response.status_code == 206 and _fits(response, part.size, target.size)
        if part.size and not continues and response.status_code in (200, 206, 416):
            await asyncio.to_thread(part.restart)
        if response.status_code == 416 or (response.status_code == 206 and not continues):
            told = f"{target.name} changed at {response.url.host}."
            raise TryAgain(DownloadFailed(told, self._site.by_hand))
        check_status(response, self._site, target.name, time.time())
        await asyncio.to_thread(part.remember, _strong(response.headers.get("etag")))


def _range(part: PartFile, target: Target) -> dict[str, str]:
    if not part.size:
        return {}
    condition = {"If-Range": part.note.etag} if part.note.etag and not target.is_pinned else {}
    return {"Range": f"bytes={part.size}-", **condition}


def _fits(response: httpx.Response, start: int, size: int) -> bool:
    found = _RANGE.fullmatch(response.headers.get("content-range", ""))
    return found is not None and (int(found[1]), int(found[2])) == (start, size)


def _strong(etag: str | None) -> str | None:
    """A weak one says nothing about bytes."""
    return etag if etag and etag.startswith('"') else None
