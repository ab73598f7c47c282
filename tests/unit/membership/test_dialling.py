import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.node.membership.dialling import checked_address, chosen, inviters_of
from app.node.membership.turns import FIRST_WAIT, LONGEST_WAIT, Turns
from app.schema.errors import InputError, PairingFailed
from app.schema.record import NodeId
from app.schema.sighting import Sighting

B = NodeId("b" * 64)


@pytest.mark.parametrize(
    ("typed", "address"),
    [
        ("192.168.1.20", "192.168.1.20:52417"),
        (" 192.168.1.20:1024 ", "192.168.1.20:1024"),
        ("büro-pc", "büro-pc:52417"),
        ("DESKTOP_1.local:5", "DESKTOP_1.local:5"),
    ],
)
def test_addresses_that_are_typed(typed: str, address: str) -> None:
    assert checked_address(typed) == address


@pytest.mark.parametrize(
    "typed",
    ["", " ", ":52417", "a:", "a:0", "a:65536", "a:+1", "a:١", "a b", "a/b", "::1", "[::1]:1", "a..b", "x" * 254],
)
def test_what_is_no_address(typed: str) -> None:
    with pytest.raises(InputError, match="not the address"):
        checked_address(typed)


@given(st.text(max_size=80))
def test_anything_typed_is_an_address_or_told(typed: str) -> None:
    try:
        host, _, port = checked_address(typed).rpartition(":")
    except InputError:
        return
    assert host
    assert 0 < int(port) < 65536


def seen(number: int, port: int | None, *addresses: str) -> Sighting:
    return Sighting(
        node_hint="h", instance=str(number), addresses=addresses, port=52416, pairing_port=port, seen_at=0.0
    )


def test_who_invites() -> None:
    quiet, first, second = seen(1, None, "10.0.0.1"), seen(2, 52417, "10.0.0.2", "10.1.0.2"), seen(3, 5000, "10.0.0.3")
    assert chosen(inviters_of([quiet])) is None
    assert chosen(inviters_of([quiet, first])) == ("10.0.0.2:52417", "10.1.0.2:52417")
    with pytest.raises(PairingFailed, match=r"2 PCs .*10\.0\.0\.2:52417, 10\.0\.0\.3:5000"):
        chosen(inviters_of([second, quiet, first]))


def test_lists_that_stay_different_are_exchanged_ever_more_rarely() -> None:
    turns, now, taken = Turns(), 0.0, []
    while now < 3600:
        if turns.take(B, "x", "y", now):
            taken.append(now)
        now += 1
    assert taken[:4] == [0, FIRST_WAIT, 3 * FIRST_WAIT, 7 * FIRST_WAIT]
    assert taken[-1] - taken[-2] == LONGEST_WAIT
    assert len(taken) < 20


@given(st.lists(st.tuples(st.floats(0, 0.4), st.sampled_from("xy"), st.sampled_from("yz")), max_size=60))
def test_whatever_changes_there_is_a_second_between_two_exchanges(steps: list[tuple[float, str, str]]) -> None:
    turns, now, taken = Turns(), 0.0, []
    for pause, ours, theirs in steps:
        now += pause
        if turns.take(B, ours, theirs, now):
            taken.append(now)
    assert all(later - earlier >= 1 for earlier, later in itertools.pairwise(taken))


def test_a_change_is_exchanged_soon_and_the_forgotten_begin_anew() -> None:
    turns = Turns()
    assert turns.take(B, "x", "y", 0.0)
    assert not turns.take(B, "x", "z", 0.9)
    assert turns.take(B, "x", "z", 1.0)
    turns.keep_only(frozenset())
    assert turns.take(B, "x", "z", 1.0)
