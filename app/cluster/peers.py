"""The service that knows the peers: a heartbeat to each member of the cluster, its last report, and the link to it."""

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from app.cluster.link import PeerLink
from app.cluster.link_process.messages import LinkState
from app.cluster.liveness import HEARTBEAT_SECONDS, MISSES_TO_LOSE, judge
from app.schema.errors import CaravanError, NodeNotFound, PeerUnreachable
from app.schema.event import PeerChanged, PeerForgotten
from app.schema.node import Peer, PeerReport, Reachability
from app.schema.record import NodeId

logger = logging.getLogger("caravan.cluster.peers")


@dataclass
class _Watched:
    """One member: what is known of it, the link once it is made, and the task that asks it."""

    peer: Peer
    link: PeerLink | None = None
    misses: int = 0
    prod: asyncio.Event = field(default_factory=asyncio.Event)
    task: asyncio.Task[None] | None = None


class Peers:
    """One heartbeat task per member; the only writer of what is known about peers.

    `connect` makes the link to a member (raises CaravanError while it cannot); `publish` hears of every change;
    `heard` gets each peer that answered, after it was published; `cut` ends the streams of one that is lost, so that
    whoever waits on them learns it (may raise CaravanError).
    """

    def __init__(
        self,
        connect: Callable[[NodeId, str], Awaitable[PeerLink]],
        publish: Callable[[PeerChanged | PeerForgotten], None],
        heard: Callable[[Peer], None],
        cut: Callable[[NodeId], Awaitable[None]],
        period: float = HEARTBEAT_SECONDS,
    ) -> None:
        self._connect = connect
        self._cut = cut
        self._publish = publish
        self._heard = heard
        self._period = period
        self._watched: dict[NodeId, _Watched] = {}
        self._dropped: list[_Watched] = []
        self._changed = asyncio.Event()

    def know(self, names: dict[NodeId, str]) -> None:
        """Watch exactly these members, by the names they joined with."""
        for node in self._watched.keys() - names.keys():
            self._dropped.append(self._watched.pop(node))
            self._publish(PeerForgotten(node=node))
        for node in names.keys() - self._watched.keys():
            watched = _Watched(Peer(node=node, name=names[node], reachability=Reachability.CONNECTING))
            self._watched[node] = watched
            self._publish(PeerChanged(peer=watched.peer))
        self._changed.set()

    async def run(self) -> None:
        """Heartbeat all members until cancelled; says goodbye and closes the links at the end."""
        try:
            while True:
                self._changed.clear()
                for watched in self._watched.values():
                    if watched.task is None:
                        watched.task = asyncio.create_task(
                            self._watch(watched), name=f"heartbeat to {watched.peer.name}"
                        )
                dropped, self._dropped = self._dropped, []
                for watched in dropped:
                    await _end(watched)
                await self._changed.wait()
        finally:
            await asyncio.gather(*(_end(each, goodbye=True) for each in (*self._watched.values(), *self._dropped)))

    def link_to(self, node: NodeId) -> PeerLink:
        """The link to a member that answers. Raises NodeNotFound, or PeerUnreachable when it is lost."""
        watched = self._watched.get(node)
        if watched is None:
            raise NodeNotFound("That PC is not part of the cluster.", "Plan again: the cluster changed.")
        if watched.link is None or watched.peer.report is None or watched.peer.reachability is Reachability.LOST:
            name = watched.peer.called
            raise PeerUnreachable(f"{name} does not answer.", f"Is {name} switched on and is Caravan running there?")
        return watched.link

    def linked(self, state: LinkState) -> None:
        """The link process told how the link to a peer is; one that broke or came up is asked at once."""
        watched = self._watched.get(state.peer)
        if watched is None:
            return
        facts = {
            "address": state.address if state.connected else None,
            "round_trip": state.round_trip_p50,
            "round_trip_p95": state.round_trip_p95,
        }
        self._set(watched, watched.peer.model_copy(update=facts))
        if state.connected is not (watched.peer.reachability is Reachability.ALIVE):
            watched.prod.set()

    def measured(self, node: NodeId, throughput: float) -> None:
        """The throughput to a peer was measured, in bytes/s."""
        if (watched := self._watched.get(node)) is not None:
            self._set(watched, watched.peer.model_copy(update={"throughput": throughput}))

    @property
    def links(self) -> tuple[PeerLink, ...]:
        """The links to all members that answer."""
        alive = (each for each in self._watched.values() if each.peer.reachability is Reachability.ALIVE)
        return tuple(each.link for each in alive if each.link is not None)

    def ask_all(self) -> None:
        """Ask every member how it is, now and not at the next heartbeat."""
        for watched in self._watched.values():
            watched.prod.set()

    async def say_goodbye(self) -> None:
        """Tell every member that answers that this PC is away from now on."""
        await asyncio.gather(*(_goodbye(link) for link in self.links))

    def told(self, node: NodeId, report: PeerReport) -> None:
        """A member gave its report before it was asked. One in another's name, or of a lost member, is passed over."""
        watched = self._watched.get(node)
        if watched is not None and report.node.id == node and watched.peer.reachability is Reachability.ALIVE:
            self._set(watched, watched.peer.model_copy(update={"report": report}))
            self._heard(watched.peer)

    def gone(self, node: NodeId) -> None:
        """A peer said goodbye: it counts as lost until it answers again."""
        if (watched := self._watched.get(node)) is not None:
            # One miss short: a sleeping PC closes nothing, and the next heartbeat that it misses cuts its streams.
            watched.misses = MISSES_TO_LOSE - 1
            problem = f"{watched.peer.called} went to sleep, or Caravan was ended there."
            lost = {"reachability": Reachability.LOST, "problem": problem, "address": None}
            self._set(watched, watched.peer.model_copy(update=lost))

    async def _watch(self, watched: _Watched) -> None:
        loop = asyncio.get_running_loop()
        while True:
            # From beginning to beginning: a late answer must not make a lost peer's discovery later still.
            next_beat = loop.time() + self._period
            peer = await self._beat(watched)
            watched.misses = 0 if peer.reachability is Reachability.ALIVE else watched.misses + 1
            self._set(watched, peer)
            if watched.misses == 0:
                self._heard(peer)
            elif watched.misses == MISSES_TO_LOSE:
                with contextlib.suppress(CaravanError):
                    await self._cut(peer.node)
            watched.prod.clear()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout_at(next_beat):
                    await watched.prod.wait()

    async def _beat(self, watched: _Watched) -> Peer:
        try:
            if watched.link is None:
                watched.link = await self._connect(watched.peer.node, watched.peer.name)
            report, _ = await watched.link.report()
            if report.node.id != watched.peer.node:
                raise PeerUnreachable(f"{watched.peer.called} answers as another PC.", "Let it join the cluster again.")
        except CaravanError as error:
            answered = watched.peer.report is not None
            reachability = judge(watched.misses + 1, answered)
            return watched.peer.model_copy(update={"reachability": reachability, "problem": error.sentence})
        alive = {"reachability": Reachability.ALIVE, "report": report, "problem": None}
        return watched.peer.model_copy(update=alive)

    def _set(self, watched: _Watched, peer: Peer) -> None:
        if self._watched.get(peer.node) is not watched or peer == watched.peer:
            return
        if watched.peer.reachability is not peer.reachability:
            logger.info("peer %s is %s", peer.called, peer.reachability)
        watched.peer = peer
        self._publish(PeerChanged(peer=peer))


async def _end(watched: _Watched, goodbye: bool = False) -> None:
    if watched.task is not None:
        watched.task.cancel()
        await asyncio.gather(watched.task, return_exceptions=True)
    if watched.link is None:
        return
    if goodbye and watched.peer.reachability is not Reachability.LOST:
        await _goodbye(watched.link)
    with contextlib.suppress(CaravanError):
        await watched.link.close()


async def _goodbye(link: PeerLink) -> None:
    with contextlib.suppress(CaravanError):
        await link.goodbye()
