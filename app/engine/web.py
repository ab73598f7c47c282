"""Ask a release site over HTTPS: redirects checked one by one, and everything that goes wrong told in plain words."""

import asyncio
import contextlib
import ipaddress
import json
import ssl
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import Any, cast

import certifi
import httpcore  # noqa: F401  httpx would load it at the first request, on the event loop
import httpx

from app import __version__
from app.schema.errors import CaravanError, DownloadFailed, EngineNotOffered, RateLimited

GITHUB_API = "https://api.github.com"

TIMEOUTS = httpx.Timeout(30.0, connect=15.0)
"""Seconds without a byte, and until a connection stands; a whole download may take as long as it likes."""

ANSWER_LIMIT = 8 << 20
"""Largest release record in bytes; llama.cpp's are some 100 KB."""

BY_HAND = (
    "Try again later, or download the files with another PC and install them with "
    "`caravan engine install --from-file FILE`."
)

_REDIRECTS = 5
_NESTED_GENERATORS = 8
_PASSING = frozenset({408, 500, 502, 503, 504})
_LIMITED = frozenset({403, 429})


class TryAgain(Exception):
    """A failure that may pass. `told` is the error for the case that it does not."""

    def __init__(self, told: CaravanError) -> None:
        super().__init__(told.sentence)
        self.told = told


@contextlib.asynccontextmanager
async def web_client(base: str, timeouts: httpx.Timeout = TIMEOUTS) -> AsyncIterator[httpx.AsyncClient]:
    """A client for the site at `base`, by the system's proxies and certificates. Raises DownloadFailed for bad ones."""
    check_address(base, is_loopback(base))
    trust = await asyncio.to_thread(_trust)
    headers = {"User-Agent": f"Caravan/{__version__}", "Accept-Encoding": "identity"}
    try:
        client = httpx.AsyncClient(verify=trust, headers=headers, timeout=timeouts, trust_env=not is_loopback(base))
    except (ImportError, ValueError, httpx.InvalidURL) as error:
        raise DownloadFailed(
            "The proxy that the environment variables of this PC name cannot be used.",
            "Correct HTTPS_PROXY or ALL_PROXY, and start Caravan again.",
            (str(error),),
        ) from error
    async with client:
        yield client


def _trust() -> ssl.SSLContext:
    """The system's certificates and Mozilla's: Windows fetches roots it has not met yet only for its own programs."""
    context = ssl.create_default_context()
    context.load_verify_locations(certifi.where())
    return context


def is_loopback(address: str) -> bool:
    """Whether an address is on this PC."""
    host = _parsed(address).host
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def check_address(address: str, may_be_plain: bool) -> None:
    """Raises DownloadFailed unless it is https; `may_be_plain` lets http pass to a listener on this PC."""
    url = _parsed(address)
    if url.scheme == "https" and url.host:
        return
    if url.scheme == "http" and may_be_plain and is_loopback(address):
        return
    raise DownloadFailed(
        f"Caravan downloads over https only, not from {url}.",
        "If you set CARAVAN_RELEASE_MIRROR or the setting release_mirror, correct it.",
    )


def _parsed(address: str) -> httpx.URL:
    try:
        return httpx.URL(address)
    except httpx.InvalidURL as error:
        raise DownloadFailed(f"{address!r} is no web address.", "Correct CARAVAN_RELEASE_MIRROR.") from error


@contextlib.asynccontextmanager
async def opened(
    client: httpx.AsyncClient, address: str, headers: Mapping[str, str], may_be_plain: bool
) -> AsyncIterator[httpx.Response]:
    """The answer to a GET whose body is still to be read. Raises DownloadFailed, or TryAgain for what may pass."""
    try:
        response = await _follow(client, address, headers, may_be_plain)
        try:
            yield response
        finally:
            await response.aclose()
    except httpx.HTTPError as error:
        raise _in_words(error, _parsed(address).host) from error


async def _follow(
    client: httpx.AsyncClient, address: str, headers: Mapping[str, str], may_be_plain: bool
) -> httpx.Response:
    url = _parsed(address)
    for _ in range(_REDIRECTS + 1):
        check_address(str(url), may_be_plain)
        response = await client.send(client.build_request("GET", url, headers=dict(headers)), stream=True)
        if not response.has_redirect_location:
            return response
        await response.aclose()
        url = url.join(_parsed(response.headers["location"]))
    raise DownloadFailed(f"{_parsed(address).host} sends Caravan in circles.", BY_HAND)


def _in_words(error: httpx.HTTPError, host: str) -> Exception:
    if _is_certificate(error):
        return DownloadFailed(
            f"{host} could not prove who it is, so nothing was downloaded.",
            "Check this PC's date, and whether a virus scanner or company proxy looks into https.",
            (str(error),),
        )
    if isinstance(error, httpx.TimeoutException):
        told = f"{host} does not answer in time."
    elif isinstance(error, httpx.ConnectError | httpx.ProxyError):
        told = f"{host} cannot be reached from this PC."
    else:
        told = f"The connection to {host} broke."
    return TryAgain(DownloadFailed(told, f"Check the internet connection. {BY_HAND}", (str(error),)))


def _is_certificate(error: BaseException | None) -> bool:
    while error is not None:
        if isinstance(error, ssl.SSLCertVerificationError):
            return True
        error = error.__cause__ or error.__context__
    return False


def check_status(response: httpx.Response, what: str, now: float) -> None:
    """Raises the error for an answer that is not 200 or 206; `what` is what was asked for, `now` the time of day."""
    status, host = response.status_code, response.url.host
    if status in (200, 206):
        return
    if status == 404:
        raise EngineNotOffered(f"There is no {what} at {host}.", "Check the number given with --build.")
    if status in _LIMITED:
        raise _limited(response, now)
    error = DownloadFailed(f"{host} answered with an error (status {status}) when asked for {what}.", BY_HAND)
    raise TryAgain(error) if status in _PASSING else error


def _limited(response: httpx.Response, now: float) -> DownloadFailed:
    wait = seconds_to_wait(response.headers, now)
    if wait is None and response.status_code == 403:
        return DownloadFailed(f"{response.url.host} refuses to answer this PC (status 403).", BY_HAND)
    when = "in an hour" if wait is None else _when(now, wait)
    return RateLimited(
        f"{response.url.host} lets this network ask only so often, and that is used up.",
        f"Try again {when}, or install with `caravan engine install --from-file FILE`.",
    )


def seconds_to_wait(headers: Mapping[str, str], now: float) -> float | None:
    """How long a rate limit lasts: `retry-after` (seconds or a date), else `x-ratelimit-reset` (epoch seconds).

    See https://docs.github.com/rest/using-the-rest-api/rate-limits-for-the-rest-api. None when nothing is told.
    """
    after = headers.get("retry-after", "").strip()
    if after.isdecimal():
        return float(after)
    if after:
        with contextlib.suppress(ValueError, TypeError):
            return max(0.0, parsedate_to_datetime(after).timestamp() - now)
    reset = headers.get("x-ratelimit-reset", "").strip()
    if reset.isdecimal() and headers.get("x-ratelimit-remaining", "0").strip() == "0":
        return max(0.0, float(reset) - now)
    return None


def _when(now: float, wait: float) -> str:
    try:
        clock = datetime.fromtimestamp(now + wait).astimezone()
    except (OverflowError, OSError, ValueError):
        return "tomorrow"
    minutes = max(1, round(wait / 60))
    return f"after {clock:%H:%M}, in {minutes} minute{'s' if minutes > 1 else ''}"


@contextlib.asynccontextmanager
async def body(response: httpx.Response) -> AsyncIterator[AsyncIterator[bytes]]:
    """The body in pieces, as it comes: nothing in it is decompressed. May be left before its end."""
    chunks = cast(AsyncGenerator[bytes, None], response.aiter_raw())
    try:
        yield chunks
    finally:
        await chunks.aclose()
        # httpx leaves its inner generators to the loop, which closes one with each turn.
        for _ in range(_NESTED_GENERATORS):
            await asyncio.sleep(0)


async def read_json(response: httpx.Response, host: str) -> Any:
    """The body as JSON. Raises DownloadFailed when it is none or too long."""
    content = bytearray()
    async with body(response) as chunks:
        async for chunk in chunks:
            content += chunk
            if len(content) > ANSWER_LIMIT:
                raise DownloadFailed(f"The answer of {host} is too long to be a list of files.", BY_HAND)
    try:
        return json.loads(content)
    except (ValueError, RecursionError) as error:
        raise DownloadFailed(
            f"{host} answered with something else than a list of files.",
            f"A login page of this network may stand in between: open a web page once. {BY_HAND}",
        ) from error
