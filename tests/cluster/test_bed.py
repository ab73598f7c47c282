"""The test bed itself: a fault that is not really there proves nothing."""

import asyncio
import signal
import socket
import sys
import time
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.cluster.bed import Bed, BedError, Host, Listener, command, open_bed, remove_abandoned
from tests.cluster.chaos import Chaos, End, chaos

SERVER = """
import socket, sys
server = socket.create_server(("0.0.0.0", 7000))
print("ready", flush=True)
while True:
    plug, _ = server.accept()
    with plug:
        while data := plug.recv(65536):
            plug.sendall(b"!" if len(sys.argv) > 1 else data)
"""

CLIENT = """
import socket, sys, time
began = time.monotonic()
with socket.create_connection((sys.argv[1], 7000), float(sys.argv[3])) as plug:
    plug.sendall(b"x" * int(sys.argv[2]))
    plug.shutdown(socket.SHUT_WR)
    total = 0
    while data := plug.recv(65536):
        total += len(data)
print(total, time.monotonic() - began)
"""


async def ping(host: Host, to: Host, count: int = 1000, deadline: float = 30.0) -> float | None:
    """Seconds for `count` bytes there and back; None when they do not arrive."""
    done = await host.run(sys.executable, "-c", CLIENT, to.address, str(count), str(deadline))
    return float(done.stdout.split()[1]) if done.returncode == 0 else None


async def serve(host: Host) -> None:
    ready = asyncio.Event()
    await host.start(sys.executable, "-c", SERVER, on_line=lambda *_: ready.set())
    async with asyncio.timeout(60):
        await ready.wait()


async def test_faults_of_the_network(lan: Bed) -> None:
    a, b, c = lan["a"], lan["b"], lan["c"]
    await serve(b)
    assert await ping(a, b)
    await b.drop(outgoing=False, peers=[a.address])
    assert await ping(a, b, deadline=1.0) is None
    assert await ping(c, b)
    await lan.heal()
    await lan.partition(["b", "c"])
    assert await ping(a, b, deadline=1.0) is None
    assert await ping(c, b)
    await lan.heal()
    await lan.unplug("b")
    assert await ping(a, b, deadline=1.0) is None
    await lan.plug("b")
    assert await ping(a, b)
    await b.drop(match="tcp dport 7000", percent=30)
    assert "drop" in (await b.run("nft", "list", "ruleset")).stdout
    await lan.heal()
    assert (await b.run("nft", "list", "ruleset")).stdout == ""
    await b.kill()


async def test_a_limited_rate(lan: Bed) -> None:
    await serve(lan["b"])
    fast = await ping(lan["a"], lan["b"], 2_000_000)
    await lan["a"].limit(4_000_000)
    slow = await ping(lan["a"], lan["b"], 2_000_000)
    await lan["a"].unlimit()
    assert fast is not None
    assert slow is not None
    # At that rate 16 Mbit take 4 s, less what may go at once; a PC that is busy takes longer, with and without.
    assert slow > 3
    assert fast < slow
    await lan["b"].kill()


async def test_the_audit_sees_what_listens(lan: Bed) -> None:
    await serve(lan["b"])
    assert await lan["b"].listeners() == (Listener("tcp", "0.0.0.0", 7000),)
    await lan["b"].audit(lambda each: each.port == 7000)
    with pytest.raises(AssertionError, match="7000"):
        await lan["b"].audit(lambda each: each.is_loopback)
    await lan["b"].kill()
    assert await lan["b"].listeners() == ()


async def test_a_bed_of_a_dead_owner_is_removed_with_its_programs(namespaces: None) -> None:
    abandoned = "caravan-999999999-1-dead-x"
    await command("ip", "netns", "add", abandoned)
    orphan = await asyncio.create_subprocess_exec("ip", "netns", "exec", abandoned, "sleep", "600")
    while str(orphan.pid) not in (await command("ip", "netns", "pids", abandoned)).split():
        await asyncio.sleep(0.02)
    async with open_bed("a", tag="probe"):
        assert await asyncio.wait_for(orphan.wait(), 60) == -signal.SIGKILL
        assert abandoned not in await command("ip", "netns", "list")
        assert await remove_abandoned() == ()
    assert "probe" not in await command("ip", "netns", "list")


async def test_a_program_left_running_fails_its_test(namespaces: None) -> None:
    with pytest.raises(AssertionError, match="sleep 601"):
        await _leave_one_running()
    assert "probe" not in await command("ip", "netns", "list")


async def _leave_one_running() -> None:
    async with open_bed("a", tag="probe") as bed:
        await bed["a"].start("sleep", "601", on_line=lambda *_: None)
        while not await bed.leftovers():
            await asyncio.sleep(0.02)


async def test_a_command_that_fails_says_why(namespaces: None) -> None:
    with pytest.raises(BedError, match="no-such"):
        await command("ip", "netns", "exec", "no-such", "true")


@pytest_asyncio.fixture
async def relay() -> AsyncIterator[Chaos]:
    """A relay to a server that sends back what it gets."""

    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while data := await reader.read(65536):
                writer.write(data)
        except ConnectionError:
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(echo, "127.0.0.1", 0)
    async with chaos(server.sockets[0].getsockname()) as chaotic:
        yield chaotic
    server.close()
    await server.wait_closed()


async def test_the_relay_passes_everything_on(relay: Chaos) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", relay.port)
    sent = bytes(range(256)) * 4000
    writer.write(sent)
    writer.write_eof()
    assert await reader.read() == sent
    writer.close()


async def test_the_relay_delays(relay: Chaos) -> None:
    relay.up.delay = relay.down.delay = 0.05
    reader, writer = await asyncio.open_connection("127.0.0.1", relay.port)
    began = time.monotonic()
    writer.write(b"hello")
    assert await reader.readexactly(5) == b"hello"
    assert time.monotonic() - began >= 0.1
    writer.close()


async def test_the_relay_stalls_and_goes_on(relay: Chaos) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", relay.port)
    relay.up.stall = True
    writer.write(b"hello")
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(reader.readexactly(5), 0.2)
    relay.up.stall = False
    assert await reader.readexactly(5) == b"hello"
    writer.close()


@pytest.mark.parametrize("end", [End.CLOSE, End.RESET])
async def test_the_relay_cuts_at_a_byte(relay: Chaos, end: End) -> None:
    relay.down.cut_at, relay.down.cut_end = 1000, end
    reader, writer = await asyncio.open_connection("127.0.0.1", relay.port)
    writer.write(bytes(5000))
    assert await reader.readexactly(1000) == bytes(1000)
    if end is End.RESET:
        with pytest.raises(ConnectionResetError):
            await reader.read()
    else:
        assert await reader.read() == b""
    writer.close()


async def test_the_relay_resets_half_closes_and_makes_garbage(relay: Chaos) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", relay.port)
    writer.write(b"hello")
    await reader.readexactly(5)
    relay.garbage("down", 100)
    assert len(await reader.readexactly(100)) == 100
    relay.half_close("down")
    assert await reader.read() == b""
    writer.close()
    reader, writer = await asyncio.open_connection("127.0.0.1", relay.port)
    writer.write(b"hello")
    await reader.readexactly(5)
    relay.reset()
    with pytest.raises(ConnectionResetError):
        await reader.read()
    writer.close()


async def test_no_server_behind_the_relay() -> None:
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        async with chaos(nobody.getsockname()) as relay:
            reader, writer = await asyncio.open_connection("127.0.0.1", relay.port)
            with pytest.raises(ConnectionResetError):
                await reader.read()
            writer.close()
