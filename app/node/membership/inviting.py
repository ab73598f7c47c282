"""The side that shows the code: an invitation, its listener while it is open, and what a person sees of it."""

import asyncio
import contextlib
import logging
import socket
from dataclasses import replace

from app.identity.invitation import Invitation
from app.identity.pairing import Inviter, InviterStep, Paired
from app.identity.pairing_messages import Reason
from app.identity.pairing_words import AT_INVITER
from app.identity.short_name import short_name
from app.node.membership.owned_tasks import OwnedTasks
from app.node.membership.pairing_listener import PairingListener, Visit
from app.node.membership.pairing_tools import PairingPace, PairingTools
from app.schema.cluster import InvitationStatus
from app.schema.errors import CaravanError, PairingFailed
from app.schema.event import InvitationChanged

logger = logging.getLogger("caravan.membership.pairing")

_SAME_END = 1.0
"""Seconds by which the end of a code may seem to move before it is told anew."""


class Inviting:
    """At most one open invitation. The count of wrong tries outlives it."""

    def __init__(self, tools: PairingTools, pace: PairingPace) -> None:
        self._tools = tools
        self._pace = pace
        self._inviter: Inviter | None = None
        self._opening = asyncio.Lock()
        self._ended = asyncio.Event()
        self._holding: asyncio.Task[None] | None = None
        self._proofs = OwnedTasks()
        self._used_at = 0.0
        self._joined: tuple[str, ...] = ()
        self._addresses: tuple[str, ...] = ()
        self._code: str | None = None
        self._told: InvitationStatus | None = None

    async def open(self) -> InvitationStatus:
        """Show a code, or tell what is shown already. Raises CaravanError: nobody may be invited, or no port opens."""
        async with self._opening:
            if self._holding is not None and self._ended.is_set():
                await asyncio.gather(self._holding, return_exceptions=True)
            if self._holding is None:
                await self._open()
            self._used_at = self._tools.clock()
            self._tick()
            assert self._told is not None
            return self._told

    async def close(self) -> None:
        """Show no code any more; an attempt under way fails, a PC that knew the code is still taken in."""
        async with self._opening:
            self._ended.set()
            if self._holding is not None:
                await asyncio.gather(self._holding, return_exceptions=True)

    async def end(self) -> None:
        """Close, and give up on PCs that have not connected yet: the node is ending."""
        await self.close()
        await self._proofs.close()

    async def _open(self) -> None:
        self._tools.may_invite()
        own = self._tools.own()
        context = await asyncio.to_thread(self._tools.contexts.pairing_listening)
        listeners = self._tools.bind()
        if not listeners:
            raise _no_port()
        now = self._tools.clock()
        inviter = replace(self._inviter, own=own) if self._inviter is not None else Inviter(own)
        self._inviter, self._joined = inviter.opened(now), ()
        self._addresses = tuple(f"{host}:{port}" for host, port in (each.getsockname() for each in listeners))
        self._ended.clear()
        listener = PairingListener(context, self._converse, self._pace.read)
        self._holding = asyncio.create_task(self._hold(listener, listeners), name="invitation")
        self._holding.add_done_callback(lambda _: self._closed(listeners))
        self._tools.announce(listeners[0].getsockname()[1])
        logger.info("an invitation is open at %s", ", ".join(self._addresses))

    async def _hold(self, listener: PairingListener, listeners: list[socket.socket]) -> None:
        """Keep the invitation open until it is closed, or nobody has used it for long."""
        serving = asyncio.create_task(listener.run(listeners), name="pairing port")
        try:
            while not self._ended.is_set() and self._is_wanted():
                self._tick()
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(self._pace.tick):
                        await self._ended.wait()
        finally:
            self._ended.set()
            serving.cancel()
            await asyncio.gather(serving, return_exceptions=True)

    def _is_wanted(self) -> bool:
        busy = self._inviter is not None and self._inviter.session is not None
        return busy or self._tools.clock() - self._used_at < self._pace.unused

    def _closed(self, listeners: list[socket.socket]) -> None:
        for each in listeners:
            each.close()
        if self._inviter is not None:
            self._inviter = self._inviter.closed(self._tools.clock())
        self._holding = None
        self._tools.announce(None)
        logger.info("the invitation is closed")
        self._tell()

    def _tick(self) -> None:
        if self._inviter is not None:
            self._inviter = self._inviter.ticked(self._tools.clock())
        self._tell()

    async def _converse(self, visit: Visit) -> None:
        """One guest, from its first message to its last."""
        try:
            while not await self._answer(visit):
                pass
        finally:
            if self._inviter is not None:
                self._inviter = self._inviter.gone(visit.number, self._tools.clock())
            self._tell()

    async def _answer(self, visit: Visit) -> bool:
        """Take one message; says whether it was the last."""
        body = await visit.wire.read()
        began = asyncio.get_running_loop().time()
        step = self._received(visit.number, body)
        if self._holds_attempt(visit.number):
            visit.counts()
        proof = self._take_in(step.outcome, visit.wire.host) if isinstance(step.outcome, Paired) else None
        self._tell()
        try:
            if step.reply is not None:
                await asyncio.sleep(began + self._pace.reply - asyncio.get_running_loop().time())
                await visit.wire.write(step.reply)
        except BaseException:
            if proof is not None:
                proof.cancel()
                self._trouble(AT_INVITER[Reason.HUNG_UP])
            raise
        return step.outcome is not None

    def _holds_attempt(self, number: int) -> bool:
        session = self._inviter.session if self._inviter is not None else None
        return session is not None and session.connection == number

    def _received(self, number: int, body: bytes) -> InviterStep:
        assert self._inviter is not None
        inviter = replace(self._inviter, own=self._tools.own())
        step = inviter.received(number, body, self._tools.clock())
        self._inviter = step.state
        return step

    def _take_in(self, paired: Paired, host: str) -> asyncio.Task[None]:
        """The guest knew the code: trust it until it has connected, and show a new code for the next one."""
        now = self._tools.clock()
        if self._inviter is not None and not self._ended.is_set():
            self._inviter = self._inviter.opened(now)
        self._used_at = now
        return self._proofs.start(self._prove(paired, f"{host}:{paired.port}"), name="PC that joins")

    async def _prove(self, paired: Paired, address: str) -> None:
        member = paired.member
        logger.info("%s (%s) knew the code", member.name, short_name(member.node))
        try:
            await self._tools.paired(member, (address,))
        except CaravanError as error:
            logger.warning("%s did not join: %s", member.name, error.sentence)
            self._trouble(error.sentence)
        else:
            self._joined = (*self._joined, member.name)
            self._trouble("")
        self._tell()

    def _trouble(self, sentence: str) -> None:
        if self._inviter is not None:
            self._inviter = replace(self._inviter, desk=replace(self._inviter.desk, trouble=sentence))

    def _tell(self) -> None:
        """Publish what a person sees now, when it is something else than before."""
        status = self._status()
        self._guard_code(status.code if status else None)
        if status != self._told:
            self._told = status
            self._tools.publish(InvitationChanged(invitation=status))

    def _guard_code(self, code: str | None) -> None:
        if code != self._code:
            if code is not None:
                self._tools.secrets.add(code)
            if self._code is not None:
                self._tools.secrets.discard(self._code)
            self._code = code

    def _status(self) -> InvitationStatus | None:
        shown = self._inviter.invitation(self._tools.clock()) if self._inviter is not None else None
        if shown is None or self._holding is None:
            return None
        return InvitationStatus(
            code=shown.code,
            ends_at=self._ends_at(shown),
            tries_left=shown.tries_left,
            trouble=shown.trouble,
            joined=self._joined,
            addresses=self._addresses,
        )

    def _ends_at(self, shown: Invitation) -> float:
        ends_at = self._tools.wall() + shown.seconds_left
        told = self._told
        if told is not None and told.code == shown.code and abs(told.ends_at - ends_at) < _SAME_END:
            return told.ends_at
        return ends_at


def _no_port() -> PairingFailed:
    return PairingFailed(
        "This PC cannot invite another one: the port for it cannot be opened on any network.",
        "Connect this PC to the network by cable or Wi-Fi, then try again.",
    )
