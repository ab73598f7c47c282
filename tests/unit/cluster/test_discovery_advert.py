"""What is announced, and how strictly it is read."""

import re
from ipaddress import IPv4Interface, IPv4Network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.cluster.advert import (
    MOST_ADDRESSES,
    Advert,
    decode,
    encode,
    hint_of,
    instance_of,
    reachable,
    recognise,
    service_name,
)
from app.schema.record import NodeId

NODE = NodeId("ab" * 32)
INSTANCE = "0123456789abcdef"
NAME = service_name(INSTANCE)
HINT = hint_of(NODE, INSTANCE)
ports = st.integers(1024, 65535)
hex_digits = st.text("0123456789abcdef", min_size=1, max_size=64)


@given(ports, st.none() | ports)
def test_what_is_written_is_read(port: int, pairing: int | None) -> None:
    assert decode(NAME, encode(HINT, pairing), port) == Advert(HINT, INSTANCE, port, pairing)


def test_the_announcement_tells_a_stranger_nothing_that_stays() -> None:
    text = encode(HINT, 52417)
    assert len(text) < 60
    assert NODE[:8].encode() not in text
    assert hint_of(NODE, "fedcba9876543210") != HINT


def test_only_who_knows_the_identity_recognises_it() -> None:
    advert = Advert(HINT, INSTANCE, 52416)
    assert recognise(advert, [NodeId("cd" * 32), NODE]) == NODE
    assert recognise(advert, [NodeId("cd" * 32)]) is None
    assert recognise(Advert(HINT, "fedcba9876543210", 52416), [NODE]) is None


def text(*strings: bytes) -> bytes:
    return b"".join(bytes((len(each),)) + each for each in strings)


V, N = b"v=1", f"n={HINT}".encode()


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        text(V),
        text(N),
        text(b"v=2", N),
        text(b"v=01", N),
        text(V, N[:-1]),
        text(V, N + b"0"),
        text(V, N.upper()),
        text(V, N, b"pair=80"),
        text(V, N, b"pair=65536"),
        text(V, N, b"pair="),
        text(V, N, b"pair=+5555"),
        text(V, N, b"pair=5_555"),
        text(V, N, "pair=٥٥٥٥".encode()),
        text(V, N, b"pair=05555"),
        text(V, N)[:-1],
        text(V, N, *([b"k=v"] * 60)),
        b"\xff" + text(V, N),
    ],
)
def test_a_malformed_text_is_no_announcement(raw: bytes) -> None:
    assert decode(NAME, raw, 52416) is None


def test_unknown_keys_are_passed_over_and_the_first_of_a_repeated_one_counts() -> None:
    raw = text(b"", b"V=1", N, b"future=\xff\x00", b"flag", b"pair=5555", b"pair=6666", b"v=9")
    assert decode(NAME, raw, 52416) == Advert(HINT, INSTANCE, 52416, 5555)


@pytest.mark.parametrize("port", [None, 0, 22, 1023, 65536, -1])
def test_a_port_outside_the_range_is_no_announcement(port: int | None) -> None:
    assert decode(NAME, encode(HINT), port) is None


@pytest.mark.parametrize(
    "name",
    [
        "",
        "._caravan._tcp.local.",
        "printer._caravan._tcp.local.",
        f"{INSTANCE}._http._tcp.local.",
        f"{INSTANCE}0._caravan._tcp.local.",
        f"{INSTANCE}.x._caravan._tcp.local.",
        f"{INSTANCE}\n._caravan._tcp.local.",
        INSTANCE,
    ],
)
def test_a_name_that_is_not_ours(name: str) -> None:
    assert instance_of(name) is None
    assert decode(name, encode(HINT), 52416) is None


@given(st.text(max_size=300) | st.just(NAME), st.binary(max_size=400), st.none() | st.integers())
def test_garbage_never_raises(name: str, raw: bytes, port: int | None) -> None:
    found = decode(name, raw, port)
    assert found is None or re.fullmatch("[0-9a-f]{24}", found.hint)


@given(st.lists(st.sampled_from([b"v=1", N, b"pair=5555", b"pair", b"", b"\xff=\xff", b"n=", b"v"]), max_size=8))
def test_nearly_right_never_raises(strings: list[bytes]) -> None:
    found = decode(NAME, text(*strings), 52416)
    assert found is None or found.hint == HINT


OWN = (IPv4Interface("192.168.1.5/24"), IPv4Interface("10.8.0.2/16"))


def test_only_hosts_of_our_own_subnets_are_worth_dialling() -> None:
    said = ["10.8.3.3", "192.168.1.9", "8.8.8.8", "127.0.0.1", "169.254.1.1", "224.0.0.251", "0.0.0.0"]
    said += ["192.168.1.0", "192.168.1.255", "192.168.1.5", "::1", "fe80::1", "192.168.001.9", "x", "", "192.168.1.9"]
    assert reachable(said, OWN) == ("192.168.1.9", "10.8.3.3")
    assert reachable(["8.8.8.8"], OWN, [IPv4Network("8.8.8.0/24")]) == ("8.8.8.8",)
    assert reachable(["192.168.1.9"], ()) == ()
    assert reachable(["10.0.0.0", "10.0.0.1"], [IPv4Interface("10.0.0.1/31")]) == ("10.0.0.0",)


def test_many_addresses_are_cut() -> None:
    assert len(reachable([f"10.8.1.{number}" for number in range(1, 200)], OWN)) == MOST_ADDRESSES


@given(st.lists(st.text(max_size=20) | st.ip_addresses().map(str)))
def test_garbage_addresses_never_raise(said: list[str]) -> None:
    assert set(reachable(said, OWN)) <= set(said)


@given(hex_digits)
def test_a_hint_is_96_bits_whatever_the_identity(node: str) -> None:
    assert re.fullmatch("[0-9a-f]{24}", hint_of(NodeId(node), INSTANCE))
