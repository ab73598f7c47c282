"""PCs on one LAN: real identities, stores, desks and pairing sockets; only the link between members is a stand-in.

The stand-in keeps the one rule of the true link: two PCs reach each other when both were told to trust the other.
"""

import asyncio
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from app.identity.certificate import Identity
from app.identity.contexts import Contexts
from app.identity.pairing import OwnCard
from app.identity.trust import Member
from app.identity.trust_store import TrustStore, own_member
from app.node.membership.membership import Membership
from app.node.membership.membership_tools import MembershipPace, MembershipTools
from app.node.membership.pairing_desk import PairingDesk
from app.node.membership.pairing_listener import bind_pairing
from app.node.membership.pairing_tools import PairingPace, PairingTools
from app.schema.cluster import InvitationStatus, JoinRequest, JoinState, JoinStatus
from app.schema.errors import PeerUnreachable
from app.schema.event import InvitationChanged, JoinChanged, MembersChanged
from app.schema.node import HealthWarning
from app.schema.record import NodeId
from app.system.redaction import Secrets

Event = InvitationChanged | JoinChanged | MembersChanged

FAST = PairingPace(read=60.0, reply=0.0, tick=0.002, dial=60.0, search=60.0, settle=0.1, look=0.002)
QUICK = MembershipPace(prove=60.0, retry=0.005, tell=60.0, farewell=60.0, exchange=60.0, save=0.0)
"""Periods short, deadlines long: nothing waits for time, and a busy machine fails no test."""


class Clock:
    """Monotonic seconds that a test moves."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@dataclass
class Lan:
    """Who is on it. `offline` are unplugged."""

    pcs: dict[NodeId, "Pc"] = field(default_factory=dict)
    offline: set[NodeId] = field(default_factory=set)

    def linked(self, one: NodeId, other: NodeId) -> bool:
        if {one, other} & self.offline or one not in self.pcs or other not in self.pcs:
            return False
        return other in self.pcs[one].trusted and one in self.pcs[other].trusted

    def reach(self, one: NodeId, other: NodeId) -> "Pc":
        if not self.linked(one, other):
            raise PeerUnreachable("That PC does not answer.")
        return self.pcs[other]

    def beat(self) -> None:
        """Two seconds pass, and everybody has a heartbeat of everybody it is linked to."""
        for one in self.pcs.values():
            one.clock.now += 2
            for other in self.pcs.values():
                if one is not other and self.linked(one.node, other.node):
                    one.membership.saw_digest(other.node, other.membership.digest)


class Pc:
    """One node's pairing desk and membership, and what they said."""

    def __init__(
        self, lan: Lan, identity: Identity, name: str, folder: Path, pairing: PairingPace, pace: MembershipPace
    ) -> None:
        self.lan, self.identity, self.name = lan, identity, name
        self.store_path = folder / name / "members.json"
        self.store_path.parent.mkdir(exist_ok=True)
        self.clock, self.secrets = Clock(), Secrets()
        self.trusted: frozenset[NodeId] = frozenset()
        self.trusts: list[tuple[Member, ...]] = []
        self.warnings: tuple[HealthWarning, ...] = ()
        self.restarts = 0
        self.announced: list[int | None] = []
        self.events: list[Event] = []
        self.inviters: tuple[tuple[str, ...], ...] = ()
        self.fetches = 0
        self.link_obeys = asyncio.Event()
        self.link_obeys.set()
        self.hears: Callable[[Event], object] = lambda _: None
        own = own_member(identity, name)
        self.store = TrustStore(self.store_path, own)
        self.membership = Membership(identity, own, self.store, self._membership_tools(), pace)
        self.desk = PairingDesk(self._pairing_tools(), pairing)
        lan.pcs[self.node] = self

    def _membership_tools(self) -> MembershipTools:
        return MembershipTools(
            publish=self.publish,
            warn=self._warn,
            trust=self._trust,
            fetch=self._fetch,
            send=self._send,
            restart=self._restart,
            clock=self.clock,
        )

    def _pairing_tools(self) -> PairingTools:
        return PairingTools(
            own=lambda: OwnCard(self.identity, self.name, 52416, self.membership.removed),
            contexts=Contexts(self.identity),
            bind=self._bind,
            announce=self.announced.append,
            publish=self.publish,
            paired=self.membership.prove_and_add,
            inviters=lambda: self.inviters,
            may_invite=self.membership.check_may_invite,
            may_join=self.membership.check_may_join,
            secrets=self.secrets,
            clock=self.clock,
            wall=lambda: 1.7e9 + self.clock(),
        )

    @property
    def node(self) -> NodeId:
        return self.identity.node

    @property
    def invitation(self) -> InvitationStatus | None:
        return next((each.invitation for each in reversed(self.events) if isinstance(each, InvitationChanged)), None)

    @property
    def join_status(self) -> JoinStatus | None:
        return next((each.join for each in reversed(self.events) if isinstance(each, JoinChanged)), None)

    @property
    def join_states(self) -> list[JoinState]:
        return [each.join.state for each in self.events if isinstance(each, JoinChanged) and each.join]

    @property
    def names(self) -> set[str]:
        """The members it publishes."""
        events = (each for each in reversed(self.events) if isinstance(each, MembersChanged))
        return {member.name for member in next(events).members}

    @property
    def does_as_listed(self) -> bool:
        """Whether its link and what it publishes say what its member list says."""
        others = self.membership.members
        trusted, names = {member.node for member in others}, {self.name, *(member.name for member in others)}
        return self.trusted == trusted and self.names == names

    def publish(self, event: Event) -> None:
        self.events.append(event)
        self.hears(event)

    async def until(self, holds: Callable[[], object]) -> None:
        """Wait until something holds."""
        async with asyncio.timeout(60):
            while not holds():
                await asyncio.sleep(0.002)

    async def invites(self) -> InvitationStatus:
        return await self.desk.open()

    async def joins(self, code: str, address: str | None) -> JoinStatus:
        """Join, to the end."""
        await self.desk.join(JoinRequest(code=code, address=address))
        return await self.join_ended()

    async def join_ended(self) -> JoinStatus:
        ends = (JoinState.JOINED, JoinState.FAILED)
        await self.until(lambda: self.join_status and self.join_status.state in ends)
        assert self.join_status is not None
        return self.join_status

    def _bind(self) -> list[socket.socket]:
        return bind_pairing(("127.0.0.1",), 0)

    def _warn(self, warnings: tuple[HealthWarning, ...]) -> None:
        self.warnings = warnings

    def _restart(self) -> None:
        self.restarts += 1

    async def _trust(self, members: tuple[Member, ...]) -> None:
        await self.link_obeys.wait()
        self.trusts.append(members)
        self.trusted = frozenset(member.node for member in members)

    async def _fetch(self, node: NodeId) -> bytes:
        self.fetches += 1
        return self.lan.reach(self.node, node).membership.text_for(self.node)

    async def _send(self, node: NodeId, text: bytes) -> None:
        await self.lan.reach(self.node, node).membership.receive(self.node, text)


@asynccontextmanager
async def running_pc(
    lan: Lan,
    identity: Identity,
    name: str,
    folder: Path,
    pairing: PairingPace = FAST,
    pace: MembershipPace = QUICK,
) -> AsyncIterator[Pc]:
    """A PC whose services run."""
    pc = await asyncio.to_thread(Pc, lan, identity, name, folder, pairing, pace)
    services = [asyncio.create_task(pc.membership.run()), asyncio.create_task(pc.desk.run())]
    try:
        await pc.until(lambda: pc.events)
        yield pc
    finally:
        for service in services:
            service.cancel()
        await asyncio.gather(*services, return_exceptions=True)
        del lan.pcs[pc.node]


@asynccontextmanager
async def running_pcs(
    identities: list[Identity], folder: Path, names: str = "ab", pairing: PairingPace = FAST
) -> AsyncIterator[list[Pc]]:
    """Some PCs that do not know each other, named by letters."""
    lan = Lan()
    async with AsyncExitStack() as stack:
        pairs = zip(identities, names, strict=False)
        yield [await stack.enter_async_context(running_pc(lan, each, name, folder, pairing)) for each, name in pairs]


async def paired(inviter: Pc, joiner: Pc) -> None:
    """Let `joiner` join by code."""
    invitation = await inviter.invites()
    status = await joiner.joins(invitation.code or "", invitation.addresses[0])
    assert status.state is JoinState.JOINED, status
    await inviter.until(lambda: inviter.membership.is_member(joiner.node))
    await inviter.desk.close()


def wrong(code: str | None) -> str:
    """Six digits that are not this code."""
    return f"{(int(code or 0) + 1) % 10**6:06d}"
