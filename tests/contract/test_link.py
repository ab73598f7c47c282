"""Two link processes as programs: HTTP and RPC pass between two PCs that trust each other, and end when they must."""

import asyncio
import base64
import contextlib
import os
import socket
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import psutil
import pytest
import uvicorn
from fastapi import FastAPI, Request

from app.api.peer_protocol import PEER_KEY, peer_protocol
from app.cluster.link import TunnelLink
from app.cluster.link_process.messages import LinkPeer, Report
from app.cluster.link_service import SILENT_LOOKS
from app.identity.certificate import load_or_create
from app.identity.contexts import Contexts
from app.schema.errors import LinkInUse, LinkUnmeasured, PeerUnreachable
from app.schema.node import NodeInfo, PeerReport
from app.schema.plan import FASTEST_LINK
from app.schema.record import NodeId
from app.system.ports import bind_loopback
from tests.link_bed import SECRET, Handler, Pc, echo, running_pc, server, two_pcs, until
from tests.link_engine import ask, llama_server, rpc_server

HELLO = b"\x0e" + (24).to_bytes(8, "little") + bytes(24)


class _Server(uvicorn.Server):
    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


@asynccontextmanager
async def node() -> AsyncIterator[int]:
    """A node's peer listener: its report names the peer that asked."""
    app = FastAPI()

    @app.get("/peer/v1/report")
    async def report(request: Request) -> PeerReport:
        asked_by = NodeId(request.scope[PEER_KEY])
        return PeerReport(node=NodeInfo(id=asked_by, name="B", version="1", started_at=1.0))

    listening = bind_loopback(0)
    config = uvicorn.Config(app, http=peer_protocol(SECRET), log_config=None, lifespan="off", ws="none")
    uvicorn_server = _Server(config)
    task = asyncio.create_task(uvicorn_server.serve(sockets=[listening]))
    try:
        yield listening.getsockname()[1]
    finally:
        uvicorn_server.should_exit = True
        await task
        listening.close()


async def test_requests_pass_through_a_mouth_and_the_peer_is_named(tmp_path: Path) -> None:
    async with node() as port, two_pcs(tmp_path, port) as (one, two):
        link = TunnelLink(two.node, "B", await one.service.open_mouth(two.node), one.service)
        for _ in range(3):
            report, round_trip = await link.report()
            assert report.node.id == one.node
            assert 0 < round_trip < 30
        await link.close()
        await until(lambda: (state := one.link(two.node)) is not None and state.round_trip_p95 is not None)
        state = one.link(two.node)
        assert state is not None
        assert state.connected
        assert state.address == two.service.listening.addresses[0]
        assert 0 < (state.round_trip_p50 or 0) <= (state.round_trip_p95 or 0) < 10


async def test_a_mouth_to_a_node_wants_its_key(tmp_path: Path) -> None:
    async with node() as port, two_pcs(tmp_path, port) as (one, two):
        mouth = await one.service.open_mouth(two.node)
        reader, writer = await asyncio.open_connection("127.0.0.1", mouth.port)
        writer.write(b"GET /peer/v1/report HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer wrong\r\n\r\n")
        assert (await reader.readline()).startswith(b"HTTP/1.1 401")
        writer.close()


@pytest.mark.parametrize("first", [b"GET /peer/v1/report HTTP/1.1\r\n\r\n", b"caravan-peer " + b"x" * 300, b"\n"])
async def test_the_nodes_port_answers_only_its_link_process(first: bytes) -> None:
    async with node() as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(first)
        if b"\n" not in first:
            writer.write_eof()
        async with asyncio.timeout(30):
            with suppress(ConnectionError):
                assert await reader.read() == b""
        writer.close()


async def test_a_worker_is_reached_with_its_ticket_and_bulk_passes_whole(tmp_path: Path) -> None:
    async with server(echo) as worker, two_pcs(tmp_path) as (one, two):
        ticket = await two.service.add_ticket(one.node, worker)
        mouth = await one.service.open_mouth(two.node, ticket)
        reader, writer = await asyncio.open_connection("127.0.0.1", mouth.port)
        payload = os.urandom(8 << 20)
        sent = HELLO + b"\x06" + len(payload).to_bytes(8, "little") + payload
        writer.write(sent)
        async with asyncio.timeout(120):
            assert await reader.readexactly(len(sent)) == sent
        writer.close()


async def test_two_that_measure_each_other_at_once_both_get_their_rate(tmp_path: Path) -> None:
    async with two_pcs(tmp_path) as (one, two):
        await two.service.trust((one.here(),))
        rates = await asyncio.gather(one.service.measure(two.node), two.service.measure(one.node))
        assert all(0 < rate <= FASTEST_LINK for rate in rates)


async def test_no_link_is_measured_while_a_model_uses_one(tmp_path: Path) -> None:
    async with server(echo) as worker, two_pcs(tmp_path) as (one, two):
        await two.service.trust((one.here(),))
        ticket = await two.service.add_ticket(one.node, worker)
        for sender, receiver in ((one, two), (two, one)):
            with pytest.raises(LinkInUse, match="uses the link"):
                await sender.service.measure(receiver.node)
        mouth = await one.service.open_mouth(two.node, ticket)
        await two.service.drop_ticket(ticket)
        for sender, receiver in ((one, two), (two, one)):
            with pytest.raises(LinkInUse, match="uses the link"):
                await sender.service.measure(receiver.node)
        await one.service.close_mouth(mouth)
        assert await one.service.measure(two.node) > 0
        for pc, other in ((one, two), (two, one)):
            assert await problem(pc, other.node) is None


async def problem(pc: Pc, peer: NodeId) -> str | None:
    """What is wrong with a link by the next report."""
    before = len(pc.events)
    await until(lambda: any(isinstance(each, Report) for each in pc.events[before:]))
    link = pc.link(peer)
    assert link is not None
    return link.problem


@asynccontextmanager
async def measures_with(folder: Path, bulk: Handler) -> AsyncIterator[tuple[Pc, NodeId]]:
    """A PC, and the peer it trusts: a program that treats `open bulk` like that."""
    for name in ("peer", "own"):
        (folder / name).mkdir()
    peer = await asyncio.to_thread(load_or_create, folder / "peer")
    contexts = Contexts(peer)

    tasks: list[asyncio.Task[None]] = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.append(task)
        with suppress(OSError):
            if await reader.readline() == b"open bulk\n":
                await bulk(reader, writer)
            else:
                writer.write(b"ready\n")
                await echo(reader, writer)
        writer.close()

    async with running_pc(folder / "own") as own:
        await asyncio.to_thread(contexts.trust, [own.identity.certificate])
        listening = await asyncio.start_server(answer, sock=bind_loopback(0), ssl=contexts.listening())
        host, port = listening.sockets[0].getsockname()
        certificate = base64.b64encode(peer.certificate).decode()
        known = LinkPeer(node=peer.node, certificate=certificate, addresses=(f"{host}:{port}",))
        await own.service.trust((known,))
        yield own, peer.node
        await own.service.trust(())
        listening.close()
        await asyncio.gather(*tasks)


async def test_a_launch_ends_a_measurement_at_once(tmp_path: Path) -> None:
    began = asyncio.Event()

    async def acknowledges_nothing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"ready\n")
        await reader.readexactly(8)
        began.set()
        # Without the launch this would be told as a peer that takes too long.
        while await reader.read(1 << 16):
            continue

    async with measures_with(tmp_path, acknowledges_nothing) as (pc, peer):
        measuring = asyncio.create_task(pc.service.measure(peer))
        await began.wait()
        await pc.service.open_mouth(peer, "0" * 32)
        with pytest.raises(LinkInUse, match="uses the link"):
            await measuring


async def test_a_peer_of_an_older_version_is_not_measured_and_no_problem(tmp_path: Path) -> None:
    async def knows_no_bulk(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"refused no proper opening line\n")

    async with measures_with(tmp_path, knows_no_bulk) as (pc, peer):
        with pytest.raises(LinkUnmeasured, match="older Caravan"):
            await pc.service.measure(peer)
        assert await problem(pc, peer) is None


async def test_a_removed_peer_is_cut_at_once(tmp_path: Path) -> None:
    async with server(echo) as worker, two_pcs(tmp_path) as (one, two):
        ticket = await two.service.add_ticket(one.node, worker)
        mouth = await one.service.open_mouth(two.node, ticket)
        reader, writer = await asyncio.open_connection("127.0.0.1", mouth.port)
        writer.write(HELLO)
        assert await reader.readexactly(len(HELLO)) == HELLO
        began = time.perf_counter()
        await two.service.trust(())
        await _end(reader)
        assert time.perf_counter() - began < 5
        writer.close()
        reader, writer = await asyncio.open_connection("127.0.0.1", mouth.port)
        writer.write(HELLO)
        await _end(reader)
        writer.close()


@pytest.mark.parametrize("which", ["near", "far"])
async def test_a_killed_link_process_closes_the_local_sockets_at_once(tmp_path: Path, which: str) -> None:
    clients: list[bool] = []

    async def worker(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        clients.append(True)
        await echo(reader, writer)
        clients.pop()

    async with server(worker) as port, two_pcs(tmp_path) as (one, two):
        ticket = await two.service.add_ticket(one.node, port)
        mouth = await one.service.open_mouth(two.node, ticket)
        reader, writer = await asyncio.open_connection("127.0.0.1", mouth.port)
        writer.write(HELLO)
        assert await reader.readexactly(len(HELLO)) == HELLO
        victim = one if which == "near" else two
        pid = victim.service.pid
        assert pid is not None
        # Wine's server keeps the socket of a process killed in the middle of a read, for ever; Windows does not.
        await asyncio.sleep(0.5)
        began = time.perf_counter()
        psutil.Process(pid).kill()
        await _end(reader)
        await until(lambda: not clients)
        assert time.perf_counter() - began < 5
        writer.close()
        await _comes_back(victim, pid)
        reader, writer = await asyncio.open_connection("127.0.0.1", mouth.port)
        writer.write(HELLO)
        async with asyncio.timeout(30):
            if which == "near":
                assert await reader.readexactly(len(HELLO)) == HELLO, "tickets, trust and mouths are told again"
        writer.close()


async def _comes_back(pc: Pc, dead: int) -> None:
    await until(lambda: pc.service.pid not in (None, dead))
    await pc.service.cut(NodeId("0" * 64))


async def test_a_slow_reader_does_not_fill_the_memory(tmp_path: Path) -> None:
    async with server(echo) as worker, two_pcs(tmp_path) as (one, two):
        ticket = await two.service.add_ticket(one.node, worker)
        mouth = await one.service.open_mouth(two.node, ticket)
        pids = [pc.service.pid for pc in (one, two)]
        processes = [psutil.Process(pid) for pid in pids if pid is not None]
        before = [each.memory_info().rss for each in processes]
        _, writer = await asyncio.open_connection("127.0.0.1", mouth.port)
        writer.transport.set_write_buffer_limits(high=0)
        writer.write(b"\x06" + (1 << 30).to_bytes(8, "little"))
        with suppress(TimeoutError):
            for _ in range(1 << 12):
                writer.write(bytes(1 << 18))
                async with asyncio.timeout(0.5):
                    await writer.drain()
        grown = [each.memory_info().rss - old for each, old in zip(processes, before, strict=True)]
        assert max(grown) < 64 << 20
        writer.transport.abort()


async def test_small_answers_are_sent_at_once(tmp_path: Path) -> None:
    async def worker(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError, asyncio.IncompleteReadError):
            while await reader.readexactly(9):
                for byte in b"12":
                    writer.write(bytes([byte]))
                    await asyncio.sleep(0.001)
        writer.close()

    async with server(worker) as port, two_pcs(tmp_path) as (one, two):
        mouth = await one.service.open_mouth(two.node, await two.service.add_ticket(one.node, port))
        reader, writer = await asyncio.open_connection("127.0.0.1", mouth.port)
        took = []
        for _ in range(100):
            began = time.perf_counter()
            writer.write(bytes(9))
            assert await reader.readexactly(2) == b"12"
            took.append(time.perf_counter() - began)
        # A system acknowledges at once now and then, and on a busy one many a round is late whoever waits for whom.
        assert sorted(took)[40] < 0.03, "40 ms when the second byte waits for the first to be acknowledged"
        writer.close()


async def test_only_the_pinned_certificate_counts_among_addresses(tmp_path: Path) -> None:
    (tmp_path / "c").mkdir()
    async with server(echo) as worker, two_pcs(tmp_path) as (one, two), running_pc(tmp_path / "c") as third:
        with socket.socket() as unused:
            unused.bind(("127.0.0.1", 0))
            closed = f"127.0.0.1:{unused.getsockname()[1]}"
            addresses = (closed, *third.service.listening.addresses, *two.service.listening.addresses)
            await one.service.trust((two.as_peer(*addresses),))
            await third.service.trust((one.as_peer(),))
            ticket = await two.service.add_ticket(one.node, worker)
            mouth = await one.service.open_mouth(two.node, ticket)
            reader, writer = await asyncio.open_connection("127.0.0.1", mouth.port)
            writer.write(HELLO)
            async with asyncio.timeout(30):
                assert await reader.readexactly(len(HELLO)) == HELLO
            writer.close()
        await until(lambda: bool(third.report.refused or third.link(one.node)))
        state = third.link(one.node)
        assert state is None or (state.streams, state.received) == (0, 0)


async def test_it_ends_with_its_node(tmp_path: Path) -> None:
    async with running_pc(tmp_path) as pc:
        pid = pc.service.pid
        assert pid is not None
        assert psutil.pid_exists(pid)
    await until(lambda: not psutil.pid_exists(pid))


@pytest.mark.expects_error_logs
async def test_a_silent_link_process_is_replaced(tmp_path: Path) -> None:
    async with running_pc(tmp_path) as pc:
        pid = pc.service.pid
        assert pid is not None

        def is_replaced() -> bool:
            if pc.service.pid == pid:
                pc.service._silent_looks = SILENT_LOOKS
            return pc.service.pid not in (None, pid)

        await until(is_replaced)
        await pc.service.trust(())


async def test_orders_that_cannot_be_done_say_so(tmp_path: Path) -> None:
    async with running_pc(tmp_path) as pc:
        with pytest.raises(PeerUnreachable) as raised:
            await pc.service.measure(NodeId("0" * 64))
        assert raised.value.detail == ("it is not trusted",)
        taken = bind_loopback(0)
        answer = await pc.service.listen(("127.0.0.1", "192.0.2.1"), taken.getsockname()[1])
        assert any("192.0.2.1" in each for each in answer.problems)
        taken.close()


async def test_one_model_through_two_link_processes_says_the_same(
    tmp_path: Path, engine_folder: Path, demo_model: Path
) -> None:
    async with rpc_server(engine_folder) as worker, two_pcs(tmp_path) as (one, two):
        async with llama_server(engine_folder, demo_model, worker) as direct:
            expected = await ask(direct, "The caravan", 48)
        ticket = await two.service.add_ticket(one.node, worker)
        mouth = await one.service.open_mouth(two.node, ticket)
        async with llama_server(engine_folder, demo_model, mouth.port) as through:
            found = await ask(through, "The caravan", 48)
        assert found.text == expected.text
        assert len(found.text) > 40
        await until(lambda: (link := two.link(one.node)) is not None and link.received > 1 << 20)
        assert two.report.refused == {}


async def _end(reader: asyncio.StreamReader) -> None:
    async with asyncio.timeout(30):
        with suppress(ConnectionError):
            while await reader.read(1 << 16):
                continue
