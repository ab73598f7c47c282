"""Where pairing begins: this PC shows a code, or types one, and not both at once."""

import asyncio

from app.node.membership.inviting import Inviting
from app.node.membership.joining import Joining
from app.node.membership.pairing_tools import PairingPace, PairingTools
from app.schema.cluster import InvitationStatus, JoinRequest, JoinStatus
from app.schema.errors import PairingFailed


class PairingDesk:
    """Invitations and attempts to join of one node. What happens is told by `InvitationChanged` and `JoinChanged`."""

    def __init__(self, tools: PairingTools, pace: PairingPace = PairingPace()) -> None:
        self._inviting = Inviting(tools, pace)
        self._joining = Joining(tools, pace)

    async def run(self) -> None:
        """Wait until cancelled, then end everything that is under way."""
        try:
            await asyncio.Event().wait()
        finally:
            await self._joining.cancel()
            await self._inviting.end()

    async def open(self) -> InvitationStatus:
        """Show a code and open the pairing port, or tell what is shown already.

        Raises PairingFailed (this PC is joining another, no port can be opened), or why nobody may be invited.
        """
        if self._joining.is_busy:
            raise PairingFailed(
                "This PC is joining another one at this moment.", "Wait until it has joined, then invite from here."
            )
        return await self._inviting.open()

    async def close(self) -> None:
        """Show no code any more. A PC that already proved that it knew the code is still taken in."""
        await self._inviting.close()

    async def join(self, request: JoinRequest) -> JoinStatus:
        """Begin to join; an invitation of this PC's own is closed. The outcome is a `JoinChanged`.

        Raises InputError (code or address malformed), PairingFailed (one is under way), or why this PC may not join.
        """
        status = self._joining.join(request)
        await self._inviting.close()
        return status

    async def cancel_join(self) -> None:
        """Give up the attempt under way; nothing happens when there is none."""
        await self._joining.cancel()
