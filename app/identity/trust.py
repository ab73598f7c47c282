"""Whom this node trusts: the members of its cluster as a value, and the pure rules by which lists become one.

All members keep the same list. Nobody owns it: each may add a PC (by pairing) or remove one, and lists that went
different ways are merged. The merge is a join of two grow-only sets, so its order and repetition do not matter: who is
in `removed` stays removed for ever, whatever another list says. A PC that was removed and joins again comes with a new
identity.
"""

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from app.schema.errors import ClusterFull, ListRefused
from app.schema.record import NodeId

MEMBER_LIMIT = 64
"""PCs in one cluster."""

REMOVED_LIMIT = 512
"""Removed PCs that a list remembers."""

ADDRESS_LIMIT = 8
"""Addresses remembered per PC."""


@dataclass(frozen=True)
class Member:
    """A trusted PC. `certificate` is DER; `addresses` are `host:port` to try, the last good one first.

    `name` is what it was called when it was added, `added_by` the member it joined through
    (None for the first, and until that is known).
    """

    node: NodeId
    name: str
    certificate: bytes = field(repr=False)
    addresses: tuple[str, ...] = ()
    added_by: NodeId | None = None

    @property
    def agreed(self) -> tuple[str, str, str, bytes]:
        """What all members agree on; addresses are each node's own experience."""
        return (self.node, self.name, self.added_by or "", self.certificate)


@dataclass(frozen=True)
class MemberList:
    """The members of a cluster, this node included, and who was removed; each sorted by identity.

    `version` grows with every change, so that people and logs can tell which list is later.
    """

    version: int = 0
    members: tuple[Member, ...] = ()
    removed: tuple[NodeId, ...] = ()

    def member(self, node: NodeId) -> Member | None:
        """The member with this identity, or None."""
        return next((member for member in self.members if member.node == node), None)

    def trusted_by(self, own: NodeId) -> tuple[Member, ...]:
        """Whom the node `own` trusts by this list: all others; nobody when it was itself removed."""
        if self.member(own) is None:
            return ()
        return tuple(member for member in self.members if member.node != own)

    @property
    def digest(self) -> str:
        """Hex SHA-256 of what members agree on: two nodes with one digest need not exchange their lists."""
        agreed = [[node, name, by, data.hex()] for node, name, by, data in (member.agreed for member in self.members)]
        return hashlib.sha256(json.dumps([agreed, self.removed]).encode()).hexdigest()

    def adding(self, member: Member) -> "MemberList":
        """The list with one more member, or with what is now known of it.

        Raises ListRefused when that identity was removed earlier, ClusterFull when there is no room.
        """
        if member.node in self.removed:
            raise removed_earlier(member.name)
        known = {each.node: each for each in self.members} | {member.node: member}
        return _sized(MemberList(self.version + 1, _sorted(known.values()), self.removed))

    def removing(self, node: NodeId) -> "MemberList":
        """The list without `node`, for ever; unchanged when it is removed already. Raises ClusterFull."""
        if node in self.removed:
            return self
        members = tuple(member for member in self.members if member.node != node)
        return _sized(MemberList(self.version + 1, members, tuple(sorted({*self.removed, node}))))

    def reached(self, node: NodeId, address: str) -> "MemberList":
        """The list with `address` as the last good one of `node`; its version and digest stay."""
        return replace(self, members=tuple(_reached(each, address, each.node == node) for each in self.members))


def merge(mine: MemberList, theirs: MemberList) -> MemberList:
    """What follows from both lists, the same in any order and any number of times, up to the order of addresses.

    Where two lists describe one PC differently, one description wins by a rule that all nodes compute alike.
    Raises ListRefused when the result would be larger than a cluster can be.
    """
    removed = tuple(sorted({*mine.removed, *theirs.removed}))
    known: dict[NodeId, Member] = {}
    for member in (*mine.members, *theirs.members):
        if member.node not in removed:
            known[member.node] = _joined(known.get(member.node, member), member)
    merged = MemberList(max(mine.version, theirs.version), _sorted(known.values()), removed)
    try:
        return _sized(merged)
    except ClusterFull as error:
        raise ListRefused(error.sentence, error.hint) from error


def removed_earlier(name: str) -> ListRefused:
    """The refusal of a PC that was removed and comes with its old identity."""
    return ListRefused(
        f"{name} was removed from this cluster earlier.",
        "On that PC choose Leave (or run `caravan leave`), which makes it a new PC to all others. Then join again.",
    )


def _joined(first: Member, second: Member) -> Member:
    agreed = max(first, second, key=lambda member: member.agreed)
    addresses = tuple(dict.fromkeys((*first.addresses, *second.addresses)))[:ADDRESS_LIMIT]
    return replace(agreed, addresses=addresses)


def _reached(member: Member, address: str, here: bool) -> Member:
    if not here:
        return member
    return replace(member, addresses=tuple(dict.fromkeys((address, *member.addresses)))[:ADDRESS_LIMIT])


def _sorted(members: Iterable[Member]) -> tuple[Member, ...]:
    return tuple(sorted(members, key=lambda member: member.node))


def _sized(members: MemberList) -> MemberList:
    if len(members.members) > MEMBER_LIMIT:
        raise ClusterFull(f"A cluster holds at most {MEMBER_LIMIT} PCs.", "Remove a PC that is no longer used.")
    if len(members.removed) > REMOVED_LIMIT:
        raise ClusterFull(
            f"This cluster remembers {REMOVED_LIMIT} removed PCs and has no room for more.",
            "Let every PC leave the cluster, then join them again: that starts a fresh list.",
        )
    return members
