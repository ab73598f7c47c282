"""Dial a peer at all its addresses at once; only the one with its certificate counts."""

import asyncio
import functools
import ssl
from collections.abc import Awaitable, Callable, Sequence

from app.cluster.link_process.links import Link, Links
from app.cluster.link_process.opening import BULK, LINE_LIMIT, Opening, parse_answer
from app.cluster.link_process.security import Security
from app.cluster.link_process.wire import SHUTDOWN_SECONDS, Wire, WireEnded
from app.schema.errors import CaravanError
from app.schema.record import NodeId
from app.system.tcp import keep_alive

STAGGER_SECONDS = 0.25
"""Head start of each address over the next; a failure starts the next at once. RFC 8305."""

DIAL_SECONDS = 8.0
"""Deadline from the first address to a proven peer."""

HANDSHAKE_SECONDS = 3.0
ANSWER_SECONDS = 8.0
"""Deadline of the peer's answer to the opening line; it connects to its local program before."""


class DialFailed(Exception):
    """The peer was not reached, or refused; the text says why."""


Attempt = Callable[[], Awaitable[tuple[str, Wire]]]


class Dialler:
    """Opens streams to peers."""

    def __init__(self, security: Security, links: Links) -> None:
        self._security = security
        self._links = links

    async def dial(self, node: NodeId, opening: Opening) -> tuple[Link, Wire]:
        """A stream that the peer answered `ready`; nobody reads from it yet. Raises DialFailed.

        Whoever takes no part in a measurement is no problem of the link.
        """
        link = self._links.get(node)
        if link is None:
            raise DialFailed("it is not trusted")
        try:
            wire = await self._connect(link, opening)
            await self._open(link, wire, opening)
        except DialFailed as failure:
            if opening != BULK:
                link.problem = str(failure)
            raise
        link.problem = None
        return link, wire

    async def _connect(self, link: Link, opening: Opening) -> Wire:
        context = await self._context(link, opening.alpn)
        expected = (link.peer.node, opening.alpn)
        attempts = [functools.partial(self._try, expected, each, context) for each in link.addresses]
        try:
            async with asyncio.timeout(DIAL_SECONDS):
                address, wire = await first_success(attempts)
        except TimeoutError:
            raise DialFailed("it does not answer") from None
        if self._links.get(link.peer.node) is not link:
            wire.abort()
            raise DialFailed("it is not trusted any more")
        self._links.open(link, wire, address)
        wire.when_lost(lambda: self._links.close(link, wire))
        return wire

    async def _context(self, link: Link, alpn: str) -> ssl.SSLContext:
        context = link.contexts.get(alpn)
        if context is None:
            # It reads the key from the disk.
            context = await asyncio.to_thread(self._security.contexts.client, link.peer.der, alpn)
            link.contexts[alpn] = context
        return context

    async def _try(self, expected: tuple[NodeId, str], address: str, context: ssl.SSLContext) -> tuple[str, Wire]:
        host, _, port = address.rpartition(":")
        wire = Wire(finish_seconds=SHUTDOWN_SECONDS)
        try:
            transport, _ = await asyncio.get_running_loop().create_connection(
                lambda: wire,
                host,
                int(port),
                ssl=context,
                server_hostname=host,
                ssl_handshake_timeout=HANDSHAKE_SECONDS,
                ssl_shutdown_timeout=SHUTDOWN_SECONDS,
            )
            keep_alive(transport.get_extra_info("socket"))
            proven = self._security.verified_peer(transport.get_extra_info("ssl_object"), {expected[0]})
            if proven != expected:
                raise ValueError(f"it speaks {proven[1]}")
        except (OSError, TimeoutError, ValueError, CaravanError) as error:
            wire.abort()
            raise DialFailed(f"{address}: {error}") from error
        return address, wire

    async def _open(self, link: Link, wire: Wire, opening: Opening) -> None:
        wire.write(opening.line())
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                problem = parse_answer(await wire.line(b"\n", LINE_LIMIT))
        except WireEnded:
            problem = "it closed the connection: it may not trust this PC any more"
        except TimeoutError:
            problem = "it does not answer"
        except BaseException:
            wire.abort()
            raise
        if problem is not None:
            wire.abort()
            raise DialFailed(problem)


async def first_success(attempts: Sequence[Attempt], stagger: float = STAGGER_SECONDS) -> tuple[str, Wire]:
    """The first attempt that succeeds; all others are cancelled and what they opened is closed.

    Raises DialFailed with every reason.
    """
    waiting = list(attempts)
    running: set[asyncio.Task[tuple[str, Wire]]] = set()
    ended: list[asyncio.Task[tuple[str, Wire]]] = []
    winner = None
    try:
        while (waiting or running) and winner is None:
            if waiting:
                running.add(asyncio.ensure_future(waiting.pop(0)()))
            done, running = await asyncio.wait(
                running, timeout=stagger if waiting else None, return_when=asyncio.FIRST_COMPLETED
            )
            ended += done
            winner = next((task for task in done if task.exception() is None), None)
    finally:
        await _drop([*running, *(task for task in ended if task is not winner)])
    if winner is None:
        raise DialFailed(_reasons(ended) or "no address is known")
    return winner.result()


def _reasons(ended: list[asyncio.Task[tuple[str, Wire]]]) -> str:
    errors = [error for task in ended if (error := task.exception()) is not None]
    for error in errors:
        if not isinstance(error, DialFailed):
            raise error
    return "; ".join(map(str, errors))


async def _drop(losers: list[asyncio.Task[tuple[str, Wire]]]) -> None:
    for task in losers:
        task.cancel()
    for ended in await asyncio.gather(*losers, return_exceptions=True):
        if not isinstance(ended, BaseException):
            ended[1].abort()
