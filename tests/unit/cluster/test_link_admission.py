"""Who may begin a handshake: bounded per address and in all, and nobody is shut out by somebody else."""

from hypothesis import given
from hypothesis import strategies as st

from app.cluster.link_process.admission import HalfOpen, TokenBuckets


def test_an_address_that_is_too_fast_waits_and_others_do_not() -> None:
    buckets = TokenBuckets(rate=10, burst=5)
    assert [buckets.take("flood", 0.0) for _ in range(7)] == [True] * 5 + [False] * 2
    assert buckets.take("good", 0.0)
    assert not buckets.take("flood", 0.05)
    assert buckets.take("flood", 0.2)


def test_a_proven_peer_is_never_too_fast() -> None:
    buckets = TokenBuckets(rate=1, burst=2)
    for _ in range(100):
        assert buckets.take("peer", 0.0)
        buckets.give_back("peer")


@given(st.lists(st.tuples(st.integers(0, 50), st.floats(0, 10)), max_size=300))
def test_buckets_are_bounded(arrivals: list[tuple[int, float]]) -> None:
    buckets, now, allowed = TokenBuckets(rate=1, burst=3, addresses=8), 0.0, 0
    for address, pause in arrivals:
        now += pause
        allowed += buckets.take(str(address), now)
        assert len(buckets) <= 8
    assert allowed <= len(arrivals)


def test_the_greediest_address_gives_way_with_its_oldest() -> None:
    half_open: HalfOpen[int] = HalfOpen(limit=3)
    assert half_open.add(1, "good") is None
    assert half_open.add(2, "flood") is None
    assert half_open.add(3, "flood") is None
    assert half_open.add(4, "flood") == 2
    assert half_open.add(5, "other") == 3
    half_open.discard(1)
    assert half_open.add(6, "good") is None


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 6)), max_size=200))
def test_never_more_than_the_limit_and_a_lone_address_stays(steps: list[tuple[bool, int]]) -> None:
    half_open: HalfOpen[int] = HalfOpen(limit=4)
    half_open.add(-1, "good")
    inside = {-1}
    for number, (leaves, address) in enumerate(steps):
        if leaves and inside - {-1}:
            gone = min(inside - {-1})
            half_open.discard(gone)
            inside.discard(gone)
        else:
            inside.add(number)
            # One address with several is greedier than the one of `good`; four lone ones push out the oldest.
            victim = half_open.add(number, f"flood {address % 2}")
            inside.discard(-2 if victim is None else victim)
        assert len(half_open) == len(inside) <= 4
        assert -1 in inside
