"""`/caravan/v1`: what the tray, the command line and scripts use. Every route needs the bearer token of this node."""

from typing import Annotated, Literal

from fastapi import APIRouter, Query
from fastapi.responses import StreamingResponse

from app.api.answers import SSE_HEADERS, SSE_TYPE, status_stream
from app.node.node import Node
from app.schema.engine import EngineInstall, EngineInstallRequest, EngineStatus
from app.schema.errors import ErrorInfo
from app.schema.event import NumberedEvent
from app.schema.instance import InstanceStatus, LaunchRequest
from app.schema.model import ModelFile
from app.schema.node import Status
from app.schema.plan import PlanAnswer, PlanRequest
from app.schema.record import InstanceId, Record
from app.schema.settings import Settings


class Launched(Record):
    """A launch was accepted; its phases are told by the events of this instance."""

    instance_id: InstanceId


class LogTail(Record):
    """The end of one log, and the logs there are."""

    name: str
    lines: tuple[str, ...]
    names: tuple[str, ...]


class Done(Record):
    """A command was accepted."""

    ok: Literal[True] = True


def local_routes(node: Node) -> APIRouter:
    """The routes over one node."""
    router = APIRouter(prefix="/caravan/v1", tags=["caravan"], responses={"4XX": {"model": dict[str, ErrorInfo]}})
    _add_reads(router, node)
    _add_commands(router, node)
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
        return node.instance(instance_id)

    @router.get("/logs")
    async def logs(name: str = "caravan", lines: Annotated[int, Query(ge=1, le=10_000)] = 200) -> LogTail:
        """The end of a log."""
        return LogTail(name=name, lines=tuple(await node.log_tail(name, lines)), names=node.log_names())


def _add_commands(router: APIRouter, node: Node) -> None:
    @router.post("/plan")
    async def plan(request: PlanRequest) -> PlanAnswer:
        """Where a model would run: a plan, or a refusal with every reason."""
        return await node.plan(request)

    @router.post("/instances", status_code=202)
    async def launch(request: LaunchRequest) -> Launched:
        """Launch a plan."""
        return Launched(instance_id=await node.launch(request))

    @router.delete("/instances/{instance_id}", status_code=202)
    async def stop(instance_id: InstanceId) -> Done:
        """Stop an instance, or cancel its launch."""
        node.stop(instance_id)
        return Done()

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
        return node.change_settings(settings)

    @router.post("/shutdown", status_code=202)
    async def shut_down() -> Done:
        """End the node and everything it runs."""
        node.shut_down()
        return Done()
