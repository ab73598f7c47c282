"""The split against all contiguous splits, and its balance."""

from itertools import combinations, pairwise

from hypothesis import given
from hypothesis import strategies as st

from app.planner.memory import Demand, demand
from app.planner.split import split
from app.schema.plan import KvType
from tests.unit.planner.samples import shape


def needs(*layers: int) -> Demand:
    return demand(shape(layers), 256, 1, KvType.F16)


def holds(layers: list[int], capacities: list[int]) -> bool:
    """Whether any division into contiguous, non-empty runs fits, found by trying all."""
    for cuts in combinations(range(1, len(layers)), len(capacities) - 1):
        ends = (0, *cuts, len(layers))
        runs = [sum(layers[a:b]) for a, b in pairwise(ends)]
        if all(run <= capacity for run, capacity in zip(runs, capacities, strict=True)):
            return True
    return False


@given(
    st.lists(st.integers(1, 20), min_size=1, max_size=9),
    st.lists(st.tuples(st.integers(0, 60), st.integers(1, 9)), min_size=1, max_size=5),
)
def test_finds_a_split_exactly_when_one_exists(layers: list[int], devices: list[tuple[int, int]]) -> None:
    capacities = [capacity for capacity, _ in devices]
    counts = split(needs(*layers), capacities, [weight for _, weight in devices])
    roomy = all(capacity >= max(layers) for capacity in capacities[:-1])
    assert (counts is not None) == (roomy and holds(layers, capacities))
    if counts is not None:
        assert len(counts) == len(capacities)
        assert min(counts) >= 1
        assert sum(counts) == len(layers)
        start = 0
        for count, capacity in zip(counts, capacities, strict=True):
            assert sum(layers[start : start + count]) <= capacity
            start += count


def test_spreads_evenly_in_proportion_when_there_is_room() -> None:
    ample = [1000, 1000, 1000]
    assert split(needs(*[1] * 12), ample, [1, 1, 1]) == (4, 4, 4)
    assert split(needs(*[1] * 12), ample, [1, 2, 3]) == (2, 4, 6)
    assert split(needs(*[1] * 12), ample, [1, 1, 1000]) == (1, 1, 10)


def test_a_full_device_hands_its_share_on() -> None:
    # Even would be 6 and 6, but the first holds only 4 blocks of 10 bytes in 49 bytes.
    assert split(needs(*[10] * 12), [49, 80], [1, 1]) == (4, 8)
    assert split(needs(*[10] * 12), [80, 49], [1, 1]) == (8, 4)


def test_none_without_devices_or_with_more_devices_than_blocks() -> None:
    assert split(needs(1, 1), [], []) is None
    assert split(needs(1, 1), [9, 9, 9], [1, 1, 1]) is None
