"""PCs that knew the code and have not connected yet: trusted for half a minute, and for one purpose."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from app.identity.member_text import opened
from app.identity.trust import Member, MemberList, merge
from app.node.membership.membership_tools import MembershipPace
from app.node.membership.membership_words import began_anew, not_connected
from app.schema.errors import CaravanError, PairingFailed
from app.schema.record import NodeId


@dataclass(eq=False)
class Pending:
    """One such PC. `heard` is done once it reached us over the link; its value is the list it brought, if it did."""

    member: Member
    heard: asyncio.Future[bytes | None] = field(default_factory=lambda: asyncio.get_running_loop().create_future())

    def reached_us(self, text: bytes | None = None) -> None:
        """It connected: TLS proved both certificates to both sides."""
        if not self.heard.done():
            self.heard.set_result(text)


class PendingPeers:
    """All of them, each once."""

    def __init__(self) -> None:
        self._peers: dict[NodeId, Pending] = {}

    @property
    def members(self) -> tuple[Member, ...]:
        """Whom to trust besides the members."""
        return tuple(each.member for each in self._peers.values())

    def get(self, node: NodeId) -> Pending | None:
        """The pending PC with this identity."""
        return self._peers.get(node)

    def add(self, member: Member) -> Pending:
        """Begin to trust it; an earlier attempt of the same PC is over."""
        earlier = self._peers.get(member.node)
        if earlier is not None:
            earlier.heard.cancel()
        pending = self._peers[member.node] = Pending(member)
        return pending

    def withdraw(self, pending: Pending) -> bool:
        """Trust it no longer as pending; says whether it still was."""
        if self._peers.get(pending.member.node) is not pending:
            return False
        del self._peers[pending.member.node]
        return True


def welcomed(current: MemberList, member: Member, text: bytes | None, own: NodeId) -> MemberList:
    """The list with a PC that has proven itself, and with what its own signed list says.

    Raises ListRefused, ClusterFull; PairingFailed when by its list this PC was removed from its cluster.
    """
    members = current.adding(member)
    if text is not None:
        members = merge(members, opened(text, members))
    if members.member(own) is None:
        raise PairingFailed(
            f"This PC was removed from the cluster of {member.name} earlier.",
            "Choose Leave on this PC (or run `caravan leave`): it then is a new PC to all others. Then join again.",
        )
    if members.member(member.node) is None:
        raise PairingFailed(
            f"{member.name} was removed from its cluster.", "Choose Leave there, or join through another PC."
        )
    return members


async def proof(pending: Pending, fetch: Callable[[NodeId], Awaitable[bytes]], pace: MembershipPace) -> bytes | None:
    """Wait until a pending PC is connected, either way; returns its signed list when that came with it.

    Raises PairingFailed: not in time, or the same PC began to join once more.
    """
    problems: list[str] = []
    asking = asyncio.create_task(_ask(pending.member.node, fetch, pace, problems), name="first contact")
    try:
        done, _ = await asyncio.wait((asking, pending.heard), timeout=pace.prove, return_when=asyncio.FIRST_COMPLETED)
    finally:
        asking.cancel()
        await asyncio.gather(asking, return_exceptions=True)
    if pending.heard.cancelled():
        raise began_anew(pending.member.name)
    if not done:
        raise not_connected(pending.member.name, tuple(problems[-1:]))
    return asking.result() if asking in done else pending.heard.result()


async def _ask(
    node: NodeId, fetch: Callable[[NodeId], Awaitable[bytes]], pace: MembershipPace, problems: list[str]
) -> bytes:
    while True:
        try:
            async with asyncio.timeout(pace.exchange):
                return await fetch(node)
        except CaravanError as error:
            problems.append(" ".join((error.sentence, *error.detail)))
        except TimeoutError:
            problems.append("It does not answer.")
        await asyncio.sleep(pace.retry)
