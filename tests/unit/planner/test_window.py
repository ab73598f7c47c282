"""Sliding minima against the plain definition."""

from math import inf

from hypothesis import given
from hypothesis import strategies as st

from app.planner.window import Window


@st.composite
def ranges(draw: st.DrawFn) -> list[int]:
    """Lows that never fall and never pass their end."""
    lows = [0]
    for end in range(1, draw(st.integers(2, 40))):
        lows.append(draw(st.integers(lows[-1], min(end, lows[-1] + 4))))
    return lows


@given(ranges(), st.data())
def test_least_of_each_range(lows: list[int], data: st.DataObject) -> None:
    entry = st.one_of(st.just(inf), st.floats(-10, 10))
    values = data.draw(st.lists(entry, min_size=len(lows), max_size=len(lows)))
    last = data.draw(st.integers(0, len(lows) - 1))
    first = data.draw(st.integers(0, last))
    expected = [min(values[low:end], default=inf) for end, low in enumerate(lows)]
    assert Window(lows).minima(values[lows[first] : last], first, last) == expected[first : last + 1]


@given(ranges(), st.data())
def test_furthest_end_of_a_range(lows: list[int], data: st.DataObject) -> None:
    start = data.draw(st.integers(0, len(lows) - 1))
    assert Window(lows).furthest(start) == max(end for end, low in enumerate(lows) if low <= start)
