"""The peer link of this node and what runs over it: where it listens, whom it trusts, the peers, and discovery."""

import asyncio
import base64
import logging
from collections.abc import Callable
from dataclasses import dataclass

from app.cluster.adapters import usable_addresses
from app.cluster.discovery import Discovery
from app.cluster.link import PeerLink, TunnelLink
from app.cluster.link_process.messages import Begin, Event, LinkChanged, LinkPeer, Listening, Report
from app.cluster.link_service import LinkService
from app.cluster.peers import Peers
from app.identity.certificate import Identity
from app.identity.trust import ADDRESS_LIMIT, Member
from app.node.warnings import WarningBoard
from app.schema.errors import CaravanError
from app.schema.event import PeerChanged, PeerForgotten, SightingsChanged
from app.schema.instance import Lease
from app.schema.node import HealthWarning, Peer
from app.schema.options import TUNNEL_ROLE, NodeOptions
from app.schema.record import NodeId
from app.schema.sighting import Sighting
from app.system.program import own_command

logger = logging.getLogger("caravan.node.link")

LOOK_SECONDS = 3.0
"""Time between two looks at this PC's addresses."""


@dataclass(frozen=True)
class LinkPlace:
    """What the link needs of its node. `node_port` takes requests of peers on 127.0.0.1, opened with `secret`."""

    identity: Identity
    options: NodeOptions
    node_port: int
    secret: str


class LinkRoom:
    """Owner of the link process, the peers and discovery. `heard` gets each peer that answered its heartbeat."""

    def __init__(
        self,
        place: LinkPlace,
        publish: Callable[[PeerChanged | PeerForgotten | SightingsChanged], None],
        board: WarningBoard,
        heard: Callable[[Peer], None],
    ) -> None:
        self._place = place
        self._publish = publish
        self._board = board
        begin = Begin(identity=str(place.identity.chain_file.parent), node_port=place.node_port, secret=place.secret)
        self.service = LinkService(own_command(TUNNEL_ROLE), begin, self._on_link)
        self.peers = Peers(self.connect, publish, heard, self.service.cut)
        self._trusted: tuple[Member, ...] = ()
        self._told: tuple[LinkPeer, ...] | None = None
        self._sightings: tuple[Sighting, ...] = ()
        self._connected: dict[NodeId, str] = {}
        self._applying = asyncio.Lock()
        self._news = asyncio.Event()
        self._discovery: Discovery | None = None
        self.listening = asyncio.Event()

    @property
    def hosts(self) -> tuple[str, ...]:
        """The addresses of this PC at which peers are heard now."""
        return tuple(each.rpartition(":")[0] for each in self.service.listening.addresses)

    @property
    def port(self) -> int:
        """The port of the peer link, the wanted one until it listens."""
        heard = self.service.listening.addresses
        return int(heard[0].rpartition(":")[2]) if heard else self._place.options.peer_port

    @property
    def sightings(self) -> tuple[Sighting, ...]:
        """What discovery sees now."""
        return self._sightings

    def announce_pairing(self, port: int | None) -> None:
        """Let discovery tell that a pairing dialog is open at `port`, or that none is."""
        if self._discovery is not None:
            self._discovery.set_pairing(port)

    async def run(self) -> None:
        """Run the link, the peers and discovery until cancelled; the link ends last."""
        link = asyncio.create_task(self.service.run(), name="link service")
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self.peers.run(), name="peers")
                group.create_task(self._follow_news(), name="link trust")
                group.create_task(self._listen(group), name="link addresses")
        finally:
            link.cancel()
            await asyncio.gather(link, return_exceptions=True)

    async def trust(self, members: tuple[Member, ...]) -> None:
        """Trust exactly these from now on; connections of others are cut before this returns.

        Raises PeerUnreachable when the link process does not take it; it is told again when it can.
        """
        self._trusted = members
        if self._discovery is not None:
            self._discovery.set_known({member.node: member.name for member in members})
        await self._apply()

    def good_address(self, node: NodeId) -> str | None:
        """Where the peer was reached, None while it is not or only it dials us."""
        return self._connected.get(node) or None

    async def measure(self, node: NodeId) -> float:
        """Measure the throughput to a peer, one way, in bytes/s; takes seconds and the whole link.

        Raises NodeNotFound, LinkInUse, PeerUnreachable.
        """
        self.peers.link_to(node)
        throughput = await self.service.measure(node)
        self.peers.measured(node, throughput)
        return throughput

    async def connect(self, node: NodeId, name: str) -> PeerLink:
        """A link of its own to a trusted PC, called `name`; the caller closes it. Raises PeerUnreachable."""
        mouth = await self.service.open_mouth(node)
        return TunnelLink(node, name, mouth, self.service)

    async def cut_all(self) -> None:
        """Cut every connection from and to peers: after a sleep they only look whole."""
        for member in self._trusted:
            try:
                await self.service.cut(member.node)
            except CaravanError as error:
                logger.warning("old connections could not be cut: %s", error.sentence)
                return

    async def _apply(self) -> None:
        async with self._applying:
            wanted = tuple(self._link_peer(member) for member in self._trusted)
            if wanted != self._told:
                await self.service.trust(wanted)
                self._told = wanted

    def _link_peer(self, member: Member) -> LinkPeer:
        seen = (
            f"{address}:{sighting.port}"
            for sighting in self._sightings
            if sighting.node == member.node
            for address in sighting.addresses
        )
        addresses = tuple(dict.fromkeys((*seen, *member.addresses)))[:ADDRESS_LIMIT]
        certificate = base64.b64encode(member.certificate).decode("ascii")
        return LinkPeer(node=member.node, certificate=certificate, addresses=addresses)

    async def _follow_news(self) -> None:
        while True:
            await self._news.wait()
            self._news.clear()
            try:
                await self._apply()
            except CaravanError as error:
                logger.warning("new addresses of peers could not be used: %s", error.sentence)
                self._told = None

    async def _listen(self, group: asyncio.TaskGroup) -> None:
        """Listen where this PC has addresses, as they come and go; discovery begins once the port is known."""
        before: tuple[str, ...] | None = None
        while True:
            hosts = self._place.options.hosts or await asyncio.to_thread(_lan_hosts)
            if hosts != before:
                try:
                    await self.service.listen(hosts, self._place.options.peer_port)
                    before = hosts
                except CaravanError as error:
                    logger.warning("peers cannot be heard: %s", error.sentence)
            if before is not None and not self.listening.is_set():
                self._begin_discovery(group)
                self.listening.set()
            await asyncio.sleep(LOOK_SECONDS)

    def _begin_discovery(self, group: asyncio.TaskGroup) -> None:
        if self._place.options.hosts:
            return
        node = self._place.identity.node
        warn = self._warn_of_discovery
        self._discovery = Discovery(node, self.port, self._on_sightings, warn)
        self._discovery.set_known({member.node: member.name for member in self._trusted})
        group.create_task(self._discovery.run(), name="discovery")

    def _warn_of_discovery(self, warnings: tuple[HealthWarning, ...]) -> None:
        self._board.set("discovery", warnings)

    def _on_sightings(self, sightings: tuple[Sighting, ...]) -> None:
        self._sightings = sightings
        self._publish(SightingsChanged(seen=sightings))
        self._news.set()

    def _on_link(self, event: Event) -> None:
        if isinstance(event, Listening):
            self._board.set("link", _port_warnings(event))
        elif isinstance(event, LinkChanged):
            self._note(event.link.peer, event.link.connected, event.link.address)
            self.peers.linked(event.link)
        elif isinstance(event, Report):
            for link in event.links:
                self._note(link.peer, link.connected, link.address)
                self.peers.linked(link)

    def _note(self, node: NodeId, connected: bool, address: str | None) -> None:
        if connected:
            self._connected[node] = address or ""
        else:
            self._connected.pop(node, None)


class LinkGate:
    """Gives the heads of leases their way in through the link."""

    def __init__(self, own: NodeId, service: LinkService) -> None:
        self._own = own
        self._service = service

    async def admit(self, lease: Lease, port: int) -> str | None:
        """A ticket for the head to reach that local port; None for this node's own. Raises PeerUnreachable."""
        if lease.head == self._own:
            return None
        return await self._service.add_ticket(lease.head, port, lease.size_bytes)

    async def dismiss(self, ticket: str) -> None:
        """End a ticket and what it opened. Raises PeerUnreachable."""
        await self._service.drop_ticket(ticket)


def _lan_hosts() -> tuple[str, ...]:
    try:
        return tuple(str(each.ip) for each in usable_addresses())
    except OSError as error:
        logger.warning("the network adapters cannot be read: %s", error)
        return ()


def _port_warnings(listening: Listening) -> tuple[HealthWarning, ...]:
    if not listening.problems:
        return ()
    told = "; ".join(listening.problems)
    return (
        HealthWarning(
            code="peer_port_unusable",
            sentence=f"Other PCs cannot reach this one: {told}.",
            hint="End the program that holds the port, or start Caravan with another --peer-port.",
        ),
    )
