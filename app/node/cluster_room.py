"""The other PCs, as one corner of the node: membership, pairing, the link, the peers and their models."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass

from app.cluster.link import PeerLink
from app.identity.certificate import Identity
from app.identity.contexts import Contexts
from app.identity.pairing import OwnCard
from app.identity.trust_store import TrustStore, own_member
from app.node.link_room import LinkPlace, LinkRoom
from app.node.membership.dialling import inviters_of
from app.node.membership.membership import Membership
from app.node.membership.membership_tools import MembershipTools
from app.node.membership.pairing_desk import PairingDesk
from app.node.membership.pairing_listener import bind_pairing
from app.node.membership.pairing_tools import PairingTools
from app.node.shared_models import SharedModels
from app.node.warnings import WarningBoard
from app.schema.cluster import InvitationStatus, JoinRequest, JoinStatus
from app.schema.errors import CaravanError, NotAllowed
from app.schema.event import Event, MembersChanged
from app.schema.node import Peer, PeerReport
from app.schema.options import NodeOptions
from app.schema.record import NodeId
from app.system.redaction import Secrets


@dataclass(frozen=True)
class ClusterPlace:
    """What this corner needs of its node. `node_port` takes requests of peers on 127.0.0.1, opened with `secret`."""

    identity: Identity
    name: str
    store: TrustStore
    options: NodeOptions
    node_port: int
    secret: str
    secrets: Secrets
    start_anew: Callable[[], None]


class ClusterRoom:
    """Everything about other PCs that people, peers and instances ask this node for."""

    def __init__(self, place: ClusterPlace, publish: Callable[[Event], None], board: WarningBoard) -> None:
        self._place = place
        self._publish = publish
        link_place = LinkPlace(place.identity, place.options, place.node_port, place.secret)
        self.link = LinkRoom(link_place, publish, board, self._heard)
        self.models = SharedModels(self.link.peers.link_to)
        tools = MembershipTools(
            publish=self._members_changed,
            warn=lambda warnings: board.set("membership", warnings),
            trust=self.link.trust,
            fetch=self._fetch_list,
            send=self._send_list,
            restart=place.start_anew,
        )
        own = own_member(place.identity, place.name)
        self._membership = Membership(place.identity, own, place.store, tools)
        self._pairing: PairingDesk | None = None

    @property
    def digest(self) -> str:
        """The digest of the member list; see `PeerReport.members_digest`."""
        return self._membership.digest

    async def run(self) -> None:
        """Run all of it until cancelled; the link ends last."""
        # Loading the key reads the disk.
        contexts = await asyncio.to_thread(Contexts, self._place.identity)
        self._pairing = PairingDesk(self._pairing_tools(contexts))
        link = asyncio.create_task(self.link.run(), name="link")
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._membership.run(), name="membership")
                group.create_task(self._pairing.run(), name="pairing")
                group.create_task(self.models.run(), name="models of peers")
                group.create_task(_forever(link), name="link watch")
        finally:
            link.cancel()
            await asyncio.gather(link, return_exceptions=True)

    async def invite(self) -> InvitationStatus:
        """Show a code, or tell what is shown. Raises PairingFailed, ClusterFull."""
        await self.link.listening.wait()
        return await self._desk().open()

    async def end_invitation(self) -> None:
        """Show no code any more."""
        await self._desk().close()

    async def join(self, request: JoinRequest) -> JoinStatus:
        """Begin to join another PC's cluster. Raises InputError, PairingFailed."""
        await self.link.listening.wait()
        return await self._desk().join(request)

    async def cancel_join(self) -> None:
        """Give up the attempt that runs."""
        await self._desk().cancel_join()

    async def remove(self, node: NodeId) -> None:
        """Remove another PC, for ever. Raises InputError, NodeNotFound, PairingFailed, ClusterFull, TrustUnusable."""
        await self._membership.remove(node)

    async def leave(self) -> None:
        """Leave the cluster; the node starts anew. Raises TrustUnusable, IdentityUnusable."""
        await self._desk().cancel_join()
        await self._desk().close()
        await self._membership.leave()

    async def measure(self, node: NodeId) -> float:
        """Measure the throughput to a peer, one way, in bytes/s. Raises NodeNotFound, LinkInUse, PeerUnreachable."""
        return await self.link.measure(node)

    def link_to(self, node: NodeId) -> PeerLink:
        """The link to a member that answers. Raises NodeNotFound, PeerUnreachable."""
        return self.link.peers.link_to(node)

    def check_member(self, node: NodeId) -> None:
        """Raises NotAllowed unless `node` is a member: one that is only joining may exchange lists, and no more."""
        if not self._membership.is_member(node):
            raise NotAllowed("This PC is not a member of the cluster.", "Let it join first.")

    def own_list(self, asking: NodeId) -> bytes:
        """The signed member list for a peer. Raises PeerRefused."""
        return self._membership.text_for(asking)

    async def receive_list(self, sender: NodeId, text: bytes) -> None:
        """Take a peer's signed member list. Raises PeerRefused, ListRefused, TrustUnusable."""
        await self._membership.receive(sender, text)

    def told(self, node: NodeId, report: PeerReport) -> None:
        """A peer gave its report before it was asked."""
        self.link.peers.told(node, report)

    def gone(self, node: NodeId) -> None:
        """A peer said goodbye."""
        self.link.peers.gone(node)

    def _desk(self) -> PairingDesk:
        if self._pairing is None:
            raise CaravanError("The node is still starting.", "Try again in a moment.")
        return self._pairing

    def _pairing_tools(self, contexts: Contexts) -> PairingTools:
        place, link, membership = self._place, self.link, self._membership
        return PairingTools(
            own=lambda: OwnCard(place.identity, place.name, link.port, membership.removed),
            contexts=contexts,
            bind=lambda: bind_pairing(link.hosts, place.options.pair_port),
            announce=link.announce_pairing,
            publish=self._publish,
            paired=membership.prove_and_add,
            inviters=lambda: inviters_of(link.sightings),
            may_invite=membership.check_may_invite,
            may_join=membership.check_may_join,
            secrets=place.secrets,
        )

    def _members_changed(self, event: MembersChanged) -> None:
        own = self._place.identity.node
        names = {member.node: member.name for member in event.members if member.node != own}
        self.link.peers.know(names)
        self.models.keep(frozenset(names))
        self._publish(event)

    def _heard(self, peer: Peer) -> None:
        self.models.heard(peer)
        if peer.report is not None and peer.report.members_digest is not None:
            self._membership.saw_digest(peer.node, peer.report.members_digest)
        address = self.link.good_address(peer.node)
        if address is not None:
            self._membership.reached(peer.node, address)

    async def _fetch_list(self, node: NodeId) -> bytes:
        async with self._some_link(node) as link:
            return await link.members()

    async def _send_list(self, node: NodeId, text: bytes) -> None:
        async with self._some_link(node) as link:
            await link.send_members(text)

    @contextlib.asynccontextmanager
    async def _some_link(self, node: NodeId) -> AsyncIterator[PeerLink]:
        """The link to a peer, or one of its own to a PC that is still joining or was just removed."""
        known = None
        with contextlib.suppress(CaravanError):
            known = self.link.peers.link_to(node)
        link = known or await self.link.connect(node, "the other PC")
        try:
            yield link
        finally:
            if known is None:
                with contextlib.suppress(CaravanError):
                    await link.close()


async def _forever(link: asyncio.Task[None]) -> None:
    await asyncio.shield(link)
