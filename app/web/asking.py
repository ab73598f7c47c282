"""Ask a site over HTTPS: redirects checked one by one, and everything that goes wrong told in plain words."""

import asyncio
import contextlib
import json
import ssl
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping
from typing import Any, TypeVar, cast

import certifi
import httpcore  # noqa: F401  httpx would load it at the first request, on the event loop
import httpx

from app import __version__
from app.schema.errors import CaravanError, DownloadFailed, DownloadInterrupted, RateLimited
from app.web.limits import seconds_to_wait, when
from app.web.site import Site

TIMEOUTS = httpx.Timeout(30.0, connect=15.0)
"""Seconds without a byte, and until a connection stands; a whole download may take as long as it likes."""

ANSWER_LIMIT = 8 << 20
"""Largest JSON answer in bytes that is read."""

T = TypeVar("T")

_REDIRECTS = 5
_NESTED_GENERATORS = 8
_PASSING = frozenset({408, 500, 502, 503, 504})
_LIMITED = frozenset({403, 429})


class TryAgain(Exception):
    """A failure that may pass. `told` is the error for the case that it does not."""

    def __init__(self, told: CaravanError) -> None:
        super().__init__(told.sentence)
        self.told = told


async def patiently(work: Callable[[], Awaitable[T]], pauses: tuple[float, ...]) -> T:
    """Do `work`, and again after each pause in seconds while it fails with what may pass. Raises what it tells then."""
    for pause in pauses:
        try:
            return await work()
        except TryAgain:
            await asyncio.sleep(pause)
    try:
        return await work()
    except TryAgain as again:
        raise again.told from again


@contextlib.asynccontextmanager
async def web_client(site: Site, timeouts: httpx.Timeout = TIMEOUTS) -> AsyncIterator[httpx.AsyncClient]:
    """A client for a site, by the system's proxies and certificates. Raises DownloadFailed for bad ones."""
    site.check(site.parsed(site.base))
    trust = await asyncio.to_thread(_trust)
    headers = {"User-Agent": f"Caravan/{__version__}", "Accept-Encoding": "identity"}
    try:
        client = httpx.AsyncClient(verify=trust, headers=headers, timeout=timeouts, trust_env=not site.is_on_this_pc)
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


@contextlib.asynccontextmanager
async def opened(
    client: httpx.AsyncClient, site: Site, address: str, headers: Mapping[str, str]
) -> AsyncIterator[httpx.Response]:
    """The answer to a GET whose body is still to be read. Raises DownloadFailed, or TryAgain for what may pass."""
    try:
        response = await _follow(client, site, address, headers)
        try:
            yield response
        finally:
            await response.aclose()
    except httpx.HTTPError as error:
        raise _in_words(error, site, site.parsed(address).host) from error


async def _follow(client: httpx.AsyncClient, site: Site, address: str, headers: Mapping[str, str]) -> httpx.Response:
    url = site.parsed(address)
    for _ in range(_REDIRECTS + 1):
        site.check(url)
        request = client.build_request("GET", url, headers={**headers, **site.headers_for(url)})
        response = await client.send(request, stream=True)
        if not response.has_redirect_location:
            return response
        await response.aclose()
        url = url.join(site.parsed(response.headers["location"]))
    raise DownloadFailed(f"{site.parsed(address).host} sends Caravan in circles.", site.by_hand)


def _in_words(error: httpx.HTTPError, site: Site, host: str) -> Exception:
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
    return TryAgain(DownloadInterrupted(told, f"Check the internet connection. {site.by_hand}", (str(error),)))


def _is_certificate(error: BaseException | None) -> bool:
    while error is not None:
        if isinstance(error, ssl.SSLCertVerificationError):
            return True
        error = error.__cause__ or error.__context__
    return False


def check_status(response: httpx.Response, site: Site, what: str, now: float) -> None:
    """Raises the error for an answer that is not 200 or 206; `what` is what was asked for, `now` the time of day.

    An address elsewhere that a site hands out is good for some minutes: refused there, a new one is asked for.
    """
    status, host = response.status_code, response.url.host
    if status in (200, 206):
        return
    special = site.judge(response, what)
    if special is not None:
        raise special
    if status == 403 and not site.is_own(response.url):
        raise TryAgain(DownloadInterrupted(f"{host} does not give out {what} (status 403).", site.by_hand))
    if status in _LIMITED:
        raise _limited(response, site, now)
    told = f"{host} answered with an error (status {status}) when asked for {what}."
    raise (
        TryAgain(DownloadInterrupted(told, site.by_hand)) if status in _PASSING else DownloadFailed(told, site.by_hand)
    )


def _limited(response: httpx.Response, site: Site, now: float) -> DownloadFailed:
    wait = seconds_to_wait(response.headers, now)
    if wait is None and response.status_code == 403:
        return DownloadFailed(f"{response.url.host} refuses to answer this PC (status 403).", site.by_hand)
    until = "in an hour" if wait is None else when(now, wait)
    error = RateLimited(
        f"{response.url.host} lets this network ask only so often, and that is used up.",
        f"Try again {until}, or {site.instead}.",
    )
    error.wait = wait
    return error


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


async def read_json(response: httpx.Response, site: Site) -> Any:
    """The body as JSON. Raises DownloadFailed when it is none or too long."""
    host = response.url.host
    content = bytearray()
    async with body(response) as chunks:
        async for chunk in chunks:
            content += chunk
            if len(content) > ANSWER_LIMIT:
                raise DownloadFailed(f"The answer of {host} is too long to be {site.content}.", site.by_hand)
    try:
        return await asyncio.to_thread(json.loads, content)
    except (ValueError, RecursionError) as error:
        raise DownloadFailed(
            f"{host} answered with something else than {site.content}.",
            f"A login page of this network may stand in between: open a web page once. {site.by_hand}",
        ) from error
