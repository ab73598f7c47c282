"""What a launch takes by hand, and what holds for any: nothing kept makes it longer, kept parts are claimed exactly."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.planner.loading import (
    DISK_RATE,
    HASH_RATE,
    LAUNCH_SECONDS,
    REREAD_RATE,
    ROUND_TRIPS,
    WORKER_SECONDS,
    Transfer,
    load_time,
)
from app.planner.plan import plan
from app.planner.speed import Hop, hop_of
from app.schema.model import EncoderShape, ModelPart
from app.schema.plan import LinkMeasure, LoadFactor, LoadKind, NodeResources, Plan
from app.schema.record import NodeId
from tests.unit.planner.samples import GIB, MIB, MODEL, ask, cluster, cpu, node, shape

FIXED = LAUNCH_SECONDS + WORKER_SECONDS
LARGE = 90 * MIB
BLOCKS = shape((100 * MIB,) * 8, output_bytes=60 * MIB, layer_large_bytes=(LARGE,) * 8, output_large_bytes=50 * MIB)
SIZE = 900 * MIB


def hop(throughput: float, round_trip: float = 0.0) -> LinkMeasure:
    return LinkMeasure(a="a", b="b", round_trip=round_trip, throughput=throughput)


def hop_from_a(link: LinkMeasure) -> Hop:
    return hop_of(link, NodeId("a"))


def transfer(count: int, large: int = 0, kept: int = 0, saves: bool = False, throughput: float = 100e6) -> Transfer:
    return Transfer(hop_from_a(hop(throughput)), count, large, kept, saves)


def test_workers_load_one_after_the_other() -> None:
    half = transfer(500_000_000, throughput=1e9)
    # Reading at 500 MB/s is slower than sending at 1 GB/s.
    found = load_time(500_000_000, [half, half], in_ram=False)
    assert found.seconds == pytest.approx(FIXED + 3.0)
    assert found.kind is LoadKind.READ
    assert load_time(500_000_000, [], in_ram=True).seconds == pytest.approx(LAUNCH_SECONDS + 5e8 / REREAD_RATE)
    assert load_time(500_000_000, [], in_ram=True).kind is LoadKind.REREAD


def test_what_is_sent_is_saved_too_and_what_is_kept_is_read_and_hashed() -> None:
    cold = load_time(0, [transfer(10**9, large=9 * 10**8, saves=True)], in_ram=False)
    assert cold.kind is LoadKind.SEND
    assert cold.seconds == pytest.approx(FIXED + 10 + 9e8 * (1 / HASH_RATE + 1 / DISK_RATE))
    warm = load_time(0, [transfer(10**9, large=9 * 10**8, kept=9 * 10**8, saves=True)], in_ram=False)
    assert warm.kind is LoadKind.READ
    assert warm.seconds == pytest.approx(FIXED + 1 + 9e8 * (2 / DISK_RATE + 1 / HASH_RATE))


def test_each_worker_adds_round_trips() -> None:
    near, far = (
        Transfer(hop_from_a(hop(1e8)), 10**8, 0, 0, False),
        Transfer(hop_from_a(hop(1e8, 5e-3)), 10**8, 0, 0, False),
    )
    added = load_time(0, [far], in_ram=False).seconds - load_time(0, [near], in_ram=False).seconds
    assert added == pytest.approx(ROUND_TRIPS * 5e-3)


def test_what_answers_taught_of_a_link_is_no_matter_of_its_throughput() -> None:
    slow = hop_from_a(hop(1e8).model_copy(update={"correction": 3.0}))
    assert Transfer(slow, 10**9, 0, 0, False).sending == pytest.approx(10.0)


@given(
    count=st.integers(0, 10**11),
    shares=st.tuples(st.floats(0, 1), st.floats(0, 1)),
    saves=st.booleans(),
    in_ram=st.booleans(),
    throughput=st.floats(1e6, 1.5e8),
)
def test_over_a_usual_link_what_is_kept_never_costs_time(
    count: int, shares: tuple[float, float], saves: bool, in_ram: bool, throughput: float
) -> None:
    large = int(count * shares[0])
    kept = int(large * shares[1])
    with_it = load_time(0, [transfer(count, large, kept, saves, throughput)], in_ram=in_ram).seconds
    without = load_time(0, [transfer(count, large, 0, saves, throughput)], in_ram=in_ram).seconds
    assert with_it <= without + 1e-6
    # All must be read at least, and no more can be sent than there is.
    assert with_it >= LAUNCH_SECONDS + count / (REREAD_RATE if in_ram else DISK_RATE) - 1e-6


def part(first: int, last: int, output: bool = False, large: int = 0) -> ModelPart:
    return ModelPart(
        model_id=MODEL, model_bytes=SIZE, first_layer=first, last_layer=last, holds_output=output, large_bytes=large
    )


def planned(worker: NodeResources, model: object = BLOCKS, head_loads: tuple[LoadFactor, ...] = ()) -> Plan:
    """A plan whose blocks all lie on the worker."""
    slow = cpu(GIB).model_copy(update={"bandwidth": 1e9, "compute": 1e10, "token_seconds": 0.0})
    head = node("DESK", slow, holds=True).model_copy(update={"loads": head_loads})
    view = cluster(head, worker).model_copy(
        update={"links": (LinkMeasure(a="desk", b="attic", round_trip=0.0, throughput=1e8),)}
    )
    found = plan(ask(), model, view)  # type: ignore[arg-type]
    assert isinstance(found, Plan), found
    assert [stage.node for stage in found.stages] == ["attic"]
    return found


def attic(kept: tuple[ModelPart, ...] | None) -> NodeResources:
    fast = cpu(16 * GIB).model_copy(update={"bandwidth": 50e9, "compute": 1e12, "token_seconds": 0.0})
    return node("ATTIC", fast).model_copy(update={"kept": kept})


ranges = st.tuples(st.integers(0, 8), st.integers(-1, 7), st.booleans())


@given(st.lists(ranges, max_size=4))
def test_a_plan_counts_each_kept_block_once(parts: list[tuple[int, int, bool]]) -> None:
    found = planned(attic(tuple(part(*each) for each in parts)))
    blocks = {i for first, last, _ in parts for i in range(first, last + 1)}
    wanted = len(blocks) * LARGE + (50 * MIB if any(output for _, _, output in parts) else 0)
    assert [stage.kept_bytes for stage in found.stages] == [wanted]
    assert found.kept_on == ((("ATTIC", wanted),) if wanted else ())


def test_without_the_sizes_of_tensors_nothing_counts_as_kept() -> None:
    bare = BLOCKS.model_copy(update={"layer_large_bytes": ()})
    assert planned(attic((part(0, 7, True),)), bare).kept_on == ()


def test_earlier_launches_correct_those_of_their_kind_only() -> None:
    learned = LoadFactor(devices=("attic/CPU",), kind=LoadKind.SEND, factor=2.0)
    cold, warm = attic(()), attic((part(0, 7, True),))
    bare = planned(cold).prediction
    told = planned(cold, head_loads=(learned,)).prediction
    assert bare is not None
    assert told is not None
    assert bare.load is not None
    assert (told.load, told.load_corrected_by) == (pytest.approx(2 * bare.load), 2.0)
    assert planned(warm, head_loads=(learned,)).prediction == planned(warm).prediction
    elsewhere = learned.model_copy(update={"devices": ("barn/CPU",)})
    assert planned(cold, head_loads=(elsewhere,)).prediction == bare


def test_the_head_reads_its_picture_encoder_too() -> None:
    fast = cpu(16 * GIB).model_copy(update={"bandwidth": 50e9, "compute": 1e12, "token_seconds": 0.0})
    bare = node("DESK", fast, holds=True)
    seeing = bare.model_copy(update={"encoder": EncoderShape(weight_bytes=500_000_000)})
    found = [plan(ask(), BLOCKS, cluster(each)) for each in (bare, seeing)]
    without, with_it = (each.prediction.load for each in found if isinstance(each, Plan) and each.prediction)
    assert without is not None
    assert with_it == pytest.approx(without + 500_000_000 / DISK_RATE)
