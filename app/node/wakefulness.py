"""This PC stays awake while it serves or downloads, and tells its peers when it sleeps all the same.

A PC that falls asleep in the middle of an answer takes the model away from everybody. One that somebody sends to sleep
has two seconds for its last word (Microsoft, "PBT_APMSUSPEND"), and wakes up with connections that are all dead.
"""

import asyncio
import concurrent.futures
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Protocol

from app.instances.leases import LEASE_SECONDS
from app.node.bus import Bus, Closed, Overflowed
from app.schema.download import ACTIVE_PHASES
from app.schema.instance import InstanceState
from app.schema.node import Status
from app.system.power import SleepWatch

logger = logging.getLogger("caravan.node.wakefulness")

GOODBYE_SECONDS = 1.5
"""Time for the last word before sleep, of the two seconds there are."""

_SERVING = (InstanceState.STARTING, InstanceState.READY)


class Awake(Protocol):
    """Keeps the PC from falling asleep by itself between `hold` and `release`."""

    async def hold(self, reason: str) -> str | None:
        """Keep it awake for `reason`, a sentence that people see. None, or why it cannot be done here."""

    async def release(self) -> None:
        """Let it sleep again."""


@dataclass(frozen=True)
class PeerCalls:
    """What is done about peers. `say_goodbye` returns when it was said; `ask_all` asks each how it is, at once.

    `cut_all` ends every connection; nothing of it raises.
    """

    say_goodbye: Callable[[], Awaitable[None]]
    cut_all: Callable[[], Awaitable[None]]
    ask_all: Callable[[], None]


def reason_to_stay_awake(status: Status) -> str | None:
    """PURE: why this PC must not fall asleep, in a sentence for people; None when it may."""
    own = next((each for each in status.instances if each.state in _SERVING), None)
    if own is not None:
        return f"The model {own.model_id} runs on this PC."
    if status.leases:
        return f"This PC is part of a model of {status.leases[0].head_name}."
    arriving = next((each for each in status.downloads if each.phase in ACTIVE_PHASES), None)
    return f"{arriving.name} is being downloaded." if arriving is not None else None


class Wakefulness:
    """Two services: `keep_awake` and `watch_sleep`."""

    def __init__(self, bus: Bus, awake: Awake, peers: PeerCalls) -> None:
        self._bus = bus
        self._awake = awake
        self._peers = peers
        self._reason: str | None = None
        self._waking: set[asyncio.Task[None]] = set()

    async def keep_awake(self) -> None:
        """Keep the PC awake while it serves or downloads, until cancelled or the node ends."""
        try:
            while True:
                with self._bus.subscribe() as changes:
                    try:
                        while True:
                            await self._hold(reason_to_stay_awake(self._bus.status))
                            await changes.next()
                    except Overflowed:
                        continue
                    except Closed:
                        return
        finally:
            await self._hold(None)

    async def _hold(self, reason: str | None) -> None:
        """Ask once per reason: a system that refuses would refuse every second."""
        if reason == self._reason:
            return
        self._reason = reason
        await self._awake.release()
        if reason is not None:
            await self._awake.hold(reason)

    async def watch_sleep(self) -> None:
        """Watch for sleep until cancelled."""
        loop = asyncio.get_running_loop()
        try:
            await SleepWatch(lambda: self.fall_asleep(loop), self.wake_up).run()
        finally:
            for task in self._waking:
                task.cancel()

    def fall_asleep(self, loop: asyncio.AbstractEventLoop) -> None:
        """Tell the peers, from a thread of the system: the PC sleeps when this returns, or two seconds later."""

        async def goodbye() -> None:
            await self._peers.say_goodbye()

        said = asyncio.run_coroutine_threadsafe(goodbye(), loop)
        try:
            said.result(GOODBYE_SECONDS)
        except (concurrent.futures.TimeoutError, concurrent.futures.CancelledError):
            said.cancel()
            logger.info("this PC sleeps before every peer was told")

    def wake_up(self, asleep: float) -> None:
        """The PC slept for so many seconds: find the peers again, now and not at the next heartbeat."""
        task = asyncio.get_running_loop().create_task(self._find_peers(asleep), name="peers after sleep")
        self._waking.add(task)
        task.add_done_callback(self._waking.discard)

    async def _find_peers(self, asleep: float) -> None:
        # By then every peer has given this PC up, and connections that look whole are dead at the other end.
        if asleep >= LEASE_SECONDS:
            await self._peers.cut_all()
        self._peers.ask_all()
