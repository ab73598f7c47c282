"""Bytes of weights, cache, buffers and reserves against numbers worked out by hand and printed by the engine."""

from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.planner.memory import Demand, buffers, demand, kv_bytes, padded, reserve_bytes
from app.schema.model import ModelShape
from app.schema.plan import KvType
from tests.unit.planner.samples import GIB, MIB, cpu, gpu, shape


def test_cells_are_whole_steps() -> None:
    assert [padded(n) for n in (1, 256, 257, 4096)] == [256, 256, 512, 4096]


@pytest.mark.parametrize(
    ("kv_type", "expected"),
    [
        (KvType.F32, 4096 * 2048 * 4),
        (KvType.F16, 4096 * 2048 * 2),  # 16 MiB: 32 such blocks are the 512 MiB the engine prints for an 8B model
        (KvType.Q8_0, 4096 * 2048 // 32 * 34),
        (KvType.Q5_1, 4096 * 2048 // 32 * 24),
        (KvType.Q5_0, 4096 * 2048 // 32 * 22),
        (KvType.Q4_1, 4096 * 2048 // 32 * 20),
        (KvType.IQ4_NL, 4096 * 2048 // 32 * 18),
    ],
)
def test_full_attention_cache(kv_type: KvType, expected: int) -> None:
    model = shape((1,), key_widths=(1024,), value_widths=(1024,))
    assert kv_bytes(model, 4096, 1, kv_type) == (expected,)


def test_sliding_blocks_hold_the_window_and_one_micro_batch() -> None:
    model = shape((1, 1), key_widths=(64, 64), value_widths=(64, 64), sliding_window=1024, sliding_layers=(True, False))
    # sliding: 1024 + 512 = 1536 cells; with 3 slots 3 * 1024 + 512 = 3584. Full: 8192.
    # 128 elements of 2 bytes each.
    assert kv_bytes(model, 8192, 1, KvType.F16) == (1536 * 256, 8192 * 256)
    assert kv_bytes(model, 8192, 3, KvType.F16) == (3584 * 256, 8192 * 256)
    assert kv_bytes(model, 1000, 3, KvType.F16) == (1024 * 256, 1024 * 256)


def test_recurrent_state_counts_per_slot_and_not_per_token() -> None:
    model = shape((1, 1), key_widths=(0, 8), value_widths=(0, 8), recurrent_elements=(1000, 0))
    assert kv_bytes(model, 256, 2, KvType.F16) == (1000 * 4 * 2, 256 * 16 * 2)
    assert kv_bytes(model, 4096, 2, KvType.F16)[0] == 8000


def test_sliding_flags_without_a_window_are_full() -> None:
    model = shape((1,), key_widths=(8,), value_widths=(8,), sliding_layers=(True,))
    assert kv_bytes(model, 4096, 1, KvType.F16) == (4096 * 16 * 2,)


@pytest.mark.parametrize(
    ("device", "expected"),
    [
        (gpu(4 * GIB), 512 * MIB),  # 5 % would be 205 MiB
        (gpu(24 * GIB), 24 * GIB * 5 // 100),
        (gpu(96 * GIB), 1536 * MIB),
        (cpu(8 * GIB), GIB),
        (cpu(32 * GIB), 32 * GIB // 10),
        (cpu(128 * GIB), 4 * GIB),
        (gpu(1 * GIB, total=24 * GIB), 24 * GIB * 5 // 100),  # the total counts, not what is free
    ],
)
def test_reserve(device: object, expected: int) -> None:
    assert reserve_bytes(device) == expected  # type: ignore[arg-type]


@dataclass(frozen=True)
class Engine:
    """Compute buffers in MiB that `llama-fit-params -fitp on -ub 512 -fa on` of b11434 prints for one model.

    `one`: all on one device. `shared`: the head's processor takes the first half. `first`, `middle`, `last`: three
    devices, all offloaded.
    """

    facts: dict[str, object]
    context: int
    one: int
    shared: int
    first: int
    middle: int
    last: int


def _facts(width: int, forward: int, vocabulary: int, cache: int, **more: object) -> dict[str, object]:
    known = {"embedding_length": width, "feed_forward_length": forward, "vocabulary": vocabulary}
    return known | {"key_widths": (cache,), "value_widths": (cache,)} | more


TINY = _facts(512, 1536, 512, 512)
LLAMA_8B = _facts(4096, 14336, 128256, 1024)
QWEN_32B = _facts(5120, 25600, 151936, 1024)
LLAMA_70B = _facts(8192, 28672, 128256, 1024)
# 3 matrices of 128 experts, 2048 x 768, at 4.5 bits: 339 738 624 bytes of a block. All in all 30.5e9 parameters.
QWEN_30B_A3B = _facts(
    2048,
    6144,
    151936,
    512,
    expert_count=128,
    experts_used=8,
    layer_expert_bytes=(339_738_624,),
    layer_bytes=(17_159_000_000,),
    parameters=30_500_000_000,
)
GEMMA_27B = _facts(
    5376,
    21504,
    262144,
    2048,
    key_widths=(2048, 2048),
    layer_bytes=(1, 1),
    sliding_window=1024,
    sliding_layers=(True, False),
)
MIXTRAL = _facts(4096, 14336, 32000, 1024, expert_count=8, experts_used=2)

PRINTED = [
    Engine(TINY, 4096, 17, 18, 41, 36, 36),
    Engine(TINY, 32768, 45, 46, 153, 148, 148),
    Engine(LLAMA_8B, 4096, 286, 128, 228, 188, 338),
    Engine(LLAMA_8B, 32768, 314, 156, 340, 300, 450),
    Engine(QWEN_32B, 4096, 340, 204, 332, 282, 402),
    Engine(QWEN_32B, 32768, 368, 232, 444, 394, 514),
    Engine(LLAMA_70B, 4096, 318, 252, 440, 360, 410),
    Engine(LLAMA_70B, 32768, 346, 280, 552, 472, 522),
    Engine(QWEN_30B_A3B, 4096, 316, 92, 152, 132, 348),
    Engine(GEMMA_27B, 4096, 559, 184, 313, 261, 628),
    Engine(GEMMA_27B, 32768, 587, 212, 425, 373, 740),
    Engine(MIXTRAL, 4096, 204, 212, 312, 272, 272),
]


@pytest.mark.parametrize("engine", PRINTED)
def test_buffers_cover_what_the_engine_prints_and_waste_little(engine: Engine) -> None:
    terms = buffers(_model(engine.facts), engine.context, 1)
    predicted = {
        "one": terms.of(first=True, last=True, pipelined=False),
        "shared": terms.of(first=True, last=False, pipelined=False),
        "first": terms.of(first=True, last=False, pipelined=True),
        "middle": terms.of(first=False, last=False, pipelined=True),
        "last": terms.of(first=False, last=True, pipelined=True),
    }
    for place, found in predicted.items():
        printed = getattr(engine, place)
        assert printed - 1 <= found // MIB <= printed * 125 // 100 + 16, place


def _model(facts: dict[str, object]) -> ModelShape:
    return shape(facts.get("layer_bytes", (1,)), **{k: v for k, v in facts.items() if k != "layer_bytes"})  # type: ignore[arg-type]


def test_demand_adds_up() -> None:
    model = shape(
        (100, 300, 200),
        output_bytes=50,
        embedding_bytes=70,
        other_bytes=3,
        key_widths=(1, 1, 1),
        value_widths=(0, 0, 0),
    )
    needs = demand(model, 256, 1, KvType.F16)  # cache 256 * 2 = 512 bytes a block
    assert needs.prefix == (0, 612, 1424, 2136)
    assert needs.placed_bytes == 2136 + 50
    assert needs.head_ram_bytes == 73
    assert needs.largest_block == 812


@given(st.lists(st.integers(1, 50), min_size=1, max_size=12), st.integers(-5, 300))
def test_runs_of_blocks_match_counting(layers: list[int], capacity: int) -> None:
    needs: Demand = demand(shape(tuple(layers)), 256, 1, KvType.F16)
    count = len(layers)
    for start in range(count + 1):
        fitting = [end for end in range(start, count + 1) if sum(layers[start:end]) <= max(capacity, 0)]
        assert needs.furthest(start, capacity) == max(fitting)
        fitting = [first for first in range(start + 1) if sum(layers[first:start]) <= max(capacity, 0)]
        assert needs.nearest(start, capacity) == min(fitting)
    longest = max(needs.furthest(start, capacity) - start for start in range(count + 1))
    assert needs.most_blocks(capacity) == longest
