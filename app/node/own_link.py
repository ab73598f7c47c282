"""This node seen as one of its own instance's nodes: the same seam as a peer's link, without a network."""

from app.instances.lending import Lending
from app.schema.instance import Lease, LeaseRequest, WorkerStatus


class OwnLink:
    """A `WorkerLink` to this node's own lending."""

    def __init__(self, lending: Lending) -> None:
        self._lending = lending

    async def lease(self, request: LeaseRequest) -> Lease:
        """Ask for bytes on a device. Raises LeaseRefused."""
        return await self._lending.grant(request, is_own=True)

    async def start_worker(self, lease_id: str) -> WorkerStatus:
        """Start the rpc-server of a lease."""
        return await self._lending.start_worker(lease_id)

    async def renew(self, lease_id: str) -> WorkerStatus:
        """Keep the lease and learn how its worker is."""
        return self._lending.renew(lease_id)

    async def release(self, lease_id: str) -> None:
        """End the lease and its worker."""
        await self._lending.release(lease_id)

    async def endpoint(self, worker: WorkerStatus) -> str:
        """The worker itself: it listens on this PC's loopback."""
        return f"127.0.0.1:{worker.port}"
