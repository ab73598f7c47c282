"""PCs for tests of the peer link: each an identity, a real link process and its service, on this machine's loopback."""

import asyncio
import base64
import itertools
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from app.cluster.link_process.messages import (
    Answered,
    Begin,
    Command,
    Event,
    LinkPeer,
    LinkState,
    Listen,
    Listening,
    Order,
    Refused,
    Report,
)
from app.cluster.link_process.process import LinkProcess
from app.cluster.link_process.security import Security
from app.cluster.link_service import LinkService
from app.identity.certificate import Identity, load_or_create
from app.identity.contexts import Contexts, verified_peer
from app.schema.record import NodeId
from app.system.ports import bind_loopback

SECRET = "s" * 32
COMMAND = [sys.executable, "-m", "app.tunnel"]

Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@dataclass
class Pc:
    """One PC: who it is, its link process, and what that said."""

    identity: Identity
    service: LinkService
    events: list[Event] = field(default_factory=list)

    @property
    def node(self) -> NodeId:
        return self.identity.node

    @property
    def port(self) -> int:
        return int(self.service.listening.addresses[0].rpartition(":")[2])

    def as_peer(self, *addresses: str) -> LinkPeer:
        """How others know it; without addresses it is never dialled."""
        return LinkPeer(
            node=self.node, certificate=base64.b64encode(self.identity.certificate).decode(), addresses=addresses
        )

    def here(self) -> LinkPeer:
        """How others know it, with the address where it listens."""
        return self.as_peer(*self.service.listening.addresses)

    @property
    def report(self) -> Report:
        """The last report."""
        return next(event for event in reversed(self.events) if isinstance(event, Report))

    def link(self, peer: NodeId) -> LinkState | None:
        """The link to a peer by the last report."""
        return next((link for link in self.report.links if link.peer == peer), None)


@asynccontextmanager
async def running_pc(folder: Path, node_port: int = 9, host: str = "127.0.0.1") -> AsyncIterator[Pc]:
    """A PC whose link process listens; `node_port` is where its node takes HTTP of peers."""
    identity = await asyncio.to_thread(load_or_create, folder)
    events: list[Event] = []
    service = LinkService(COMMAND, Begin(identity=str(folder), node_port=node_port, secret=SECRET), events.append)
    running = asyncio.create_task(service.run(), name="link service")
    try:
        await service.listen((host,), 0)
        yield Pc(identity, service, events)
    finally:
        running.cancel()
        with suppress(asyncio.CancelledError):
            await running


class Inside:
    """A link process inside the test's own event loop, ordered directly."""

    def __init__(self, folder: Path) -> None:
        self.identity = load_or_create(folder)
        self.contexts = Contexts(self.identity)
        self.events: list[Event] = []
        self.orders: asyncio.Queue[Order | None] = asyncio.Queue()
        self.port = 0
        self._numbers = itertools.count(1)
        self._process = LinkProcess(lambda _: Security(self.contexts, verified_peer), self.events.append)

    @property
    def as_peer(self) -> LinkPeer:
        """How others know it; it is never dialled."""
        der = base64.b64encode(self.identity.certificate).decode()
        return LinkPeer(node=self.identity.node, certificate=der)

    async def order(self, command: Command) -> Answered:
        """Give an order and wait for its answer."""
        number = next(self._numbers)
        self.orders.put_nowait(Order(number=number, command=command))
        answers = (event for event in self.events if isinstance(event, Answered) and event.number == number)
        async with asyncio.timeout(60):
            while (answer := next(answers, None)) is None:
                await asyncio.sleep(0.001)
                answers = (event for event in self.events if isinstance(event, Answered) and event.number == number)
        return answer

    @asynccontextmanager
    async def running(self, node_port: int = 9) -> AsyncIterator["Inside"]:
        """Run it, listening on any port."""
        task = asyncio.create_task(self._process.run(self.orders), name="link process")
        try:
            await self.order(Begin(identity="", node_port=node_port, secret=SECRET))
            await self.order(Listen(hosts=("127.0.0.1",), port=0))
            listening = next(event for event in self.events if isinstance(event, Listening))
            self.port = int(listening.addresses[0].rpartition(":")[2])
            yield self
        finally:
            self.orders.put_nowait(None)
            await task

    def refused(self, reason: Refused) -> int:
        """How many connections it refused for a reason."""
        return self._process._refusals.counts.get(reason, 0)


@asynccontextmanager
async def two_pcs(folder: Path, node_port: int = 9) -> AsyncIterator[tuple[Pc, Pc]]:
    """Two PCs that trust each other; the first dials the second, whose node listens on `node_port`."""
    for name in ("a", "b"):
        (folder / name).mkdir()
    async with running_pc(folder / "a") as one, running_pc(folder / "b", node_port) as two:
        # The second first: the first dials as soon as it trusts, and would be refused once.
        await two.service.trust((one.as_peer(),))
        await one.service.trust((two.here(),))
        yield one, two


@asynccontextmanager
async def server(handler: Handler) -> AsyncIterator[int]:
    """A TCP server on 127.0.0.1; gives its port."""
    # asyncio on Windows does not know accepted sockets for TCP, and each small answer would wait for the one before.
    listening = await asyncio.start_server(handler, sock=bind_loopback(0))
    try:
        yield listening.sockets[0].getsockname()[1]
    finally:
        listening.close()


async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Send everything back."""
    with suppress(ConnectionError):
        while data := await reader.read(1 << 18):
            writer.write(data)
            await writer.drain()
    writer.close()


async def until(condition: Callable[[], bool], seconds: float = 30.0) -> None:
    """Wait for something to become true."""
    async with asyncio.timeout(seconds):
        while not condition():
            await asyncio.sleep(0.005)
