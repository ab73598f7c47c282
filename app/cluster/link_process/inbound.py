"""The listener of the peer link. The order of its checks is told in `app/cluster/design.md`."""

import asyncio
import contextlib
import socket
import ssl
import time
from collections.abc import Callable
from dataclasses import dataclass

from app.cluster.link_process.admission import HalfOpen, TokenBuckets
from app.cluster.link_process.links import STREAMS_PER_PEER, Link, Links, Refusals
from app.cluster.link_process.measuring import Turn
from app.cluster.link_process.messages import Listening, Refused
from app.cluster.link_process.opening import LINE_LIMIT, READY, Opening, parse_opening, preface, refusal
from app.cluster.link_process.rpc_frames import RpcFrames
from app.cluster.link_process.security import VerifyPeer
from app.cluster.link_process.tickets import STREAMS_PER_TICKET, Ticket, Tickets
from app.cluster.link_process.wire import SHUTDOWN_SECONDS, Wire, WireEnded
from app.schema.errors import CaravanError
from app.system.ports import LOOPBACK
from app.system.tcp import bind, keep_alive, send_at_once

HANDSHAKE_SECONDS = 3.0
OPENING_SECONDS = 3.0
LOCAL_SECONDS = 2.0
"""Deadlines of a TLS handshake, of the opening line after it, and of the connection to the local program."""


class Denied(Exception):
    """A proven peer asks for what it may not have."""

    def __init__(self, reason: Refused) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True)
class Door:
    """What a peer is accepted with, and where our own node takes its HTTP: a loopback port, and its secret."""

    context: ssl.SSLContext
    verified_peer: VerifyPeer
    node_port: int
    node_secret: str


class Inbound:
    """Accepts, checks and joins the streams of peers."""

    def __init__(self, door: Door, links: Links, tickets: Tickets, refusals: Refusals, turn: Turn) -> None:
        self._door = door
        self._turn = turn
        self._links = links
        self._tickets = tickets
        self._refusals = refusals
        self._buckets = TokenBuckets()
        self._half_open: HalfOpen[asyncio.Task[None]] = HalfOpen()
        self._doors: dict[tuple[str, int], tuple[socket.socket, asyncio.Task[None]]] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    async def listen(self, hosts: tuple[str, ...], port: int) -> Listening:
        """Listen on exactly these addresses; says which, and which could not be had."""
        wanted = [(host, port) for host in hosts]
        for place in [each for each in self._doors if each not in wanted]:
            await self._close_door(place)
        problems = []
        for place in wanted:
            if place not in self._doors:
                try:
                    listener = bind(*place)
                except OSError as error:
                    problems.append(f"{place[0]}:{port}: {error.strerror or error}")
                    continue
                task = asyncio.create_task(self._accept(listener), name=f"peer link on {place[0]}")
                self._doors[place] = (listener, task)
        names = (listener.getsockname() for listener, _ in self._doors.values())
        addresses = tuple(f"{host}:{port}" for host, port in names)
        return Listening(addresses=addresses, problems=tuple(problems))

    async def close(self) -> None:
        """Stop listening and drop what is not proven yet."""
        for place in list(self._doors):
            await self._close_door(place)
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _close_door(self, place: tuple[str, int]) -> None:
        listener, task = self._doors.pop(place)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        listener.close()

    async def _accept(self, listener: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        while True:
            try:
                connection, address = await loop.sock_accept(listener)
            except OSError:
                # The peer hung up already, or this process has too many files open.
                await asyncio.sleep(0.05)
                continue
            if self._buckets.take(address[0], time.monotonic()):
                self._admit(connection, address[0])
            else:
                self._refusals.count(Refused.RATE)
                connection.close()

    def _admit(self, connection: socket.socket, host: str) -> None:
        arrival = _Arrival(connection, host)
        task = asyncio.create_task(self._receive(arrival), name=f"arrival from {host}")
        self._tasks.add(task)
        task.add_done_callback(lambda done: self._gone(done, arrival))
        victim = self._half_open.add(task, host)
        if victim is not None:
            self._refusals.count(Refused.CROWDED)
            victim.cancel()

    def _gone(self, task: asyncio.Task[None], arrival: "_Arrival") -> None:
        self._tasks.discard(task)
        self._half_open.discard(task)
        arrival.close_untouched()
        if not task.cancelled() and (error := task.exception()) is not None:
            asyncio.get_running_loop().call_exception_handler(
                {"message": "a connection of a peer broke", "exception": error}
            )

    async def _receive(self, arrival: "_Arrival") -> None:
        """One connection from its first byte until it is joined to a local program."""
        wire = Wire(finish_seconds=SHUTDOWN_SECONDS)
        try:
            link, alpn = await self._prove(arrival, wire)
            task = asyncio.current_task()
            assert task is not None
            self._half_open.discard(task)
            self._buckets.give_back(arrival.host)
            await self._serve(link, alpn, wire)
        except Denied as denied:
            self._refusals.count(denied.reason)
            wire.abort()
        except BaseException:
            wire.abort()
            raise

    async def _prove(self, arrival: "_Arrival", wire: Wire) -> tuple[Link, str]:
        try:
            transport = await arrival.handshake(wire, self._door.context)
        except (OSError, TimeoutError):
            raise Denied(Refused.HANDSHAKE) from None
        try:
            node, alpn = self._door.verified_peer(transport.get_extra_info("ssl_object"), self._links.nodes)
        except CaravanError:
            raise Denied(Refused.UNTRUSTED) from None
        link = self._links.get(node)
        if link is None:
            raise Denied(Refused.UNTRUSTED)
        return link, alpn

    async def _serve(self, link: Link, alpn: str, wire: Wire) -> None:
        self._links.open(link, wire)
        wire.when_lost(lambda: self._links.close(link, wire))
        try:
            opening = await _opening(wire, alpn)
            if len(link.wires) > STREAMS_PER_PEER:
                raise Denied(Refused.STREAMS)
            await self._open(opening, link, wire)
        except Denied as denied:
            self._refusals.count(denied.reason)
            wire.write(refusal(denied.reason))
            wire.finish()

    async def _open(self, opening: Opening, link: Link, wire: Wire) -> None:
        if opening.purpose == "ping":
            wire.write(READY)
            wire.echo()
        elif opening.purpose == "bulk":
            refused = self._turn.take()
            if refused is not None:
                raise Denied(refused)
            wire.write(READY)
            self._turn.receive(wire)
        elif opening.ticket is None:
            local = await _local(self._door.node_port)
            local.write(preface(self._door.node_secret, link.peer.node))
            self._join(link, wire, local)
        else:
            await self._open_worker(opening.ticket, link, wire)

    async def _open_worker(self, name: str, link: Link, wire: Wire) -> None:
        ticket = self._tickets.find(name, link.peer.node)
        if ticket is None:
            raise Denied(Refused.TICKET)
        if len(ticket.wires) >= STREAMS_PER_TICKET:
            raise Denied(Refused.STREAMS)
        ticket.wires.add(wire)
        wire.when_lost(lambda: ticket.wires.discard(wire))
        local = await _local(ticket.order.port)
        self._join(link, wire, local, self._inspector(ticket))

    def _inspector(self, ticket: Ticket) -> Callable[[bytes], bool]:
        frames = RpcFrames(ticket.order.largest_bytes)

        def may_pass(data: bytes) -> bool:
            if frames.feed(data) is None:
                return True
            self._refusals.count(Refused.FRAME)
            return False

        return may_pass

    def _join(self, link: Link, wire: Wire, local: Wire, inspect: Callable[[bytes], bool] | None = None) -> None:
        wire.count_into(link.received)
        local.count_into(link.sent)
        wire.write(READY)
        wire.join(local, inspect)


class _Arrival:
    """A socket that was just accepted; its transport owns it once the handshake has begun."""

    def __init__(self, connection: socket.socket, host: str) -> None:
        self.host = host
        self._connection = connection
        self._touched = False

    async def handshake(self, wire: Wire, context: ssl.SSLContext) -> asyncio.Transport:
        """TLS as the server."""
        self._touched = True
        keep_alive(self._connection)
        send_at_once(self._connection)
        transport, _ = await asyncio.get_running_loop().connect_accepted_socket(
            lambda: wire,
            self._connection,
            ssl=context,
            ssl_handshake_timeout=HANDSHAKE_SECONDS,
            ssl_shutdown_timeout=SHUTDOWN_SECONDS,
        )
        return transport

    def close_untouched(self) -> None:
        """Close it when nobody took it over."""
        if not self._touched:
            self._connection.close()


async def _opening(wire: Wire, alpn: str) -> Opening:
    with contextlib.suppress(WireEnded, TimeoutError):
        async with asyncio.timeout(OPENING_SECONDS):
            opening = parse_opening(await wire.line(b"\n", LINE_LIMIT), alpn)
        if opening is not None:
            return opening
    raise Denied(Refused.OPENING)


async def _local(port: int) -> Wire:
    wire = Wire()
    try:
        async with asyncio.timeout(LOCAL_SECONDS):
            await asyncio.get_running_loop().create_connection(lambda: wire, LOOPBACK, port)
    except (OSError, TimeoutError):
        raise Denied(Refused.LOCAL) from None
    return wire
