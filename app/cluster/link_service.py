"""The node's side of its link process: starts it, tells it what to do, hears it, starts it again when it dies."""

import asyncio
import itertools
import logging
import secrets
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from pydantic import ValidationError

from app.cluster.link_process.messages import (
    END_LINE,
    EVENTS,
    AddTicket,
    Answered,
    Begin,
    CloseMouth,
    Command,
    Cut,
    DropTicket,
    Event,
    LinkChanged,
    LinkPeer,
    Listen,
    Listening,
    Measure,
    OpenMouth,
    Order,
    Refused,
    Report,
    Trust,
)
from app.schema.errors import CaravanError, LinkInUse, LinkUnmeasured, PeerUnreachable
from app.schema.record import NodeId
from app.system.ports import LOOPBACK
from app.system.spawn import Child, ProgramMissing, start_child

logger = logging.getLogger("caravan.cluster.link")

ANSWER_SECONDS = 10.0
"""Deadline of one order; also how long an order waits for a link process that is just starting."""

MEASURE_SECONDS = 40.0
LOOK_SECONDS = 1.0
SILENT_LOOKS = 10
"""A link process that reports nothing for so many looks in a row hangs, and is killed. A clock would tell the same of a
healthy one when this PC slept, or its node stood still.
"""

START_SECONDS = 60.0
"""How long it may take to say its first word: a busy PC, or one that looks for viruses, starts it late."""

STOP_SECONDS = 2.0
FIRST_DELAY, LONGEST_DELAY, HEALTHY_SECONDS = 0.2, 30.0, 60.0
"""Seconds before a restart: the first, the longest, and the life after which the delay begins anew."""


@dataclass(frozen=True)
class Mouth:
    """A port on 127.0.0.1 that leads to a peer. `key` is the bearer token it demands, None for an rpc-server's."""

    port: int
    key: str | None

    @property
    def address(self) -> str:
        """`host:port` of the mouth."""
        return f"{LOOPBACK}:{self.port}"


class LinkService:
    """Owner of the link process. What it was told outlives the process: a new one gets it all again.

    `command` starts the role `tunnel`; `begin` is its identity and the door of our node; `publish` hears `Listening`,
    `LinkChanged` and `Report`. Every method that orders something raises PeerUnreachable when it cannot be done.
    """

    def __init__(self, command: Sequence[str], begin: Begin, publish: Callable[[Event], None]) -> None:
        self._command = command
        self._begin = begin
        self._publish = publish
        self._numbers = itertools.count(1)
        self._waiting: dict[int, asyncio.Future[Answered]] = {}
        self._child: Child | None = None
        self._ready = asyncio.Event()
        self._silent_looks = 0
        self._listen: Listen | None = None
        self._trust = Trust(peers=())
        self._tickets: dict[str, AddTicket] = {}
        self._mouths: dict[int, OpenMouth] = {}
        self.listening = Listening(addresses=())

    @property
    def pid(self) -> int | None:
        """The link process, None while there is none."""
        return self._child.pid if self._child is not None else None

    async def run(self) -> None:
        """Keep a link process running until cancelled."""
        delay = FIRST_DELAY
        while True:
            began = time.monotonic()
            try:
                await self._live()
            except ProgramMissing as error:
                logger.error("the link process cannot be started: %s", error)
            if time.monotonic() - began > HEALTHY_SECONDS:
                delay = FIRST_DELAY
            logger.warning("the link process ended; it is started again in %.1f s", delay)
            await asyncio.sleep(delay)
            delay = min(2 * delay, LONGEST_DELAY)

    async def listen(self, hosts: tuple[str, ...], port: int) -> Listening:
        """Listen for peers on exactly these addresses; the answer says which could be had."""
        self._listen = Listen(hosts=hosts, port=port)
        await self._ask(self._listen)
        return self.listening

    async def trust(self, peers: tuple[LinkPeer, ...]) -> None:
        """Trust exactly these peers, with these addresses. Connections of others are cut before this returns."""
        self._trust = Trust(peers=peers)
        await self._ask(self._trust)

    async def add_ticket(self, peer: NodeId, port: int, largest_bytes: int | None = None) -> str:
        """Let one peer reach the rpc-server on a local port; returns the ticket to give it with its lease."""
        order = AddTicket(ticket=secrets.token_hex(16), peer=peer, port=port, largest_bytes=largest_bytes)
        self._tickets[order.ticket] = order
        await self._ask(order)
        return order.ticket

    async def drop_ticket(self, ticket: str) -> None:
        """End a ticket and the streams it opened."""
        self._tickets.pop(ticket, None)
        await self._ask(DropTicket(ticket=ticket))

    async def open_mouth(self, peer: NodeId, ticket: str | None = None) -> Mouth:
        """A local port that leads to the peer's node, or with a ticket to its rpc-server."""
        order = OpenMouth(peer=peer, ticket=ticket, key=None if ticket else secrets.token_urlsafe(32))
        port = (await self._ask(order)).port
        if port is None:
            raise _failed("it named no port")
        self._mouths[port] = order.model_copy(update={"port": port})
        return Mouth(port, order.key)

    async def close_mouth(self, mouth: Mouth) -> None:
        """Close a mouth and the streams through it."""
        self._mouths.pop(mouth.port, None)
        await self._ask(CloseMouth(port=mouth.port))

    async def cut(self, peer: NodeId) -> None:
        """Cut all connections from and to a peer: its heartbeat is lost."""
        await self._ask(Cut(peer=peer))

    async def measure(self, peer: NodeId) -> float:
        """Throughput to a peer in bytes/s, the way there alone. Takes seconds and the whole link.

        Raises LinkInUse while something else needs this PC's links or the peer's, LinkUnmeasured when the peer is of
        an older version, PeerUnreachable.
        """
        try:
            value = (await self._ask(Measure(peer=peer), MEASURE_SECONDS)).value
        except PeerUnreachable as error:
            raise _unmeasured(error) from error
        if value is None:
            raise _failed("it measured nothing")
        return value

    @property
    def _hangs(self) -> bool:
        """Whether the link process was silent for too many looks."""
        return self._silent_looks > SILENT_LOOKS

    async def _live(self) -> None:
        """One link process from start to end."""
        child = await start_child(self._command, on_line=self._on_line, with_stdin=True)
        self._child, self._silent_looks = child, SILENT_LOOKS - round(START_SECONDS / LOOK_SECONDS)
        end = asyncio.create_task(child.wait(), name="end of the link process")
        replay = asyncio.create_task(self._tell_all(), name="orders to the new link process")
        try:
            while not end.done():
                await asyncio.wait([end], timeout=LOOK_SECONDS)
                self._silent_looks += 1
                if self._hangs:
                    logger.error("the link process hangs and is killed")
                    break
        finally:
            self._ready.clear()
            self._child = None
            replay.cancel()
            await asyncio.gather(replay, return_exceptions=True)
            await child.stop(grace=0.0 if self._hangs else STOP_SECONDS, polite=END_LINE)
            await asyncio.gather(end, return_exceptions=True)
            self._give_up_waiting()

    async def _tell_all(self) -> None:
        mouths = tuple(self._mouths.values())
        wanted = (self._begin, self._listen, self._trust, *self._tickets.values(), *mouths)
        for command in wanted:
            if command is not None:
                try:
                    await self._send(command, START_SECONDS)
                except PeerUnreachable as error:
                    logger.error("the link process could not %s: %s", command.kind, error.detail)
        self._ready.set()

    async def _ask(self, command: Command, deadline: float = ANSWER_SECONDS) -> Answered:
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                await self._ready.wait()
        except TimeoutError:
            raise _failed("it is not running") from None
        return await self._send(command, deadline)

    async def _send(self, command: Command, deadline: float) -> Answered:
        child = self._child
        if child is None:
            raise _failed("it is not running")
        number = next(self._numbers)
        answer: asyncio.Future[Answered] = asyncio.get_running_loop().create_future()
        self._waiting[number] = answer
        try:
            async with asyncio.timeout(deadline):
                await child.write_line(Order(number=number, command=command).model_dump_json())
                answered = await answer
        except TimeoutError:
            raise _failed("it does not answer") from None
        finally:
            self._waiting.pop(number, None)
        if answered.problem is not None:
            raise _failed(answered.problem)
        return answered

    def _on_line(self, stream: str, line: str) -> None:
        if stream == "stderr":
            logger.warning("link process: %s", line)
            return
        try:
            event = EVENTS.validate_json(line)
        except ValidationError:
            logger.error("the link process said something unknown")
            return
        self._silent_looks = 0
        self._hear(event)

    def _hear(self, event: Event) -> None:
        if isinstance(event, Answered):
            waiting = self._waiting.get(event.number)
            if waiting is not None and not waiting.done():
                waiting.set_result(event)
            return
        if isinstance(event, Listening):
            self.listening = event
        if isinstance(event, Listening | LinkChanged | Report):
            self._publish(event)

    def _give_up_waiting(self) -> None:
        for waiting in self._waiting.values():
            if not waiting.done():
                waiting.set_exception(_failed("it ended"))


def _unmeasured(error: PeerUnreachable) -> CaravanError:
    """What it means that no throughput came of it."""
    if Refused.IN_USE in error.detail:
        return LinkInUse(
            "A model or a copy of a file uses the link.", "Measure when nothing runs over it.", error.detail
        )
    if Refused.MEASURING in error.detail:
        return LinkInUse("Another link is being measured.", "Try again in a few seconds.", error.detail)
    if Refused.OPENING in error.detail:
        hint = "Update Caravan on that PC, then measure again."
        return LinkUnmeasured("The other PC has an older Caravan that measures no links one way.", hint, error.detail)
    return PeerUnreachable("The link could not be measured.", "Wait a few seconds and try again.", error.detail)


def _failed(why: str) -> PeerUnreachable:
    return PeerUnreachable(
        "This PC's link to other PCs does not work at the moment.", "Wait a few seconds and try again.", (why,)
    )
