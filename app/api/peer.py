"""What a peer may ask of this node: its report, and leases on its devices. Every route needs the cluster key."""

from fastapi import APIRouter, FastAPI

from app.api.answers import add_error_answers
from app.api.guard import LoopbackGuard
from app.node.node import Node
from app.schema.instance import Lease, LeaseRequest, WorkerStatus
from app.schema.node import PeerReport
from app.schema.record import Record


class Released(Record):
    """The lease has ended."""

    lease_id: str


def peer_app(node: Node, cluster_key: str) -> FastAPI:
    """The application of the peer listener."""
    app = FastAPI(title="Caravan peer link", docs_url=None, redoc_url=None, openapi_url=None)
    app.add_middleware(LoopbackGuard, protected="/", token=cluster_key)
    add_error_answers(app)
    app.include_router(_routes(node))
    return app


def _routes(node: Node) -> APIRouter:
    router = APIRouter(prefix="/peer/v1")

    @router.get("/report")
    async def report() -> PeerReport:
        return node.report()

    @router.post("/leases")
    async def lease(request: LeaseRequest) -> Lease:
        return await node.lending.grant(request)

    @router.post("/leases/{lease_id}/worker")
    async def start_worker(lease_id: str) -> WorkerStatus:
        return await node.lending.start_worker(lease_id)

    @router.post("/leases/{lease_id}/renew")
    async def renew(lease_id: str) -> WorkerStatus:
        return node.lending.renew(lease_id)

    @router.delete("/leases/{lease_id}")
    async def release(lease_id: str) -> Released:
        await node.lending.release(lease_id)
        return Released(lease_id=lease_id)

    return router
