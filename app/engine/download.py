"""Download one file so that nothing is lost: resumed after a cut, a cancel or a restart, checked while it arrives.

Resuming follows RFC 9110, 13.1.5 and 14.2 (If-Range, Range). The address is asked anew for every try, because GitHub
answers with one that is good for some minutes only.
"""

import asyncio
import contextlib
import re
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path

import httpx

from app.engine.part_file import PartFile, digest_of
from app.engine.release import Asset
from app.engine.stoppable import in_thread
from app.engine.web import BY_HAND, TryAgain, body, check_status, is_loopback, opened
from app.schema.errors import DiskUnusable, DownloadFailed, WrongDigest
from app.system.files import plain_reason

PAUSES = (1.0, 2.0, 4.0, 8.0, 15.0)
"""Seconds before each new try after a cut; as many tries in a row as there are pauses."""

WORTHWHILE = 256 << 10
"""Bytes that a try must bring to count as progress; then the tries are counted anew."""

_RANGE = re.compile(r"bytes (\d{1,18})-\d{1,18}/(\d{1,18})")

Progress = Callable[[int], None]
"""Told the bytes of the file that are there; they may become fewer when a server cannot resume."""


@dataclass(frozen=True)
class Target:
    """A file to have: `sha256` is lower-case hex, `size` in bytes."""

    name: str
    url: str
    size: int
    sha256: str

    @classmethod
    def of(cls, asset: Asset) -> "Target":
        """The target for an asset. Raises WrongDigest when nobody vouches for its content."""
        if asset.sha256 is None:
            raise WrongDigest(
                f"The release names no SHA-256 for {asset.name}, so its content cannot be checked.",
                "Choose a newer build with --build, or install with --from-file what you trust.",
            )
        return cls(asset.name, asset.url, asset.size, asset.sha256)


class Downloader:
    """Downloads files of one release into one folder."""

    def __init__(self, client: httpx.AsyncClient, folder: Path, base: str, pauses: tuple[float, ...] = PAUSES) -> None:
        self._client = client
        self._folder = folder
        self._may_be_plain = is_loopback(base)
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
            f"{target.name} is not what the release says it is (its SHA-256 differs), so it was deleted.",
            f"Try again. If it stays so, something between this PC and the site changes files. {BY_HAND}",
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
        async with opened(self._client, target.url, _range(part), self._may_be_plain) as response:
            await self._meet(part, target, response)
            progress(part.size)
            async with body(response) as chunks:
                async for chunk in chunks:
                    if part.size + len(chunk) > target.size:
                        raise DownloadFailed(f"{target.name} is longer than the release says.", BY_HAND)
                    await asyncio.to_thread(part.write, chunk)
                    progress(part.size)
        if part.size < target.size:
            raise TryAgain(DownloadFailed(f"{target.name} stopped arriving before its end.", BY_HAND))

    async def _meet(self, part: PartFile, target: Target, response: httpx.Response) -> None:
        """Make the part fit what the server sends: the rest, or all of it."""
        continues = response.status_code == 206 and _fits(response, part.size, target.size)
        if part.size and not continues and response.status_code in (200, 206, 416):
            await asyncio.to_thread(part.restart)
        if response.status_code == 416 or (response.status_code == 206 and not continues):
            raise TryAgain(DownloadFailed(f"{target.name} changed at {response.url.host}.", BY_HAND))
        check_status(response, target.name, time.time())
        await asyncio.to_thread(part.remember, _strong(response.headers.get("etag")))


def _range(part: PartFile) -> dict[str, str]:
    if not part.size:
        return {}
    condition = {"If-Range": part.note.etag} if part.note.etag else {}
    return {"Range": f"bytes={part.size}-", **condition}


def _fits(response: httpx.Response, start: int, size: int) -> bool:
    found = _RANGE.fullmatch(response.headers.get("content-range", ""))
    return found is not None and (int(found[1]), int(found[2])) == (start, size)


def _strong(etag: str | None) -> str | None:
    """A weak one says nothing about bytes."""
    return etag if etag and etag.startswith('"') else None
