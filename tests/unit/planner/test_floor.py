"""Floors of pipelined divisions: none is above the best division, and cuts bring them near it."""

from itertools import product
from math import inf

from hypothesis import given
from hypothesis import strategies as st

from app.planner.floor import SHARP, Floor, Source

WHOLE = 8
rates = st.integers(0, 40).map(lambda tenths: tenths / 10)
prompts = st.integers(1, 40).map(lambda tenths: tenths / 10)


@st.composite
def sources(draw: st.DrawFn) -> list[Source]:
    """One to four devices, of which each can hold nothing, a part, or more than all."""
    budget = st.integers(0, WHOLE + 2).map(float)
    return draw(st.lists(st.builds(Source, rates, rates, budget, prompts), min_size=1, max_size=4))


def best(devices: list[Source], weight: float, due: float) -> float:
    """The least of all ways to lay `WHOLE` bytes, one by one."""
    least = inf
    for counts in product(*(range(min(WHOLE, int(device.budget)) + 1) for device in devices)):
        if sum(counts) == WHOLE:
            used = [(device, count) for device, count in zip(devices, counts, strict=True) if count]
            slowest = max(count * device.prompt_per_byte for device, count in used)
            spent = sum(count * device.per_byte + device.fixed for device, count in used)
            least = min(least, spent + due + weight * slowest)
    return least


def perfect(devices: list[Source]) -> float:
    """What the slowest stage takes at least: all share the prompt."""
    return WHOLE / sum(1 / device.prompt_per_byte for device in devices)


def cut(floor: Floor) -> list[float]:
    """What is known of a floor before each cut and after the last."""
    known = [floor.least]
    while not floor.is_sharp:
        floor.cut()
        known.append(floor.least)
    return known


@given(sources(), rates, rates)
def test_no_division_goes_below_it_and_each_cut_raises_it(devices: list[Source], weight: float, due: float) -> None:
    known = cut(Floor(devices, WHOLE, due=due, weight=weight, low=perfect(devices)))
    assert known == sorted(known)
    assert known[-1] <= best(devices, weight, due) * (1 + 1e-9)


def test_it_comes_near_what_is_best_where_bytes_are_shared_at_will() -> None:
    cheap, dear = Source(1.0, 0.0, 8.0, 1.0), Source(3.0, 0.0, 8.0, 1.0)
    known = cut(Floor([cheap, dear], WHOLE, due=0.0, weight=4.0, low=4.0))
    assert known[0] == 8 * 1.0 + 4.0 * 4, "all on the cheap one, and yet the wait of both"
    half = 4 * 1.0 + 4 * 3.0 + 4.0 * 4
    assert half * (1 - SHARP) <= known[-1] <= half


def test_without_a_wait_there_is_nothing_to_cut() -> None:
    devices = [Source(1.0, 2.0, 4.0, 1.0), Source(2.0, 0.0, 8.0, 1.0)]
    floor = Floor(devices, WHOLE, due=0.5, weight=0.0, low=0.0)
    assert floor.is_sharp
    assert floor.least == 4 * 1.5 + 4 * 2.0 + 0.5


def test_what_nothing_holds_is_sharp_at_once() -> None:
    floor = Floor([Source(1.0, 0.0, 4.0, 1.0)], WHOLE, due=0.0, weight=1.0, low=1.0)
    assert floor.least == inf
    assert floor.is_sharp
