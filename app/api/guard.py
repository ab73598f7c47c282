"""Who may talk to a listener on 127.0.0.1: no foreign Host (DNS rebinding), no foreign Origin, no body but JSON.

Browsers let any web page reach loopback ports; these three checks are what stops them. What a page can send without
asking first is told in https://developer.mozilla.org/docs/Web/HTTP/CORS ("simple requests").
"""

import asyncio
import contextlib
import secrets
from urllib.parse import urlsplit

from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from app.api.answers import error_answer
from app.schema.errors import CaravanError, ForeignOrigin, InputError, NotAllowed

LOCAL_HOSTS = frozenset({"127.0.0.1", "localhost", "[::1]", "::1"})

BODY_LIMIT = 64 << 20
"""Largest request body in bytes: room for a long conversation with pictures."""

SWALLOWED_BYTES = 1 << 20
SWALLOW_SECONDS = 0.5
"""How much of a refused request is read before it is answered, at most."""


class LoopbackGuard:
    """ASGI middleware with the checks above. `token`, when given, is demanded of paths that start with `protected`."""

    def __init__(self, app: ASGIApp, protected: str | None = None, token: str | None = None) -> None:
        self._app = app
        self._protected = protected
        self._token = token

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or answer why not."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        try:
            check_source(headers)
            check_body(scope["method"], headers)
            if self._protected is not None and self._token and scope["path"].startswith(self._protected):
                check_token(headers, self._token)
        except CaravanError as error:
            await _swallow_body(receive)
            await _refusal(scope["path"], error)(scope, receive, send)
            return
        await self._app(scope, receive, send)


def check_source(headers: dict[str, str]) -> None:
    """Raises ForeignOrigin when Host or Origin is not this PC."""
    host = headers.get("host", "")
    if host.rsplit(":", 1)[0] not in LOCAL_HOSTS and host not in LOCAL_HOSTS:
        raise ForeignOrigin("This address is only for programs on this PC.", "Use http://127.0.0.1 and the port.")
    origin = headers.get("origin")
    if origin is not None and _host_name(origin) not in {"127.0.0.1", "localhost", "::1"}:
        raise ForeignOrigin("Web pages of other sites may not use Caravan.", "Call it from a program on this PC.")


def _host_name(origin: str) -> str | None:
    try:
        return urlsplit(origin).hostname
    except ValueError:
        return None


def check_body(method: str, headers: dict[str, str]) -> None:
    """Raises InputError for a body that is not JSON or too large."""
    if method not in {"POST", "PUT", "PATCH"}:
        return
    if "transfer-encoding" in headers:
        raise InputError("The request does not say how long it is.", "Send it with a Content-Length header.")
    length = headers.get("content-length", "0")
    if not length.isdecimal() or int(length) > BODY_LIMIT:
        raise InputError("The request is too large.", f"Send at most {BODY_LIMIT >> 20} MB.")
    kind = headers.get("content-type", "").split(";")[0].strip().lower()
    if int(length) > 0 and kind != "application/json":
        raise InputError("The request's content must be JSON.", "Set the header Content-Type: application/json.")


def check_token(headers: dict[str, str], token: str) -> None:
    """Raises NotAllowed unless the request bears the token."""
    given = headers.get("authorization", "").removeprefix("Bearer ").encode()
    if not secrets.compare_digest(given, token.encode()):
        raise NotAllowed("The key is missing or wrong.", "Send the token from the file `api-token` as a bearer token.")


async def _swallow_body(receive: Receive) -> None:
    """Take what comes of the body: a connection closed before is reset, and the client may never see the answer."""
    left = SWALLOWED_BYTES
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(SWALLOW_SECONDS):
            while left > 0:
                message = await receive()
                left -= len(message.get("body", b""))
                if not message.get("more_body", False):
                    return


def _refusal(path: str, error: CaravanError) -> Response:
    answer = error_answer(path, error)
    answer.headers["connection"] = "close"
    return answer
