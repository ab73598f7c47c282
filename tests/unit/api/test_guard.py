"""What a web page of another site can send never gets through; what a local program sends does."""

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.types import Receive, Scope, Send

from app.api.guard import BODY_LIMIT, LoopbackGuard, check_body, check_source, check_token
from app.schema.errors import ForeignOrigin, InputError, NotAllowed


@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.1:52415", "localhost:52415", "[::1]:52415", "[::1]"])
def test_this_pc_is_let_in(host: str) -> None:
    check_source({"host": host})
    check_source({"host": host, "origin": "http://localhost:3000"})


@pytest.mark.parametrize(
    "headers",
    [
        {"host": "evil.example"},
        {"host": "evil.example:52415"},
        {"host": "127.0.0.1.evil.example:52415"},
        {"host": ""},
        {},
        {"host": "192.168.1.5:52415"},
        {"host": "127.0.0.1:52415", "origin": "https://evil.example"},
        {"host": "127.0.0.1:52415", "origin": "null"},
        {"host": "127.0.0.1:52415", "origin": "http://["},
        {"host": "127.0.0.1:52415", "origin": "http://127.0.0.1.evil.example"},
        {"host": "127.0.0.1:52415", "origin": "http://localhost@evil.example"},
    ],
)
def test_others_are_not(headers: dict[str, str]) -> None:
    with pytest.raises(ForeignOrigin):
        check_source(headers)


@pytest.mark.parametrize(
    "headers",
    [
        {"content-length": "5", "content-type": "text/plain"},
        {"content-length": "5"},
        {"content-length": "5", "content-type": "application/x-www-form-urlencoded"},
        {"content-length": str(BODY_LIMIT + 1), "content-type": "application/json"},
        {"content-length": "-1", "content-type": "application/json"},
        {"content-length": "²", "content-type": "application/json"},
        {"transfer-encoding": "chunked", "content-type": "application/json"},
    ],
)
def test_a_body_must_be_json_of_a_told_and_sane_length(headers: dict[str, str]) -> None:
    with pytest.raises(InputError):
        check_body("POST", headers)


def test_json_and_empty_bodies_pass() -> None:
    check_body("POST", {"content-length": "5", "content-type": "application/json; charset=utf-8"})
    check_body("POST", {})
    check_body("GET", {"content-type": "text/plain"})


@given(st.text(alphabet=st.characters(min_codepoint=32, max_codepoint=255), max_size=60))
def test_only_the_token_itself_is_the_token(text: str) -> None:
    if text.removeprefix("Bearer ") == "secret":
        return
    with pytest.raises(NotAllowed):
        check_token({"authorization": text}, "secret")


def test_the_token_passes() -> None:
    check_token({"authorization": "Bearer secret"}, "secret")


async def test_a_refusal_has_the_form_that_the_clients_of_its_address_read() -> None:
    async def never(scope: Scope, receive: Receive, send: Send) -> None:
        raise AssertionError("a refused request is not passed on")

    through = httpx.ASGITransport(LoopbackGuard(never))
    async with httpx.AsyncClient(transport=through, base_url="http://127.0.0.1", headers={"origin": "x:"}) as client:
        openai = await client.post("/v1/chat/completions", json={})
        ours = await client.get("/caravan/v1/status")
    assert openai.status_code == ours.status_code == 403
    assert "may not use Caravan" in openai.json()["error"]["message"]
    assert "may not use Caravan" in ours.json()["error"]["sentence"]
    assert openai.headers["connection"] == "close"
