"""The service that knows the peers: a heartbeat to each, its last report, and the link to it."""

import asyncio
import logging
from collections.abc import Callable

from app.cluster.link import PeerLink
from app.cluster.liveness import HEARTBEAT_SECONDS, judge
from app.schema.errors import CaravanError, NodeNotFound, PeerUnreachable
from app.schema.event import PeerChanged
from app.schema.node import Peer, PeerReport, Reachability
from app.schema.record import NodeId

logger = logging.getLogger("caravan.cluster.peers")


class Peers:
    """One heartbeat task per peer address; the only writer of what is known about peers.

    `connect` makes the link for an address; `publish` receives a `PeerChanged` whenever a peer's state changes.
    """

    def __init__(
        self,
        addresses: tuple[str, ...],
        connect: Callable[[str], PeerLink],
        publish: Callable[[PeerChanged], None],
        period: float = HEARTBEAT_SECONDS,
    ) -> None:
        self._links = {address: connect(address) for address in addresses}
        self._publish = publish
        self._period = period
        self._peers: dict[str, Peer] = {}

    async def run(self) -> None:
        """Heartbeat all peers until cancelled; closes the links at the end."""
        try:
            async with asyncio.TaskGroup() as group:
                for link in self._links.values():
                    group.create_task(self._watch(link), name=f"heartbeat to {link.address}")
        finally:
            for link in self._links.values():
                await link.close()

    def link_to(self, node: NodeId) -> PeerLink:
        """The link to a peer that answered before. Raises NodeNotFound, or PeerUnreachable when it is lost."""
        for address, peer in self._peers.items():
            if peer.report is not None and peer.report.node.id == node:
                if peer.reachability is Reachability.LOST:
                    raise PeerUnreachable(
                        f"{peer.report.node.name} does not answer.", "Is it switched on and is Caravan running there?"
                    )
                return self._links[address]
        raise NodeNotFound("That PC is not part of the cluster.", "Plan again: the cluster changed.")

    async def _watch(self, link: PeerLink) -> None:
        misses, last = 0, None
        self._set(Peer(address=link.address, reachability=Reachability.CONNECTING))
        while True:
            peer = await self._beat(link, misses, last)
            misses = 0 if peer.reachability is Reachability.ALIVE else misses + 1
            last = peer.report
            self._set(peer)
            await asyncio.sleep(self._period)

    async def _beat(self, link: PeerLink, misses: int, last: PeerReport | None) -> Peer:
        try:
            report, round_trip = await link.report()
        except CaravanError as error:
            reachability = judge(misses + 1, last is not None)
            return Peer(address=link.address, reachability=reachability, report=last, problem=error.sentence)
        return Peer(address=link.address, reachability=Reachability.ALIVE, report=report, round_trip=round_trip)

    def _set(self, peer: Peer) -> None:
        before = self._peers.get(peer.address)
        if before is None or before.reachability is not peer.reachability:
            logger.info("peer %s is %s", peer.address, peer.reachability)
        self._peers[peer.address] = peer
        self._publish(PeerChanged(peer=peer))
