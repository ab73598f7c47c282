"""A TCP relay that misbehaves on command: delay, stall, reset, half-close, cut at byte N, garbage.

In a test: `async with chaos(("10.77.0.2", 52416)) as relay`, then set `relay.up` (towards the server) and `relay.down`.
In a host: `python -m tests.cluster.chaos LISTEN:PORT SERVER:PORT`; it prints `{"port": N}` and obeys JSON lines:
`{"up": {"delay": 0.05}}` sets faults, `{"do": "reset"}` or `{"do": "garbage", "way": "down", "bytes": 64}` acts.
It needs no root and nothing of Linux.
"""

import asyncio
import contextlib
import json
import random
import socket
import struct
import sys
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, fields
from enum import StrEnum
from typing import Any

CHUNK = 65536
MOST_IN_FLIGHT = 64
"""Chunks under way in one direction before the relay stops reading: backpressure goes through."""


class End(StrEnum):
    """How a connection is ended when it was cut."""

    CLOSE = "close"
    RESET = "reset"
    SILENCE = "silence"


@dataclass
class Faults:
    """What happens to the bytes of one direction, from now on, in every connection.

    `delay` and `jitter` are seconds added to each chunk (order is kept); `stall` holds everything back while it is
    true; after `cut_at` bytes of a connection nothing more passes and `cut_end` says how the connection ends.
    """

    delay: float = 0.0
    jitter: float = 0.0
    stall: bool = False
    cut_at: int | None = None
    cut_end: End = End.CLOSE


@dataclass
class Stream:
    """One direction of one connection."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    passed: int = 0


@dataclass
class Connection:
    """A client's connection and its twin to the server."""

    up: Stream
    down: Stream

    def reset(self) -> None:
        """Both sides see a connection reset."""
        for stream in (self.up, self.down):
            abort(stream.writer)

    def half_close(self, way: str) -> None:
        """The receiver of this direction sees its end; the other direction goes on."""
        writer = getattr(self, way).writer
        with contextlib.suppress(OSError):
            writer.write_eof()


def abort(writer: asyncio.StreamWriter) -> None:
    """Close so that the other side sees a reset."""
    plug = writer.get_extra_info("socket")
    if plug is not None and plug.fileno() >= 0:
        with contextlib.suppress(OSError):
            form = "hh" if sys.platform == "win32" else "ii"
            plug.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack(form, 1, 0))
    writer.transport.abort()


class Chaos:
    """The relay. Change `up` and `down` at any time; they hold for all connections."""

    def __init__(self, server: tuple[str, int], seed: int = 1) -> None:
        self.up, self.down = Faults(), Faults()
        self.connections: list[Connection] = []
        self.port = 0
        self._server = server
        self._random = random.Random(seed)
        self._tasks: set[asyncio.Task[None]] = set()

    async def serve(self, address: str, port: int) -> asyncio.Server:
        """Listen; the caller closes the server, then this relay."""
        server = await asyncio.start_server(self._accept, address, port)
        self.port = server.sockets[0].getsockname()[1]
        return server

    async def close(self) -> None:
        """Reset what is still connected."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for connection in self.connections:
            connection.reset()

    def reset(self) -> None:
        """Reset every connection."""
        for connection in self.connections:
            connection.reset()

    def half_close(self, way: str) -> None:
        """End one direction (`up` or `down`) of every connection."""
        for connection in self.connections:
            connection.half_close(way)

    def garbage(self, way: str, count: int) -> None:
        """Push random bytes into one direction of every connection."""
        for connection in self.connections:
            getattr(connection, way).writer.write(self._random.randbytes(count))

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            far_reader, far_writer = await asyncio.open_connection(*self._server)
        except OSError:
            abort(writer)
        else:
            # The loop would log the cancellation of its own callback's task as an error.
            with contextlib.suppress(asyncio.CancelledError):
                await self._relay(Connection(Stream(reader, far_writer), Stream(far_reader, writer)))
        finally:
            self._tasks.discard(task)

    async def _relay(self, connection: Connection) -> None:
        self.connections.append(connection)
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._pump(connection, "up"))
                group.create_task(self._pump(connection, "down"))
        finally:
            self.connections.remove(connection)
            for stream in (connection.up, connection.down):
                stream.writer.close()

    async def _pump(self, connection: Connection, way: str) -> None:
        stream: Stream = getattr(connection, way)
        under_way: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue(MOST_IN_FLIGHT)
        reading = asyncio.create_task(self._take(stream.reader, way, under_way))
        try:
            while True:
                due, chunk = await under_way.get()
                await self._hold(way, due)
                if not chunk:
                    connection.half_close(way)
                    return
                if await self._pass_on(connection, stream, chunk, getattr(self, way)):
                    return
        except OSError:
            connection.reset()
        finally:
            reading.cancel()
            await asyncio.gather(reading, return_exceptions=True)

    async def _take(self, reader: asyncio.StreamReader, way: str, under_way: "asyncio.Queue[Any]") -> None:
        chunk = b"?"
        while chunk:
            try:
                chunk = await reader.read(CHUNK)
            except OSError:
                chunk = b""
            faults: Faults = getattr(self, way)
            await under_way.put((time.monotonic() + faults.delay + self._random.uniform(0, faults.jitter), chunk))

    async def _hold(self, way: str, due: float) -> None:
        if (wait := due - time.monotonic()) > 0:
            await asyncio.sleep(wait)
        while getattr(self, way).stall:
            await asyncio.sleep(0.005)

    async def _pass_on(self, connection: Connection, stream: Stream, chunk: bytes, faults: Faults) -> bool:
        """Send a chunk; True when this direction is over."""
        left = len(chunk) if faults.cut_at is None else max(0, faults.cut_at - stream.passed)
        stream.writer.write(chunk[:left])
        stream.passed += min(left, len(chunk))
        await stream.writer.drain()
        if left > len(chunk) or (left == len(chunk) and faults.cut_at is None):
            return False
        if faults.cut_end is End.SILENCE:
            await asyncio.Event().wait()
        await _end(connection, faults.cut_end)
        return True


async def _end(connection: Connection, end: End) -> None:
    if end is End.RESET:
        connection.reset()
    else:
        for stream in (connection.up, connection.down):
            stream.writer.close()


@contextlib.asynccontextmanager
async def chaos(server: tuple[str, int], address: str = "127.0.0.1", port: int = 0) -> AsyncIterator[Chaos]:
    """A relay to `server`, listening at `address`; everything is closed at the end."""
    relay = Chaos(server)
    listening = await relay.serve(address, port)
    try:
        yield relay
    finally:
        listening.close()
        await relay.close()
        await listening.wait_closed()


def obey(relay: Chaos, words: dict[str, Any]) -> None:
    """Carry out one command. Raises KeyError, TypeError or ValueError for one that makes no sense."""
    for way in ("up", "down"):
        if way in words:
            known = {each.name for each in fields(Faults)}
            assert words[way].keys() <= known, words
            setattr(relay, way, Faults(**{**vars(getattr(relay, way)), **words[way]}))
    match words.get("do"):
        case "reset":
            relay.reset()
        case "half_close":
            relay.half_close(words["way"])
        case "garbage":
            relay.garbage(words["way"], words["bytes"])


async def main(listen: str, server: str) -> None:
    address, _, port = listen.rpartition(":")
    far, _, far_port = server.rpartition(":")
    lines = asyncio.StreamReader()
    loop = asyncio.get_running_loop()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(lines), sys.stdin)
    async with chaos((far, int(far_port)), address, int(port)) as relay:
        print(json.dumps({"port": relay.port}), flush=True)  # noqa: T201
        while line := await lines.readline():
            obey(relay, json.loads(line))


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2]))
