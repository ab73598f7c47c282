"""The connection on which a peer is asked for its report, by each node of each other every two seconds.

With many peers nothing else costs an idle node as much. h11, the parser that httpx uses itself, on a plain stream takes
a quarter of httpx's processor time for it.
"""

import asyncio
import contextlib

import h11

from app.cluster.link_service import Mouth
from app.system.ports import LOOPBACK

REPORT_PATH = "/peer/v1/report"

REPORT_LIMIT = 8 << 20
"""Largest answer in bytes."""

_CHUNK = 1 << 16


class ReportConnection:
    """Asks through a mouth, on one connection that is made when it is needed and kept while it is good."""

    def __init__(self, mouth: Mouth) -> None:
        self._mouth = mouth
        self._request = h11.Request(
            method="GET",
            target=REPORT_PATH,
            headers=[("Host", mouth.address), ("Authorization", f"Bearer {mouth.key}"), ("Accept", "application/json")],
        )
        self._one_at_a_time = asyncio.Lock()
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None
        self._http = h11.Connection(h11.CLIENT)

    async def ask(self, deadline: float) -> tuple[int, bytes]:
        """The status and the body of the answer. Raises OSError, as TimeoutError after `deadline` seconds."""
        async with self._one_at_a_time, asyncio.timeout(deadline):
            try:
                return await self._exchange(*await self._connected())
            except h11.RemoteProtocolError as error:
                raise ConnectionError(str(error)) from error
            finally:
                # What is left of a broken answer must not be taken for the next one.
                if self._http.their_state is h11.DONE:
                    self._http.start_next_cycle()
                else:
                    self._abort()

    async def close(self) -> None:
        """Close the connection; the next question makes a new one."""
        streams, self._streams = self._streams, None
        if streams is not None:
            streams[1].close()
            with contextlib.suppress(OSError):
                await streams[1].wait_closed()

    async def _connected(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        if self._streams is not None and self._streams[0].at_eof():
            self._abort()
        if self._streams is None:
            self._http = h11.Connection(h11.CLIENT)
            self._streams = await asyncio.open_connection(LOOPBACK, self._mouth.port)
        return self._streams

    async def _exchange(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> tuple[int, bytes]:
        writer.write((self._http.send(self._request) or b"") + (self._http.send(h11.EndOfMessage()) or b""))
        status, body = 0, bytearray()
        while True:
            event = self._http.next_event()
            if event is h11.NEED_DATA:
                self._http.receive_data(await reader.read(_CHUNK))
            elif isinstance(event, h11.Response):
                status = event.status_code
            elif isinstance(event, h11.Data):
                body += event.data
                if len(body) > REPORT_LIMIT:
                    raise h11.RemoteProtocolError("The report is too large.")
            elif isinstance(event, h11.EndOfMessage):
                return status, bytes(body)

    def _abort(self) -> None:
        streams, self._streams = self._streams, None
        if streams is not None:
            streams[1].transport.abort()
