"""PURE: the leases one node has granted. A worker grants bytes on a device to one head at a time, or refuses."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from app.schema.errors import LeaseRefused
from app.schema.instance import Lease, LeaseRequest

LEASE_SECONDS = 10.0
"""How long a lease lives without renewal: five heartbeats of two seconds."""


@dataclass(frozen=True)
class LeaseBook:
    """All leases of a node. Every method returns a new book.

    `ends` is when each ends, by its id, in seconds of a clock that never jumps; `now` is that clock everywhere. A lease
    granted at infinity ends only when it is released.
    """

    leases: tuple[Lease, ...] = ()
    ends: Mapping[str, float] = field(default_factory=dict)

    def leased_bytes(self, device: str) -> int:
        """Bytes promised on a device."""
        return sum(lease.size_bytes for lease in self.leases if lease.device == device)

    def find(self, lease_id: str) -> Lease | None:
        """The lease with that id, None when it ended."""
        return next((lease for lease in self.leases if lease.id == lease_id), None)

    def grant(
        self, request: LeaseRequest, lease_id: str, free: Mapping[str, int], node_name: str, now: float
    ) -> tuple["LeaseBook", Lease]:
        """Grant bytes on a device, `free` bytes by device before any lease.

        Raises LeaseRefused when the node has no such device, another head uses it, or the bytes are not there.
        """
        self._check(request, free, node_name)
        lease = Lease(**request.model_dump(), id=lease_id)
        kept = tuple(each for each in self.leases if not _supersedes(request, each))
        return self._with((*kept, lease)).renew(lease_id, now), lease

    def _check(self, request: LeaseRequest, free: Mapping[str, int], node_name: str) -> None:
        if request.device not in free:
            raise LeaseRefused(
                f"{node_name} has no device {request.device}.",
                "Plan again: its hardware or its engine changed since the plan was made.",
            )
        others = [lease for lease in self.leases if not _supersedes(request, lease)]
        owner = next((lease for lease in others if lease.head != request.head), None)
        if owner is not None:
            raise LeaseRefused(
                f"{node_name} already works for {owner.head_name}.",
                f"Stop the model that runs on {owner.head_name}, or plan without {node_name}.",
            )
        left = free[request.device] - sum(lease.size_bytes for lease in others if lease.device == request.device)
        if request.size_bytes > left:
            raise LeaseRefused(
                f"{node_name} has {max(left, 0) / 2**30:.1f} GB left on {request.device}, "
                f"{request.size_bytes / 2**30:.1f} GB are needed.",
                "Plan again with a smaller context or another model, or close programs there.",
            )

    def renew(self, lease_id: str, now: float) -> "LeaseBook":
        """Move a lease's end, never back; an ended lease stays ended."""
        if self.find(lease_id) is None:
            return self
        end = max(now + LEASE_SECONDS, self.ends.get(lease_id, 0.0))
        return replace(self, ends={**self.ends, lease_id: end})

    def release(self, lease_id: str) -> "LeaseBook":
        """Without that lease; one that ended already is no error."""
        return self._with(tuple(lease for lease in self.leases if lease.id != lease_id))

    def _with(self, leases: tuple[Lease, ...]) -> "LeaseBook":
        return LeaseBook(leases, {lease.id: self.ends[lease.id] for lease in leases if lease.id in self.ends})

    def expired(self, now: float) -> tuple[Lease, ...]:
        """The leases nobody renewed in time."""
        return tuple(lease for lease in self.leases if self.ends[lease.id] <= now)


def _supersedes(request: LeaseRequest, lease: Lease) -> bool:
    """A newer launch of the same head takes the device over from its own older one of the same instance."""
    same = lease.head == request.head and lease.instance_id == request.instance_id
    return same and lease.device == request.device and request.epoch >= lease.epoch
