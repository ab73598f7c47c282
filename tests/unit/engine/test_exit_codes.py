import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.engine.exit_codes import exit_meaning


@pytest.mark.parametrize(
    ("returncode", "told"),
    [
        (0, "without an error"),
        (1, "code 1"),
        (-6, "gave up"),
        (134, "gave up"),
        (-9, "killed"),
        (137, "killed"),
        (-11, "crashed"),
        (-13, "went away"),
        (127, "not found"),
        (0xC0000005, "crashed"),
        (0xC0000005 - (1 << 32), "crashed"),
        (0xC0000409, "gave up"),
        (0xC0000135, "DLL"),
        (0xC0001234, "0xC0001234"),
        (-127, "127"),
    ],
)
def test_codes_in_plain_words(returncode: int, told: str) -> None:
    assert told in exit_meaning(returncode)


@given(st.integers(-(1 << 31), (1 << 32) - 1))
def test_every_code_means_something(returncode: int) -> None:
    assert exit_meaning(returncode)
