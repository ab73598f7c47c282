"""What a web page of another site can send never gets through; what a local program sends does."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.api.guard import BODY_LIMIT, check_body, check_source, check_token
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
