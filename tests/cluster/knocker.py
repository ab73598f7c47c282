"""`python -m tests.cluster.knocker WHAT ADDRESS:PORT ...`: who knocks at a PC's doors from inside another host.

`strangers` tries everything that has no trusted certificate, `crowd` opens silent connections and keeps them, `guest`
is a peer with the key of a data folder, `leash` holds a guest's stream until it is cut, `hold` holds a plain
connection, `impostor` listens where a peer is falsely announced. Each prints JSON lines; what stays, stays until the
input ends.
"""

import asyncio
import json
import ssl
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path

from app.identity.certificate import load_or_create
from app.identity.contexts import NODE_ALPN, Contexts

PATIENCE = 20.0
"""Seconds a stranger waits to be shown out."""


def tell(**words: object) -> None:
    sys.stdout.write(json.dumps(words) + "\n")
    sys.stdout.flush()


def _context(alpns: list[str], folder: Path | None = None) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.set_alpn_protocols(alpns)
    if folder is not None:
        own = load_or_create(folder)
        context.load_cert_chain(own.chain_file, password=own.key_password)
    return context


def _tls_1_2() -> ssl.SSLContext:
    context = _context([NODE_ALPN])
    context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1_2
    return context


async def _tries(context: ssl.SSLContext | None, host: str, port: int, sent: bytes, pause: float = 0.0) -> bytes:
    """What came back until the other side closed."""
    received = b""
    with suppress(OSError):
        reader, writer = await asyncio.open_connection(
            host, port, ssl=context, server_hostname="peer" if context else None
        )
        speaking = asyncio.create_task(_speak(writer, sent, pause))
        with suppress(OSError):
            while data := await reader.read(1 << 16):
                received += data
        speaking.cancel()
        await asyncio.gather(speaking, return_exceptions=True)
        writer.close()
    return received


async def _speak(writer: asyncio.StreamWriter, sent: bytes, pause: float) -> None:
    for part in [sent] if not pause else [sent[at : at + 1] for at in range(len(sent))]:
        writer.write(part)
        await writer.drain()
        await asyncio.sleep(pause)


async def strangers(host: str, port: int) -> None:
    """Knock in every wrong way at once; tells for each what came back and after how many seconds it was over."""
    with tempfile.TemporaryDirectory() as folder:
        other = _context([NODE_ALPN], Path(folder))
        wrong = _context(["h2"], Path(folder))
    opening, http = b"open node\n", b"GET /peer/v1/report HTTP/1.1\r\nHost: x\r\n\r\n"
    ways: dict[str, Awaitable[bytes]] = {
        "no certificate": _tries(_context([NODE_ALPN]), host, port, opening),
        "a stranger's certificate": _tries(other, host, port, opening),
        "wrong ALPN": _tries(wrong, host, port, opening),
        "TLS 1.2": _tries(_tls_1_2(), host, port, opening),
        "plain HTTP": _tries(None, host, port, http),
        "llama.cpp RPC": _tries(None, host, port, b"\x0e" + bytes(8)),
        "one byte per second": _tries(None, host, port, b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03", 1.0),
        "silence": _tries(None, host, port, b""),
    }
    await asyncio.gather(*(_timed(name, way) for name, way in ways.items()))


async def _timed(name: str, way: Awaitable[bytes]) -> None:
    began = time.perf_counter()
    try:
        async with asyncio.timeout(PATIENCE):
            received = await way
    except TimeoutError:
        received = b""
    is_plain = name in ("plain HTTP", "llama.cpp RPC", "one byte per second", "silence")
    tell(way=name, received=received.hex(), seconds=time.perf_counter() - began, is_plain=is_plain)


async def crowd(host: str, port: int, count: int) -> None:
    """Keep so many silent connections open, each opened anew when it is closed."""
    opened = 0
    full = asyncio.Event()

    async def stay() -> None:
        nonlocal opened
        while True:
            with suppress(OSError):
                reader, writer = await asyncio.open_connection(host, port)
                opened += 1
                if opened >= count:
                    full.set()
                with suppress(OSError):
                    await reader.read()
                writer.close()
            await asyncio.sleep(0.5)

    staying = [asyncio.create_task(stay()) for _ in range(count)]
    await full.wait()
    tell(opened=opened)
    await _until_told()
    for each in staying:
        each.cancel()
    await asyncio.gather(*staying, return_exceptions=True)
    tell(opened=opened)


def _guest(own: str, theirs: str) -> ssl.SSLContext:
    # The other PC's folder lies on this same disk; its certificate is what the guest's trust list holds as well.
    return Contexts(load_or_create(Path(own))).client(load_or_create(Path(theirs)).certificate, NODE_ALPN)


async def guest(host: str, port: int, own: str, theirs: str, count: int) -> None:
    """A trusted peer that connects again and again: seconds from the dialling to `ready`, each."""
    context = _guest(own, theirs)
    times = []
    for _ in range(count):
        began = time.perf_counter()
        reader, writer = await asyncio.open_connection(host, port, ssl=context, server_hostname="peer")
        writer.write(b"open ping\n")
        assert await reader.readline() == b"ready\n"
        times.append(time.perf_counter() - began)
        writer.transport.abort()
        await asyncio.sleep(0.05)
    tell(times=times)


async def leash(host: str, port: int, own: str, theirs: str) -> None:
    """Hold a trusted stream; tells when it was cut, and whether it may come back."""
    context = _guest(own, theirs)
    reader, writer = await asyncio.open_connection(host, port, ssl=context, server_hostname="peer")
    writer.write(b"open ping\n")
    assert await reader.readline() == b"ready\n"
    tell(held=True)
    with suppress(OSError):
        await reader.read()
    cut = time.time()
    writer.transport.abort()
    again = await _tries(context, host, port, b"open ping\n")
    tell(cut=cut, again=again.hex())


async def hold(host: str, port: int) -> None:
    """A program that connects and says nothing."""
    reader, writer = await asyncio.open_connection(host, port)
    tell(held=True)
    await _until_told()
    writer.close()
    with suppress(OSError):
        await reader.read()


async def impostor(host: str, port: int) -> None:
    """Listen with a certificate of its own; tells at the end who came and what they said."""
    came, said = 0, bytearray()

    async def take(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal said
        with suppress(OSError):
            while data := await reader.read(1 << 16):
                said += data
        writer.close()

    def count(_connection: ssl.SSLObject, _name: str | None, _context: ssl.SSLContext) -> None:
        nonlocal came
        came += 1
        tell(came=came)

    with tempfile.TemporaryDirectory() as folder:
        own = load_or_create(Path(folder))
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(own.chain_file, password=own.key_password)
    context.set_alpn_protocols([NODE_ALPN])
    context.sni_callback = count
    server = await asyncio.start_server(take, host, port, ssl=context)
    # Handshakes that fail are what it is there for.
    asyncio.get_running_loop().set_exception_handler(lambda *_: None)
    tell(listening=True)
    await _until_told()
    server.close()
    tell(came=came, said=said.hex())


async def _until_told() -> None:
    await asyncio.to_thread(sys.stdin.readline)


WAYS: dict[str, Callable[..., Awaitable[None]]] = {
    each.__name__: each for each in (strangers, crowd, guest, leash, hold, impostor)
}


def main(what: str, place: str, *more: str) -> None:
    host, _, port = place.rpartition(":")
    arguments = [int(each) if each.isdigit() else each for each in more]
    asyncio.run(WAYS[what](host, int(port), *arguments))  # type: ignore[arg-type]


if __name__ == "__main__":
    main(*sys.argv[1:])
