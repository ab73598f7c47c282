"""How our errors and event streams look over HTTP."""

from collections.abc import AsyncIterator

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from app.node.bus import Closed, Overflowed, Subscription
from app.schema.errors import CaravanError, InputError, NotFound

SSE_TYPE = "text/event-stream"
SSE_HEADERS = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}

OPENAI_PREFIX = "/v1/"


def add_error_answers(app: FastAPI) -> None:
    """Answer every error of ours, and every malformed request, in one form."""

    async def ours(request: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, CaravanError)
        return error_answer(request.url.path, error)

    async def malformed(request: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, RequestValidationError)
        return error_answer(request.url.path, _plain(error))

    async def http(request: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, HTTPException)
        problem = NotFound("There is nothing at this address.", "See /docs for what there is.")
        answer = error_answer(request.url.path, problem)
        answer.status_code = error.status_code
        return answer

    async def unexpected(request: Request, error: Exception) -> JSONResponse:
        # Starlette raises the error again after this answer; the server logs it with its stack.
        told = CaravanError("Something went wrong inside Caravan.", "See `caravan logs` for what.")
        return error_answer(request.url.path, told)

    app.add_exception_handler(CaravanError, ours)
    app.add_exception_handler(Exception, unexpected)
    app.add_exception_handler(RequestValidationError, malformed)
    app.add_exception_handler(HTTPException, http)


def _plain(error: RequestValidationError) -> InputError:
    told = tuple(f"{'.'.join(map(str, each['loc']))}: {each['msg']}" for each in error.errors())
    return InputError("The request is not what this address expects.", "See /docs.", told)


def error_answer(path: str, error: CaravanError) -> JSONResponse:
    """An error as JSON; in OpenAI's form on OpenAI's routes, because their clients show `message`."""
    info = error.info()
    content: dict[str, object] = info.model_dump(mode="json")
    if path.startswith(OPENAI_PREFIX):
        message = f"{info.sentence} {info.hint}".strip()
        kind = "invalid_request_error" if error.status < 500 else "server_error"
        content = {"message": message, "type": kind, "param": None, "code": info.code}
    return JSONResponse({"error": content}, status_code=error.status)


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
