"""Who belongs to the cluster: how PCs are added and removed, and how the list stays the same on all of them.

Lists are told at once after a change, and exchanged whenever a heartbeat shows another digest than ours; merging makes
them alike in any order. Nothing here knows how a list travels.
"""

import asyncio
import contextlib
import logging
from dataclasses import replace

from app.identity.certificate import Identity
from app.identity.member_text import LIST_LIMIT, opened
from app.identity.trust import MEMBER_LIMIT, Member, MemberList, merge
from app.identity.trust_store import TrustStore
from app.node.membership.departure import forget_identity, forget_list
from app.node.membership.membership_tools import MembershipPace, MembershipTools
from app.node.membership.membership_words import (
    already_in_a_cluster,
    cluster_is_full,
    no_member,
    not_trusted,
    removed_here,
    use_leave,
)
from app.node.membership.owned_tasks import OwnedTasks, to_the_end
from app.node.membership.pending import Pending, proof, welcomed
from app.node.membership.roster import Roster
from app.node.membership.spreading import spread
from app.node.membership.turns import Turns
from app.schema.errors import CaravanError, ClusterFull
from app.schema.record import NodeId

logger = logging.getLogger("caravan.membership")


class Membership:
    """The members as of now, and every way in which they change.

    `own` is this PC's entry (`trust_store.own_member`). The link trusts nobody before `run` or a first change.
    """

    def __init__(
        self,
        identity: Identity,
        own: Member,
        store: TrustStore,
        tools: MembershipTools,
        pace: MembershipPace = MembershipPace(),
    ) -> None:
        self._identity = identity
        self._own = own.node
        self._store = store
        self._tools = tools
        self._pace = pace
        self._roster = Roster(identity, own, store, tools, pace)
        self._tasks = OwnedTasks()
        self._turns = Turns()
        self._reached: dict[NodeId, str] = {}
        self._news = asyncio.Event()

    async def run(self) -> None:
        """Tell the link whom to trust and people who is a member; save addresses now and then; until cancelled."""
        try:
            await self._roster.tell()
            while True:
                await self._news.wait()
                self._news.clear()
                await self._save_addresses()
                await asyncio.sleep(self._pace.save)
        finally:
            await self._tasks.close()

    @property
    def members(self) -> tuple[Member, ...]:
        """The other members; nobody when this PC was removed."""
        return self._roster.others

    @property
    def is_removed(self) -> bool:
        """Whether another member removed this PC."""
        return self._roster.is_removed

    @property
    def removed(self) -> frozenset[NodeId]:
        """PCs that may not join again with their old identity; for `OwnCard`."""
        return frozenset(self._roster.current.removed)

    @property
    def digest(self) -> str:
        """What our heartbeats carry: equal to another member's when both have the same list."""
        return self._roster.digest

    def is_member(self, node: NodeId) -> bool:
        """Whether `node` is another member. A PC that is only pending is none: it may exchange lists, and no more."""
        return self._roster.is_member(node)

    def check_may_invite(self) -> None:
        """Raises PairingFailed or ClusterFull when no PC may join through this one."""
        if self.is_removed:
            raise removed_here()
        if len(self._roster.current.members) >= MEMBER_LIMIT:
            raise cluster_is_full()

    def check_may_join(self) -> None:
        """Raises PairingFailed when this PC is in a cluster, or was removed from one and has not left it."""
        if self.is_removed:
            raise removed_here()
        if self.members:
            raise already_in_a_cluster(tuple(member.name for member in self.members))

    def text_for(self, node: NodeId) -> bytes:
        """Our signed list for a peer that asks over the link; that it could ask proves a pending one.

        Raises PeerRefused when it is neither a member nor pending.
        """
        pending = self._roster.pending.get(node)
        if pending is not None:
            pending.reached_us()
        elif not self.is_member(node):
            raise not_trusted()
        return self._roster.text

    async def receive(self, sender: NodeId, text: bytes) -> None:
        """Take a list that a peer sent over the link. Raises PeerRefused, ListRefused, TrustUnusable."""
        pending = self._roster.pending.get(sender)
        if pending is not None:
            pending.reached_us(text[: LIST_LIMIT + 1])
        elif not self.is_member(sender):
            raise not_trusted()
        else:
            await self._take(text)

    def saw_digest(self, node: NodeId, digest: str) -> None:
        """A heartbeat of `node` carried this digest: exchange lists when it differs from ours, not too often."""
        if not self.is_member(node) or digest == self.digest:
            return
        if self._turns.take(node, self.digest, digest, self._tools.clock()):
            self._turns.keep_only(frozenset(member.node for member in self.members))
            self._tasks.start(self._exchange(node), name="exchange of member lists")

    def reached(self, node: NodeId, address: str) -> None:
        """The link reached `node` at `address` (`host:port`): it becomes the first to try."""
        member = self._roster.current.member(node)
        if member is None or address == self._reached.get(node, next(iter(member.addresses), None)):
            return
        self._reached[node] = address
        self._news.set()

    async def prove_and_add(self, member: Member, addresses: tuple[str, ...]) -> None:
        """Trust a PC that knew the code until it is connected, then make it a member and tell all others.

        Raises PairingFailed when it did not connect in time, ClusterFull, ListRefused or TrustUnusable when it cannot
        be a member; then nothing is trusted that was not before. Once it is connected, a cancellation is too late.
        """
        roster = self._roster
        pending = roster.pending.add(replace(member, addresses=addresses))
        try:
            await roster.tell_link()
            text = await proof(pending, self._tools.fetch, self._pace)
            await to_the_end(self._tasks.start(self._admit(pending, text), name="new member"))
        finally:
            if roster.pending.withdraw(pending):
                await asyncio.shield(self._tasks.start(roster.tell_link(), name="pending PC withdrawn"))

    async def remove(self, node: NodeId) -> tuple[str, ...]:
        """Remove another PC for ever: its connections are cut, all others are told. Names who could not be told yet.

        Raises InputError, NodeNotFound, PairingFailed (this PC was itself removed), ClusterFull, TrustUnusable.
        """
        if node == self._own:
            raise use_leave()
        if self.is_removed:
            raise removed_here()
        if not self.is_member(node):
            raise no_member()
        return await asyncio.shield(self._tasks.start(self._remove(node), name="removal of a member"))

    async def leave(self) -> tuple[str, ...]:
        """Tell the others, forget them and our identity, and have the node restarted. Names who could not be told.

        Raises TrustUnusable or IdentityUnusable when a file cannot be deleted.
        """
        return await asyncio.shield(self._tasks.start(self._leave(), name="leaving the cluster"))

    async def _admit(self, pending: Pending, text: bytes | None) -> None:
        roster, member = self._roster, pending.member
        await roster.change(
            lambda members: welcomed(members, member, text, self._own), lambda: roster.pending.withdraw(pending)
        )
        logger.info("%s is a member now", member.name)
        others = tuple(each for each in self.members if each.node != member.node)
        self._tasks.start(spread(self._tools.send, roster.text, others, self._pace.tell), name="tell of a new member")
        # What either side said while it was pending there was no list of a member's yet.
        self._tasks.start(self._exchange(member.node), name="exchange with a new member")

    async def _remove(self, node: NodeId) -> tuple[str, ...]:
        await self._roster.change(lambda members: members.removing(node))
        logger.info("a PC was removed from the cluster; %d others are told", len(self.members))
        return await spread(self._tools.send, self._roster.text, self.members, self._pace.tell)

    async def _leave(self) -> tuple[str, ...]:
        untold = tuple(member.name for member in self.members)
        # A list without room for us stays as it is: our entry there is worthless, as the key is deleted.
        with contextlib.suppress(ClusterFull):
            farewell = self._roster.sign(self._roster.current.removing(self._own))
            untold = await spread(self._tools.send, farewell, self.members, self._pace.tell)
        await asyncio.to_thread(forget_list, self._store)
        await self._roster.tell()
        await asyncio.to_thread(forget_identity, self._identity)
        logger.info("this PC left its cluster and begins anew")
        self._tools.restart()
        return untold

    async def _exchange(self, node: NodeId) -> None:
        try:
            async with asyncio.timeout(2 * self._pace.exchange):
                theirs = await self._take(await self._tools.fetch(node))
                if theirs.digest != self.digest and self.is_member(node):
                    await self._tools.send(node, self._roster.text)
        except (CaravanError, TimeoutError) as error:
            logger.info("member lists were not exchanged: %s", str(error) or "no answer in time")

    async def _take(self, text: bytes) -> MemberList:
        """Merge a signed list into ours; returns it."""
        found: list[MemberList] = []

        def merged(members: MemberList) -> MemberList:
            found.append(opened(text, members))
            return merge(members, found[0])

        await asyncio.shield(self._tasks.start(self._roster.change(merged), name="merge of a member list"))
        return found[0]

    async def _save_addresses(self) -> None:
        reached, self._reached = self._reached, {}

        def moved(members: MemberList) -> MemberList:
            for node, address in reached.items():
                members = members.reached(node, address)
            return members

        try:
            await self._roster.change(moved)
        except CaravanError as error:
            logger.warning("addresses of members were not saved: %s", error)
