"""Numbers and names as people read them."""

import pytest

from app.planner import sentences
from tests.unit.planner.samples import GIB, MIB, cpu, gpu, node


@pytest.mark.parametrize(
    ("count", "up", "text"),
    [
        (0, False, "0 MB"),
        (1, True, "1 MB"),
        (380 * MIB, False, "380 MB"),
        (12 * GIB, False, "12 GB"),
        (12 * GIB + 1, True, "12.1 GB"),
        (12 * GIB - 1, False, "11.9 GB"),
        (20 * GIB, True, "20 GB"),
        (GIB - 1, True, "1 GB"),
        (GIB - 1, False, "1023 MB"),
    ],
)
def test_sizes_round_to_the_safe_side(count: int, up: bool, text: str) -> None:
    assert sentences.size(count, up=up) == text


def test_numbers_have_gaps() -> None:
    assert [sentences.number(n) for n in (512, 4096, 131072)] == ["512", "4 096", "131 072"]


def test_lists_name_a_few() -> None:
    assert sentences.listed(["A"]) == "A"
    assert sentences.listed(["A", "B", "C"]) == "A, B and C"
    assert sentences.listed(["A", "B", "C", "D", "E", "F"]) == "A, B, C and 3 more PCs"


def test_memory_tells_cards_and_ram_apart() -> None:
    card, ram = gpu(9 * GIB, total=12 * GIB), cpu(6 * GIB, total=16 * GIB)
    pc = node("WORKSHOP", card, ram)
    assert sentences.memory(pc, [card]) == "WORKSHOP has 9 GB free of 12 GB"
    assert sentences.memory(pc, [card, ram]) == (
        "WORKSHOP has 9 GB free of 12 GB on its GPU and 6 GB free of 16 GB of RAM"
    )
    assert sentences.memory(pc, [card, card, ram]).startswith("WORKSHOP has 18 GB free of 24 GB on its 2 GPUs and")
    assert sentences.memory(pc, []) == "WORKSHOP has no memory to spare"


def test_builds() -> None:
    assert sentences.build("11434") == "llama.cpp b11434"
    assert sentences.build("b7827") == "llama.cpp b7827"


def test_context_note_only_when_shrunk() -> None:
    assert sentences.context_note("M", 4096, 4096) is None
    assert sentences.context_note("M", 2048, 4096) == (
        "M gets 2 048 tokens of context: 4 096 do not fit in the free memory."
    )


def test_small_figures_are_never_nothing() -> None:
    rates = [sentences.speed(rate) for rate in (42.4, 9.96, 2.41, 0.095, 0.04, 0.004)]
    assert rates == [
        "42 tokens/s",
        "10 tokens/s",
        "2.4 tokens/s",
        "0.1 tokens/s",
        "0.04 tokens/s",
        "less than 0.01 tokens/s",
    ]
    times = [sentences.seconds(time) for time in (35.2, 4.2, 0.0996, 0.04, 0.0004)]
    assert times == ["35 s", "4.2 s", "0.1 s", "40 ms", "0.4 ms"]


def test_links_are_told_as_they_are_sold() -> None:
    rates = [sentences.throughput(rate) for rate in (7e3, 12.5e6, 125e6, 312.5e6)]
    assert rates == ["56 kbit/s", "100 Mbit/s", "1 Gbit/s", "2.5 Gbit/s"]


def test_a_device_without_room_says_how_much_is_free() -> None:
    pc = node("WORKSHOP", gpu(0, total=GIB), cpu(900 * MIB, total=8 * GIB))
    assert sentences.full_device(pc, pc.devices[0]) == "CUDA0 of WORKSHOP holds nothing: none of its memory is free."
    assert sentences.full_device(pc, pc.devices[1]) == (
        "The processor of WORKSHOP holds nothing: only 900 MB of its memory is free, which is kept in reserve."
    )


def test_several_conversations_are_told_as_all_of_them() -> None:
    pc = node("DEN", gpu(GIB))
    told = [
        sentences.no_gain(pc, 41.0, 40.6, 4),
        sentences.slow_device(pc, 41.0, 30.0, 4),
        sentences.slower_prompts(pc, 41.0, 30.0, 4),
        sentences.slow_link(pc, "9 ms", True, 11.0, 4),
        sentences.fits(["DEN"], 4096, 41.0, 4),
    ]
    assert told == [
        "DEN is not needed: with it all 4 conversations together get 41 tokens/s, without it 41 tokens/s.",
        "DEN is left out: it is slower than the others. "
        "With it all 4 conversations together get 30 tokens/s, not 41 tokens/s.",
        "DEN is left out: with it all 4 conversations together get 30 tokens/s, not 41 tokens/s, "
        "because questions would wait longer than answers gain.",
        "DEN is left out: its link (9 ms) would cost 11 tokens/s of all 4 conversations together.",
        "Fits on DEN alone with 4 096 tokens of context: 41 tokens/s of all 4 conversations together.",
    ]
