"""How each model was launched last: kept when a launch became ready, in a file of the data folder."""

import asyncio
import logging
import time
from collections.abc import Callable, Iterable
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from app.node.bus import Bus, Closed, Overflowed
from app.schema.event import LastLaunchesChanged
from app.schema.instance import InstanceState, InstanceStatus, LastLaunch, LaunchRequest
from app.schema.record import InstanceId
from app.system.files import plain_reason, read_json_or_none, write_atomically

logger = logging.getLogger("caravan.node.launches")

KEPT = 100
"""Models whose last launch is kept; of more, the ones launched longest ago are forgotten."""

_EXPECTED = 50
_ENDED = frozenset({InstanceState.STOPPED, InstanceState.FAILED})
_LAUNCHES: TypeAdapter[tuple[LastLaunch, ...]] = TypeAdapter(tuple[LastLaunch, ...])


def with_launch(known: Iterable[LastLaunch], new: LastLaunch) -> tuple[LastLaunch, ...]:
    """PURE: the launches with a new one, the newest first and one for each model."""
    return (new, *(each for each in known if each.model_id != new.model_id))[:KEPT]


def read_launches(file: Path) -> tuple[LastLaunch, ...]:
    """What the file keeps; nothing when it is missing or damaged (blocking)."""
    found = read_json_or_none(file)
    if found is None:
        return ()
    try:
        return _LAUNCHES.validate_python(found)
    except ValidationError:
        logger.warning("%s is damaged: how models were launched before is forgotten", file)
        return ()


class LastLaunches:
    """The only writer of the file and of the status' `last_launches`."""

    def __init__(self, file: Path, bus: Bus, clock: Callable[[], float] = time.time) -> None:
        self._file = file
        self._bus = bus
        self._clock = clock
        self._expected: dict[InstanceId, LaunchRequest] = {}

    def expect(self, instance: InstanceId, request: LaunchRequest) -> None:
        """Keep what this launch was asked for with, once it is ready."""
        if request.wishes is not None:
            self._expected[instance] = request
            while len(self._expected) > _EXPECTED:
                del self._expected[next(iter(self._expected))]

    async def run(self) -> None:
        """Keep launches that become ready, until cancelled or the node ends."""
        while True:
            with self._bus.subscribe() as changes:
                try:
                    while True:
                        await self._look()
                        await changes.next()
                except Overflowed:
                    continue
                except Closed:
                    return

    async def _look(self) -> None:
        if not self._expected:
            return
        found = [each for each in self._bus.status.all_instances if each.id in self._expected]
        for instance in found:
            if instance.ready_at is not None:
                await self._keep(instance, self._expected.pop(instance.id))
            elif instance.state in _ENDED:
                del self._expected[instance.id]

    async def _keep(self, instance: InstanceStatus, request: LaunchRequest) -> None:
        wishes = request.wishes
        assert wishes is not None
        new = LastLaunch(
            model_id=instance.model_id, wishes=wishes, extra_arguments=request.extra_arguments, at=self._clock()
        )
        launches = with_launch(self._bus.status.last_launches, new)
        self._bus.publish(LastLaunchesChanged(last_launches=launches))
        try:
            await asyncio.to_thread(write_atomically, self._file, _LAUNCHES.dump_json(launches))
        except OSError as error:
            logger.warning("how %s was launched is not kept: %s", instance.model_id, plain_reason(error))
