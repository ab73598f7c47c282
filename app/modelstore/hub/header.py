"""The header of a GGUF file that lies on the hub: only as much is fetched as the header is long."""

import asyncio
import time
from pathlib import Path, PurePosixPath
from typing import Final

import httpx

from app.modelstore.gguf import shape_of_parts
from app.modelstore.gguf_errors import hostile
from app.modelstore.gguf_header import GgufHeader, parse_header
from app.schema.download import HubPart
from app.schema.errors import DownloadInterrupted
from app.schema.model import ModelShape
from app.web.asking import TryAgain, body, check_status, opened, patiently
from app.web.site import Site

MOST_BYTES: Final = 48 << 20
"""Most that is fetched of one file; the longest known header takes some 17 MB."""

FIRST_LOOK: Final = 256 << 10
AT_ONCE: Final = 4
PAUSES: Final = (1.0, 3.0)


class NeedsMore(Exception):
    """The header goes on beyond what was fetched: at least up to byte `end`."""

    def __init__(self, end: int) -> None:
        super().__init__(end)
        self.end = end


class Beginning:
    """The first bytes of a file elsewhere, as a source of its header. Raises NeedsMore."""

    def __init__(self, part: HubPart, data: bytes) -> None:
        self.path = Path(PurePosixPath(part.path).name)
        self.size = part.size_bytes
        self._data = data

    def read_at(self, position: int, count: int) -> bytes:
        """Exactly `count` bytes from `position`, if they were fetched."""
        if position + count > len(self._data):
            raise NeedsMore(position + count)
        return self._data[position : position + count]


async def read_remote_shape(
    client: httpx.AsyncClient, site: Site, parts: tuple[tuple[str, HubPart], ...], pauses: tuple[float, ...] = PAUSES
) -> ModelShape:
    """The shape of a model by (address, part) of all its parts in order.

    Raises a child of ModelUnreadable for what is no model, DownloadFailed or NotFound for what cannot be had.
    """
    turns = asyncio.Semaphore(AT_ONCE)

    async def one(address: str, part: HubPart) -> GgufHeader:
        async with turns:
            return await patiently(lambda: _fetch(client, site, address, part), pauses)

    reading = [asyncio.create_task(one(address, part), name=f"header of {part.path}") for address, part in parts]
    try:
        headers = await asyncio.gather(*reading)
    finally:
        for task in reading:
            task.cancel()
        await asyncio.wait(reading)
    return await asyncio.to_thread(shape_of_parts, headers)


async def _fetch(client: httpx.AsyncClient, site: Site, address: str, part: HubPart) -> GgufHeader:
    """One request, whose body is left as soon as the header is whole. Raises TryAgain when it ends too early."""
    last = min(part.size_bytes, MOST_BYTES) - 1
    data = bytearray()
    goal = min(FIRST_LOOK, part.size_bytes)
    name = PurePosixPath(part.path).name
    async with opened(client, site, address, {"Range": f"bytes=0-{last}"}) as response:
        check_status(response, site, name, time.time())
        async with body(response) as chunks:
            async for chunk in chunks:
                data += chunk
                if len(data) < goal:
                    continue
                try:
                    return await asyncio.to_thread(parse_header, Beginning(part, bytes(data)))
                except NeedsMore as more:
                    goal = _next_goal(more, len(data), part)
    raise TryAgain(DownloadInterrupted(f"{name} stopped arriving before the end of its header.", site.by_hand))


def _next_goal(more: NeedsMore, have: int, part: HubPart) -> int:
    if more.end > MOST_BYTES:
        raise hostile(Path(part.path), "its header claims to be larger than any model's")
    return min(max(more.end, have * 3 // 2), part.size_bytes, MOST_BYTES)
