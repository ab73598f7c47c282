"""The splits that are measured beside the planned one."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.cli.bench_splits import (
    Bench,
    default_shares,
    largest_remainders,
    own_devices,
    proportional_shares,
    same_placement,
    split_like_the_engine,
)
from app.schema.plan import DeviceResources, Share
from app.schema.record import NodeId
from tests.unit.instances.plans import plan, stage
from tests.unit.node.test_speeds import status

GIB = 1 << 30
MEMORY = st.lists(st.integers(0, 64 * GIB), min_size=1, max_size=6)


def device(name: str, total: int, free: int | None = None) -> DeviceResources:
    return DeviceResources(
        device=name,
        name=name,
        total_bytes=total * GIB,
        free_bytes=(total if free is None else free) * GIB,
        is_cpu=name == "CPU",
    )


def pc(name: str, *devices: DeviceResources) -> Bench:
    return Bench(NodeId(name), name, devices)


DESK = pc("desk", device("CUDA0", 24, 18), device("CPU", 64))
ATTIC = pc("attic", device("CUDA0", 12, 6), device("CUDA1", 12, 12), device("CPU", 16))
LAPTOP = pc("laptop", device("CPU", 16, 12))


def told(shares: tuple[Share, ...]) -> list[tuple[str, str, int]]:
    return [(each.node, each.device, each.layers) for each in shares]


@given(MEMORY, st.integers(1, 200))
def test_every_layer_is_placed_once(memory: list[int], layers: int) -> None:
    for counts in (split_like_the_engine(memory, layers), largest_remainders(memory, layers)):
        if sum(memory) or counts[0] == layers:
            assert sum(counts) == layers
        assert len(counts) == len(memory)
        assert min(counts) >= 0


def test_the_engine_places_as_it_was_seen_to() -> None:
    """llama.cpp b11434 with `-ts 5,8` puts blocks 0-4 of 12 on the first device, all else on the other."""
    assert split_like_the_engine([5, 8], 12) == (5, 7)
    assert split_like_the_engine([13, 0], 12) == (12, 0)
    assert split_like_the_engine([1, 1], 12) == (7, 5)


@given(MEMORY.filter(sum), st.integers(1, 200))
def test_proportions_are_kept_to_a_layer(memory: list[int], layers: int) -> None:
    for count, each in zip(largest_remainders(memory, layers), memory, strict=True):
        assert abs(count - layers * each / sum(memory)) < 1


def test_the_default_takes_every_gpu_by_free_memory_and_the_head_last() -> None:
    shares = told(default_shares([DESK, ATTIC, LAPTOP], NodeId("desk"), 47))
    assert shares == [("attic", "CUDA0", 6), ("attic", "CUDA1", 12), ("laptop", "CPU", 12), ("desk", "CUDA0", 17)]


def test_a_head_without_a_gpu_holds_no_layers_by_default() -> None:
    assert told(default_shares([LAPTOP, DESK], NodeId("laptop"), 12)) == [("desk", "CUDA0", 12)]
    assert told(default_shares([LAPTOP], NodeId("laptop"), 12)) == [("laptop", "CPU", 12)]


def test_in_proportion_to_memory_means_all_of_it_and_every_pc() -> None:
    shares = told(proportional_shares([LAPTOP, DESK], NodeId("laptop"), 40))
    assert shares == [("laptop", "CPU", 16), ("desk", "CUDA0", 24)]
    assert told(proportional_shares([DESK, LAPTOP], NodeId("desk"), 40))[-1] == ("desk", "CUDA0", 24)


def test_own_devices_have_the_memory_that_is_free_now() -> None:
    assert [(each.device, each.free_bytes) for each in own_devices(status(free=5))] == [("CUDA0", 5), ("CPU", 9 * GIB)]


@pytest.mark.parametrize(("last", "same"), [(3, True), (2, False)])
def test_the_same_placement_is_known(last: int, same: bool) -> None:
    one = plan(stage("h", "CPU", 0, 3), stage("a", "CPU", 4, 11, output=True))
    other = plan(stage("h", "CPU", 0, last), stage("a", "CPU", last + 1, 11, output=True))
    assert same_placement(one, other) is same
