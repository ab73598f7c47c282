"""One connection as a protocol: a few lines first, then, joined to another, a pump with backpressure both ways.

A TLS connection of asyncio cannot be half-closed, and neither HTTP nor llama.cpp's RPC needs it: the end of one
direction is the end of the stream. What arrived before it is still delivered.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

WRITE_HIGH_BYTES = 512 << 10
"""Unsent bytes on one side at which the other side is no longer read."""

EARLY_LIMIT = 64 << 10
"""Bytes kept before the stream is joined; then reading stops."""

FINISH_SECONDS = 5.0
"""How long a local program has to take the last bytes of a stream that ended."""

SHUTDOWN_SECONDS = 30.0
"""How long a peer has to take the last bytes, and to close its side of TLS."""


class WireEnded(Exception):
    """The connection ended, or sent too much, before the awaited line."""


@dataclass
class Count:
    """Bytes that passed."""

    total: int = 0


class Wire(asyncio.Protocol):
    """One end of a stream. `finish_seconds` is how long its far end has to take the last bytes."""

    def __init__(self, finish_seconds: float = FINISH_SECONDS) -> None:
        self._when_lost: list[Callable[[], object]] = []
        self._finish_seconds = finish_seconds
        self._transport: asyncio.Transport | None = None
        self._early = bytearray()
        self._ended = False
        self._lost = False
        self._finishing: asyncio.TimerHandle | None = None
        self._waiter: asyncio.Future[None] | None = None
        self._room = asyncio.Event()
        self._room.set()
        self._forward: Callable[[bytes], object] | None = None
        self._source: Wire | None = None
        self._at_end: Callable[[], None] | None = None
        self._inspect: Callable[[bytes], bool] | None = None
        self._count = Count()

    @property
    def ended(self) -> bool:
        """No more bytes come from here."""
        return self._ended

    def when_lost(self, call: Callable[[], object]) -> None:
        """Call that when the connection is gone; at once when it is gone already."""
        if self._lost:
            call()
        else:
            self._when_lost.append(call)

    async def line(self, mark: bytes, limit: int) -> bytes:
        """The bytes up to and with `mark`, at most `limit`. Raises WireEnded. The caller sets the deadline."""
        while (end := self._early.find(mark)) < 0 and len(self._early) < limit and not self._ended:
            self._waiter = asyncio.get_running_loop().create_future()
            try:
                await self._waiter
            finally:
                self._waiter = None
        if end < 0 or end + len(mark) > limit:
            raise WireEnded
        found = bytes(self._early[: end + len(mark)])
        del self._early[: end + len(mark)]
        return found

    def unread(self, data: bytes) -> None:
        """Put back what `line` took."""
        self._early[:0] = data

    def write(self, data: bytes) -> None:
        """Send bytes; ignored when the connection is gone."""
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(data)

    async def send(self, data: bytes) -> None:
        """Send bytes once no more than the limit is unsent. Raises WireEnded when the connection is gone."""
        await self._room.wait()
        if self._ended:
            raise WireEnded
        self.write(data)

    @property
    def unsent(self) -> int:
        """Bytes that the system did not take yet."""
        return self._transport.get_write_buffer_size() if self._transport is not None and not self._lost else 0

    def join(self, other: "Wire", inspect: Callable[[bytes], bool] | None = None) -> None:
        """Pump between the two until one ends. `inspect` sees what comes from here and says whether it may pass."""
        self._inspect = inspect
        self._source, other._source = other, self
        self.pipe(other.write, other.finish)
        other.pipe(self.write, self.finish)

    def pipe(self, forward: Callable[[bytes], object], at_end: Callable[[], None]) -> None:
        """Hand on every byte from here, those kept so far first, and say when no more come."""
        self._forward, self._at_end = forward, at_end
        early = bytes(self._early)
        self._early.clear()
        if early:
            self.data_received(early)
        if self._ended:
            at_end()
        elif self._transport is not None:
            self._transport.resume_reading()

    def echo(self) -> None:
        """Send every byte back."""
        self._source = self
        self.pipe(self.write, self.finish)

    def count_into(self, count: Count) -> None:
        """Count the bytes that come from here."""
        self._count = count

    def finish(self) -> None:
        """Send what is still unsent, then close."""
        transport = self._transport
        if transport is None or self._lost:
            return
        self._limit_life()
        if transport.is_closing():
            return
        if transport.get_write_buffer_size() == 0:
            transport.close()
        else:
            transport.set_write_buffer_limits(high=0)

    def _limit_life(self) -> None:
        if self._finishing is None:
            self._finishing = asyncio.get_running_loop().call_later(self._finish_seconds, self.abort)

    def abort(self) -> None:
        """Close now; unsent bytes are lost."""
        if self._transport is not None:
            self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The connection, TLS included, is up."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        transport.set_write_buffer_limits(high=WRITE_HIGH_BYTES)

    def data_received(self, data: bytes) -> None:
        """Bytes came: keep them until it is known where they go."""
        forward = self._forward
        if forward is None:
            self._keep(data)
            return
        if self._inspect is not None and not self._inspect(data):
            self._forward = _nowhere
            self.abort()
            if self._source is not None:
                self._source.abort()
            return
        self._count.total += len(data)
        forward(data)

    def _keep(self, data: bytes) -> None:
        self._early += data
        if len(self._early) > EARLY_LIMIT and self._transport is not None:
            self._transport.pause_reading()
        self._wake()

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def eof_received(self) -> None:
        """The far end sends no more; asyncio closes the connection when everything unsent is sent."""
        self._limit_life()
        self._end()

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection is gone."""
        self._lost = True
        self._room.set()
        if self._finishing is not None:
            self._finishing.cancel()
        self._end()
        calls, self._when_lost = self._when_lost, []
        for call in calls:
            call()

    def _end(self) -> None:
        if not self._ended:
            self._ended = True
            self._wake()
            if self._at_end is not None:
                self._at_end()

    def pause_writing(self) -> None:
        """Too much is unsent here: stop reading the other end."""
        self._room.clear()
        if self._source is not None:
            self._source._pause()

    def resume_writing(self) -> None:
        """Enough was sent: go on reading the other end, or close when these were the last bytes."""
        self._room.set()
        if self._finishing is not None:
            if self._transport is not None:
                self._transport.close()
        elif self._source is not None:
            self._source._resume()

    def _pause(self) -> None:
        if self._transport is not None:
            self._transport.pause_reading()

    def _resume(self) -> None:
        if self._transport is not None:
            self._transport.resume_reading()


def _nowhere(_: bytes) -> None:
    """Where the bytes of a refused stream go."""
