"""What a release site may answer, and the words for it."""

import socket
from dataclasses import replace

import httpx
import pytest

from app.engine.release_site import look_up, read_manifest, release_site, site_address
from app.schema.errors import CaravanError, DownloadFailed, EngineNotOffered, RateLimited
from app.system.paths import resources_folder
from app.web.asking import check_status, web_client
from app.web.limits import seconds_to_wait
from tests.fakes.release_site import ReleaseSite

MANIFEST = read_manifest(resources_folder())
NOW = 1_700_000_000.0


async def ask(site: ReleaseSite, tag: str = "b11434", pauses: tuple[float, ...] = (0.0, 0.0)) -> int:
    asked = release_site(site.address)
    async with web_client(asked) as client:
        return len((await look_up(client, asked, MANIFEST, tag, pauses)).assets)


async def test_a_release_is_looked_up_by_its_tag() -> None:
    async with ReleaseSite("b11434", {"a.zip": b"1"}).serving() as site:
        assert await ask(site) == 1
        assert site.asked[0].path == "/repos/ggml-org/llama.cpp/releases/tags/b11434"
        assert site.asked[0].headers["user-agent"].startswith("Caravan/")


async def test_a_tag_there_is_none_of() -> None:
    async with ReleaseSite("b11434", {}).serving() as site:
        with pytest.raises(EngineNotOffered, match="b5"):
            await ask(site, "b5")


@pytest.mark.parametrize(
    "body", [b"<html>log in</html>", b"[]", b"{}", b'{"tag_name": "b1", "assets": []}', b"[" * 9999]
)
async def test_an_answer_that_is_no_release(body: bytes) -> None:
    async with ReleaseSite("b11434", {}).serving() as site:
        site.manner.body = body
        with pytest.raises(DownloadFailed, match="something else"):
            await ask(site)


async def test_an_answer_without_end_is_not_read_to_its_end() -> None:
    async with ReleaseSite("b11434", {}).serving() as site:
        site.manner.body = b" " * (9 << 20)
        with pytest.raises(DownloadFailed, match="too long"):
            await ask(site)


@pytest.mark.parametrize(
    ("status", "headers", "told"),
    [
        (403, {"x-ratelimit-remaining": "0", "x-ratelimit-reset": "99999999999"}, "Try again"),
        (429, {"retry-after": "120"}, "in 2 minutes"),
        (429, {}, "in an hour"),
    ],
)
async def test_a_rate_limit_says_when_to_try_again(status: int, headers: dict[str, str], told: str) -> None:
    async with ReleaseSite("b11434", {}).serving() as site:
        site.manner.api_status, site.manner.headers = status, headers
        with pytest.raises(RateLimited) as caught:
            await ask(site)
        assert told in caught.value.hint
        assert "--from-file" in caught.value.hint
        assert len(site.asked) == 1


async def test_a_plain_403_is_no_rate_limit() -> None:
    async with ReleaseSite("b11434", {}).serving() as site:
        site.manner.api_status, site.manner.headers = 403, {"x-ratelimit-remaining": "59", "x-ratelimit-reset": "1"}
        with pytest.raises(DownloadFailed, match="refuses") as caught:
            await ask(site)
        assert not isinstance(caught.value, RateLimited)


async def test_a_server_error_passes_or_is_told() -> None:
    async with ReleaseSite("b11434", {"a.zip": b"1"}).serving() as site:
        site.manner.api_status, site.manner.failures = 500, 2
        assert await ask(site) == 1
        site.manner.failures = None
        with pytest.raises(DownloadFailed, match="status 500"):
            await ask(site)


async def test_nobody_answers() -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        site = release_site(f"http://127.0.0.1:{listener.getsockname()[1]}")
    async with web_client(site) as client:
        with pytest.raises(DownloadFailed, match="cannot be reached") as caught:
            await look_up(client, site, MANIFEST, "b1", (0.0,))
    assert "--from-file" in caught.value.hint


async def test_a_site_that_stays_silent() -> None:
    async with ReleaseSite("b11434", {"a.zip": b"1"}).serving() as site:
        site.manner.is_silent = True
        asked = release_site(site.address)
        async with web_client(asked, httpx.Timeout(0.05, connect=5.0)) as client:
            with pytest.raises(DownloadFailed, match="in time"):
                await look_up(client, asked, MANIFEST, "b11434", ())


HERE = release_site("http://127.0.0.1:1")
GITHUB = release_site("https://api.github.com")


@pytest.mark.parametrize(
    "address", ["http://example.org", "ftp://example.org", "file:///etc", "https://", "x", "http://["]
)
def test_only_https_is_asked(address: str) -> None:
    with pytest.raises(DownloadFailed):
        HERE.check(HERE.parsed(address))


def test_plain_http_is_for_this_pc() -> None:
    for address in ("http://127.0.0.1:8", "http://localhost:8", "http://[::1]:8"):
        HERE.check(httpx.URL(address))
        with pytest.raises(DownloadFailed):
            GITHUB.check(httpx.URL(address))
    GITHUB.check(httpx.URL("https://api.github.com"))


def test_a_token_goes_to_its_own_site_only() -> None:
    site = replace(GITHUB, token="secret")
    assert site.headers_for(httpx.URL("https://api.github.com/x")) == {"Authorization": "Bearer secret"}
    for address in ("https://github.com/x", "http://api.github.com/x", "https://api.github.com:8443/x"):
        assert site.headers_for(httpx.URL(address)) == {}
    assert "secret" not in repr(site)


async def test_a_plain_mirror_elsewhere_is_refused() -> None:
    with pytest.raises(DownloadFailed, match="https only"):
        async with web_client(release_site("http://192.168.1.5:8080")):
            pass


async def test_a_proxy_that_cannot_be_used_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "nonsense://x")
    with pytest.raises(DownloadFailed, match="proxy"):
        async with web_client(GITHUB):
            pass


def test_where_releases_come_from() -> None:
    assert site_address(None, {}) == "https://api.github.com"
    assert site_address(None, {"CARAVAN_RELEASE_MIRROR": " https://m/ "}) == "https://m"
    assert site_address("https://s/api/", {"CARAVAN_RELEASE_MIRROR": "https://m"}) == "https://s/api"


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"retry-after": "7"}, 7.0),
        ({"retry-after": "Tue, 14 Nov 2023 22:14:20 GMT"}, 60.0),
        ({"retry-after": "soon"}, None),
        ({"x-ratelimit-remaining": "0", "x-ratelimit-reset": str(int(NOW) + 90)}, 90.0),
        ({"x-ratelimit-remaining": "0", "x-ratelimit-reset": "5"}, 0.0),
        ({"x-ratelimit-remaining": "1", "x-ratelimit-reset": str(int(NOW) + 90)}, None),
        ({"x-ratelimit-reset": "later"}, None),
        ({"ratelimit": '"api";r=0;t=55'}, 55.0),
        ({"ratelimit": '"api";r=7;t=55'}, None),
    ],
)
def test_how_long_a_limit_lasts(headers: dict[str, str], seconds: float | None) -> None:
    assert seconds_to_wait(headers, NOW) == seconds


def test_a_limit_far_away_is_still_a_sentence() -> None:
    response = httpx.Response(429, headers={"retry-after": "9" * 30}, request=httpx.Request("GET", "https://x"))
    with pytest.raises(CaravanError) as caught:
        check_status(response, GITHUB, "it", NOW)
    assert "tomorrow" in caught.value.hint
