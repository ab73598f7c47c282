import subprocess

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.engine.splitting import split, split_windows


@pytest.mark.parametrize(
    ("text", "items"),
    [
        ("", ()),
        ("   ", ()),
        ("a  b\tc", ("a", "b", "c")),
        (r'--model "C:\My Models\a.gguf" -x', ("--model", r"C:\My Models\a.gguf", "-x")),
        (r"C:\path\file", (r"C:\path\file",)),
        (r'"C:\folder\\" next', ("C:\\folder\\", "next")),
        (r"a\"b", ('a"b',)),
        (r"a\\\"b", (r"a\"b",)),
        ('""', ("",)),
        ('x"y z"w', ("xy zw",)),
        ('"open end', ("open end",)),
    ],
)
def test_windows_rules(text: str, items: tuple[str, ...]) -> None:
    assert split_windows(text) == items


@given(st.lists(st.text(alphabet='ab \\"\tü-', max_size=8), max_size=5))
def test_windows_splitting_undoes_windows_joining(items: list[str]) -> None:
    assert split_windows(subprocess.list2cmdline(items)) == tuple(items)


def test_posix_rules() -> None:
    assert split("-m '/a b/c' d\\ e", windows=False) == ("-m", "/a b/c", "d e")
    with pytest.raises(ValueError, match="quotation"):
        split("'open", windows=False)
