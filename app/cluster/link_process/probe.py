"""One quiet stream to each peer whose bytes come back: it keeps the link warm and measures its round trip."""

import asyncio
import time

from app.cluster.link_process.links import Link
from app.cluster.link_process.opening import PING
from app.cluster.link_process.outbound import DialFailed, Dialler
from app.cluster.link_process.wire import Wire
from app.schema.record import NodeId

PING_SECONDS = 2.0
FIRST_PINGS = 10
FIRST_PING_SECONDS = 0.05
"""The first pings come quickly, so that a median is known at once."""

PING_BYTES = 100
PING_DEADLINE = 6.0
"""A ping that is not back by then ends the stream."""

SLOWEST_RETRY_SECONDS = 15.0


class Echo:
    """Sends pings on an echo stream and waits until as many bytes came back."""

    def __init__(self, wire: Wire) -> None:
        self._wire = wire
        self._missing = 0
        self._back = asyncio.Event()
        wire.pipe(self._received, self._back.set)

    async def there_and_back(self) -> float:
        """Seconds until a ping came back. Raises DialFailed when it does not, TimeoutError after `PING_DEADLINE`."""
        if self._wire.ended:
            raise DialFailed("the connection ended")
        self._back.clear()
        self._missing = PING_BYTES
        began = time.perf_counter()
        async with asyncio.timeout(PING_DEADLINE):
            self._wire.write(bytes(PING_BYTES))
            await self._back.wait()
        if self._missing > 0:
            raise DialFailed("the connection ended")
        return time.perf_counter() - began

    def _received(self, data: bytes) -> None:
        self._missing -= len(data)
        if self._missing <= 0:
            self._back.set()


async def probe(dialler: Dialler, node: NodeId) -> None:
    """Keep one ping stream to a peer until cancelled; it is dialled again after 1, 2, 4... 15 s."""
    delay = 1.0
    while True:
        try:
            link, wire = await dialler.dial(node, PING)
            delay = 1.0
            await _ping(link, wire)
        except (DialFailed, TimeoutError):
            await asyncio.sleep(delay)
            delay = min(2 * delay, SLOWEST_RETRY_SECONDS)


async def _ping(link: Link, wire: Wire) -> None:
    echo = Echo(wire)
    try:
        for number in range(1 << 62):
            link.round_trips.append(await echo.there_and_back())
            await asyncio.sleep(FIRST_PING_SECONDS if number < FIRST_PINGS else PING_SECONDS)
    finally:
        wire.abort()
