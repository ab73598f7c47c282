"""Names from the hub, as files on any PC."""

import ntpath
from pathlib import Path, PureWindowsPath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.modelstore.gguf import part_name
from app.modelstore.hub.places import NAME_LIMIT, folder_for, safe_file_name, safe_name


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("Qwen3-8B", "Qwen3-8B"),
        ("..", "_"),
        ("../..", "_"),
        ("CON", "_CON"),
        ("con.gguf", "_con.gguf"),
        ("LPT1", "_LPT1"),
        ("console", "console"),
        ('a:b*c?"d', "a_b_c__d"),
        ("trailing. ", "trailing"),
        ("tab\there", "tab_here"),
        ("Modell für Jörg 测试", "Modell für Jörg 测试"),
        ("", "_"),
    ],
)
def test_names_are_harmless_everywhere(text: str, name: str) -> None:
    assert safe_name(text).lstrip("_") == name.lstrip("_")
    assert safe_name(text)


def is_reserved(name: str) -> bool:
    """What the running Python knows of Windows' reserved names."""
    known = getattr(ntpath, "isreserved", None)
    return bool(known(name) if known is not None else PureWindowsPath(name).is_reserved())


@given(st.text() | st.sampled_from(["con .x", "CONIN$", "com1.gguf", "Lpt9 ", "nul. .x"]))
def test_any_text_stays_one_name_in_its_folder(text: str) -> None:
    name = safe_name(text)
    assert name
    assert len(name) <= NAME_LIMIT + 1
    assert name not in {".", ".."}
    assert (Path("/models") / name).parent == Path("/models")
    assert PureWindowsPath(name).name == name
    assert not is_reserved(name)
    assert not name.endswith((".", " "))
    assert not name.startswith("._")


@given(
    st.text(st.characters(exclude_categories=("Cs",), exclude_characters="/"), min_size=1, max_size=300),
    st.integers(1, 3),
)
def test_a_part_keeps_its_number(stem: str, number: int) -> None:
    path = f"folder/{stem}-0000{number}-of-00003.gguf"
    found = part_name(safe_file_name(path))
    assert found is not None
    assert (found.number, found.total) == (number, 3)


def test_a_file_never_leaves_its_folder() -> None:
    assert "/" not in safe_file_name("../../../etc/passwd.gguf")
    assert safe_file_name("a/b\\..\\c:d.gguf") == "b_.._c_d.gguf"
    assert safe_file_name("x/con.gguf").startswith("_")


def test_a_repository_has_a_folder_of_its_own() -> None:
    assert folder_for(Path("/m"), "unsloth/Qwen3-8B-GGUF") == Path("/m/unsloth/Qwen3-8B-GGUF")
