"""The OpenAI-compatible routes: which models there are, and answers from whoever serves the one that is named."""

from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import Response

from app.api.passing import Upstream, pass_on
from app.node.node import Node
from app.schema.errors import InstanceNotFound
from app.schema.instance import InstanceState, InstanceStatus
from app.schema.model import HeldModel

_BODY = {
    "requestBody": {
        "required": True,
        "content": {"application/json": {"schema": {"type": "object", "description": "As OpenAI's API describes it."}}},
    }
}


def openai_routes(node: Node, upstream: Upstream) -> APIRouter:
    """The routes over one node."""
    router = APIRouter(prefix="/v1", tags=["openai"])

    @router.get("/models")
    async def models() -> dict[str, Any]:
        """The models that can be asked: those that run on any PC of the cluster, then those that a request loads."""
        return {"object": "list", "data": await _cards(node)}

    @router.get("/models/{model:path}")
    async def model(model: str) -> dict[str, Any]:
        """One model that can be asked."""
        try:
            return _running_card(node.instances.serving(model).status)
        except InstanceNotFound:
            known = await _cards(node)
            wanted = model.lower().removesuffix(".gguf")
            found = next((each for each in known if each["id"].lower() == wanted), None)
            if found is None:
                raise
            return found

    @router.post("/chat/completions", openapi_extra=_BODY)
    async def chat(request: Request) -> Response:
        """Chat with a model; `stream` gives server-sent events. One that does not run is loaded first."""
        return await pass_on(node.instances, node.serving, upstream, request, "/v1/chat/completions")

    @router.post("/completions", openapi_extra=_BODY)
    async def completions(request: Request) -> Response:
        """Complete a text with a model; `stream` gives server-sent events. One that does not run is loaded first."""
        return await pass_on(node.instances, node.serving, upstream, request, "/v1/completions")

    return router


async def _cards(node: Node) -> list[dict[str, Any]]:
    """Running ones first; a model is listed once. `status` is in the form of llama-server's router."""
    cards = {each.model_id: _running_card(each) for each in node.instances.ready_instances()}
    if node.settings.load_on_request:
        loading = {each.model_id for each in node.status.all_instances if each.state is InstanceState.STARTING}
        for held in await node.cluster_models():
            if _can_answer(held):
                state = "loading" if held.model.id in loading else "unloaded"
                cards.setdefault(held.model.id, _card(held.model.id, held.model.modified, state))
    return list(cards.values())


def _can_answer(held: HeldModel) -> bool:
    shape = held.model.shape
    return held.model.problem is None and shape is not None and not shape.is_projector


def _running_card(status: InstanceStatus) -> dict[str, Any]:
    return _card(status.model_id, status.created_at, "loaded")


def _card(model: str, created: float, state: str) -> dict[str, Any]:
    owner = {"object": "model", "created": int(created), "owned_by": "caravan"}
    return {"id": model, **owner, "status": {"value": state}}
