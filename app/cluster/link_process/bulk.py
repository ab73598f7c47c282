"""How fast bytes go to a peer, one way: rounds of a known size on a stream of their own, each acknowledged as a whole.

    sender:    the size of a round, 8 bytes big-endian, then that many bytes; 0 asks for the round trip
    receiver:  the same 8 bytes, once all of it came

The sender times each round and takes off one round trip. Sizes grow until a round lasts: a slow link is done after its
first megabyte, a fast one gets enough to fill it. Both sides bound bytes and seconds, and neither believes the other:
the sender alone decides what it sends, and an acknowledgement before its last bytes is no measurement.
"""

import asyncio
import time

from app.cluster.link_process.outbound import DialFailed
from app.cluster.link_process.wire import Wire, WireEnded
from app.schema.plan import FASTEST_LINK

LEAST_BYTES, MOST_BYTES = 64 << 10, 64 << 20
"""The first round, and the largest."""

GROWTH = 16
"""How many times larger than the last a round is at most: a burst that a link lets through must not mislead it."""

AIM_SECONDS, ENOUGH_SECONDS = 0.5, 0.25
"""What the next round is meant to take, and what makes one the last."""

SEND_SECONDS = 8.0
"""Deadline of all rounds together; then what was seen counts."""

PINGS = 3
"""Empty rounds; the shortest is the round trip."""

TAKE_SECONDS, TAKE_BYTES, TAKE_ROUNDS = 12.0, 3 * MOST_BYTES, 64
"""What one stream of a peer may cost the receiver: rounds that at least double come to no more."""

SIZE_BYTES = 8
_CHUNK = bytes(1 << 18)


def next_round(count: int, seconds: float) -> int | None:
    """PURE: the size of the round after one of `count` bytes that took so long; None when that one was enough."""
    if seconds >= ENOUGH_SECONDS or count >= MOST_BYTES:
        return None
    wanted = count / max(seconds, 1e-9) * AIM_SECONDS
    return int(min(max(wanted, 2 * count), GROWTH * count, MOST_BYTES))


def net_seconds(seconds: float, round_trip: float) -> float:
    """PURE: what a round took without a round trip; a peer that feigns a long one gains at most a factor of two."""
    return max(seconds - round_trip, seconds / 2)


class Sender:
    """Measures on a stream that a peer opened for it, for at most `deadline` seconds."""

    def __init__(self, wire: Wire, deadline: float = SEND_SECONDS) -> None:
        self._wire = wire
        self._answer = bytearray()
        self._awaited = 0
        self._sent = 0
        self._deadline = deadline
        self._heard = asyncio.Event()
        wire.pipe(self._received, self._heard.set)

    async def rate(self) -> float:
        """Bytes/s towards the peer. Raises DialFailed when it did not take one round, or does not keep to the rules."""
        found: float | None = None
        count: int | None = LEAST_BYTES
        began = time.perf_counter()
        try:
            async with asyncio.timeout(self._deadline):
                round_trip = min([await self._round(0) for _ in range(PINGS)])
                while count is not None:
                    began = time.perf_counter()
                    seconds = net_seconds(await self._round(count), round_trip)
                    found = min(count / seconds, FASTEST_LINK)
                    count = next_round(count, seconds)
        except TimeoutError:
            if found is None:
                raise DialFailed("it takes too long") from None
            # The round that did not end was no faster than what left this PC of it.
            gone = max(self._sent - self._wire.unsent, LEAST_BYTES)
            found = min(found, gone / (time.perf_counter() - began))
        except WireEnded:
            raise DialFailed("the connection ended") from None
        assert found is not None
        return found

    async def _round(self, count: int) -> float:
        """Seconds until a round is acknowledged."""
        size = count.to_bytes(SIZE_BYTES, "big")
        self._answer.clear()
        self._heard.clear()
        self._sent = self._awaited = 0
        began = time.perf_counter()
        await self._wire.send(size)
        while self._sent < count:
            part = min(len(_CHUNK), count - self._sent)
            if self._heard.is_set():
                raise self._broken()
            await self._wire.send(_CHUNK[:part])
            self._sent += part
            if self._sent < count:
                await asyncio.sleep(0)
        self._awaited = SIZE_BYTES
        await self._heard.wait()
        if bytes(self._answer) != size:
            raise self._broken()
        return time.perf_counter() - began

    def _broken(self) -> DialFailed:
        return DialFailed("the connection ended" if self._wire.ended else "it does not keep to the rules")

    def _received(self, data: bytes) -> None:
        self._answer += data[: SIZE_BYTES + 1]
        if len(self._answer) >= SIZE_BYTES or not self._awaited:
            self._heard.set()


class Receiver:
    """Takes the rounds of a peer and acknowledges them, within the bounds, for at most `deadline` seconds."""

    def __init__(self, wire: Wire, deadline: float = TAKE_SECONDS) -> None:
        self._wire = wire
        self._size = bytearray()
        self._missing = 0
        self._total = 0
        self._rounds = 0
        end = asyncio.get_running_loop().call_later(deadline, wire.abort)
        wire.when_lost(end.cancel)
        wire.pipe(self._received, wire.finish)

    def _received(self, data: bytes) -> None:
        at = 0
        while at < len(data):
            if self._missing > 0:
                taken = min(self._missing, len(data) - at)
                self._missing -= taken
            else:
                taken = min(SIZE_BYTES - len(self._size), len(data) - at)
                self._size += data[at : at + taken]
                if len(self._size) == SIZE_BYTES and not self._begins():
                    return
            at += taken
            if len(self._size) == SIZE_BYTES and self._missing == 0:
                self._wire.write(bytes(self._size))
                self._size.clear()

    def _begins(self) -> bool:
        """A round was announced: take it, or end the stream."""
        self._missing = int.from_bytes(self._size, "big")
        self._total += self._missing
        self._rounds += 1
        if self._missing > MOST_BYTES or self._total > TAKE_BYTES or self._rounds > TAKE_ROUNDS:
            self._wire.abort()
            return False
        return True
