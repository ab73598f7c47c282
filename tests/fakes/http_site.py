"""The small HTTP server below the sites in this folder: two ports, answers written by hand, everything asked kept."""

import asyncio
import contextlib
import re
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from typing import Self


@dataclass(frozen=True)
class Asked:
    """One request the site got. `port` tells which of the two it came to: 0 for the site's own."""

    path: str
    headers: Mapping[str, str]
    port: int = 0


class HttpSite(ABC):
    """Answers on two ports between `serving()`'s start and end: the site, and where its files lie."""

    def __init__(self) -> None:
        self.asked: list[Asked] = []
        self.sent = 0
        """Bytes of files that went out."""
        self.address = ""
        self.files_address = ""
        self._open: set[asyncio.Task[None]] = set()

    @contextlib.asynccontextmanager
    async def serving(self, port: int = 0) -> AsyncIterator[Self]:
        """Listen on two ports of 127.0.0.1."""
        site = await asyncio.start_server(lambda *streams: self._meet(0, *streams), "127.0.0.1", port)
        files = await asyncio.start_server(lambda *streams: self._meet(1, *streams), "127.0.0.1", 0)
        self.address = f"http://127.0.0.1:{site.sockets[0].getsockname()[1]}"
        self.files_address = f"http://127.0.0.1:{files.sockets[0].getsockname()[1]}"
        try:
            yield self
        finally:
            for server in (site, files):
                server.close()
            for task in self._open:
                task.cancel()
            await asyncio.gather(*self._open, return_exceptions=True)

    def count(self, sent: int) -> None:
        """Take note of bytes of a file that went out."""
        self.sent += sent

    async def _meet(self, port: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._open.add(task)
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
            headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in head[1:])}
            asked = Asked(head[0].split(" ")[1], headers, port)
            self.asked.append(asked)
            await self.answer(asked, writer)
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            # Python 3.11 logs a cancelled handler as an error.
            pass
        finally:
            self._open.discard(task)
            writer.close()

    @abstractmethod
    async def answer(self, asked: Asked, writer: asyncio.StreamWriter) -> None:
        """Write the whole answer to a request."""


def send_head(writer: asyncio.StreamWriter, status: int, headers: Mapping[str, str]) -> None:
    """Write a status line and headers."""
    lines = [f"HTTP/1.1 {status} Told", "Connection: close", *(f"{name}: {value}" for name, value in headers.items())]
    writer.write("\r\n".join([*lines, "", ""]).encode("latin-1"))


async def send(writer: asyncio.StreamWriter, status: int, headers: Mapping[str, str], body: bytes) -> None:
    """Write a whole answer."""
    send_head(writer, status, {**headers, "Content-Length": str(len(body))})
    writer.write(body)
    await writer.drain()


async def send_range(
    writer: asyncio.StreamWriter,
    asked: Asked,
    data: bytes,
    etag: str | None,
    ranges: bool,
    cut: int | None,
    pause: Callable[[], float],
    count: Callable[[int], None] = lambda _: None,
) -> None:
    """Write what a request asks of a file: all, a range, or a part of it that ends after `cut` bytes."""
    wanted = re.fullmatch(r"bytes=(\d+)-(\d*)", asked.headers.get("range", ""))
    is_same = asked.headers.get("if-range") in (None, etag)
    headers = {"ETag": etag} if etag else {}
    if not wanted or not ranges or not is_same:
        send_head(writer, 200, {**headers, "Content-Length": str(len(data))})
        await send_slowly(writer, data[:cut], pause, count)
        return
    start, last = int(wanted[1]), min(int(wanted[2] or len(data) - 1), len(data) - 1)
    headers["Content-Range"] = f"bytes {start}-{last}/{len(data)}"
    send_head(writer, 206, {**headers, "Content-Length": str(last + 1 - start)})
    await send_slowly(writer, data[start : last + 1][:cut], pause, count)


async def send_slowly(
    writer: asyncio.StreamWriter, body: bytes, pause: Callable[[], float], count: Callable[[int], None]
) -> None:
    """Write a body in pieces of 16 KiB, and before each wait as many seconds as `pause` says then."""
    step = 16 << 10
    for start in range(0, len(body), step):
        if seconds := pause():
            await asyncio.sleep(seconds)
        writer.write(body[start : start + step])
        count(len(body[start : start + step]))
        await writer.drain()
