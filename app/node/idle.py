"""Models that nobody asks anything are unloaded, when the settings say so: the rule, and the service that follows it.

Every request for a model passes its head, from whichever PC and program it comes, the chat window's too. So the head's
own node knows whether it is idle, and its own settings decide.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from app.node.bus import Bus, Closed, Overflowed
from app.schema.errors import CaravanError
from app.schema.instance import InstanceStatus
from app.schema.node import unloads_at
from app.schema.record import InstanceId

logger = logging.getLogger("caravan.node.idle")


@dataclass(frozen=True)
class Due:
    """The instances whose time is over, and when the next one's is (seconds since the epoch), None without one."""

    now: tuple[InstanceStatus, ...] = ()
    next_at: float | None = None


def due(instances: Iterable[InstanceStatus], minutes: float | None, now: float) -> Due:
    """PURE: which instances of this node are idle for so many minutes; one that works on a request never is."""
    times = [(each, at) for each in instances if (at := unloads_at(each, minutes)) is not None]
    over = tuple(each for each, at in times if at <= now)
    return Due(over, min((at for _, at in times if at > now), default=None))


def duration_words(minutes: float) -> str:
    """PURE: so many minutes as people say it: `45 s`, `30 min`, `2 h`."""
    if minutes < 1:
        return f"{minutes * 60:.0f} s" if minutes * 60 >= 1 else f"{minutes * 60:.1f} s"
    if minutes < 120 or minutes % 60:
        return f"{minutes:g} min"
    return f"{minutes / 60:g} h"


class IdleWatch:
    """Owns idle unloading. `unload` ends an instance that works on nothing, for a reason; raises CaravanError."""

    def __init__(
        self, bus: Bus, unload: Callable[[InstanceId, str], None], clock: Callable[[], float] = time.time
    ) -> None:
        self._bus = bus
        self._unload = unload
        self._clock = clock

    async def run(self) -> None:
        """Unload what is idle for too long, until cancelled or the node ends."""
        while True:
            with self._bus.subscribe() as changes:
                try:
                    while True:
                        left = self._look()
                        try:
                            async with asyncio.timeout(left):
                                await changes.next()
                        except TimeoutError:
                            continue
                except Overflowed:
                    continue
                except Closed:
                    return

    def _look(self) -> float | None:
        """Unload what is due; returns the seconds until the next one is, None for never."""
        minutes, now = self._bus.status.settings.unload_after, self._clock()
        found = due(self._bus.status.instances, minutes, now)
        for each in found.now:
            self._end(each, minutes or 0.0)
        return found.next_at - now if found.next_at is not None else None

    def _end(self, instance: InstanceStatus, minutes: float) -> None:
        idle = duration_words(minutes)
        try:
            self._unload(instance.id, f"Unloaded: idle for {idle}.")
        except CaravanError as error:
            logger.info("instance %s stays: %s", instance.id, error.sentence)
        else:
            logger.info("instance %s (%s) unloaded: idle for %s", instance.id, instance.model_id, idle)
