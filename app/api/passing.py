"""A request for a model on its way to whoever serves it, and the answer back, byte for byte.

When the client goes away its request is closed, which makes llama-server stop generating. A model that must be loaded
first is waited for; a client that asked for a stream gets comments meanwhile, as server-sent events allow.
"""

import asyncio
import json
import logging
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import AsyncExitStack
from typing import Any, TypeVar

import httpx
from fastapi import Request
from fastapi.responses import Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from app.api.answers import SSE_HEADERS, SSE_TYPE, openai_error
from app.instances.head import Head
from app.node.forecast import TAIL_BYTES
from app.node.instance_desk import InstanceDesk
from app.node.serving import Serving
from app.schema.errors import CaravanError, HeadFailed, InputError, LaunchCancelled
from app.system.loopback_http import loopback_client

logger = logging.getLogger("caravan.api.passing")

CONNECT_SECONDS = 5.0

PLAIN_SECONDS = 2.0
"""How long a load is waited for before a stream begins with comments: until then a refusal has its own HTTP status."""

SIGN_SECONDS = 5.0
"""Time between two comments in a stream that waits; proxies and clients give up silent ones after half a minute."""

Find = Callable[[str | None], Awaitable[Serving]]
"""Finds who answers for a model's name, or for none; may take as long as a load. Raises CaravanError."""

Result = TypeVar("Result")


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


async def pass_on(desk: InstanceDesk, find: Find, upstream: Upstream, request: Request, path: str) -> Response:
    """Answer a request by whoever serves its model; when the client goes, so does the request.

    Raises what the request or the model lacks.
    """
    body = await request.body()
    wanted = _parse(body)
    passage = Passage(desk, upstream, path, body)
    async with AsyncExitStack() as held:
        finding = asyncio.ensure_future(find(wanted.get("model")))
        held.push_async_callback(_end, finding)
        if wanted.get("stream") is True and not await _unless_gone(request, _is_done(finding, PLAIN_SECONDS)):
            return Held(passage.after(finding), held.pop_all())
        serving = await _unless_gone(request, asyncio.shield(finding))
        answer = await _unless_gone(request, passage.begin(serving, held))
        kind = answer.headers.get("content-type", "application/json")
        if not _is_stream(answer):
            content = await _unless_gone(request, passage.whole(serving, answer))
            return Response(content, status_code=answer.status_code, media_type=kind)
        return Held(passage.pieces(serving, answer), held.pop_all(), kind)


class Held(StreamingResponse):
    """A stream of events that gives back what it holds when it is over, even if it never began."""

    def __init__(self, pieces: AsyncGenerator[bytes, None], held: AsyncExitStack, kind: str = SSE_TYPE) -> None:
        super().__init__(pieces, media_type=kind, headers=SSE_HEADERS)
        self._held = held
        self._held.push_async_callback(pieces.aclose)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send it."""
        async with self._held:
            await super().__call__(scope, receive, send)


class Passage:
    """One request to one model."""

    def __init__(self, desk: InstanceDesk, upstream: Upstream, path: str, body: bytes) -> None:
        self._desk = desk
        self._upstream = upstream
        self._path = path
        self._body = body

    async def begin(self, serving: Serving, held: AsyncExitStack) -> httpx.Response:
        """Send the request; `held` closes the answer and ends the count of the model's requests."""
        held.enter_context(self._desk.used(serving))
        answer = await self._upstream.send(serving, self._path, self._body)
        held.push_async_callback(answer.aclose)
        return answer

    async def whole(self, serving: Serving, answer: httpx.Response) -> bytes:
        """An answer that is no stream. Raises HeadFailed."""
        try:
            content = await answer.aread()
        except httpx.HTTPError as error:
            told = "The model stopped in the middle of its answer."
            raise HeadFailed(told, "See `caravan status` for why.") from error
        await self._learn(serving, content)
        return content

    async def pieces(self, serving: Serving, answer: httpx.Response) -> AsyncGenerator[bytes, None]:
        """The answer as it comes; a model that stops in the middle of it is told in the stream."""
        tail = b""
        try:
            async for piece in answer.aiter_raw():
                tail = (tail + piece)[-TAIL_BYTES:]
                yield piece
        except httpx.HTTPError:
            logger.warning("a model stopped in the middle of an answer")
            told = "The model stopped in the middle of its answer."
            yield _error_event(HeadFailed(told, "See `caravan status` for why."))
        await self._learn(serving, tail)

    async def after(self, finding: asyncio.Future[Serving]) -> AsyncGenerator[bytes, None]:
        """Comments until the model is there, then its answer; what goes wrong is told in the stream."""
        async with AsyncExitStack() as held:
            try:
                yield _COMMENT
                while not await _is_done(finding, SIGN_SECONDS):
                    yield _COMMENT
                serving = finding.result()
                answer = await self.begin(serving, held)
                if not _is_stream(answer):
                    yield _event(await self.whole(serving, answer))
                    return
            except CaravanError as error:
                yield _error_event(error)
                return
            async for piece in self.pieces(serving, answer):
                yield piece

    async def _learn(self, serving: Serving, tail: bytes) -> None:
        if serving.link is None:
            await self._desk.observe(serving.status, tail[-TAIL_BYTES:])


_COMMENT = b": the model is being loaded\n\n"


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


def _is_stream(answer: httpx.Response) -> bool:
    return not answer.is_error and answer.headers.get("content-type", "").startswith(SSE_TYPE)


async def _is_done(work: asyncio.Future[Any], seconds: float) -> bool:
    """Whether it ended within so many seconds."""
    await asyncio.wait({work}, timeout=seconds)
    return work.done()


async def _end(work: asyncio.Future[Any]) -> None:
    work.cancel()
    await asyncio.gather(work, return_exceptions=True)


async def _unless_gone(request: Request, work: Awaitable[Result]) -> Result:
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


def _event(content: bytes) -> bytes:
    return b"data: " + b" ".join(content.splitlines()) + b"\n\n"


def _error_event(error: CaravanError) -> bytes:
    return _event(json.dumps({"error": openai_error(error)}).encode())
