"""How our errors and event streams look over HTTP."""

from collections.abc import AsyncIterator
from typing import Literal

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.responses import JSONResponse, Response

from app.node.bus import Closed, Overflowed, Subscription
from app.schema.errors import CaravanError, InputError, LaunchCancelled, NotFound
from app.schema.record import Record

SSE_TYPE = "text/event-stream"
SSE_HEADERS = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}

OPENAI_PREFIX = "/v1/"

PROBLEMS_TOLD = 20
"""Most wrong fields that are named in one answer."""


class Done(Record):
    """A command was accepted."""

    ok: Literal[True] = True


def add_error_answers(app: FastAPI) -> None:
    """Answer every error of ours, and every malformed request, in one form."""

    async def ours(request: Request, error: Exception) -> Response:
        assert isinstance(error, CaravanError)
        return error_answer(request.url.path, error)

    async def malformed(request: Request, error: Exception) -> Response:
        assert isinstance(error, RequestValidationError)
        return error_answer(request.url.path, _plain(error))

    async def http(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        answer = error_answer(request.url.path, _problem(request, error))
        answer.status_code = error.status_code
        answer.headers.update(error.headers or {})
        return answer

    async def gone(request: Request, error: Exception) -> Response:
        # Nobody reads this any more; it only keeps a client that leaves out of the log.
        return error_answer(request.url.path, LaunchCancelled("The request was cancelled.", ""))

    async def unexpected(request: Request, error: Exception) -> Response:
        # Starlette raises the error again after this answer; the server logs it with its stack.
        told = CaravanError("Something went wrong inside Caravan.", "See `caravan logs` for what.")
        return error_answer(request.url.path, told)

    app.add_exception_handler(CaravanError, ours)
    app.add_exception_handler(Exception, unexpected)
    app.add_exception_handler(RequestValidationError, malformed)
    app.add_exception_handler(HTTPException, http)
    app.add_exception_handler(ClientDisconnect, gone)


def _problem(request: Request, error: HTTPException) -> CaravanError:
    match error.status_code:
        case 400:
            return InputError("The request is not valid JSON.", "Check the body of the request.")
        case 405:
            return InputError(f"This address does not answer {request.method}.", "See /docs for what it answers.")
        case _:
            return NotFound("There is nothing at this address.", "See /docs for what there is.")


def _plain(error: RequestValidationError) -> InputError:
    told = tuple(f"{'.'.join(map(str, each['loc']))}: {each['msg']}" for each in error.errors()[:PROBLEMS_TOLD])
    return InputError("The request is not what this address expects.", "See /docs.", told)


def error_answer(path: str, error: CaravanError) -> Response:
    """An error as JSON; in OpenAI's form on OpenAI's routes, because their clients show `message`."""
    info = error.info()
    content: dict[str, object] = info.model_dump(mode="json")
    if path.startswith(OPENAI_PREFIX):
        content = openai_error(error)
    return JSONResponse({"error": content}, status_code=error.status)


def openai_error(error: CaravanError) -> dict[str, object]:
    """An error in OpenAI's form."""
    info = error.info()
    kind = "invalid_request_error" if error.status < 500 else "server_error"
    return {"message": f"{info.sentence} {info.hint}".strip(), "type": kind, "param": None, "code": info.code}


async def status_stream(subscription: Subscription) -> AsyncIterator[str]:
    """A subscription as server-sent events: `snapshot`, then `delta`s, then `resync` or `closed` when it ends."""
    with subscription:
        yield _event("snapshot", subscription.snapshot.model_dump_json())
        try:
            while True:
                yield _event("delta", (await subscription.next()).model_dump_json())
        except Overflowed:
            yield _event("resync", "{}")
        except Closed:
            yield _event("closed", "{}")


def _event(name: str, data: str) -> str:
    return f"event: {name}\ndata: {data}\n\n"
