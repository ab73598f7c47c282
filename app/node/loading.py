"""Models that requests name are loaded: one launch for all who wait for a model, one model after the other.

A load belongs to the node, not to the request that began it: whoever leaves, leaves it to the next one who asks, who
would otherwise never see a model that loads for longer than its patience.
"""

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from app.node.bus import Bus
from app.node.instance_desk import InstanceDesk
from app.node.relaunch import Relaunch
from app.node.room import Room
from app.node.serving import Serving, names
from app.schema.errors import (
    CannotLoad,
    CaravanError,
    InstanceNotFound,
    LaunchCancelled,
    NoRoomNow,
    PeerUnreachable,
    PlacementRefused,
    TooManyWaiting,
    from_info,
)
from app.schema.instance import InstanceState, InstanceStatus
from app.schema.node import Status
from app.schema.record import InstanceId, ModelId

logger = logging.getLogger("caravan.node.loading")

MOST_WAITING = 64
"""Requests that wait for models at the same time; each holds its body in memory."""

FAILURE_HOLDS = 30.0
"""Seconds for which a load that failed is not tried again: clients repeat twice within a few seconds what failed."""

UNHEARD_SECONDS = 10.0
"""How long a launch on another PC may go unmentioned by that PC."""

STOPPING_SECONDS = 30.0
"""How long a model that is being unloaded is waited for before another is planned beside it."""

_LIVE = (InstanceState.STARTING, InstanceState.READY)


def on_its_way(status: Status, model: ModelId) -> InstanceId | None:
    """PURE: the newest instance of a model that starts or runs."""
    found = [each for each in status.all_instances if each.state in _LIVE and names(each, model)]
    return max(found, key=lambda each: each.created_at).id if found else None


def has_loaded(instance: InstanceStatus) -> bool:
    """PURE: whether it answers; False while it loads. Raises why it never will."""
    match instance.state:
        case InstanceState.READY:
            return True
        case InstanceState.STOPPED | InstanceState.FAILED if instance.error is not None:
            raise from_info(instance.error)
        case InstanceState.STOPPED | InstanceState.FAILED:
            raise LaunchCancelled(f"{instance.model_id} was unloaded.", "Ask again to load it anew.")
        case _:
            return False


@dataclass(frozen=True)
class _Failure:
    error: CaravanError
    until: float


class Loading:
    """Finds who answers for a model's name, and has the model loaded when nobody does and the settings allow it."""

    def __init__(
        self, bus: Bus, desk: InstanceDesk, relaunch: Relaunch, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._bus = bus
        self._desk = desk
        self._relaunch = relaunch
        self._room = Room(desk, relaunch)
        self._clock = clock
        self._turn = asyncio.Lock()
        self._loads: dict[ModelId, asyncio.Task[None]] = {}
        self._failures: dict[ModelId, _Failure] = {}
        self._waiting = 0

    async def run(self) -> None:
        """Own the loads until cancelled."""
        try:
            await asyncio.Event().wait()
        finally:
            loads = tuple(self._loads.values())
            for load in loads:
                load.cancel()
            await asyncio.gather(*loads, return_exceptions=True)

    async def serving(self, name: str | None) -> Serving:
        """Who answers for a name, after a load if need be.

        Raises InstanceNotFound for a name that no disk knows, CannotLoad, NoRoomNow, TooManyWaiting, or why the launch
        failed. Cancelling it ends the waiting and nothing else.
        """
        try:
            return self._desk.serving(name)
        except InstanceNotFound:
            model = await self._loadable(name)
            if model is None:
                raise
        with self._queued():
            await self._loaded(model)
        return self._desk.serving(model)

    async def _loadable(self, name: str | None) -> ModelId | None:
        if not name or not self._bus.status.settings.load_on_request:
            return None
        found = await self._desk.listed(name)
        return found.id if found is not None else None

    @contextlib.contextmanager
    def _queued(self) -> Iterator[None]:
        if self._waiting >= MOST_WAITING:
            raise TooManyWaiting(f"{self._waiting} requests wait for models already.", "Ask again in a minute.")
        self._waiting += 1
        try:
            yield
        finally:
            self._waiting -= 1

    async def _loaded(self, model: ModelId) -> None:
        failure = self._failures.get(model)
        if failure is not None and self._clock() < failure.until and on_its_way(self._bus.status, model) is None:
            raise from_info(failure.error.info())
        load = self._loads.get(model)
        if load is None:
            load = self._loads[model] = asyncio.create_task(self._load(model), name=f"load of {model}")
            load.add_done_callback(lambda ended: self._ended(model, ended))
        await asyncio.shield(load)

    def _ended(self, model: ModelId, load: asyncio.Task[None]) -> None:
        del self._loads[model]
        error = None if load.cancelled() else load.exception()
        if isinstance(error, CaravanError):
            logger.info("%s was asked for and is not loaded: %s", model, error.sentence)
        elif error is not None:
            logger.error("the load of %s broke", model, exc_info=error)

    async def _load(self, model: ModelId) -> None:
        async with self._turn:
            await self._until_settled()
            instance = on_its_way(self._bus.status, model) or await self._launch(model)
            try:
                await self._ready(instance)
            except CaravanError as error:
                self._failures[model] = _Failure(error, self._clock() + FAILURE_HOLDS)
                raise
            self._failures.pop(model, None)

    async def _launch(self, model: ModelId) -> InstanceId:
        logger.info("%s was asked for and is loaded", model)
        try:
            return (await self._relaunch.launch(model, share=True))[0]
        except PlacementRefused as refusal:
            others = tuple(each for each in self._bus.status.all_instances if each.state in _LIVE)
            if not others or not await self._room.would_fit(model, others):
                raise CannotLoad(refusal.sentence, refusal.hint, refusal.detail) from None
            gone: tuple[InstanceStatus, ...] = ()
            if self._bus.status.settings.make_room:
                gone = await self._room.make(model, others)
            if not gone:
                raise _no_room(refusal, others) from None
        return await self._launch_instead(model, gone)

    async def _launch_instead(self, model: ModelId, gone: Iterable[InstanceStatus]) -> InstanceId:
        """Launch once these are gone and their memory is seen to be free, which a later sample tells."""
        with contextlib.suppress(TimeoutError):
            await self._bus.until(lambda status: None if _still_there(status, gone) else True, STOPPING_SECONDS)
        until = self._clock() + STOPPING_SECONDS
        while True:
            try:
                return (await self._relaunch.launch(model, share=True))[0]
            except PlacementRefused as refusal:
                if self._clock() >= until:
                    raise NoRoomNow(refusal.sentence, refusal.hint, refusal.detail) from None
            await self._another(self._bus.status.seq)

    async def _another(self, seq: int) -> None:
        await self._bus.until(lambda status: True if status.seq > seq else None)

    async def _until_settled(self) -> None:
        """Wait for what is being unloaded: its memory counts as taken until it is gone."""
        with contextlib.suppress(TimeoutError):
            await self._bus.until(lambda status: None if _is_stopping(status) else True, STOPPING_SECONDS)

    async def _ready(self, instance: InstanceId) -> None:
        heard_at = self._clock()

        def reached(status: Status) -> bool | None:
            nonlocal heard_at
            found = next((each for each in status.all_instances if each.id == instance), None)
            if found is not None:
                heard_at = self._clock()
                return has_loaded(found) or None
            if self._clock() - heard_at > UNHEARD_SECONDS:
                raise PeerUnreachable("The PC that loads this model does not answer.", "Is it switched on?")
            return None

        await self._bus.until(reached)


def _is_stopping(status: Status) -> bool:
    return any(each.state is InstanceState.STOPPING for each in status.all_instances)


def _still_there(status: Status, gone: Iterable[InstanceStatus]) -> bool:
    names = {each.id for each in gone}
    held = (InstanceState.STOPPING, *_LIVE)
    return any(each.id in names and each.state in held for each in status.all_instances)


def _no_room(refusal: PlacementRefused, others: Iterable[InstanceStatus]) -> NoRoomNow:
    running = ", ".join(dict.fromkeys(each.model_id for each in others))
    hint = f"{running} runs now: unload it, or let Caravan make room by itself (Settings > Models)."
    return NoRoomNow(refusal.sentence, hint, refusal.detail)
