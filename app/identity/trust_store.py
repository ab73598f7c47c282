"""The member list on disk: two equal copies, each replaced in one step."""

import logging
from collections.abc import Callable
from pathlib import Path
from threading import Lock

from app.identity.certificate import Identity
from app.identity.member_text import from_json, to_json
from app.identity.names import own_name
from app.identity.trust import Member, MemberList
from app.schema.errors import ListRefused, TrustUnusable
from app.system.files import plain_reason, write_atomically

_log = logging.getLogger("caravan.identity")

OnChange = Callable[[MemberList, MemberList], None]
"""Hears the list before and after a change, in the thread that changed it."""


def own_member(identity: Identity, name: str) -> Member:
    """This node as its own list's first entry."""
    return Member(identity.node, own_name(name), identity.certificate)


class TrustStore:
    """Keeps the current member list in memory and in `path`; one writer, the node that owns the data folder.

    The second copy beside it (`.bak`) holds the same list, not the one before: falling back on it must not bring a
    removed PC back. Reading and writing block; `current` does not.
    """

    def __init__(self, path: Path, own: Member, on_change: OnChange | None = None) -> None:
        """Load the list, which is `own` alone at first. Raises TrustUnusable: damaged, or another identity's."""
        self._path = path
        self._own = own
        self._lock = Lock()
        self._on_change = on_change
        self._current = self._load()

    @property
    def current(self) -> MemberList:
        """The list now. Any thread may ask."""
        return self._current

    @property
    def trusted(self) -> tuple[Member, ...]:
        """The other members, whom this node trusts now."""
        return self._current.trusted_by(self._own.node)

    def replace(self, members: MemberList) -> None:
        """Make `members` the list. Raises TrustUnusable when it cannot be saved.

        Trust that ends, ends also when it cannot be saved; trust that begins is saved first.
        """
        with self._lock:
            self._replace(members)

    def change(self, rule: Callable[[MemberList], MemberList]) -> MemberList:
        """Replace the list by what `rule` makes of it, with no other change in between; returns the new one.

        `rule` is one of `MemberList.adding`, `removing`, `reached` or a `merge` with a received list. What it raises
        changes nothing.
        """
        with self._lock:
            members = rule(self._current)
            if members != self._current:
                self._replace(members)
            return members

    def forget(self) -> None:
        """Trust nobody any more and delete the list, for a node that leaves. Raises OSError."""
        with self._lock:
            self._apply(self._alone())
            self._path.unlink(missing_ok=True)
            self._backup.unlink(missing_ok=True)

    def _replace(self, members: MemberList) -> None:
        remaining = {member.node for member in members.trusted_by(self._own.node)}
        if any(member.node not in remaining for member in self.trusted):
            known = tuple(member for member in members.members if self._current.member(member.node))
            self._apply(MemberList(members.version, known, members.removed))
        self._save(members)
        self._apply(members)

    def _apply(self, members: MemberList) -> None:
        before, self._current = self._current, members
        if self._on_change is not None and before != members:
            self._on_change(before, members)

    def _save(self, members: MemberList) -> None:
        content = to_json(members)
        try:
            for path in (self._path, self._backup):
                write_atomically(path, content, private=True)
        except OSError as error:
            raise TrustUnusable(
                f"The list of trusted PCs {self._path} cannot be saved: {plain_reason(error)}.",
                "Make room or allow writing there, then try again.",
            ) from error

    def _load(self) -> MemberList:
        if not self._path.exists() and not self._backup.exists():
            return self._alone()
        found = self._read(self._path) or self._read(self._backup)
        if found is None:
            raise self._unusable("it is damaged")
        if self._own.node not in (*found.removed, *(member.node for member in found.members)):
            raise self._unusable("it belongs to another identity")
        return found

    def _read(self, path: Path) -> MemberList | None:
        try:
            return from_json(path.read_bytes())
        except (OSError, ListRefused) as error:
            _log.warning("Cannot use %s: %s", path, error)
            return None

    def _unusable(self, reason: str) -> TrustUnusable:
        return TrustUnusable(
            f"Caravan cannot use the list of trusted PCs in {self._path}: {reason}.",
            "Put it back from a backup. Or delete it and its copy (.bak) and join the cluster again.",
        )

    def _alone(self) -> MemberList:
        return MemberList(0, (self._own,), ())

    @property
    def _backup(self) -> Path:
        return self._path.with_name(self._path.name + ".bak")
