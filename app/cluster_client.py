"""ClusterClient: the part of NodeClient that is about who belongs to the cluster; it is `NodeClient.cluster`."""

from app.hub_client import Ask
from app.schema.cluster import InvitationStatus, JoinRequest, JoinStatus
from app.schema.record import NodeId

MEASURE_SECONDS = 60.0
"""How long measuring a link may take."""


class ClusterClient:
    """What one node does for its cluster. Every call raises the node's own error by its code, or NodeNotRunning."""

    def __init__(self, ask: Ask) -> None:
        self._ask = ask

    async def invite(self) -> InvitationStatus:
        """Open an invitation, or get the one that is open; follow it with `watch`."""
        return InvitationStatus.model_validate(await self._ask("POST", "/invitation"))

    async def end_invitation(self) -> None:
        """Show no code any more."""
        await self._ask("DELETE", "/invitation")

    async def join(self, request: JoinRequest) -> JoinStatus:
        """Begin to join the cluster of the PC that shows a code; follow it with `watch`."""
        return JoinStatus.model_validate(await self._ask("POST", "/join", json=request.model_dump(mode="json")))

    async def cancel_join(self) -> None:
        """Give up the attempt to join that runs."""
        await self._ask("DELETE", "/join")

    async def remove(self, node: NodeId) -> None:
        """Remove another PC from the cluster, for ever; it may join again as a new one."""
        await self._ask("DELETE", f"/members/{node}")

    async def leave(self) -> None:
        """Leave the cluster: this PC tells the others, gets a new identity and stands alone."""
        await self._ask("POST", "/leave")

    async def measure_link(self, node: NodeId) -> float:
        """Measure the throughput from the node to a peer in bytes/s. Takes seconds and the whole link."""
        return float((await self._ask("POST", f"/peers/{node}/measure", timeout=MEASURE_SECONDS))["throughput"])
