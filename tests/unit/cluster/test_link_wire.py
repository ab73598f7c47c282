"""A pair of wires is a pump: bounded memory with a slow reader, the end of one side ends the other, nothing is lost."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from app.cluster.link_process.wire import WRITE_HIGH_BYTES, Wire, WireEnded

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@asynccontextmanager
async def wire_and_streams() -> AsyncIterator[tuple[Wire, Streams]]:
    ours, theirs = socket.socketpair()
    for each in (ours, theirs):
        each.setblocking(False)
    wire = Wire()
    await asyncio.get_running_loop().connect_accepted_socket(lambda: wire, ours)
    reader, writer = await asyncio.open_connection(sock=theirs)
    try:
        yield wire, (reader, writer)
    finally:
        wire.abort()
        writer.close()
        await asyncio.sleep(0)


@asynccontextmanager
async def pump() -> AsyncIterator[tuple[Wire, Wire, Streams, Streams]]:
    async with wire_and_streams() as (one, left), wire_and_streams() as (two, right):
        yield one, two, left, right


async def sent_until_stuck(writer: asyncio.StreamWriter) -> int:
    """Send until nothing is taken for half a second; returns the bytes."""
    writer.transport.set_write_buffer_limits(high=0)
    sent = 0
    with contextlib.suppress(TimeoutError):
        while sent < 256 << 20:
            writer.write(bytes(1 << 16))
            sent += 1 << 16
            async with asyncio.timeout(0.5):
                await writer.drain()
    return sent


async def test_bytes_pass_both_ways_early_ones_first() -> None:
    async with pump() as (one, two, left, right):
        left[1].write(b"line\nearly ")
        async with asyncio.timeout(30):
            assert await one.line(b"\n", 10) == b"line\n"
            one.join(two)
            left[1].write(b"late")
            assert await right[0].readexactly(10) == b"early late"
            right[1].write(b"back")
            assert await left[0].readexactly(4) == b"back"


async def test_a_slow_reader_stops_the_sender_and_memory_stays_bounded() -> None:
    async with pump() as (one, two, left, right):
        one.join(two)
        sent = await sent_until_stuck(left[1])
        assert sent < 16 << 20, "only the buffers of the sockets and ours"
        transport = two._transport
        assert transport is not None
        assert transport.get_write_buffer_size() <= WRITE_HIGH_BYTES + (1 << 18)
        async with asyncio.timeout(30):
            assert len(await right[0].readexactly(sent)) == sent
            left[1].write(b"goes on")
            assert await right[0].readexactly(7) == b"goes on"


async def test_the_last_bytes_arrive_before_the_end() -> None:
    async with pump() as (one, two, left, right):
        one.join(two)
        left[1].write(bytes(4 << 20))
        left[1].write_eof()
        async with asyncio.timeout(30):
            assert len(await right[0].read(-1)) == 4 << 20


async def test_the_end_of_one_side_closes_the_other_at_once() -> None:
    async with pump() as (one, two, left, right):
        one.join(two)
        right[1].transport.abort()
        async with asyncio.timeout(30):
            assert await left[0].read() == b""


async def test_a_side_that_ended_before_the_join_ends_it() -> None:
    async with pump() as (one, two, left, right):
        left[1].close()
        async with asyncio.timeout(30):
            with pytest.raises(WireEnded):
                await one.line(b"\n", 10)
            one.join(two)
            assert await right[0].read() == b""


async def test_last_bytes_nobody_takes_do_not_keep_a_connection() -> None:
    async with wire_and_streams() as (wire, (_, writer)):
        lost = asyncio.Event()
        wire.when_lost(lost.set)
        wire._finish_seconds = 0.05
        wire.write(bytes(8 << 20))
        wire.finish()
        async with asyncio.timeout(30):
            await lost.wait()
        assert writer is not None


async def test_a_line_has_a_longest_length() -> None:
    for sent in (b"x" * 11, b"x" * 10 + b"\n"):
        async with wire_and_streams() as (wire, (_, writer)):
            writer.write(sent)
            async with asyncio.timeout(30):
                with pytest.raises(WireEnded):
                    await wire.line(b"\n", 10)


async def test_what_is_sent_too_early_is_not_kept_without_end() -> None:
    async with wire_and_streams() as (wire, (_, writer)):
        await sent_until_stuck(writer)
        assert len(wire._early) < 1 << 20


async def test_bytes_that_may_not_pass_end_the_stream() -> None:
    async with pump() as (one, two, left, right):
        one.join(two, inspect=lambda data: b"bad" not in data)
        left[1].write(b"good")
        async with asyncio.timeout(30):
            assert await right[0].readexactly(4) == b"good"
            left[1].write(b"bad")
            assert await right[0].read() == b""
            assert await left[0].read() == b""


async def test_an_echo_sends_back() -> None:
    async with wire_and_streams() as (wire, (reader, writer)):
        wire.echo()
        writer.write(bytes(3 << 20))
        async with asyncio.timeout(30):
            assert len(await reader.readexactly(3 << 20)) == 3 << 20
