"""The side that types the code: one attempt at a time, told step by step, given up at any moment."""

import asyncio
import logging
import ssl
from collections.abc import Callable

from app.identity.pairing import SESSION_SECONDS, Failed, Joiner, OwnCard, Paired, checked_code
from app.identity.pairing_messages import Reason
from app.identity.pairing_words import AT_JOINER
from app.identity.short_name import short_name
from app.node.membership.dialling import Host, checked_address, chosen, dial, nobody_invites
from app.node.membership.pairing_tools import PairingPace, PairingTools
from app.node.membership.pairing_wire import WireEnded, WireSilent
from app.schema.cluster import JoinRequest, JoinState, JoinStatus
from app.schema.errors import CaravanError, PairingFailed
from app.schema.event import JoinChanged

logger = logging.getLogger("caravan.membership.pairing")


class Joining:
    """Takes one request at a time; its outcome is a `JoinChanged`."""

    def __init__(self, tools: PairingTools, pace: PairingPace) -> None:
        self._tools = tools
        self._pace = pace
        self._task: asyncio.Task[CaravanError | None] | None = None
        self._status: JoinStatus | None = None

    @property
    def is_busy(self) -> bool:
        """Whether an attempt is under way."""
        return self._task is not None

    def join(self, request: JoinRequest) -> JoinStatus:
        """Begin an attempt.

        Raises InputError (code or address malformed), PairingFailed (one is under way), or why this PC may not join.
        """
        if self._task is not None:
            raise _already_joining()
        code = checked_code(request.code)
        address = checked_address(request.address) if request.address is not None else None
        self._tools.may_join()
        own = self._tools.own()
        status = JoinStatus(state=JoinState.SEARCHING if address is None else JoinState.DIALLING, address=address)
        self._tools.secrets.add(code)
        self._tell(status)
        self._task = asyncio.create_task(self._carry_out(own, code, address), name="join a cluster")
        self._task.add_done_callback(lambda task: self._ended(task, code))
        return status

    async def cancel(self) -> None:
        """Give up the attempt under way; nothing happens when there is none."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    def _ended(self, task: asyncio.Task[CaravanError | None], code: str) -> None:
        """Tell the outcome as the last thing, so that who hears it can begin anew."""
        self._task = None
        self._tools.secrets.discard(code)
        error = _cancelled() if task.cancelled() else task.result()
        if error is None:
            self._step(JoinState.JOINED)
        else:
            logger.info("this PC did not join: %s", error.sentence)
            self._step(JoinState.FAILED, error=error.info())

    async def _carry_out(self, own: OwnCard, code: str, address: str | None) -> CaravanError | None:
        try:
            await self._attempt(own, code, address)
        except CaravanError as error:
            return error
        except Exception:
            logger.exception("joining broke")
            return PairingFailed("Something went wrong inside Caravan.", "See `caravan logs` for what.")
        return None

    async def _attempt(self, own: OwnCard, code: str, address: str | None) -> None:
        context = await asyncio.to_thread(self._tools.contexts.pairing_client)
        host = await self._found(context) if address is None else await self._dialled((address,), context)
        try:
            self._step(JoinState.CHECKING_CODE, address=host.address)
            paired = await _talk(own, code, host, self._tools.clock)
        finally:
            host.wire.abort()
        member = paired.member
        logger.info("%s (%s) took the code", member.name, short_name(member.node))
        self._step(JoinState.CONNECTING, partner=member.name)
        await self._tools.paired(member, link_addresses(host, paired.port))

    async def _found(self, context: ssl.SSLContext) -> Host:
        """The PC that invites. One that does not answer may have just stopped, and another begun: it is looked at once
        more after a while; nothing was tried there.
        """
        addresses = await self._search()
        try:
            return await self._dialled(addresses, context)
        except PairingFailed:
            await asyncio.sleep(self._pace.settle)
            again = await self._search()
            if again == addresses:
                raise
        return await self._dialled(again, context)

    async def _dialled(self, addresses: tuple[str, ...], context: ssl.SSLContext) -> Host:
        self._step(JoinState.DIALLING, address=addresses[0])
        return await dial(addresses, context, self._pace.dial, self._pace.read)

    async def _search(self) -> tuple[str, ...]:
        """The addresses of the PC that invites. One that has just stopped is still seen until its word has come."""
        loop = asyncio.get_running_loop()
        settled_at = loop.time() + self._pace.settle
        try:
            async with asyncio.timeout(self._pace.search):
                while True:
                    seen = self._tools.inviters()
                    found = chosen(seen) if len(seen) < 2 or loop.time() >= settled_at else None
                    if found is not None:
                        return found
                    await asyncio.sleep(self._pace.look)
        except TimeoutError:
            raise nobody_invites() from None

    def _step(self, state: JoinState, **changes: object) -> None:
        assert self._status is not None
        self._tell(self._status.model_copy(update={"state": state, **changes}))

    def _tell(self, status: JoinStatus) -> None:
        self._status = status
        self._tools.publish(JoinChanged(join=status))


async def _talk(own: OwnCard, code: str, host: Host, clock: Callable[[], float]) -> Paired:
    """Say the joiner's part until the outcome. Raises PairingFailed, InputError, CertificateRefused."""
    joiner, message = Joiner.begin(own, code, host.certificate, clock())
    try:
        async with asyncio.timeout(SESSION_SECONDS):
            while True:
                await host.wire.write(message)
                step = joiner.received(await host.wire.read(), clock())
                if isinstance(step.outcome, Paired):
                    return step.outcome
                if isinstance(step.outcome, Failed):
                    raise step.outcome.error()
                assert step.reply is not None
                joiner, message = step.state, step.reply
    except (WireSilent, TimeoutError):
        raise PairingFailed(*AT_JOINER[Reason.OUT_OF_TIME]) from None
    except WireEnded:
        raise joiner.gone().error() from None


def link_addresses(host: Host, port: int) -> tuple[str, ...]:
    """Where the peer link of the PC that was dialled is: at its IP address, and at the name that was typed."""
    typed = host.address.rpartition(":")[0]
    return tuple(dict.fromkeys((f"{host.wire.host}:{port}", f"{typed}:{port}")))


def _already_joining() -> PairingFailed:
    return PairingFailed(
        "This PC is joining another one at this moment.", "Wait until that has ended, or cancel it, then try again."
    )


def _cancelled() -> PairingFailed:
    return PairingFailed("Joining was cancelled; nothing was changed.")
