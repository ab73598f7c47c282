"""Measuring one way: bounded in bytes and seconds, and a peer that lies or is silent gets no absurd figure believed."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.cluster.link_process import bulk
from app.cluster.link_process.bulk import LEAST_BYTES, MOST_BYTES, Receiver, Sender, net_seconds, next_round
from app.cluster.link_process.measuring import BUSY_BYTES, Traffic, Turn
from app.cluster.link_process.messages import Refused
from app.cluster.link_process.outbound import DialFailed
from app.cluster.link_process.wire import Wire
from app.system.ports import bind_loopback

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@given(rate=st.floats(1e4, 1e11), burst=st.floats(0, 1e6), round_trip=st.floats(0, 0.3))
def test_few_rounds_and_bounded_bytes_and_seconds(rate: float, burst: float, round_trip: float) -> None:
    """A link of that rate which lets so many bytes through at once."""
    count: int | None = LEAST_BYTES
    sizes, last, took = [], 0.0, 0.0
    while count is not None:
        sizes.append(count)
        last = net_seconds(max(count - burst, 0) / rate + count / 1e12 + round_trip, round_trip)
        took += last
        count = next_round(count, last)
    assert len(sizes) <= 13
    assert sum(sizes) <= bulk.TAKE_BYTES
    assert last >= bulk.ENOUGH_SECONDS or sizes[-1] == MOST_BYTES
    if rate >= 0.625e6:
        # 5 Mbit/s; a burst of a megabyte may hide a link's rate from the rounds before.
        assert took < 2 * (1 + 16 * (burst / rate if burst > LEAST_BYTES else 0)) + 1


@pytest.mark.parametrize(("rate", "bytes_sent"), [(0.6e6, 1e6), (125e6, 1e8), (1.25e9, 1e8)])
def test_what_a_measurement_costs(rate: float, bytes_sent: float) -> None:
    count: int | None = LEAST_BYTES
    total = 0
    while count is not None:
        total += count
        count = next_round(count, count / rate)
    assert total < bytes_sent
    assert total / rate < 1.5


@given(st.floats(0, 10), st.floats(0, 10))
def test_a_feigned_round_trip_gains_a_factor_of_two(seconds: float, round_trip: float) -> None:
    assert seconds / 2 <= net_seconds(seconds, round_trip) <= seconds


@asynccontextmanager
async def wire_to(serve: Callable[..., Awaitable[None]]) -> AsyncIterator[Wire]:
    """A wire to a peer that is the test's own program."""
    tasks: list[asyncio.Task[None]] = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.append(task)
        with suppress(OSError, asyncio.IncompleteReadError):
            await serve(reader, writer)
        writer.close()

    server = await asyncio.start_server(answer, sock=bind_loopback(0))
    wire = Wire()
    await asyncio.get_running_loop().create_connection(lambda: wire, *server.sockets[0].getsockname())
    try:
        yield wire
    finally:
        wire.abort()
        await gone(wire)
        server.close()
        await asyncio.gather(*tasks)


async def gone(wire: Wire) -> None:
    lost = asyncio.Event()
    wire.when_lost(lost.set)
    async with asyncio.timeout(5):
        await lost.wait()


@asynccontextmanager
async def taken(deadline: float = 5.0) -> AsyncIterator[Streams]:
    """Streams to a receiver."""

    made: list[Wire] = []

    class Taking(Wire):
        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            super().connection_made(transport)
            made.append(self)
            Receiver(self, deadline)

    server = await asyncio.get_running_loop().create_server(Taking, sock=bind_loopback(0))
    reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
    try:
        yield reader, writer
    finally:
        writer.close()
        for wire in made:
            wire.abort()
            await gone(wire)
        server.close()


async def rounds(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, rate: float, seen: list[float]) -> None:
    """An honest peer that takes so many bytes a second at most; `seen` gets what it took of each round."""
    while True:
        size = await reader.readexactly(8)
        count, taken = int.from_bytes(size, "big"), 0
        began = time.perf_counter()
        while taken < count:
            data = await reader.read(min(count - taken, 1 << 16))
            if not data:
                return
            taken += len(data)
            await asyncio.sleep(max(began + taken / rate - time.perf_counter(), 0))
        seen.append(count / (time.perf_counter() - began))
        writer.write(size)


async def test_an_honest_peer_is_measured() -> None:
    seen: list[float] = []

    async def slow(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await rounds(reader, writer, 5e6, seen)

    async with wire_to(slow) as wire:
        told = await Sender(wire).rate()
        # How much slower than asked it takes is the machine's: what is told is held against what the peer saw.
        assert seen[-1] / 2 < told < seen[-1] * 2.5


async def test_a_round_that_does_not_end_counts_as_what_left() -> None:
    stopped = 0.0

    async def stops(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal stopped
        for _ in range(bulk.PINGS + 1):
            size = await reader.readexactly(8)
            await reader.readexactly(int.from_bytes(size, "big"))
            writer.write(size)
        await reader.readexactly(8)
        stopped = time.perf_counter()
        await silent(reader, writer)

    async with wire_to(stops) as wire:
        told = await Sender(wire, 1.0).rate()
        waited = time.perf_counter() - stopped
        # At most the round's megabyte left in that time: not what the round before promised.
        assert 0 < told < 2 * bulk.GROWTH * LEAST_BYTES / waited


async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while await reader.read(1 << 16):
        continue


async def babbles(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while await reader.read(1 << 16):
        writer.write(bytes(1 << 16))
        await writer.drain()


async def acknowledges_at_once(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Takes 5 MB/s and says of every round at once that it has it: what the buffers do not hold gives it away."""
    while True:
        size = await reader.readexactly(8)
        writer.write(size)
        left = int.from_bytes(size, "big")
        while left > 0:
            data = await reader.read(min(left, 1 << 16))
            if not data:
                return
            left -= len(data)
            await asyncio.sleep(len(data) / 5e6)


async def acknowledges_another(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.readexactly(8)
    writer.write((1).to_bytes(8, "big"))
    await silent(reader, writer)


async def hangs_up(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
    await reader.readexactly(8)


@pytest.mark.parametrize(
    ("peer", "told"),
    [
        (silent, "too long"),
        (babbles, "rules"),
        (acknowledges_another, "rules"),
        (acknowledges_at_once, "rules"),
        (hangs_up, "ended"),
    ],
)
async def test_a_peer_that_lies_or_is_silent(peer: Callable[..., Awaitable[None]], told: str) -> None:
    async with wire_to(peer) as wire:
        # Only a silent one takes all of it.
        sender = Sender(wire, 1.0 if peer is silent else 5.0)
        with pytest.raises(DialFailed, match=told):
            await sender.rate()


async def test_a_model_that_needs_the_link_ends_it() -> None:
    began = asyncio.Event()

    async def begins(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readexactly(8)
        began.set()
        await silent(reader, writer)

    turn = Turn(lambda: False)
    async with wire_to(begins) as wire:
        assert turn.take() is None
        measuring = asyncio.create_task(turn.send(wire))
        await began.wait()
        turn.interrupt()
        with pytest.raises(DialFailed, match=Refused.IN_USE):
            await measuring
    # A launch that came while the stream was being dialled counts too.
    turn.end()
    assert turn.take() is None
    turn.interrupt()
    async with wire_to(silent) as wire:
        with pytest.raises(DialFailed, match=Refused.IN_USE):
            await turn.send(wire)


async def test_a_receiver_acknowledges_each_round_however_it_is_cut() -> None:
    async with taken() as (reader, writer):
        sent = b"".join(n.to_bytes(8, "big") + bytes(n) for n in (0, 1, 0, 70_000))
        for at in range(0, len(sent), 7_001):
            writer.write(sent[at : at + 7_001])
            await writer.drain()
        async with asyncio.timeout(5):
            told = await reader.readexactly(32)
        assert [int.from_bytes(told[i : i + 8], "big") for i in range(0, 32, 8)] == [0, 1, 0, 70_000]


@pytest.mark.parametrize(
    "sent",
    [
        (MOST_BYTES + 1).to_bytes(8, "big"),
        b"\xff" * 8,
        bytes(8) * (bulk.TAKE_ROUNDS + 1),
    ],
)
async def test_a_receiver_ends_what_asks_for_too_much(sent: bytes) -> None:
    async with taken() as (reader, writer):
        writer.write(sent)
        async with asyncio.timeout(5):
            with suppress(OSError):
                assert len(await reader.read()) <= 8 * bulk.TAKE_ROUNDS


async def test_a_receiver_ends_a_silent_sender() -> None:
    async with taken(deadline=0.2) as (reader, _):
        async with asyncio.timeout(5):
            with suppress(OSError):
                assert await reader.read() == b""


def test_one_measurement_at_a_time_and_none_while_a_model_runs() -> None:
    used = False
    turn = Turn(lambda: used)
    assert turn.take() is None
    assert turn.take() is Refused.MEASURING
    turn.end()
    used = True
    assert turn.take() is Refused.IN_USE
    used = False
    assert turn.take() is None


def test_much_that_passes_in_a_few_seconds_is_a_copy() -> None:
    total = 5 * BUSY_BYTES
    traffic = Traffic(lambda: total)
    traffic.look()
    assert not traffic.is_heavy
    total += BUSY_BYTES + 1
    for expected in (True, True, False):
        assert traffic.is_heavy is expected
        traffic.look()
    # The link of a removed peer takes its bytes along.
    total = 0
    assert not traffic.is_heavy
