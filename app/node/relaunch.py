"""Launches a model as it ran last: for the tray, the command line, requests, and the start of the node."""

from collections.abc import Iterable

from app.node.bus import Bus
from app.node.instance_desk import InstanceDesk, refused
from app.schema.errors import ModelNotFound
from app.schema.instance import InstanceStatus, LastLaunch, LaunchRequest
from app.schema.plan import Plan, PlanRequest, Refusal
from app.schema.record import InstanceId, ModelId

_ANYWHERE = {"pcs": None, "min_pcs": 1, "head": None, "avoid": (), "use": (), "shares": ()}


def wishes(model: ModelId, last: LastLaunch | None) -> tuple[PlanRequest, ...]:
    """PURE: what to ask the planner for, one after the other until it finds a place.

    As it ran last; then, because PCs come and go, the same without a wish for where.
    """
    if last is None:
        return (PlanRequest(model_id=model),)
    known = last.wishes.model_copy(update={"model_id": model})
    return tuple(dict.fromkeys((known, known.model_copy(update=_ANYWHERE))))


class Relaunch:
    """Plans and launches with what is known of the last time."""

    def __init__(self, bus: Bus, desk: InstanceDesk) -> None:
        self._bus = bus
        self._desk = desk

    async def launch(self, name: str, share: bool = False) -> tuple[InstanceId, Plan]:
        """Launch a model as it ran last. Raises ModelNotFound, PlacementRefused, or why it cannot be started.

        With `share`, one that starts or runs on the chosen head already is the answer.
        """
        model = await self._known(name)
        found = await self.plan(model)
        if isinstance(found, Refusal):
            raise refused(found)
        request, last = found, self._bus.status.last_launch(model)
        extra = last.extra_arguments if last is not None else ()
        wanted = request.model_copy(update={"extra_arguments": extra, "share": share})
        return await self._desk.launch(wanted), wanted.plan

    async def plan(self, model: ModelId, gone: Iterable[InstanceStatus] = ()) -> LaunchRequest | Refusal:
        """The launch that has a place, as if these instances were `gone`; else why there is none anywhere.

        Raises ModelNotFound, or the reason the file cannot be read.
        """
        refusal: Refusal | None = None
        for request in wishes(model, self._bus.status.last_launch(model)):
            answer = await self._desk.plan_without(request, gone)
            if isinstance(answer, Plan):
                return LaunchRequest(plan=answer, wishes=request)
            refusal = answer
        assert refusal is not None
        return refusal

    async def _known(self, name: str) -> ModelId:
        try:
            return (await self._desk.model(name)).id
        except ModelNotFound:
            last = self._bus.status.last_launch(ModelId(name))
            if last is None or last.wishes.model_id == name:
                raise
            # It lies outside the model folders, and was launched by its path.
            return (await self._desk.model(last.wishes.model_id)).id
