"""Everything about running models that people ask a node for: plan, launch, stop, find who answers."""

import asyncio
import contextlib
from collections.abc import Iterable

from app.engine.extra_arguments import check
from app.instances.placement import check_plan
from app.instances.supervisor import Supervisor
from app.node.bus import Bus
from app.node.cluster_room import ClusterRoom
from app.node.forecast import Forecast
from app.node.known import KNOWN_SECONDS, until_cluster_known, until_known
from app.node.last_launches import LastLaunches
from app.node.library import Library
from app.node.matching_engines import check_engines
from app.node.serving import (
    Elsewhere,
    Here,
    Serving,
    names,
    newest_elsewhere,
    not_serving,
    peer_instances,
    ready_instances,
)
from app.schema.errors import (
    CaravanError,
    EngineMissing,
    InputError,
    InstanceNotFound,
    ModelNotFound,
    NotAllowed,
    PlacementRefused,
    from_info,
)
from app.schema.instance import InstanceStatus, LaunchRequest
from app.schema.model import ModelFile, ModelShape
from app.schema.plan import Plan, PlanRequest, Refusal
from app.schema.question import PlanQuestion
from app.schema.record import InstanceId


class InstanceDesk:
    """Plans, launches and finds instances, on this PC and through the links on others."""

    def __init__(
        self,
        bus: Bus,
        library: Library,
        supervisor: Supervisor,
        cluster: ClusterRoom,
        forecast: Forecast,
        launches: LastLaunches,
    ) -> None:
        self._bus = bus
        self._library = library
        self._forecast = forecast
        self._supervisor = supervisor
        self._cluster = cluster
        self._launches = launches

    async def model(self, name: str) -> ModelFile:
        """A model of this PC by id, file name or path, which may lie outside the known folders; else of another PC.

        Raises ModelNotFound.
        """
        try:
            return await self._library.find(name)
        except ModelNotFound as error:
            await self._others_models()
            try:
                return self._cluster.models.find(name)
            except ModelNotFound:
                raise error from None

    async def listed(self, name: str) -> ModelFile | None:
        """A model on a disk of the cluster by what a program calls it, None for none. No other file is opened."""
        with contextlib.suppress(ModelNotFound):
            return await self._library.listed(name)
        await self._others_models()
        with contextlib.suppress(ModelNotFound):
            return self._cluster.models.find(name)
        return None

    async def _others_models(self) -> None:
        """Wait in the first seconds of the node until the other PCs told what they have."""
        await until_cluster_known(self._bus)
        await self._cluster.models.fetched()

    async def plan(self, request: PlanRequest) -> Plan | Refusal:
        """Where the model would run; waits in the first seconds of the node.

        Raises ModelNotFound, the reason its file cannot be read, or NodeStarting.
        """
        await until_known(self._bus)
        model, shape = await self._readable(request.model_id)
        known = request.model_copy(update={"model_id": model.id})
        return await asyncio.to_thread(self._forecast.plan, known, model, shape)

    async def plan_without(self, request: PlanRequest, gone: Iterable[InstanceStatus]) -> Plan | Refusal:
        """Where the model would run if these instances held nothing any more. Raises as `plan`."""
        freed = tuple(gone)
        if not freed:
            return await self.plan(request)
        await until_known(self._bus)
        model, shape = await self._readable(request.model_id)
        known = request.model_copy(update={"model_id": model.id})
        return await asyncio.to_thread(self._forecast.plan_without, known, model, shape, freed)

    async def plan_for(self, question: PlanQuestion) -> Plan | Refusal:
        """Where the model would run among PCs that the question describes; without any, as `plan`. Raises the same."""
        if question.cluster is None:
            return await self.plan(question.request)
        model, shape = await self._readable(question.request.model_id)
        known = question.request.model_copy(update={"model_id": model.id})
        return await asyncio.to_thread(self._forecast.plan_for, known, model, shape, question.cluster)

    async def observe(self, instance: InstanceStatus, tail: bytes) -> None:
        """Learn from the end of an answer of an instance of this node."""
        await self._forecast.observe_answer(instance, tail)

    async def _readable(self, name: str) -> tuple[ModelFile, ModelShape]:
        model = await self.model(name)
        if model.problem is not None or model.shape is None:
            raise _unreadable(model)
        return model, model.shape

    async def launch(self, request: LaunchRequest) -> InstanceId:
        """Start what a plan says, on the PC that is its head; the phases are told by events.

        Raises before anything is started when it cannot.
        """
        head = request.plan.head
        if head == self._bus.status.node.id:
            return await self.launch_here(request)
        check_plan(request.plan)
        instance = await self._cluster.link_to(head).launch(request)
        self._launches.expect(instance, request)
        return instance

    async def launch_here(self, request: LaunchRequest, patience: float = KNOWN_SECONDS) -> InstanceId:
        """Start a plan whose head this node is; in its first seconds waits for at most `patience` seconds.

        Raises before anything is started when it cannot.
        """
        if request.plan.head != self._bus.status.node.id:
            raise InputError(
                "This plan was made for another PC as its head.", "Launch it there, or plan again on this PC."
            )
        check_plan(request.plan)
        await until_known(self._bus, patience)
        build = self._bus.status.engine.build
        if build is None:
            raise self._no_engine()
        check_engines(request.plan, build, self._bus.status)
        check(request.extra_arguments, build)
        model = await self._library.find(request.plan.model_id)
        if model.problem is not None:
            raise _unreadable(model)
        guessing = request.plan.speculation
        draft_id = guessing.draft_model if guessing is not None else None
        draft = await self._library.find(draft_id) if draft_id is not None else None
        before = {each.id for each in self._bus.status.instances}
        instance = self._supervisor.launch(request, model, draft)
        if instance not in before:
            self._launches.expect(instance, request)
        return instance

    async def place(self, request: PlanRequest, extra_arguments: tuple[str, ...] = ()) -> tuple[InstanceId, Plan]:
        """Plan and launch in one step. Raises PlacementRefused with every reason when there is no place."""
        answer = await self.plan(request)
        if isinstance(answer, Refusal):
            raise refused(answer)
        wanted = LaunchRequest(plan=answer, extra_arguments=extra_arguments, wishes=request)
        return await self.launch(wanted), answer

    async def stop(self, instance_id: InstanceId) -> None:
        """End an instance, wherever its head is; done when its state is `stopped`. Raises InstanceNotFound."""
        elsewhere = self._elsewhere(instance_id)
        if elsewhere is None:
            self.stop_here(instance_id)
        else:
            await self._cluster.link_to(elsewhere.head).stop_instance(instance_id)

    def stop_here(self, instance_id: InstanceId) -> None:
        """End an instance of this node. Raises InstanceNotFound."""
        self._supervisor.stop(instance_id)

    async def make_room(self, instance: InstanceStatus, because: str) -> None:
        """End an instance that works on nothing, wherever its head is. Raises ModelBusy, NotFound, NotAllowed."""
        if instance.head == self._bus.status.node.id:
            self.make_room_here(instance.id, because)
        else:
            await self._cluster.link_to(instance.head).make_room(instance.id, because)

    def make_room_here(self, instance_id: InstanceId, because: str) -> None:
        """As `make_room`, for an instance of this node, whose own settings must allow it."""
        if not self._bus.status.settings.make_room:
            name = self._bus.status.node.name
            raise NotAllowed(f"{name} unloads no model to make room.", f"Allow it in the settings of {name}.")
        self._supervisor.unload_idle(instance_id, because)

    def used(self, serving: Serving) -> contextlib.AbstractContextManager[None]:
        """A model works on a request as long as this is entered. Of another PC's that PC keeps count."""
        return self._supervisor.used(serving.status.id) if serving.link is None else contextlib.nullcontext()

    def instance(self, instance_id: InstanceId) -> InstanceStatus:
        """An instance of this node or of a peer. Raises InstanceNotFound."""
        return self._elsewhere(instance_id) or self._supervisor.status(instance_id)

    def _elsewhere(self, instance_id: InstanceId) -> InstanceStatus | None:
        return next((each for _, each in peer_instances(self._bus.status) if each.id == instance_id), None)

    def ready_instances(self) -> tuple[InstanceStatus, ...]:
        """Every instance of the cluster that answers now."""
        return ready_instances(self._bus.status)

    def serving(self, model: str | None) -> Serving:
        """The newest ready instance of a model, or the newest of all without a name: here, else on another PC.

        Raises InstanceNotFound, or PeerUnreachable when the PC that has it is lost.
        """
        try:
            return self.serving_here(model)
        except InstanceNotFound:
            found = newest_elsewhere(self._bus.status, model)
            if found is None:
                raise not_serving(model, self._bus.status.all_instances) from None
            peer, instance = found
            return Elsewhere(instance, self._cluster.link_to(peer.node))

    def serving_here(self, model: str | None) -> Serving:
        """As `serving`, among the instances whose head this node is: what a peer may ask for."""
        for status, head in self._supervisor.serving():
            if not model or names(status, model):
                return Here(status, head)
        raise not_serving(model, self._bus.status.instances)

    def _no_engine(self) -> CaravanError:
        problem = self._bus.status.engine.problem
        if problem is not None:
            return from_info(problem)
        return EngineMissing("This PC has no engine.", "Install llama.cpp: see `caravan engine`.")


def _unreadable(model: ModelFile) -> CaravanError:
    if model.problem is not None:
        return from_info(model.problem)
    return InputError(f"{model.id} cannot be read.", "Download it again.")


def refused(refusal: Refusal) -> PlacementRefused:
    """A refusal as an error: its sentence and hint, and a reason per PC as detail."""
    reasons = tuple(reason.sentence for reason in refusal.reasons)
    return PlacementRefused(refusal.sentence, refusal.hint, reasons)
