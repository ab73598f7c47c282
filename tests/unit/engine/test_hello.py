import asyncio
import struct
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.engine import hello
from app.engine.hello import HelloProblem, NotAWorker, WorkerBusy, WorkerHello, WorkerRefused, probe_worker

Client = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Coroutine[None, None, None]]


def test_requests_as_they_travel() -> None:
    assert hello.encode_request(14, bytes(24)) == bytes([14, 24, 0, 0, 0, 0, 0, 0, 0]) + bytes(24)
    assert hello.encode_request(11, b"\x01\x00\x00\x00") == b"\x0b\x04\0\0\0\0\0\0\0\x01\0\0\0"


def test_answers_of_both_generations() -> None:
    assert hello.decode_version(bytes([7, 0, 1]) + bytes(25)) == (7, 0, 1)
    assert hello.decode_version(bytes([3, 6, 0])) == (3, 6, 0)
    assert hello.decode_count(b"\x02\0\0\0") == 2
    assert hello.decode_memory(struct.pack("<QQ", 5, 1 << 40)) == (5, 1 << 40)


@given(st.binary(max_size=40))
def test_other_answers_are_not_a_workers(payload: bytes) -> None:
    for decode, sizes in (
        (hello.decode_version, (3, 28)),
        (hello.decode_count, (4,)),
        (hello.decode_memory, (16,)),
    ):
        try:
            decode(payload)
        except NotAWorker:
            continue
        assert len(payload) in sizes


@asynccontextmanager
async def serving(client: Client) -> AsyncIterator[tuple[int, list[int]]]:
    """A server, its port, and how many of its connections were closed by the other side."""
    closed: list[int] = []
    tasks: set[asyncio.Task[None]] = set()

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        tasks.add(asyncio.current_task())  # type: ignore[arg-type]
        try:
            await client(reader, writer)
            await reader.read()
            closed.append(1)
        except (asyncio.IncompleteReadError, ConnectionError):
            closed.append(1)
        finally:
            writer.close()

    server = await asyncio.start_server(connected, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1], closed
    finally:
        server.close()
        await asyncio.gather(*tasks, return_exceptions=True)


def worker(version: bytes, hello_size: int) -> Client:
    async def client(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            command, size = struct.unpack("<BQ", await reader.readexactly(9))
            payload = await reader.readexactly(size)
            if command == 14 and size != hello_size:
                writer.close()
                return
            device = int.from_bytes(payload[:4], "little")
            memory = struct.pack("<QQ", 100 + device, 200 + device)
            answer = {14: version, 15: b"\x02\0\0\0", 11: memory}[command]
            writer.write(struct.pack("<Q", len(answer)) + answer)

    return client


@pytest.mark.parametrize(
    ("version", "size", "expected"),
    [(bytes([8, 0, 0]) + bytes(25), 24, (8, 0, 0)), (bytes([3, 6, 1]), 0, (3, 6, 1))],
)
async def test_a_worker_of_either_generation(version: bytes, size: int, expected: tuple[int, int, int]) -> None:
    async with serving(worker(version, size)) as (port, closed):
        assert await probe_worker("127.0.0.1", port, 5.0) == WorkerHello(expected, ((100, 200), (101, 201)))
    assert closed


async def test_nobody_there() -> None:
    async with serving(worker(b"", 0)) as (port, _):
        pass
    with pytest.raises(WorkerRefused, match="refuses"):
        await probe_worker("127.0.0.1", port, 5.0)


async def test_a_busy_worker_is_told_apart_and_let_go() -> None:
    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()

    async with serving(silent) as (port, closed):
        with pytest.raises(WorkerBusy, match="does not answer"):
            await probe_worker("127.0.0.1", port, 0.2)
    assert closed == [1]


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n",
        struct.pack("<Q", 1 << 60),
        struct.pack("<Q", 5) + b"hello",
        struct.pack("<Q", 28) + bytes(28) + struct.pack("<Q", 4) + b"\xff\xff\xff\xff",
        struct.pack("<Q", 28) + bytes(28) + struct.pack("<Q", 3) + b"abc",
    ],
)
async def test_something_else_on_the_port(answer: bytes) -> None:
    async def other(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readexactly(9)
        writer.write(answer)

    async with serving(other) as (port, closed):
        with pytest.raises(NotAWorker):
            await probe_worker("127.0.0.1", port, 5.0)
    assert closed


async def test_one_that_always_closes() -> None:
    async def closing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readexactly(9)
        writer.close()

    async with serving(closing) as (port, _):
        with pytest.raises(NotAWorker, match="closes"):
            await probe_worker("127.0.0.1", port, 5.0)


def test_all_problems_are_one_kind_with_a_text() -> None:
    for kind in (WorkerRefused, WorkerBusy, NotAWorker):
        assert issubclass(kind, HelloProblem)
