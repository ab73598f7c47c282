"""A worker grants bytes to one head at a time, never more than it has."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.instances.leases import LEASE_SECONDS, LeaseBook
from app.schema.errors import LeaseRefused
from app.schema.instance import LeaseRequest
from app.schema.record import InstanceId, NodeId

FREE = {"CUDA0": 1000, "CPU": 5000}


def request(
    head: str = "a", size: int = 400, device: str = "CUDA0", instance: str = "i", epoch: int = 1
) -> LeaseRequest:
    return LeaseRequest(
        instance_id=InstanceId(instance),
        head=NodeId(head),
        head_name=head.upper(),
        device=device,
        size_bytes=size,
        epoch=epoch,
    )


def test_a_second_head_is_refused_by_the_first_ones_name() -> None:
    book, _ = LeaseBook().grant(request("a"), "1", FREE, "WORKER", 0.0)
    with pytest.raises(LeaseRefused, match="WORKER already works for A"):
        book.grant(request("b", instance="j"), "2", FREE, "WORKER", 0.0)


def test_the_same_head_may_lease_more_until_the_bytes_are_gone() -> None:
    book, _ = LeaseBook().grant(request(size=400), "1", FREE, "W", 0.0)
    book, _ = book.grant(request(size=600, instance="j"), "2", FREE, "W", 0.0)
    with pytest.raises(LeaseRefused, match=r"0\.0 GB left on CUDA0"):
        book.grant(request(size=1, instance="k"), "3", FREE, "W", 0.0)


def test_a_device_that_is_not_there_is_refused() -> None:
    with pytest.raises(LeaseRefused, match="no device CUDA7"):
        LeaseBook().grant(request(device="CUDA7"), "1", FREE, "W", 0.0)


def test_a_newer_launch_takes_its_own_older_lease_over() -> None:
    book, _ = LeaseBook().grant(request(size=900, epoch=1), "1", FREE, "W", 0.0)
    book, _ = book.grant(request(size=900, epoch=2), "2", FREE, "W", 0.0)
    assert [lease.id for lease in book.leases] == ["2"]
    with pytest.raises(LeaseRefused):
        book.grant(request(size=900, epoch=1), "3", FREE, "W", 0.0)


def test_a_lease_ends_when_nobody_renews_it() -> None:
    book, lease = LeaseBook().grant(request(), "1", FREE, "W", 100.0)
    assert book.expired(100.0 + LEASE_SECONDS - 0.1) == ()
    assert book.expired(100.0 + LEASE_SECONDS) == (lease,)
    assert book.renew("1", 105.0).expired(100.0 + LEASE_SECONDS) == ()
    assert book.renew("gone", 105.0) == book


@given(
    st.lists(
        st.tuples(st.sampled_from("ab"), st.integers(0, 1500), st.sampled_from("ijk"), st.integers(1, 3)), max_size=15
    )
)
def test_never_more_than_free_and_never_two_heads(asked: list[tuple[str, int, str, int]]) -> None:
    book = LeaseBook()
    for number, (head, size, instance, epoch) in enumerate(asked):
        try:
            book, _ = book.grant(request(head, size, instance=instance, epoch=epoch), str(number), FREE, "W", 0.0)
        except LeaseRefused:
            continue
        assert book.leased_bytes("CUDA0") <= FREE["CUDA0"]
        assert len({lease.head for lease in book.leases}) == 1
