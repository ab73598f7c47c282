"""Guests and hosts on the pairing port that do as a test says, message by message."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Awaitable, Callable

from app.identity.certificate import Identity
from app.identity.contexts import Contexts
from app.identity.pairing import Inviter, Joiner, OwnCard
from app.identity.pairing_messages import HEADER_BYTES, Refused, framed, read
from app.system.ports import bind_loopback


class Guest:
    """A TLS connection to a pairing port, with a joiner that knows the rules."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, own: Identity, code: str) -> None:
        self.reader, self.writer = reader, writer
        certificate = writer.get_extra_info("ssl_object").getpeercert(True)
        self.joiner, self.message = Joiner.begin(OwnCard(own, "guest", 52416), code, certificate, 0.0)

    def send(self, data: bytes) -> None:
        self.writer.write(data)

    async def answer(self) -> bytes:
        """The body of the next message; empty when the other side hung up."""
        try:
            async with asyncio.timeout(30):
                header = await self.reader.readexactly(HEADER_BYTES)
                return await self.reader.readexactly(int.from_bytes(header, "big"))
        except (asyncio.IncompleteReadError, OSError):
            return b""

    async def play(self, messages: int) -> None:
        """Say the first so many messages as the rules have it, and hear their answers."""
        for _ in range(messages):
            self.send(framed(self.message))
            step = self.joiner.received(await self.answer(), 1.0)
            self.joiner, self.message = step.state, step.reply or b""

    async def is_turned_away(self) -> bool:
        """The other side said no more than `refused`, and hung up."""
        answer = await self.answer()
        return (not answer or isinstance(read(answer), Refused)) and await self.answer() == b""

    async def hang_up(self) -> None:
        self.writer.transport.abort()
        with contextlib.suppress(OSError):
            await self.writer.wait_closed()


@contextlib.asynccontextmanager
async def guest_at(address: str, own: Identity, code: str = "000000") -> AsyncIterator[Guest]:
    host, _, port = address.rpartition(":")
    context = Contexts(own).pairing_client()
    reader, writer = await asyncio.open_connection(host, int(port), ssl=context, server_hostname="")
    guest = Guest(reader, writer, own, code)
    try:
        yield guest
    finally:
        await guest.hang_up()


Script = Callable[["FalseHost"], Awaitable[None]]


class FalseHost:
    """A pairing port whose owner knows the code, and the rules, and breaks them."""

    def __init__(self, identity: Identity, code: str, connection: tuple[asyncio.StreamReader, asyncio.StreamWriter]):
        self.reader, self.writer = connection
        self.inviter = Inviter(OwnCard(identity, "host", 52416)).opened(0.0)
        desk = self.inviter.desk.__class__(opened=True, code=code, valid_until=1e9)
        self.inviter = Inviter(self.inviter.own, desk)
        self.said: list[bytes] = []

    async def hear(self) -> bytes:
        """Take a message; what the rules would answer."""
        header = await self.reader.readexactly(HEADER_BYTES)
        body = await self.reader.readexactly(int.from_bytes(header, "big"))
        step = self.inviter.received(1, body, 1.0)
        self.inviter = step.state
        self.said.append(step.reply or b"")
        return self.said[-1]

    async def play(self, messages: int) -> None:
        """Answer so many messages as the rules have it."""
        for _ in range(messages):
            self.writer.write(framed(await self.hear()))


@contextlib.asynccontextmanager
async def false_host(identity: Identity, code: str, script: Script) -> AsyncIterator[str]:
    """Its address; each connection is served by `script` and then cut."""
    listener: socket.socket = bind_loopback(0)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError, OSError):
            await script(FalseHost(identity, code, (reader, writer)))
            writer.close()
            async with asyncio.timeout(30):
                await writer.wait_closed()
        writer.transport.abort()

    context = Contexts(identity).pairing_listening()
    server = await asyncio.start_server(serve, sock=listener, ssl=context)
    try:
        yield f"127.0.0.1:{listener.getsockname()[1]}"
    finally:
        server.close()
        await server.wait_closed()
