"""One pairing connection: whole messages in and out, each under a deadline and a size cap."""

import asyncio
import contextlib
import socket
import ssl
from typing import Any

from app.identity.contexts import TlsObject
from app.identity.pairing_messages import HEADER_BYTES, MESSAGE_LIMIT, body_length, framed
from app.system.tcp import send_at_once

HANDSHAKE_SECONDS = 3.0
SHUTDOWN_SECONDS = 1.0
"""How long a TLS handshake may take, and the other side to take the last message."""


class WireEnded(Exception):
    """The other side hung up, or announced a message that is too large."""


class WireSilent(WireEnded):
    """The other side sent no whole message in time."""


class PairingWire:
    """A connection after its TLS handshake. `seconds` is the deadline of each message, from its first byte awaited."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, seconds: float) -> None:
        self._reader = reader
        self._writer = writer
        self._seconds = seconds

    @property
    def tls(self) -> TlsObject:
        """The finished handshake."""
        tls: TlsObject = self._writer.get_extra_info("ssl_object")
        return tls

    @property
    def host(self) -> str:
        """The address of the other side, without its port."""
        return str(self._writer.get_extra_info("peername")[0])

    async def read(self) -> bytes:
        """The body of the next message; its length is looked at before it is read. Raises WireEnded, WireSilent."""
        try:
            async with asyncio.timeout(self._seconds):
                length = body_length(await self._reader.readexactly(HEADER_BYTES))
                if length is None:
                    raise WireEnded("it announced a message that is too large")
                return await self._reader.readexactly(length)
        except TimeoutError:
            raise WireSilent("it sent no message in time") from None
        except (OSError, asyncio.IncompleteReadError) as error:
            raise WireEnded("it hung up") from error

    async def write(self, body: bytes) -> None:
        """Send a message. Raises WireEnded, WireSilent."""
        try:
            async with asyncio.timeout(self._seconds):
                self._writer.write(framed(body))
                await self._writer.drain()
        except TimeoutError:
            raise WireSilent("it took no message in time") from None
        except OSError as error:
            raise WireEnded("it hung up") from error

    async def close(self) -> None:
        """Hang up once the other side has the last message, or does not take it in time."""
        self._writer.close()
        try:
            with contextlib.suppress(OSError, TimeoutError):
                async with asyncio.timeout(SHUTDOWN_SECONDS):
                    await self._writer.wait_closed()
        finally:
            self.abort()

    def abort(self) -> None:
        """Hang up now."""
        self._writer.transport.abort()


async def accepted(connection: socket.socket, context: ssl.SSLContext, seconds: float) -> PairingWire:
    """TLS as the server over a socket that was just accepted, which it owns from here on. Raises OSError."""
    send_at_once(connection)
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader(limit=MESSAGE_LIMIT, loop=loop)
    protocol = asyncio.StreamReaderProtocol(reader, loop=loop)
    transport, _ = await loop.connect_accepted_socket(lambda: protocol, connection, ssl=context, **_tls_deadlines())
    return PairingWire(reader, asyncio.StreamWriter(transport, protocol, reader, loop), seconds)


async def dialled(host: str, port: int, context: ssl.SSLContext, seconds: float) -> PairingWire:
    """TLS as the client. The caller sets the deadline. Raises OSError; its kinds tell why."""
    # Without a server name none is sent: a PC's name need not be one that TLS can carry.
    reader, writer = await asyncio.open_connection(
        host, port, family=socket.AF_INET, limit=MESSAGE_LIMIT, ssl=context, server_hostname="", **_tls_deadlines()
    )
    return PairingWire(reader, writer, seconds)


def _tls_deadlines() -> dict[str, Any]:
    return {"ssl_handshake_timeout": HANDSHAKE_SECONDS, "ssl_shutdown_timeout": SHUTDOWN_SECONDS}
