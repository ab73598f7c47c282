"""The link process itself: carries out the node's orders and reports."""

import asyncio
import contextlib
from collections.abc import Callable

from app.cluster.link_process.inbound import Door, Inbound
from app.cluster.link_process.links import Links, Refusals
from app.cluster.link_process.measuring import Traffic, Turn, throughput
from app.cluster.link_process.messages import (
    AddTicket,
    Answered,
    Begin,
    CloseMouth,
    Command,
    Cut,
    DropTicket,
    Event,
    LinkChanged,
    Listen,
    Measure,
    OpenMouth,
    Order,
    Report,
    Trust,
)
from app.cluster.link_process.mouths import Mouths
from app.cluster.link_process.outbound import DialFailed, Dialler
from app.cluster.link_process.probe import probe
from app.cluster.link_process.security import LoadSecurity, Security
from app.cluster.link_process.tickets import Tickets
from app.schema.errors import CaravanError
from app.schema.record import NodeId

REPORT_SECONDS = 2.0


class NotBegun(Exception):
    """An order came before `begin`, or a second `begin`."""


class LinkProcess:
    """Everything of one link process. `tell` receives its events."""

    def __init__(self, load: LoadSecurity, tell: Callable[[Event], None]) -> None:
        self._load = load
        self._tell = tell
        self._links = Links(lambda state: tell(LinkChanged(link=state)))
        self._tickets = Tickets()
        self._refusals = Refusals()
        self._traffic = Traffic(self._links.total)
        self._turn = Turn(self._is_in_use)
        self._parts: _Parts | None = None

    async def run(self, orders: asyncio.Queue[Order | None]) -> None:
        """Carry out orders, one after the other, until None comes."""
        reporting = asyncio.create_task(self._report(), name="reports")
        measuring: set[asyncio.Task[None]] = set()
        try:
            while (order := await orders.get()) is not None:
                if isinstance(order.command, Measure):
                    # It takes seconds; nothing waits for it.
                    task = asyncio.create_task(self._answer(order), name="measure")
                    measuring.add(task)
                    task.add_done_callback(measuring.discard)
                else:
                    await self._answer(order)
        finally:
            await _cancelled(reporting, *measuring)
            if self._parts is not None:
                await self._parts.close()
            self._links.trust(())

    async def _answer(self, order: Order) -> None:
        answer = Answered(number=order.number)
        try:
            if isinstance(order.command, Begin):
                await self._begin(order.command)
            elif self._parts is None:
                raise NotBegun("the first order must be `begin`")
            else:
                answer = answer.model_copy(update=await self._perform(order.command, self._parts))
        except (CaravanError, OSError, ValueError, DialFailed, TimeoutError, NotBegun) as error:
            answer = answer.model_copy(update={"problem": str(error) or type(error).__name__})
        self._tell(answer)

    async def _begin(self, begin: Begin) -> None:
        if self._parts is not None:
            raise NotBegun("it has begun already")
        security = await asyncio.to_thread(self._load, begin.identity)
        context = await asyncio.to_thread(security.contexts.listening)
        door = Door(context, security.verified_peer, begin.node_port, begin.secret)
        inbound = Inbound(door, self._links, self._tickets, self._refusals, self._turn)
        self._parts = _Parts(security, inbound, Dialler(security, self._links))

    async def _perform(self, command: Command, parts: "_Parts") -> dict[str, object]:
        match command:
            case Listen():
                self._tell(await parts.inbound.listen(command.hosts, command.port))
            case Trust():
                await parts.trust(command, self._links)
            case AddTicket():
                self._tickets.add(command)
                self._turn.interrupt()
            case DropTicket():
                self._tickets.drop(command.ticket)
            case OpenMouth():
                if command.ticket is not None:
                    self._turn.interrupt()
                return {"port": parts.mouths.open(command)}
            case CloseMouth():
                await parts.mouths.close(command.port)
            case Cut():
                self._links.cut(command.peer)
            case Measure():
                return {"value": await throughput(parts.dialler, command.peer, self._turn)}
        return {}

    def _is_in_use(self) -> bool:
        """Whether a model's bytes go from or to here, or are about to, or a file is copied."""
        leads = self._parts is not None and self._parts.mouths.lead_to_workers
        return leads or self._tickets.any or self._traffic.is_heavy

    async def _report(self) -> None:
        while True:
            self._traffic.look()
            self._tell(Report(links=self._links.states(), refused=dict(self._refusals.counts)))
            await asyncio.sleep(REPORT_SECONDS)


class _Parts:
    """What exists from `begin` on."""

    def __init__(self, security: Security, inbound: Inbound, dialler: Dialler) -> None:
        self._security = security
        self._probes: dict[NodeId, tuple[tuple[str, ...], asyncio.Task[None]]] = {}
        self.inbound = inbound
        self.dialler = dialler
        self.mouths = Mouths(dialler)

    async def trust(self, order: Trust, links: Links) -> None:
        """Trust these from now on; the removed are cut before new contexts are made."""
        certificates = [peer.der for peer in order.peers]
        links.trust(order.peers)
        await asyncio.to_thread(self._security.contexts.trust, certificates)
        wanted = {peer.node: (peer.certificate, *peer.addresses) for peer in order.peers if peer.addresses}
        for node, (facts, task) in list(self._probes.items()):
            if wanted.get(node) != facts:
                del self._probes[node]
                await _cancelled(task)
        for node, facts in wanted.items():
            if node not in self._probes:
                task = asyncio.create_task(probe(self.dialler, node), name=f"probe of {node[:8]}")
                self._probes[node] = (facts, task)

    async def close(self) -> None:
        """End everything."""
        await _cancelled(*(task for _, task in self._probes.values()))
        await self.mouths.close_all()
        await self.inbound.close()


async def _cancelled(*tasks: asyncio.Task[None]) -> None:
    for task in tasks:
        task.cancel()
    for task in tasks:
        with contextlib.suppress(asyncio.CancelledError):
            await task
