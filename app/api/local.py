"""`/caravan/v1`: what the tray, the command line and scripts use. Every route needs the bearer token of this node."""

import asyncio
from typing import Annotated

from fastapi import APIRouter, Query
from fastapi.responses import StreamingResponse

from app.api.answers import SSE_HEADERS, SSE_TYPE, Done, status_stream
from app.api.hub import add_hub
from app.node.node import Node
from app.schema.cluster import InvitationStatus, JoinRequest, JoinStatus
from app.schema.engine import EngineInstall, EngineInstallRequest, EngineStatus
from app.schema.errors import ErrorInfo
from app.schema.event import NumberedEvent
from app.schema.instance import InstanceStatus, LaunchRequest
from app.schema.model import HeldModel, ModelFile
from app.schema.node import Status
from app.schema.plan import Plan, PlanAnswer, PlanRequest
from app.schema.question import PlanQuestion
from app.schema.record import InstanceId, ModelId, NodeId, Record
from app.schema.settings import Settings


class Launched(Record):
    """A launch was accepted; its phases are told by the events of this instance."""

    instance_id: InstanceId


class LoadRequest(Record):
    """Launch a model as it ran last."""

    model_id: ModelId


class Loaded(Launched):
    """The launch, and the plan it follows."""

    plan: Plan


class LogTail(Record):
    """The end of one log, and the logs there are."""

    name: str
    lines: tuple[str, ...]
    names: tuple[str, ...]


class Measured(Record):
    """Throughput from this PC to the peer in bytes/s."""

    throughput: float


class Fixed(Record):
    """What became of a fix, in a sentence."""

    sentence: str


def local_routes(node: Node) -> APIRouter:
    """The routes over one node."""
    router = APIRouter(prefix="/caravan/v1", tags=["caravan"], responses={"4XX": {"model": dict[str, ErrorInfo]}})
    _add_reads(router, node)
    _add_launches(router, node)
    _add_commands(router, node)
    _add_cluster(router, node)
    add_hub(router, node)
    return router


def _add_reads(router: APIRouter, node: Node) -> None:
    @router.get("/status")
    async def status() -> Status:
        """The whole status, as of now."""
        return node.status

    @router.get("/events")
    async def events() -> StreamingResponse:
        """Server-sent events: `snapshot`, then numbered `delta`s; `resync` when the reader was too slow."""
        return StreamingResponse(status_stream(node.subscribe()), media_type=SSE_TYPE, headers=SSE_HEADERS)

    @router.get("/story")
    async def story() -> tuple[NumberedEvent, ...]:
        """The last events, oldest first."""
        return node.story()

    @router.get("/models")
    async def models(rescan: bool = False) -> tuple[ModelFile, ...]:
        """The models on this PC; `rescan` looks at the folders first."""
        return await node.models(rescan)

    @router.get("/engine")
    async def engine() -> EngineStatus:
        """The llama.cpp build of this PC, or why there is none."""
        return node.status.engine

    @router.get("/settings")
    async def settings() -> Settings:
        """The settings."""
        return node.settings

    @router.get("/instances/{instance_id}")
    async def instance(instance_id: InstanceId) -> InstanceStatus:
        """One instance of this node."""
        return node.instances.instance(instance_id)

    @router.get("/logs")
    async def logs(name: str = "caravan", lines: Annotated[int, Query(ge=1, le=10_000)] = 200) -> LogTail:
        """The end of a log."""
        tail = await node.log_tail(name, lines)
        return LogTail(name=name, lines=tuple(tail), names=await asyncio.to_thread(node.log_names))


def _add_launches(router: APIRouter, node: Node) -> None:
    @router.post("/plan")
    async def plan(request: PlanRequest) -> PlanAnswer:
        """Where a model would run: a plan, or a refusal with every reason."""
        return await node.instances.plan(request)

    @router.post("/plan/described")
    async def plan_for(question: PlanQuestion) -> PlanAnswer:
        """Where a model would run among PCs that the question describes: to ask before you buy."""
        return await node.instances.plan_for(question)

    @router.post("/instances", status_code=202)
    async def launch(request: LaunchRequest) -> Launched:
        """Launch a plan."""
        return Launched(instance_id=await node.instances.launch(request))

    @router.post("/load", status_code=202)
    async def load(request: LoadRequest) -> Loaded:
        """Plan a model with the settings it ran with last, and launch it."""
        instance_id, plan = await node.load(request.model_id)
        return Loaded(instance_id=instance_id, plan=plan)

    @router.delete("/instances/{instance_id}", status_code=202)
    async def stop(instance_id: InstanceId) -> Done:
        """Stop an instance, or cancel its launch."""
        await node.instances.stop(instance_id)
        return Done()


def _add_commands(router: APIRouter, node: Node) -> None:
    @router.post("/engine/install", status_code=202)
    async def install_engine(request: EngineInstallRequest) -> EngineInstall:
        """Install llama.cpp; follow `engine_install` of the status."""
        return node.install_engine(request)

    @router.delete("/engine/install", status_code=202)
    async def cancel_engine_install() -> Done:
        """End the install that runs; what was downloaded is kept."""
        node.cancel_engine_install()
        return Done()

    @router.put("/settings")
    async def change_settings(settings: Settings) -> Settings:
        """Replace the settings."""
        return await node.change_settings(settings)

    @router.post("/shutdown", status_code=202)
    async def shut_down() -> Done:
        """End the node and everything it runs."""
        node.shut_down()
        return Done()

    @router.post("/fix/{code}")
    async def fix(code: str) -> Fixed:
        """Put right what a warning of this code says; Windows asks the user of this PC first."""
        return Fixed(sentence=await node.fix(code))


def _add_cluster(router: APIRouter, node: Node) -> None:
    @router.get("/model")
    async def model(name: str) -> ModelFile:
        """The model of that name: an id, a file name or a full path, on this PC or on another of the cluster."""
        return await node.instances.model(name)

    @router.get("/cluster/models")
    async def cluster_models() -> tuple[HeldModel, ...]:
        """The models of all PCs of the cluster, with who holds each."""
        return await node.cluster_models()

    @router.post("/invitation")
    async def invite() -> InvitationStatus:
        """Show a code with which another PC can join; follow `invitation` of the status."""
        return await node.cluster.invite()

    @router.delete("/invitation")
    async def end_invitation() -> Done:
        """Show no code any more."""
        await node.cluster.end_invitation()
        return Done()

    @router.post("/join", status_code=202)
    async def join(request: JoinRequest) -> JoinStatus:
        """Join the cluster of the PC that shows a code; follow `join` of the status."""
        return await node.cluster.join(request)

    @router.delete("/join")
    async def cancel_join() -> Done:
        """Give up the attempt that runs."""
        await node.cluster.cancel_join()
        return Done()

    @router.delete("/members/{member}")
    async def remove(member: NodeId) -> Done:
        """Remove another PC from the cluster, for ever."""
        await node.cluster.remove(member)
        return Done()

    @router.post("/leave", status_code=202)
    async def leave() -> Done:
        """Leave the cluster; the node starts anew as another one."""
        await node.cluster.leave()
        return Done()

    @router.post("/peers/{peer}/measure")
    async def measure(peer: NodeId) -> Measured:
        """Measure the throughput to a peer; takes seconds and the whole link, and is refused while a model runs."""
        return Measured(throughput=await node.cluster.measure(peer))
