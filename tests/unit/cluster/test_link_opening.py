"""The bytes before a stream: only what is exactly right is understood, and nothing makes a parser fail."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.cluster.link_process.links import percentile
from app.cluster.link_process.opening import (
    BULK,
    NODE,
    NODE_ALPN,
    PING,
    RPC_ALPN,
    Opening,
    bears_key,
    parse_answer,
    parse_opening,
    parse_preface,
    preface,
    refusal,
)
from app.schema.record import NodeId

TICKET = "0123456789abcdef" * 2
SECRET = "s" * 32
PEER = NodeId("ab" * 32)


@pytest.mark.parametrize("opening", [NODE, PING, BULK, Opening("rpc", TICKET)])
def test_an_opening_is_read_as_it_was_written(opening: Opening) -> None:
    assert parse_opening(opening.line(), opening.alpn) == opening


@pytest.mark.parametrize(
    ("line", "alpn"),
    [
        (b"open node\n", RPC_ALPN),
        (b"open ping\n", RPC_ALPN),
        (b"open bulk\n", RPC_ALPN),
        (b"open rpc " + TICKET.encode() + b"\n", NODE_ALPN),
        (b"open rpc " + TICKET.encode()[1:] + b"\n", RPC_ALPN),
        (b"open rpc\n", RPC_ALPN),
        (b"open node\r\n", NODE_ALPN),
        (b"open node", NODE_ALPN),
        (b"GET / HTTP/1.1\n", NODE_ALPN),
    ],
)
def test_anything_else_is_no_opening(line: bytes, alpn: str) -> None:
    assert parse_opening(line, alpn) is None


@given(st.binary(max_size=400))
def test_no_parser_fails_on_garbage(data: bytes) -> None:
    for alpn in (NODE_ALPN, RPC_ALPN):
        found = parse_opening(data, alpn)
        assert found is None or found.line() == data
    assert parse_preface(data, SECRET) is None
    assert isinstance(parse_answer(data), str) or data == b"ready\n"
    assert not bears_key(data, SECRET)


def test_answers() -> None:
    assert parse_answer(b"ready\n") is None
    assert parse_answer(refusal("busy")) == "busy"
    assert "does not know" in (parse_answer(b"refused \x1b[2J\n") or "")


def test_a_preface_names_the_peer_to_those_who_know_the_secret() -> None:
    assert parse_preface(preface(SECRET, PEER), SECRET) == PEER
    assert parse_preface(preface("t" * 32, PEER), SECRET) is None
    assert parse_preface(preface(SECRET, NodeId("AB" * 32)), SECRET) is None


def test_a_mouth_knows_its_key() -> None:
    head = b"GET / HTTP/1.1\r\nHost: x\r\nauthorization: Bearer " + SECRET.encode() + b"\r\n\r\n"
    assert bears_key(head, SECRET)
    assert not bears_key(head, "t" * 32)
    assert not bears_key(b"Authorization: Bearer " + SECRET.encode() + b"\r\n\r\n", SECRET), (
        "the first line is no header"
    )


def test_percentiles_are_samples() -> None:
    samples = tuple(float(each) for each in range(1, 101))
    assert (percentile(samples, 0.5), percentile(samples, 0.95)) == (50.0, 95.0)
    assert percentile((7.0,), 0.95) == 7.0
    assert percentile((), 0.5) is None
