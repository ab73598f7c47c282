"""One quantization for this much memory."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.modelstore.hub.files import group_files
from app.modelstore.hub.recommend import Memory, recommend
from app.schema.download import HubFile, HubPart

GB = 1 << 30
SIZES = {
    "Q2_K": 3.2,
    "Q3_K_M": 4.0,
    "Q4_K_S": 4.7,
    "Q4_K_M": 5.0,
    "Q5_K_M": 5.8,
    "Q6_K": 6.7,
    "Q8_0": 8.7,
    "BF16": 16.4,
}


def files(**sizes: float) -> tuple[HubFile, ...]:
    named = sizes or SIZES
    return group_files(HubPart(path=f"M-{name}.gguf", size_bytes=round(size * GB)) for name, size in named.items())


@pytest.mark.parametrize(
    ("cards", "memory", "quantization", "because"),
    [
        (24, 64, "Q6_K", "graphics cards"),
        (48, 96, "Q8_0", "graphics cards"),
        (8, 32, "Q5_K_M", "graphics cards"),
        (6.3, 32, "Q4_K_S", "graphics cards"),
        (4, 32, "Q4_K_M", "of memory that are free"),
        (0, 32, "Q4_K_M", "of memory that are free"),
        (0, 6.3, "Q4_K_S", "of memory that are free"),
        (0, 5.6, "Q3_K_M", "largest file"),
        (0, 2, "Q2_K", "smallest"),
    ],
)
def test_the_largest_good_one_that_fits_well(cards: float, memory: float, quantization: str, because: str) -> None:
    found = recommend(files(), Memory(round(cards * GB), round(memory * GB), 1))
    assert found is not None
    assert found.name == f"M-{quantization}"
    assert because in found.sentence


def test_several_pcs_are_said() -> None:
    found = recommend(files(), Memory(24 * GB, 64 * GB, 2))
    assert found is not None
    assert found.sentence == (
        "The largest good file with room for its context in the 24.0 GB that are free on graphics cards on 2 PCs."
    )


def test_without_a_measurement_it_is_the_usual_one() -> None:
    assert recommend(files(), None).name == "M-Q4_K_M"  # type: ignore[union-attr]


def test_nothing_is_recommended_of_nothing() -> None:
    assert recommend((), None) is None
    assert recommend(group_files([HubPart(path="mmproj-F16.gguf", size_bytes=9)]), None) is None


@given(
    st.dictionaries(st.sampled_from([*SIZES, "XYZ"]), st.floats(0.1, 50), min_size=1),
    st.integers(0, 80 * GB),
    st.integers(0, 80 * GB),
)
def test_something_is_always_recommended_and_fits_if_anything_does(
    sizes: dict[str, float], cards: int, rest: int
) -> None:
    found = files(**sizes)
    best = recommend(found, Memory(cards, cards + rest, 1))
    assert best is not None
    size = next(each.size_bytes or 0 for each in found if each.name == best.name)
    fitting = [each for each in found if (each.size_bytes or 0) * 1.1 + (1 << 30) <= cards + rest]
    assert size * 1.1 + (1 << 30) <= cards + rest if fitting else size == min(each.size_bytes or 0 for each in found)
