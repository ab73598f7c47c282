"""The listener of the pairing port, open only while a code is shown. Nobody on it has proven anything yet."""

import asyncio
import itertools
import logging
import socket
import ssl
import time
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass
from typing import Any

from app.cluster.link_process.admission import HalfOpen, TokenBuckets
from app.identity.contexts import check_pairing_guest
from app.node.membership.pairing_wire import PairingWire, WireEnded, accepted
from app.schema.errors import CaravanError
from app.schema.settings import PAIR_PORT
from app.system.tcp import bind

logger = logging.getLogger("caravan.membership.pairing")


@dataclass(frozen=True)
class Visit:
    """A connection whose TLS handshake is done. `number` is unique; call `counts` once it holds the attempt."""

    number: int
    wire: PairingWire
    counts: Callable[[], None]


Converse = Callable[[Visit], Coroutine[Any, Any, None]]


def bind_pairing(hosts: Sequence[str], port: int = PAIR_PORT) -> list[socket.socket]:
    """Listening sockets on those hosts that take one, all on one port: `port`, or any when it is taken everywhere.

    Empty when nothing can be bound.
    """
    found = _bound(hosts, port)
    if found or not hosts or port == 0:
        return found
    first = _bound(hosts[:1], 0)
    return first + (_bound(hosts[1:], first[0].getsockname()[1]) if first else [])


def _bound(hosts: Sequence[str], port: int) -> list[socket.socket]:
    found = []
    for host in hosts:
        try:
            found.append(bind(host, port))
        except OSError as error:
            logger.info("the pairing port %d cannot be opened on %s: %s", port, host, error)
    return found


class PairingListener:
    """Accepts, bounds how many and how fast, makes TLS, and gives each connection to `converse`.

    At most 32 connections that hold no attempt are open at once; one more pushes out the oldest of the address that
    has the most. `seconds` is the deadline of each message.
    """

    def __init__(self, context: ssl.SSLContext, converse: Converse, seconds: float) -> None:
        self._context = context
        self._converse = converse
        self._seconds = seconds
        self._numbers = itertools.count(1)
        self._buckets = TokenBuckets()
        self._waiting: HalfOpen[asyncio.Task[None]] = HalfOpen()
        self._tasks: set[asyncio.Task[None]] = set()

    async def run(self, listeners: Sequence[socket.socket]) -> None:
        """Serve until cancelled; then every connection is cut. The sockets stay the caller's."""
        try:
            async with asyncio.TaskGroup() as group:
                for listener in listeners:
                    group.create_task(self._accept(listener), name="pairing listener")
        finally:
            for task in tuple(self._tasks):
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _accept(self, listener: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        while True:
            try:
                connection, address = await loop.sock_accept(listener)
            except OSError:
                # The other side hung up already, or this process has too many files open.
                await asyncio.sleep(0.05)
                continue
            if self._buckets.take(address[0], time.monotonic()):
                self._admit(connection, address[0])
            else:
                connection.close()

    def _admit(self, connection: socket.socket, host: str) -> None:
        arrival = _Arrival(connection)
        task = asyncio.create_task(self._receive(arrival), name=f"pairing with {host}")
        self._tasks.add(task)
        task.add_done_callback(lambda done: self._gone(done, arrival))
        victim = self._waiting.add(task, host)
        if victim is not None:
            victim.cancel()

    def _gone(self, task: asyncio.Task[None], arrival: "_Arrival") -> None:
        self._tasks.discard(task)
        self._waiting.discard(task)
        arrival.close_untouched()
        if not task.cancelled() and (error := task.exception()) is not None:
            logger.error("a pairing connection broke", exc_info=error)

    async def _receive(self, arrival: "_Arrival") -> None:
        try:
            wire = await arrival.handshake(self._context, self._seconds)
        except OSError as error:
            logger.debug("no TLS on the pairing port: %s", error)
            return
        try:
            check_pairing_guest(wire.tls)
            await self._converse(self._visit(wire))
            await wire.close()
        except (WireEnded, CaravanError) as error:
            logger.debug("a pairing connection ended: %s", error)
        finally:
            wire.abort()

    def _visit(self, wire: PairingWire) -> Visit:
        task = asyncio.current_task()
        assert task is not None
        return Visit(next(self._numbers), wire, lambda: self._waiting.discard(task))


class _Arrival:
    """A socket that was just accepted; its transport owns it once the handshake has begun."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._touched = False

    async def handshake(self, context: ssl.SSLContext, seconds: float) -> PairingWire:
        """TLS as the server."""
        self._touched = True
        return await accepted(self._connection, context, seconds)

    def close_untouched(self) -> None:
        """Close it when nobody took it over."""
        if not self._touched:
            self._connection.close()
