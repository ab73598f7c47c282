"""The peer link's door: nobody gets one application byte through it who is not a trusted PC that asks properly."""

import asyncio
import socket
import ssl
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from pathlib import Path

import pytest
import pytest_asyncio
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.cluster.link_process.measuring import BUSY_BYTES
from app.cluster.link_process.messages import (
    AddTicket,
    CloseMouth,
    Cut,
    DropTicket,
    LinkChanged,
    OpenMouth,
    Refused,
    Trust,
)
from app.cluster.link_process.opening import NODE_ALPN, RPC_ALPN
from app.cluster.link_process.wire import FINISH_SECONDS
from app.identity.certificate import load_or_create
from app.identity.contexts import Contexts
from tests.link_bed import SECRET, Inside, until

TICKET = "0123456789abcdef" * 2
Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class Program:
    """A local program that keeps what it gets and sends it back."""

    def __init__(self) -> None:
        self.received = bytearray()
        self.connections = 0
        self.port = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        with suppress(ConnectionError):
            while data := await reader.read(1 << 16):
                self.received += data
                writer.write(data)
                await writer.drain()
        self.connections -= 1
        writer.close()


@pytest_asyncio.fixture
async def program() -> AsyncIterator[Program]:
    """The node, or an rpc-server, behind the door."""
    found = Program()
    server = await asyncio.start_server(found.serve, "127.0.0.1", 0)
    found.port = server.sockets[0].getsockname()[1]
    yield found
    server.close()


@pytest_asyncio.fixture
async def door(tmp_path: Path, program: Program) -> AsyncIterator[Inside]:
    """A link process whose node is the program."""
    (tmp_path / "door").mkdir()
    inside = await asyncio.to_thread(Inside, tmp_path / "door")
    async with inside.running(program.port):
        yield inside


@pytest.fixture
def peer(tmp_path: Path) -> Inside:
    """Another PC; it only has an identity here."""
    (tmp_path / "peer").mkdir()
    return Inside(tmp_path / "peer")


async def trust(door: Inside, *peers: Inside) -> None:
    answer = await door.order(Trust(peers=tuple(each.as_peer for each in peers)))
    assert answer.problem is None


@asynccontextmanager
async def dialled(
    door: Inside, peer: Inside, alpn: str, context: ssl.SSLContext | None = None
) -> AsyncIterator[Streams]:
    context = context or await asyncio.to_thread(peer.contexts.client, door.identity.certificate, alpn)
    reader, writer = await asyncio.open_connection("127.0.0.1", door.port, ssl=context, server_hostname="peer")
    try:
        yield reader, writer
    finally:
        writer.transport.abort()
        await asyncio.sleep(0)


async def ended(reader: asyncio.StreamReader, seconds: float = 30.0) -> bytes:
    """Everything that comes until the connection ends."""
    found = bytearray()
    async with asyncio.timeout(seconds):
        with suppress(OSError):
            while data := await reader.read(1 << 16):
                found += data
    return bytes(found)


class TestTrusted:
    async def test_the_node_learns_who_speaks(self, door: Inside, peer: Inside, program: Program) -> None:
        await trust(door, peer)
        async with dialled(door, peer, NODE_ALPN) as (reader, writer), asyncio.timeout(30):
            writer.write(b"open node\n")
            assert await reader.readline() == b"ready\n"
            writer.write(b"GET / HTTP/1.1\r\n\r\n")
            preface = f"caravan-peer {SECRET} {peer.identity.node}\n".encode()
            assert await reader.readexactly(len(preface) + 18) == preface + b"GET / HTTP/1.1\r\n\r\n"
        await until(lambda: program.connections == 0)
        changes = [event.link.connected for event in door.events if isinstance(event, LinkChanged)]
        assert changes == [True, False]

    async def test_a_ticket_leads_to_its_one_worker(self, door: Inside, peer: Inside, program: Program) -> None:
        await trust(door, peer)
        await door.order(AddTicket(ticket=TICKET, peer=peer.identity.node, port=program.port))
        async with dialled(door, peer, RPC_ALPN) as (reader, writer), asyncio.timeout(30):
            hello = b"\x0e" + (24).to_bytes(8, "little") + bytes(24)
            writer.write(f"open rpc {TICKET}\n".encode() + hello)
            assert await reader.readexactly(6 + len(hello)) == b"ready\n" + hello
            await door.order(DropTicket(ticket=TICKET))
            assert await ended(reader) == b""
        assert bytes(program.received) == hello

    @pytest.mark.parametrize("command", [20, 21, 22, 255])
    async def test_a_forbidden_command_ends_the_stream_before_it_arrives(
        self, door: Inside, peer: Inside, program: Program, command: int
    ) -> None:
        await trust(door, peer)
        await door.order(AddTicket(ticket=TICKET, peer=peer.identity.node, port=program.port))
        async with dialled(door, peer, RPC_ALPN) as (reader, writer):
            writer.write(f"open rpc {TICKET}\n".encode())
            assert await reader.readline() == b"ready\n"
            writer.write(bytes([command]) + bytes(8))
            assert await ended(reader) == b""
        await until(lambda: program.connections == 0)
        assert program.received == b""
        assert door.refused(Refused.FRAME) == 1

    async def test_the_end_of_the_far_side_closes_the_worker_at_once(
        self, door: Inside, peer: Inside, program: Program
    ) -> None:
        await trust(door, peer)
        await door.order(AddTicket(ticket=TICKET, peer=peer.identity.node, port=program.port))
        async with dialled(door, peer, RPC_ALPN) as (reader, writer):
            writer.write(f"open rpc {TICKET}\n".encode())
            assert await reader.readline() == b"ready\n"
            assert program.connections == 1
            writer.transport.abort()
            await until(lambda: program.connections == 0, FINISH_SECONDS / 2)

    async def test_without_a_local_program_the_peer_is_told(self, door: Inside, peer: Inside) -> None:
        await trust(door, peer)
        with socket.socket() as unused:
            unused.bind(("127.0.0.1", 0))
            port = unused.getsockname()[1]
            await door.order(AddTicket(ticket=TICKET, peer=peer.identity.node, port=port))
            async with dialled(door, peer, RPC_ALPN) as (reader, writer):
                writer.write(f"open rpc {TICKET}\n".encode())
                assert await ended(reader) == b"refused the local program does not answer\n"


class TestMeasured:
    """A peer measures its way to here; nobody serves meanwhile."""

    async def test_rounds_are_acknowledged_one_peer_at_a_time(self, door: Inside, peer: Inside) -> None:
        await trust(door, peer)
        async with measuring(door, peer), dialled(door, peer, NODE_ALPN) as (reader, writer):
            writer.write(b"open bulk\n")
            assert await ended(reader) == b"refused another link is being measured\n"
        async with measuring(door, peer):
            assert door.refused(Refused.MEASURING) == 1

    async def test_a_lease_ends_it_and_refuses_it_until_it_ends(self, door: Inside, peer: Inside) -> None:
        await trust(door, peer)
        async with measuring(door, peer) as (measured, _):
            await door.order(AddTicket(ticket=TICKET, peer=peer.identity.node, port=9))
            assert await ended(measured) == b""
        async with dialled(door, peer, NODE_ALPN) as (reader, writer):
            writer.write(b"open bulk\n")
            assert await ended(reader) == b"refused the link is in use\n"
        await door.order(DropTicket(ticket=TICKET))
        async with measuring(door, peer):
            assert door.refused(Refused.IN_USE) == 1

    async def test_a_mouth_to_a_worker_refuses_it_and_one_to_a_node_does_not(self, door: Inside, peer: Inside) -> None:
        await trust(door, peer)
        await door.order(OpenMouth(peer=peer.identity.node, key="k" * 32))
        async with measuring(door, peer) as (measured, _):
            mouth = await door.order(OpenMouth(peer=peer.identity.node, ticket=TICKET))
            assert mouth.port
            assert await ended(measured) == b""
        async with dialled(door, peer, NODE_ALPN) as (reader, writer):
            writer.write(b"open bulk\n")
            assert await ended(reader) == b"refused the link is in use\n"
        await door.order(CloseMouth(port=mouth.port))
        async with measuring(door, peer):
            pass

    async def test_a_file_that_is_copied_refuses_it(self, door: Inside, peer: Inside, program: Program) -> None:
        await trust(door, peer)
        async with dialled(door, peer, NODE_ALPN) as (reader, writer):
            writer.write(b"open node\n")
            copying = asyncio.create_task(_copy(reader, writer))
            await until(lambda: len(program.received) > 3 * BUSY_BYTES, 30)
            async with dialled(door, peer, NODE_ALPN) as (asking, asked):
                asked.write(b"open bulk\n")
                assert await ended(asking) == b"refused the link is in use\n"
            copying.cancel()
            await asyncio.gather(copying, return_exceptions=True)


@asynccontextmanager
async def measuring(door: Inside, peer: Inside) -> AsyncIterator[Streams]:
    """A stream on which the peer measures; one empty round is done."""
    async with dialled(door, peer, NODE_ALPN) as (reader, writer):
        async with asyncio.timeout(5):
            writer.write(b"open bulk\n" + bytes(8))
            assert await reader.readexactly(6 + 8) == b"ready\n" + bytes(8)
        yield reader, writer


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Bytes there and back for ever."""
    while True:
        writer.write(bytes(1 << 16))
        await writer.drain()
        await reader.read(1 << 20)


class TestNotAllowed:
    async def test_a_ticket_of_another_peer(self, door: Inside, peer: Inside, program: Program, tmp_path: Path) -> None:
        (tmp_path / "third").mkdir()
        third = await asyncio.to_thread(Inside, tmp_path / "third")
        await trust(door, peer, third)
        await door.order(AddTicket(ticket=TICKET, peer=peer.identity.node, port=program.port))
        async with dialled(door, third, RPC_ALPN) as (reader, writer):
            writer.write(f"open rpc {TICKET}\n".encode())
            assert await ended(reader) == b"refused unknown ticket, or another peer's\n"
        assert program.received == b""
        assert door.refused(Refused.TICKET) == 1

    async def test_a_stranger(self, door: Inside, peer: Inside, program: Program) -> None:
        async with dialled(door, peer, NODE_ALPN) as (reader, writer):
            writer.write(b"open node\nGET / HTTP/1.1\r\n\r\n")
            assert await ended(reader) == b""
        assert program.received == b""
        assert door.refused(Refused.HANDSHAKE) == 1

    async def test_a_removed_peer_is_cut_at_once_and_stays_out(self, door: Inside, peer: Inside) -> None:
        await trust(door, peer)
        async with dialled(door, peer, NODE_ALPN) as (reader, writer):
            writer.write(b"open node\n")
            assert await reader.readline() == b"ready\n"
            began = time.perf_counter()
            await trust(door)
            await ended(reader)
            assert time.perf_counter() - began < 5
        async with dialled(door, peer, NODE_ALPN) as (reader, writer):
            writer.write(b"open node\n")
            assert await ended(reader) == b""

    async def test_cut_ends_what_lives_and_the_peer_may_come_back(self, door: Inside, peer: Inside) -> None:
        await trust(door, peer)
        for _ in range(2):
            async with dialled(door, peer, NODE_ALPN) as (reader, writer):
                writer.write(b"open ping\n1234")
                assert await reader.readexactly(10) == b"ready\n1234"
                await door.order(Cut(peer=peer.identity.node))
                assert await ended(reader) == b""

    @pytest.mark.parametrize("alpns", [[], ["h2"], ["caravan-pair/1"]])
    async def test_no_protocol_of_ours(self, door: Inside, peer: Inside, program: Program, alpns: list[str]) -> None:
        await trust(door, peer)
        context = peer.contexts.client(door.identity.certificate, "x")
        context = _without_alpn(peer, door) if not alpns else context
        if alpns:
            context.set_alpn_protocols(alpns)
        with suppress(OSError):
            async with dialled(door, peer, "", context) as (reader, writer):
                writer.write(b"open node\n")
                assert await ended(reader) == b""
        await until(lambda: door.refused(Refused.UNTRUSTED) + door.refused(Refused.HANDSHAKE) == 1)
        assert program.received == b""

    async def test_tls_1_2(self, door: Inside, peer: Inside) -> None:
        await trust(door, peer)
        context = peer.contexts.client(door.identity.certificate, NODE_ALPN)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.maximum_version = ssl.TLSVersion.TLSv1_2
        with pytest.raises((ssl.SSLError, ConnectionError)):
            await asyncio.open_connection("127.0.0.1", door.port, ssl=context, server_hostname="peer")
        await until(lambda: door.refused(Refused.HANDSHAKE) == 1)

    @pytest.mark.parametrize(
        "sent", [b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", b"\x0e" + bytes(100), b"\x16\x03\x01\xff\xff" + b"x" * 70000]
    )
    async def test_no_tls(self, door: Inside, program: Program, sent: bytes) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", door.port)
        writer.write(sent)
        assert b"open" not in await ended(reader)
        writer.close()
        assert program.received == b""
        assert door.refused(Refused.HANDSHAKE) == 1

    @pytest.mark.parametrize(
        "sent", [b"open rpc " + TICKET.encode() + b"\n", b"GET / HTTP/1.1\r\n\r\n", b"x" * 100_000, b"\n"]
    )
    async def test_no_proper_opening(self, door: Inside, peer: Inside, program: Program, sent: bytes) -> None:
        await trust(door, peer)
        async with dialled(door, peer, NODE_ALPN) as (reader, writer):
            writer.write(sent)
            assert await ended(reader) == b"refused no proper opening line\n"
        assert program.received == b""


def _without_alpn(peer: Inside, door: Inside) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.load_cert_chain(peer.identity.chain_file, password=peer.identity.key_password)
    context.verify_flags |= 0x200000
    context.load_verify_locations(cadata=door.identity.certificate)
    return context


class TestSilence:
    async def test_one_byte_a_second_and_none_are_closed_in_seconds(self, door: Inside) -> None:
        async with AsyncExitStack() as stack:
            pairs = [await asyncio.open_connection("127.0.0.1", door.port) for _ in range(3)]
            for _, writer in pairs:
                stack.callback(writer.close)
            began = time.perf_counter()
            drip = asyncio.create_task(_drip(pairs[0][1]))
            await asyncio.gather(*(ended(reader) for reader, _ in pairs))
            drip.cancel()
            assert time.perf_counter() - began < 15

    async def test_a_silent_peer_is_closed_in_seconds(self, door: Inside, peer: Inside) -> None:
        await trust(door, peer)
        async with dialled(door, peer, NODE_ALPN) as (reader, writer):
            writer.write(b"open no")
            assert await ended(reader) == b"refused no proper opening line\n"

    async def test_a_good_one_comes_through_300_silent_ones(self, door: Inside, peer: Inside) -> None:
        await trust(door, peer)
        context = await asyncio.to_thread(peer.contexts.client, door.identity.certificate, NODE_ALPN)
        async with AsyncExitStack() as stack:
            for _ in range(300):
                _, silent = await asyncio.open_connection("127.0.0.1", door.port)
                stack.callback(silent.close)
            began = time.perf_counter()
            async with dialled(door, peer, NODE_ALPN, context) as (reader, writer):
                writer.write(b"open ping\n")
                assert await reader.readline() == b"ready\n"
                took = time.perf_counter() - began
            print(f"through 300 silent connections in {1000 * took:.1f} ms")  # noqa: T201
            assert took < 2.5, "milliseconds where nothing else runs, three seconds behind a silent one"
            assert door.refused(Refused.CROWDED) >= 300 - 32

    async def test_a_flood_from_one_address_is_refused_before_tls(self, door: Inside, peer: Inside) -> None:
        await trust(door, peer)
        # A slow machine opens so few in a second that many more than the first burst are let in.
        for _ in range(10_000):
            _, writer = await asyncio.open_connection("127.0.0.1", door.port, local_addr=("127.0.0.2", 0))
            writer.close()
            if door.refused(Refused.RATE) > 50:
                break
        assert door.refused(Refused.RATE) > 50
        async with dialled(door, peer, NODE_ALPN) as (reader, writer), asyncio.timeout(30):
            writer.write(b"open ping\n")
            assert await reader.readline() == b"ready\n"


async def _drip(writer: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        for byte in b"\x16\x03\x01\x02\x00\x01":
            writer.write(bytes([byte]))
            await asyncio.sleep(1)


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(data=st.binary(min_size=1, max_size=2000), proven=st.booleans())
async def test_garbage_never_reaches_a_program(
    tmp_path_factory: pytest.TempPathFactory, data: bytes, proven: bool
) -> None:
    door, peer = await _pair(tmp_path_factory)
    async with door.running():
        await trust(door, peer)
        if proven:
            async with dialled(door, peer, RPC_ALPN) as (reader, writer):
                writer.write(data + b"\n")
                assert (await ended(reader)).startswith(b"refused ")
        else:
            reader, writer = await asyncio.open_connection("127.0.0.1", door.port)
            writer.write(data)
            writer.write_eof()
            await ended(reader)
            writer.close()


async def _pair(factory: pytest.TempPathFactory) -> tuple[Inside, Inside]:
    return await asyncio.to_thread(lambda: (Inside(factory.mktemp("door")), Inside(factory.mktemp("peer"))))


def test_the_bed_uses_the_real_contexts(tmp_path: Path) -> None:
    assert isinstance(Inside(tmp_path).contexts, Contexts)
    assert load_or_create(tmp_path).certificate
