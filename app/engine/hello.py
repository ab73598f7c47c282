"""Greet an rpc-server: its protocol version and its devices' free memory, over a connection of our own that is closed.

The protocol (llama.cpp `ggml/src/ggml-rpc`): a request is command (1 byte), size (8 bytes, little-endian), payload; an
answer is size (8 bytes) and payload. A server up to protocol 3 takes an empty HELLO and answers three bytes; a newer
one wants 24 and closes on anything else, as an old one closes on 24. A server serves one client at a time: while
another is connected, ours waits unanswered.
"""

import asyncio
import contextlib
import struct
from collections.abc import AsyncIterator
from dataclasses import dataclass

GET_DEVICE_MEMORY = 11
HELLO = 14
DEVICE_COUNT = 15

HELLO_SIZE = 24
"""Payload bytes of HELLO since protocol 4: capability bits, all zero for us."""

MAX_DEVICES = 64
"""More than this is no answer of an rpc-server."""

_NEW_REPLY, _OLD_REPLY = 28, 3


class HelloProblem(Exception):
    """A worker did not greet back. The message says how, for a log."""


class WorkerRefused(HelloProblem):
    """Nothing accepts a connection at that address."""


class WorkerBusy(HelloProblem):
    """Something accepts the connection and says nothing: the worker serves another client, or stalls."""


class NotAWorker(HelloProblem):
    """The answer is not an rpc-server's."""


@dataclass(frozen=True, slots=True)
class WorkerHello:
    """What a worker said: protocol `version` (major, minor, patch), and `devices` as (free, total) bytes each."""

    version: tuple[int, int, int]
    devices: tuple[tuple[int, int], ...]


def encode_request(command: int, payload: bytes = b"") -> bytes:
    """One request as it travels."""
    return struct.pack("<BQ", command, len(payload)) + payload


def decode_version(payload: bytes) -> tuple[int, int, int]:
    """The version in an answer to HELLO of either generation. Raises NotAWorker."""
    if len(payload) not in (_OLD_REPLY, _NEW_REPLY):
        raise NotAWorker(f"a hello of {len(payload)} bytes")
    return (payload[0], payload[1], payload[2])


def decode_count(payload: bytes) -> int:
    """The number of devices. Raises NotAWorker."""
    if len(payload) != 4:
        raise NotAWorker(f"a device count of {len(payload)} bytes")
    count = int.from_bytes(payload, "little")
    if count > MAX_DEVICES:
        raise NotAWorker(f"{count} devices")
    return count


def decode_memory(payload: bytes) -> tuple[int, int]:
    """Free and total bytes of a device. Raises NotAWorker."""
    if len(payload) != 16:
        raise NotAWorker(f"a memory answer of {len(payload)} bytes")
    free, total = struct.unpack("<QQ", payload)
    return free, total


async def probe_worker(host: str, port: int, deadline: float) -> WorkerHello:
    """Greet the worker at `host:port` within `deadline` seconds; the connection is closed whatever happens.

    Raises WorkerRefused, WorkerBusy or NotAWorker, all of them HelloProblem.
    """
    connected = False
    try:
        async with asyncio.timeout(deadline):
            for payload in (bytes(HELLO_SIZE), b""):
                async with _connection(host, port) as (reader, writer):
                    connected = True
                    hello = await _converse(reader, writer, payload)
                if hello is not None:
                    return hello
    except TimeoutError as error:
        if connected:
            raise WorkerBusy(f"{host}:{port} accepts but does not answer within {deadline:g} s") from error
        raise WorkerRefused(f"{host}:{port} does not accept a connection within {deadline:g} s") from error
    raise NotAWorker(f"{host}:{port} closes the connection without an answer")


@contextlib.asynccontextmanager
async def _connection(host: str, port: int) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    try:
        reader, writer = await asyncio.open_connection(host, port)
    except OSError as error:
        raise WorkerRefused(f"{host}:{port} refuses: {error.strerror or error}") from error
    try:
        yield reader, writer
    finally:
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()


async def _converse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, hello: bytes) -> WorkerHello | None:
    """None when the server closes on this HELLO, as one of the other generation does."""
    try:
        version = decode_version(await _ask(reader, writer, HELLO, hello))
    except (asyncio.IncompleteReadError, ConnectionError):
        return None
    try:
        count = decode_count(await _ask(reader, writer, DEVICE_COUNT))
        devices = [
            decode_memory(await _ask(reader, writer, GET_DEVICE_MEMORY, number.to_bytes(4, "little")))
            for number in range(count)
        ]
    except (asyncio.IncompleteReadError, ConnectionError) as error:
        raise NotAWorker("it closes the connection after its hello") from error
    return WorkerHello(version, tuple(devices))


async def _ask(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, command: int, payload: bytes = b"") -> bytes:
    writer.write(encode_request(command, payload))
    await writer.drain()
    size = int.from_bytes(await reader.readexactly(8), "little")
    if size > _NEW_REPLY:
        raise NotAWorker(f"an answer of {size} bytes to command {command}")
    return await reader.readexactly(size)
