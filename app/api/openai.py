"""The OpenAI-compatible routes: choose the instance, stream through, label our own errors.

What llama-server answers is passed on byte for byte. When the client goes away its request is closed, which makes
llama-server stop generating.
"""

import asyncio
import json
import logging
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import aclosing
from typing import Any

import httpx
from fastapi import APIRouter, Request
from fastapi.responses import Response, StreamingResponse

from app.api.answers import SSE_HEADERS
from app.instances.head import Head
from app.node.forecast import TAIL_BYTES
from app.node.node import Node
from app.node.serving import Serving
from app.schema.errors import HeadFailed, InputError, LaunchCancelled
from app.schema.instance import InstanceStatus
from app.system.loopback_http import loopback_client

logger = logging.getLogger("caravan.api.openai")

CONNECT_SECONDS = 5.0

_BODY = {
    "requestBody": {
        "required": True,
        "content": {"application/json": {"schema": {"type": "object", "description": "As OpenAI's API describes it."}}},
    }
}


Learn = Callable[[InstanceStatus, bytes], Awaitable[None]]
"""Hears the last bytes of an answer, in which the engine tells its figures."""

Serve = Callable[[str | None], Serving]
"""Chooses who answers for a model's name, or for none. Raises InstanceNotFound."""


class Upstream:
    """The one HTTP client to this node's llama-servers; models of other PCs are asked through their links."""

    def __init__(self) -> None:
        # No read deadline: a long prompt may take minutes before its first byte, and the client can leave.
        timeout = httpx.Timeout(None, connect=CONNECT_SECONDS)
        limits = httpx.Limits(max_connections=None, max_keepalive_connections=8)
        self._client = loopback_client(timeout=timeout, limits=limits)

    async def send(self, serving: Serving, path: str, body: bytes) -> httpx.Response:
        """Send a request on; the answer's content is not read yet.

        Raises HeadFailed or PeerUnreachable when nobody answers.
        """
        if serving.link is not None:
            return await serving.link.ask_model(path, body)
        return await self._send(serving.head, path, body)

    async def _send(self, head: Head, path: str, body: bytes) -> httpx.Response:
        headers = {"Authorization": f"Bearer {head.api_key}", "Content-Type": "application/json"}
        request = self._client.build_request("POST", head.url + path, content=body, headers=headers)
        try:
            return await self._client.send(request, stream=True)
        except httpx.HTTPError as error:
            raise HeadFailed("The model stopped while it was asked.", "See `caravan status` for why.") from error

    async def close(self) -> None:
        """Close all connections."""
        await self._client.aclose()


def openai_routes(node: Node, upstream: Upstream) -> APIRouter:
    """The routes over one node."""
    router = APIRouter(prefix="/v1", tags=["openai"])

    @router.get("/models")
    async def models() -> dict[str, Any]:
        """The models that answer now, on any PC of the cluster."""
        ready = {each.model_id: each for each in node.instances.ready_instances()}
        return {"object": "list", "data": [_model_card(each) for each in ready.values()]}

    @router.get("/models/{model:path}")
    async def model(model: str) -> dict[str, Any]:
        """One model that answers now."""
        return _model_card(node.instances.serving(model).status)

    @router.post("/chat/completions", openapi_extra=_BODY)
    async def chat(request: Request) -> Response:
        """Chat with a running model; `stream` gives server-sent events."""
        return await pass_on(node.instances.serving, node.instances.observe, upstream, request, "/v1/chat/completions")

    @router.post("/completions", openapi_extra=_BODY)
    async def completions(request: Request) -> Response:
        """Complete a text with a running model; `stream` gives server-sent events."""
        return await pass_on(node.instances.serving, node.instances.observe, upstream, request, "/v1/completions")

    return router


def _model_card(status: InstanceStatus) -> dict[str, Any]:
    return {"id": status.model_id, "object": "model", "created": int(status.created_at), "owned_by": "caravan"}


async def pass_on(serve: Serve, learn: Learn, upstream: Upstream, request: Request, path: str) -> Response:
    """Answer a request by whoever serves its model; when the client goes, so does the request.

    `learn` hears the end of each answer of this node's own models. Raises what the request or the model lacks.
    """
    body = await request.body()
    wanted = _parse(body)
    serving = serve(wanted.get("model"))
    answer = await _unless_gone(request, upstream.send(serving, path, body))
    kind = answer.headers.get("content-type", "application/json")
    if answer.is_error or not kind.startswith("text/event-stream"):
        content = await _unless_gone(request, _whole(answer))
        if serving.link is None:
            await learn(serving.status, content[-TAIL_BYTES:])
        return Response(content, status_code=answer.status_code, media_type=kind)
    pieces = _through(answer) if serving.link is not None else _heard(_through(answer), serving.status, learn)
    return StreamingResponse(pieces, media_type=kind, headers=SSE_HEADERS)


def _parse(body: bytes) -> dict[str, Any]:
    try:
        content = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise InputError("The request is not valid JSON.", "Check the body of the request.") from error
    if not isinstance(content, dict):
        raise InputError("The request must be a JSON object.", "See OpenAI's API for its fields.")
    if not isinstance(content.get("model"), str | None):
        raise InputError("`model` must be a string.", "GET /v1/models lists the names.")
    return content


async def _whole(answer: httpx.Response) -> bytes:
    try:
        return await answer.aread()
    except httpx.HTTPError as error:
        raise HeadFailed("The model stopped in the middle of its answer.", "See `caravan status` for why.") from error
    finally:
        await answer.aclose()


async def _unless_gone(request: Request, work: Any) -> Any:
    """The result of `work`, which is cancelled as soon as the client closes its connection."""
    task = asyncio.ensure_future(work)
    gone = asyncio.ensure_future(_gone(request))
    try:
        await asyncio.wait({task, gone}, return_when=asyncio.FIRST_COMPLETED)
        if not task.done():
            raise LaunchCancelled("The request was cancelled.", "")
        return task.result()
    finally:
        for each in (task, gone):
            each.cancel()
        await asyncio.gather(task, gone, return_exceptions=True)


async def _gone(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass


async def _through(answer: httpx.Response) -> AsyncGenerator[bytes, None]:
    try:
        async for piece in answer.aiter_raw():
            yield piece
    except httpx.HTTPError:
        logger.warning("a model stopped in the middle of an answer")
        yield _broken_stream()
    finally:
        await answer.aclose()


async def _heard(pieces: AsyncGenerator[bytes, None], instance: InstanceStatus, learn: Learn) -> AsyncIterator[bytes]:
    """The same pieces; who learns gets the last of them when all have passed."""
    tail = b""
    async with aclosing(pieces):
        async for piece in pieces:
            tail = (tail + piece)[-TAIL_BYTES:]
            yield piece
    await learn(instance, tail)


def _broken_stream() -> bytes:
    message = "The model stopped in the middle of its answer. See `caravan status` for why."
    error = {"error": {"message": message, "type": "server_error", "param": None, "code": "head_failed"}}
    return f"data: {json.dumps(error)}\n\n".encode()
