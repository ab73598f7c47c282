"""What a peer may ask of this node: its report, leases on its devices, its models, and answers of what runs here.

Only the link process of this PC can connect (`app.api.peer_protocol`), and it names the peer that it proved.
"""

from collections.abc import Awaitable, Callable
from typing import Annotated

from fastapi import APIRouter, Depends, FastAPI, Request
from fastapi.responses import Response
from pydantic import Field

from app.api.answers import Done, add_error_answers
from app.api.guard import LoopbackGuard
from app.api.local import Launched
from app.api.passing import Upstream, pass_on
from app.api.peer_protocol import PEER_KEY
from app.node.known import PEER_KNOWN_SECONDS
from app.node.node import Node
from app.node.serving import Serving
from app.schema.errors import NotAllowed
from app.schema.instance import LaunchRequest, Lease, LeaseRequest, WorkerStatus
from app.schema.model import ModelFile
from app.schema.node import PeerReport
from app.schema.record import InstanceId, NodeId, Record


class Released(Record):
    """The lease has ended."""

    lease_id: str


class RoomWanted(Record):
    """A peer needs the memory of an instance that works on nothing; `because` says for what, in a sentence."""

    because: Annotated[str, Field(max_length=500)]


def peer_app(node: Node, upstream: Upstream) -> FastAPI:
    """The application of the peer listener."""
    app = FastAPI(title="Caravan peer link", docs_url=None, redoc_url=None, openapi_url=None)
    app.add_middleware(LoopbackGuard)
    add_error_answers(app)
    lists = APIRouter(prefix="/peer/v1")
    work = APIRouter(prefix="/peer/v1", dependencies=[Depends(_members_only(node))])
    _add_membership(lists, node)
    _add_leases(work, node)
    _add_instances(work, node, upstream)
    app.include_router(lists)
    app.include_router(work)
    return app


def _members_only(node: Node) -> Callable[[Request], Awaitable[None]]:
    """A PC that is still joining may exchange member lists, and nothing else."""

    async def check(request: Request) -> None:
        node.cluster.check_member(NodeId(request.scope[PEER_KEY]))

    return check


async def _peer(request: Request) -> NodeId:
    """The peer that asks, as the link process proved it. FastAPI would call a plain function in a thread."""
    return NodeId(request.scope[PEER_KEY])


Asking = Annotated[NodeId, Depends(_peer)]


def _add_leases(router: APIRouter, node: Node) -> None:
    @router.post("/goodbye")
    async def goodbye(peer: Asking) -> Done:
        node.cluster.gone(peer)
        return Done()

    @router.get("/report")
    async def report() -> PeerReport:
        return node.report()

    @router.post("/report")
    async def told(report: PeerReport, peer: Asking) -> Done:
        node.cluster.told(peer, report)
        return Done()

    @router.post("/leases")
    async def lease(request: LeaseRequest, peer: Asking) -> Lease:
        if request.head != peer:
            raise NotAllowed("A PC may lease only for itself.", "Run the same version of Caravan on all PCs.")
        return await node.lending.grant(request)

    @router.post("/leases/{lease_id}/worker")
    async def start_worker(lease_id: str, peer: Asking) -> WorkerStatus:
        node.lending.check_holder(lease_id, peer)
        return await node.lending.start_worker(lease_id)

    @router.post("/leases/{lease_id}/renew")
    async def renew(lease_id: str, peer: Asking) -> WorkerStatus:
        node.lending.check_holder(lease_id, peer)
        return node.lending.renew(lease_id)

    @router.delete("/leases/{lease_id}")
    async def release(lease_id: str, peer: Asking) -> Released:
        if node.lending.holder(lease_id) == peer:
            await node.lending.release(lease_id)
        return Released(lease_id=lease_id)


def _add_membership(router: APIRouter, node: Node) -> None:
    @router.get("/members")
    async def members(peer: Asking) -> Response:
        return Response(node.cluster.own_list(peer), media_type="application/json")

    @router.post("/members")
    async def take_members(request: Request, peer: Asking) -> Done:
        await node.cluster.receive_list(peer, await request.body())
        return Done()


def _add_instances(router: APIRouter, node: Node, upstream: Upstream) -> None:
    @router.get("/models")
    async def models() -> tuple[ModelFile, ...]:
        return await node.models()

    @router.post("/instances", status_code=202)
    async def launch(request: LaunchRequest) -> Launched:
        return Launched(instance_id=await node.instances.launch_here(request, PEER_KNOWN_SECONDS))

    @router.delete("/instances/{instance_id}", status_code=202)
    async def stop(instance_id: InstanceId) -> Done:
        node.instances.stop_here(instance_id)
        return Done()

    @router.post("/instances/{instance_id}/make-room", status_code=202)
    async def make_room(instance_id: InstanceId, room: RoomWanted) -> Done:
        node.instances.make_room_here(instance_id, room.because)
        return Done()

    async def here(model: str | None) -> Serving:
        return node.instances.serving_here(model)

    @router.post("/v1/chat/completions")
    async def chat(request: Request) -> Response:
        return await pass_on(node.instances, here, upstream, request, "/v1/chat/completions")

    @router.post("/v1/completions")
    async def completions(request: Request) -> Response:
        return await pass_on(node.instances, here, upstream, request, "/v1/completions")
