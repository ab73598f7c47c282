"""The table of what was announced."""

import time
import tracemalloc
from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from app.cluster.advert import MOST_ADDRESSES, Advert, hint_of
from app.cluster.sightings import CAPACITY, LIFETIME, MOST_ROWS_PER_NODE, OVERLAP, Sightings
from app.schema.record import NodeId

OWN, PEER, OTHER = (NodeId(each * 64) for each in "abc")
OWN_INSTANCE = "0" * 16


def instance(number: int) -> str:
    return f"{number:016x}"


def advert(node: NodeId, number: int = 1, port: int = 52416, pairing: int | None = None) -> Advert:
    return Advert(hint_of(node, instance(number)), instance(number), port, pairing)


def stranger(number: int) -> Advert:
    return Advert(f"{number:024x}", instance(number), 52416)


def table(*known: NodeId) -> Sightings:
    made = Sightings(OWN, OWN_INSTANCE)
    made.know(known)
    return made


def hear(sightings: Sightings, said: Advert, now: float, addresses: Sequence[str] = ("10.0.0.2",)) -> None:
    sightings.hear(said, addresses, now, 1e9 + now)


def test_an_announcement_becomes_a_sighting() -> None:
    sightings = table(PEER)
    hear(sightings, advert(PEER, pairing=5555), 7.0, ["10.0.0.2", "10.1.0.2"])
    (seen,) = sightings.view()
    assert (seen.node, seen.addresses, seen.port, seen.pairing_port) == (PEER, ("10.0.0.2", "10.1.0.2"), 52416, 5555)
    assert (seen.seen_at, seen.is_doubled, seen.instance) == (1e9 + 7.0, False, instance(1))


def test_a_repetition_is_no_change_but_a_pairing_dialog_is() -> None:
    sightings = table()
    hear(sightings, advert(PEER), 1.0)
    before = sightings.revision
    hear(sightings, advert(PEER), 2.0)
    assert sightings.revision == before
    hear(sightings, advert(PEER, pairing=5555), 3.0)
    assert sightings.revision > before
    assert len(sightings) == 1


def test_our_own_echo_and_an_announcement_without_address_are_dropped() -> None:
    sightings = table(PEER)
    hear(sightings, Advert(hint_of(OWN, OWN_INSTANCE), OWN_INSTANCE, 52416), 1.0, ["10.0.0.66"])
    hear(sightings, advert(PEER), 1.0, [])
    assert len(sightings) == 0
    assert sightings.view() == ()


def test_who_is_silent_is_forgotten() -> None:
    sightings = table()
    hear(sightings, stranger(1), 0.0)
    hear(sightings, stranger(2), 10.0)
    sightings.expire(LIFETIME)
    assert len(sightings) == 2
    sightings.expire(LIFETIME + 0.1)
    assert [each.instance for each in sightings.view()] == [instance(2)]
    sightings.expire(LIFETIME + 10.1)
    assert len(sightings) == 0


def test_an_address_that_is_announced_no_more_is_forgotten_alone() -> None:
    sightings = table(PEER)
    hear(sightings, advert(PEER), 0.0, ["10.0.0.2", "10.0.0.66"])
    hear(sightings, advert(PEER), 30.0, ["10.0.0.2"])
    sightings.expire(LIFETIME + 1)
    assert sightings.view()[0].addresses == ("10.0.0.2",)


def test_a_goodbye_forgets_at_once() -> None:
    sightings = table(PEER)
    hear(sightings, advert(PEER, 1), 0.0)
    hear(sightings, advert(PEER, 1, port=6666), 0.0)
    hear(sightings, stranger(2), 0.0)
    sightings.bye(instance(1))
    assert [each.instance for each in sightings.view()] == [instance(2)]


def test_a_forged_repetition_adds_but_replaces_nothing() -> None:
    sightings = table(PEER)
    hear(sightings, advert(PEER), 0.0, ["10.0.0.2"])
    hear(sightings, advert(PEER), 1.0, ["10.0.0.66"])
    hear(sightings, advert(PEER, port=6666), 1.0, ["10.0.0.67"])
    assert [(each.port, each.addresses) for each in sightings.view()] == [
        (52416, ("10.0.0.2", "10.0.0.66")),
        (6666, ("10.0.0.67",)),
    ]
    assert not sightings.doubled


def test_addresses_and_rows_of_one_peer_are_bounded() -> None:
    sightings = table(PEER)
    for number in range(1, 100):
        hear(sightings, advert(PEER), number, [f"10.0.0.{number}"])
    assert sightings.view()[0].addresses[-1] == "10.0.0.99"
    assert len(sightings.view()[0].addresses) == MOST_ADDRESSES
    for number in range(1, 100):
        hear(sightings, advert(PEER, port=2000 + number), number)
    assert len(sightings) == MOST_ROWS_PER_NODE


def test_a_peer_is_recognised_when_it_becomes_one_and_no_longer_when_it_is_removed() -> None:
    sightings = table()
    hear(sightings, advert(PEER), 0.0)
    before = sightings.revision
    assert sightings.view()[0].node is None
    sightings.know([PEER])
    assert sightings.view()[0].node == PEER
    assert sightings.revision > before
    sightings.know([])
    assert sightings.view()[0].node is None


def test_one_identity_with_two_instances_that_both_speak_is_doubled() -> None:
    sightings = table(PEER)
    hear(sightings, advert(PEER, 1), 0.0)
    hear(sightings, advert(PEER, 2), 5.0)
    hear(sightings, advert(PEER, 1), 5.0 + OVERLAP)
    assert not sightings.doubled
    hear(sightings, advert(PEER, 1), 5.1 + OVERLAP)
    assert sightings.doubled == {PEER}
    assert all(each.is_doubled for each in sightings.view())
    sightings.bye(instance(2))
    assert not sightings.doubled
    assert not sightings.view()[0].is_doubled


def test_a_restart_is_not_doubled() -> None:
    sightings = table(PEER)
    hear(sightings, advert(PEER, 1), 0.0)
    for now in range(1, 40):
        hear(sightings, advert(PEER, 2), now)
    assert not sightings.doubled


def test_our_own_key_elsewhere_is_doubled_and_never_dialled() -> None:
    sightings = table(PEER)
    hear(sightings, advert(OWN, 9), 0.0)
    assert not sightings.doubled
    hear(sightings, advert(OWN, 9), OVERLAP + 1)
    assert sightings.doubled == {OWN}
    assert sightings.view() == ()
    sightings.expire(LIFETIME + OVERLAP + 2)
    assert not sightings.doubled


def test_strangers_give_way_to_the_newest_and_never_push_out_a_peer() -> None:
    sightings = table(PEER)
    hear(sightings, advert(PEER, 1_000_000), 0.0)
    for number in range(CAPACITY + 10):
        hear(sightings, stranger(number), number)
    seen = sightings.view()
    assert len(seen) == CAPACITY
    assert seen[0].node == PEER
    assert {each.instance for each in seen[1:]} == {instance(each) for each in range(11, CAPACITY + 10)}


def test_ten_thousand_names_cost_little_time_and_memory() -> None:
    known = [NodeId(f"{number:064x}") for number in range(32)]
    sightings = table(*known)
    for number, node in enumerate(known):
        hear(sightings, advert(node, 1_000_000 + number), 0.0)
    began = time.process_time()
    for number in range(10_000):
        hear(sightings, stranger(number), 1.0 + number / 1000)
    assert time.process_time() - began < 20.0
    assert len(sightings) == CAPACITY
    assert {each.node for each in sightings.view()} >= set(known)
    tracemalloc.start()
    for number in range(10_000, 12_000):
        hear(sightings, stranger(number), 20.0)
    grown, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert grown < 200_000


announcements = st.tuples(
    st.sampled_from([OWN, PEER, OTHER]),
    st.integers(0, 90),
    st.integers(2000, 2004),
    st.lists(st.sampled_from([f"10.0.0.{number}" for number in range(20)]), max_size=10),
    st.sampled_from(["hear", "hear", "hear", "bye", "expire"]),
)


@given(st.lists(announcements, max_size=120))
def test_whatever_is_announced_the_table_stays_within_its_bounds(
    steps: list[tuple[NodeId, int, int, list[str], str]],
) -> None:
    sightings = Sightings(OWN, OWN_INSTANCE, capacity=8)
    sightings.know([PEER])
    for now, (node, number, port, addresses, what) in enumerate(steps):
        before, seen = sightings.revision, sightings.view()
        match what:
            case "hear":
                hear(sightings, advert(node, number, port), float(now), addresses)
            case "bye":
                sightings.bye(instance(number))
            case "expire":
                sightings.expire(float(now))
        assert len(sightings) <= 8
        assert all(0 < len(each.addresses) <= MOST_ADDRESSES for each in sightings.view())
        assert not any(each.node == OWN for each in sightings.view())
        still = [each.model_copy(update={"seen_at": 0.0}) for each in sightings.view()]
        if sightings.revision == before:
            assert still == [each.model_copy(update={"seen_at": 0.0}) for each in seen]
