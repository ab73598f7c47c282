"""The node's public face: what the API, and nothing but the API, calls. Thin: every method asks one service."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from app.cluster.peers import Peers
from app.engine.extra_arguments import check
from app.instances.head import Head
from app.instances.lending import Lending
from app.instances.placement import check_plan
from app.instances.supervisor import Supervisor
from app.node.bus import Bus, Subscription
from app.node.engine_install import EngineInstaller
from app.node.library import Library
from app.node.resources import own_resources, peer_resources
from app.node.settings import SettingsStore
from app.planner.plan import plan as make_plan
from app.schema.engine import EngineInstall, EngineInstallRequest
from app.schema.errors import (
    CaravanError,
    EngineMissing,
    InputError,
    InstanceNotFound,
    PlacementRefused,
    from_info,
)
from app.schema.event import NumberedEvent
from app.schema.instance import InstanceState, InstanceStatus, LaunchRequest
from app.schema.model import ModelFile
from app.schema.node import PeerReport, Status
from app.schema.plan import ClusterView, Plan, PlanRequest, Refusal
from app.schema.record import InstanceId
from app.schema.settings import Settings
from app.system.logs import tail


@dataclass(frozen=True)
class Services:
    """What a node is made of; wired once in `daemon`."""

    bus: Bus
    settings: SettingsStore
    library: Library
    lending: Lending
    peers: Peers
    supervisor: Supervisor
    installer: EngineInstaller
    logs: Path
    request_shutdown: Callable[[], None]


class Node:
    """One node. Reads are of the immutable status; commands return at once and their outcome is an event."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self.lending = services.lending

    @property
    def status(self) -> Status:
        """Everything the node shows, as of now."""
        return self._services.bus.status

    @property
    def settings(self) -> Settings:
        """The settings that hold now."""
        return self._services.settings.current

    def change_settings(self, settings: Settings) -> Settings:
        """Save new settings. Extra arguments are checked against the engine. Raises InputError."""
        build = self.status.engine.build
        if settings.extra_arguments and build is not None:
            check(settings.extra_arguments, build)
        self._services.settings.replace(settings)
        return settings

    def subscribe(self) -> Subscription:
        """A reader of every change from now on."""
        return self._services.bus.subscribe()

    def story(self) -> tuple[NumberedEvent, ...]:
        """The last events, oldest first."""
        return self._services.bus.story()

    async def models(self, rescan: bool = False) -> tuple[ModelFile, ...]:
        """The models on this PC; the first call waits for the first scan."""
        if rescan:
            return await self._services.library.rescan()
        await self._services.library.scanned.wait()
        return self._services.library.models

    async def model(self, name: str) -> ModelFile:
        """A model by id, file name or path; a path may lie outside the known folders. Raises ModelNotFound."""
        return await self._services.library.find(name)

    async def plan(self, request: PlanRequest) -> Plan | Refusal:
        """Where the model would run. Raises ModelNotFound or the reason its file cannot be read."""
        model = await self.model(request.model_id)
        if model.problem is not None or model.shape is None:
            raise _unreadable(model)
        known = request.model_copy(update={"model_id": model.id})
        return make_plan(known, model.shape, self._cluster())

    async def launch(self, request: LaunchRequest) -> InstanceId:
        """Start what a plan says; the phases are told by events. Raises before anything is started when it cannot."""
        build = self.status.engine.build
        if build is None:
            raise self._no_engine()
        if request.plan.head != self.status.node.id:
            raise InputError(
                "This plan was made for another PC as its head.", "Launch it there, or plan again on this PC."
            )
        check_plan(request.plan)
        check(request.extra_arguments, build)
        model = await self.model(request.plan.model_id)
        if model.problem is not None:
            raise _unreadable(model)
        return self._services.supervisor.launch(request, model)

    async def place(self, request: PlanRequest, extra_arguments: tuple[str, ...] = ()) -> tuple[InstanceId, Plan]:
        """Plan and launch in one step. Raises PlacementRefused with every reason when there is no place."""
        answer = await self.plan(request)
        if isinstance(answer, Refusal):
            raise refused(answer)
        return await self.launch(LaunchRequest(plan=answer, extra_arguments=extra_arguments)), answer

    def stop(self, instance_id: InstanceId) -> None:
        """End an instance; done when its state is `stopped`. Raises InstanceNotFound."""
        self._services.supervisor.stop(instance_id)

    def instance(self, instance_id: InstanceId) -> InstanceStatus:
        """An instance of this node. Raises InstanceNotFound."""
        return self._services.supervisor.status(instance_id)

    def serving(self, model: str | None) -> tuple[InstanceStatus, Head]:
        """The newest ready instance of a model, or the newest of all without a name. Raises InstanceNotFound."""
        ready = self._services.supervisor.serving()
        for status, head in ready:
            if not model or _names(status, model):
                return status, head
        raise self._not_serving(model, list(dict.fromkeys(status.model_id for status, _ in ready)))

    def install_engine(self, request: EngineInstallRequest) -> EngineInstall:
        """Begin to install llama.cpp; the steps are told by events. Raises EngineInstallBusy."""
        return self._services.installer.start(request)

    def cancel_engine_install(self) -> None:
        """End the install that runs. Raises NotFound when none does."""
        self._services.installer.cancel()

    def report(self) -> PeerReport:
        """What this node tells its peers."""
        status = self.status
        return PeerReport(
            node=status.node,
            devices=self.lending.offers(),
            hardware=status.hardware,
            load=status.load,
            engine=status.engine,
            sharing=self.settings.sharing,
            leases=status.leases,
            instances=status.instances,
        )

    def log_names(self) -> tuple[str, ...]:
        """The logs there are, the node's own first."""
        names = sorted(path.stem for path in self._services.logs.glob("*.log"))
        return tuple(sorted(names, key=lambda name: name != "caravan"))

    async def log_tail(self, name: str, lines: int) -> list[str]:
        """The last lines of a log by its name. Raises InputError for a name there is none of."""
        if name not in await asyncio.to_thread(self.log_names):
            raise InputError(f"There is no log named {name!r}.", "See `caravan logs --list`.")
        return await asyncio.to_thread(tail, self._services.logs / f"{name}.log", lines)

    def shut_down(self) -> None:
        """Ask the node to end."""
        self._services.request_shutdown()

    def _cluster(self) -> ClusterView:
        status = self.status
        own = own_resources(status.node, status.engine, self.lending.offers(), holds_model=True)
        peers = (peer_resources(peer) for peer in status.peers)
        # One PC may be known by two addresses, and this very PC by one.
        nodes = {each.node: each for each in (*peers, own) if each is not None}
        return ClusterView(this_node=status.node.id, nodes=tuple(nodes.values()))

    def _no_engine(self) -> CaravanError:
        problem = self.status.engine.problem
        if problem is not None:
            return from_info(problem)
        return EngineMissing("The engine is still being looked for.", "Try again in a moment.")

    def _not_serving(self, model: str | None, ready: list[str]) -> InstanceNotFound:
        loading = model is not None and any(
            _names(each, model) and each.state is InstanceState.STARTING for each in self.status.instances
        )
        if loading:
            return InstanceNotFound(f"{model} is still loading.", "Ask again when it is ready: `caravan status`.")
        running = f"Running now: {', '.join(ready)}." if ready else "No model is running."
        what = f"No instance found for model {model}." if model else "No model is running."
        return InstanceNotFound(what, f"{running} Start one with `caravan launch MODEL`.")


def _names(status: InstanceStatus, model: str) -> bool:
    wanted = model.lower().removesuffix(".gguf")
    return wanted == status.model_id.lower() or model == status.id


def _unreadable(model: ModelFile) -> CaravanError:
    if model.problem is not None:
        return from_info(model.problem)
    return InputError(f"{model.id} cannot be read.", "Download it again.")


def refused(refusal: Refusal) -> PlacementRefused:
    """A refusal as an error: its sentence and hint, and a reason per PC as detail."""
    reasons = tuple(reason.sentence for reason in refusal.reasons)
    return PlacementRefused(refusal.sentence, refusal.hint, reasons)
