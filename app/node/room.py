"""Room for a model that was asked for: which idle ones go, if that is enough; never one that works."""

import logging
import time
from collections.abc import Awaitable, Callable, Iterable, Sequence

from app.node.instance_desk import InstanceDesk
from app.node.relaunch import Relaunch
from app.schema.errors import CaravanError
from app.schema.instance import InstanceState, InstanceStatus, LaunchRequest
from app.schema.record import ModelId

logger = logging.getLogger("caravan.node.room")

IDLE_SECONDS = 3.0
"""How long a model must have been idle: requests that waited for one that is just ready have not reached it yet."""


def idle_ones(instances: Iterable[InstanceStatus], now: float) -> tuple[InstanceStatus, ...]:
    """PURE: those that work on nothing, the one that was used longest ago first. `now` is seconds since the epoch."""
    idle = [
        (each.idle_since, each)
        for each in instances
        if each.state is InstanceState.READY
        and not each.answering
        and each.idle_since is not None
        and each.idle_since <= now - IDLE_SECONDS
    ]
    return tuple(each for _, each in sorted(idle, key=lambda found: (found[0], found[1].id)))


async def fewest(
    idle: Sequence[InstanceStatus], fits: Callable[[Sequence[InstanceStatus]], Awaitable[bool]]
) -> tuple[InstanceStatus, ...]:
    """What to unload so that it `fits`: those used longest ago, without any that may stay. Empty when nothing helps."""
    for count in range(1, len(idle) + 1):
        if await fits(idle[:count]):
            break
    else:
        return ()
    chosen = list(idle[:count])
    for each in tuple(chosen[:-1]):
        rest = [other for other in chosen if other is not each]
        if await fits(rest):
            chosen = rest
    return tuple(chosen)


class Room:
    """Asks the planner what would fit without what, and unloads it."""

    def __init__(self, desk: InstanceDesk, relaunch: Relaunch, clock: Callable[[], float] = time.time) -> None:
        self._desk = desk
        self._relaunch = relaunch
        self._clock = clock

    async def would_fit(self, model: ModelId, gone: Sequence[InstanceStatus]) -> bool:
        """Whether the model has a place once these are gone."""
        return isinstance(await self._relaunch.plan(model, gone), LaunchRequest)

    async def make(self, model: ModelId, others: Iterable[InstanceStatus]) -> tuple[InstanceStatus, ...]:
        """Unload idle ones so that the model fits; returns them, and nothing when that would not do or one is used."""
        chosen = await fewest(idle_ones(others, self._clock()), lambda gone: self.would_fit(model, gone))
        try:
            for each in chosen:
                await self._desk.make_room(each, f"Unloaded to make room for {model}.")
        except CaravanError as error:
            logger.info("no room for %s: %s", model, error.sentence)
            return ()
        return chosen
