"""Numbers as people read them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.cli import words
from app.schema.instance import Phase, PhaseName, Progress, Unit


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (0, "0 B"),
        (1023, "1023 B"),
        (1024, "1.0 KB"),
        (8_283_750, "7.9 MB"),
        (1_073_700_000, "1.0 GB"),
        (22_870_700_000, "21.3 GB"),
        (5 * 2**40, "5.0 TB"),
        (None, "-"),
    ],
)
def test_sizes(count: int | None, text: str) -> None:
    assert words.size(count) == text


@given(st.integers(0, 10**16))
def test_sizes_are_short_and_never_show_a_thousand(count: int) -> None:
    number, unit = words.size(count).split(" ")
    assert float(number) < 1024 or unit == "TB"


@pytest.mark.parametrize(("seconds", "text"), [(0.44, "0.4 s"), (47.2, "47 s"), (185, "3 min 5 s"), (None, "-")])
def test_durations(seconds: float | None, text: str) -> None:
    assert words.duration(seconds) == text


def test_a_phase_tells_how_far_it_is() -> None:
    step = Progress(done=3_328_600_000, total=9_019_431_321, unit=Unit.BYTES, rate=117_440_512.0, seconds_left=47.3)
    phase = Phase(name=PhaseName.TENSORS, progress=step)
    assert words.phase(phase) == "weights loaded - 3.1 GB of 8.4 GB, 112.0 MB/s, 47 s left"
    assert (
        words.phase(Phase(name=PhaseName.WORKERS_STARTED, progress=Progress(done=1, total=2, unit=Unit.WORKERS)))
        == "workers started - 1/2"
    )


def test_every_phase_has_words() -> None:
    assert set(words.PHASE_WORDS) == set(PhaseName)
