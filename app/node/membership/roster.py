"""The member list in use: each change takes effect on the link, for people, and for the PCs that it removes."""

import asyncio
import logging
from collections.abc import Callable

from app.identity.certificate import Identity
from app.identity.member_text import signed
from app.identity.short_name import short_name
from app.identity.trust import Member, MemberList
from app.identity.trust_store import TrustStore
from app.node.membership.membership_tools import MembershipPace, MembershipTools
from app.node.membership.membership_words import removed_warning
from app.node.membership.pending import PendingPeers
from app.node.membership.spreading import spread
from app.schema.cluster import MemberInfo
from app.schema.errors import CaravanError
from app.schema.event import MembersChanged
from app.schema.node import HealthWarning
from app.schema.record import NodeId

logger = logging.getLogger("caravan.membership")

Rule = Callable[[MemberList], MemberList]


class Roster:
    """Keeps the store, the link's trust and what is published in step. `pending` are trusted besides the members."""

    def __init__(
        self, identity: Identity, own: Member, store: TrustStore, tools: MembershipTools, pace: MembershipPace
    ) -> None:
        self._identity = identity
        self._own = own
        self._store = store
        self._tools = tools
        self._pace = pace
        self.pending = PendingPeers()
        self._changing = asyncio.Lock()
        self._telling_link = asyncio.Lock()
        self._text: tuple[MemberList, bytes] | None = None
        self._digest: tuple[MemberList, str] | None = None
        self._told: tuple[MemberInfo, ...] | None = None
        self._warned: tuple[HealthWarning, ...] = ()

    @property
    def current(self) -> MemberList:
        """The list now."""
        return self._store.current

    @property
    def others(self) -> tuple[Member, ...]:
        """The other members; nobody when this PC was removed."""
        return self._store.trusted

    @property
    def is_removed(self) -> bool:
        """Whether another member removed this PC."""
        return self.current.member(self._own.node) is None

    @property
    def digest(self) -> str:
        """Equal to another member's when both have the same list."""
        current = self.current
        if self._digest is None or self._digest[0] is not current:
            self._digest = (current, current.digest)
        return self._digest[1]

    @property
    def text(self) -> bytes:
        """The list under our signature."""
        current = self.current
        if self._text is None or self._text[0] is not current:
            self._text = (current, self.sign(current))
        return self._text[1]

    def sign(self, members: MemberList) -> bytes:
        """Any list under our signature."""
        return signed(members, self._identity)

    def is_member(self, node: NodeId) -> bool:
        """Whether `node` is another member."""
        return any(member.node == node for member in self.others)

    async def change(self, rule: Rule, then: Callable[[], object] = lambda: None) -> None:
        """Change the list and let that take effect, also where it could not be saved. `then` runs right after it.

        One change at a time: a second one would cut a removed PC before it has heard of it.
        Raises what `rule` raises, and TrustUnusable.
        """
        async with self._changing:
            before = self.others
            try:
                await asyncio.to_thread(self._store.change, rule)
                then()
            finally:
                await self._say_farewell(tuple(member for member in before if not self.is_member(member.node)))
                await self.tell()

    async def _say_farewell(self, gone: tuple[Member, ...]) -> None:
        """Tell removed PCs, as nobody could later. To our own node they are strangers already; then they are cut."""
        if gone and not self.is_removed:
            await spread(self._tools.send, self.text, gone, self._pace.farewell)

    async def tell(self) -> None:
        """Let the list as it is take effect."""
        await self.tell_link()
        members = tuple(_info(member) for member in ((self._own,) if self.is_removed else self.current.members))
        if members != self._told:
            self._told = members
            self._tools.publish(MembersChanged(members=members))
        warnings = (removed_warning(),) if self.is_removed else ()
        if warnings != self._warned:
            self._warned = warnings
            self._tools.warn(warnings)

    async def tell_link(self) -> None:
        """Tell the link process whom to trust; the last word is always the newest."""
        async with self._telling_link:
            pending = () if self.is_removed else self.pending.members
            trusted = {member.node: member for member in (*self.others, *pending)}
            try:
                await self._tools.trust(tuple(trusted.values()))
            except CaravanError as error:
                logger.warning("the link could not be told whom to trust: %s", error)


def _info(member: Member) -> MemberInfo:
    return MemberInfo(
        node=member.node,
        name=member.name,
        short_name=short_name(member.node),
        addresses=member.addresses,
        added_by=member.added_by,
    )
