"""What is typed becomes a setting or is refused in words."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.schema.settings import Settings
from app.ui.models.arguments import arguments_text
from app.ui.settings.fields import (
    Unfit,
    changed,
    read_arguments,
    read_mirror,
    read_name,
    read_path,
    read_threads,
)


def test_a_name_is_tidied_and_nothing_is_the_computers_own() -> None:
    assert read_name("  Living   ROOM ") == "Living ROOM"
    assert read_name("   ") is None
    assert Settings(name=read_name("客" * 60)).name == "客" * 60


def test_a_name_that_is_too_long_is_refused_with_both_numbers() -> None:
    with pytest.raises(Unfit, match=r"60 characters.*61"):
        read_name("x" * 61)


@pytest.mark.parametrize(("text", "value"), [("", None), ("  ", None), ("1", 1), (" 12 ", 12), ("1024", 1024)])
def test_threads(text: str, value: int | None) -> None:
    assert read_threads(text) == value


@pytest.mark.parametrize("text", ["0", "-1", "1025", "many", "1.5", "٣", "9" * 30])
def test_threads_that_are_none(text: str) -> None:
    with pytest.raises(Unfit, match="between 1 and 1024"):
        read_threads(text)


@given(st.text(max_size=12))
def test_threads_are_refused_or_fit_the_schema(text: str) -> None:
    try:
        value = read_threads(text)
    except Unfit:
        return
    assert Settings(cpu_threads=value).cpu_threads == value


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("", None),
        (" https://mirror.example/api/ ", "https://mirror.example/api"),
        ("http://127.0.0.1:8080", "http://127.0.0.1:8080"),
        ("http://[::1]:8080", "http://[::1]:8080"),
    ],
)
def test_mirrors(text: str, value: str | None) -> None:
    assert read_mirror(text) == value


@pytest.mark.parametrize(
    "text", ["mirror.example", "ftp://x", "https://", "https://[", "file:///etc/passwd", "x" * 600]
)
def test_mirrors_that_are_none(text: str) -> None:
    with pytest.raises(Unfit):
        read_mirror(text)


def test_a_mirror_in_the_open_is_refused() -> None:
    with pytest.raises(Unfit, match="https"):
        read_mirror("http://mirror.example")


def test_a_path_loses_the_quotes_of_explorer() -> None:
    assert read_path('"C:\\Program Files\\llama\\llama-server.exe"') == "C:\\Program Files\\llama\\llama-server.exe"
    assert read_path('""') is None


@given(
    st.lists(
        st.text(st.characters(exclude_characters="\"'", exclude_categories=["C"]), min_size=1).filter(
            lambda text: text == text.strip()
        ),
        max_size=6,
    )
)
def test_arguments_come_back_as_they_were(arguments: list[str]) -> None:
    assert read_arguments(arguments_text(tuple(arguments))) == tuple(arguments)


def test_an_open_quotation_mark_is_told() -> None:
    with pytest.raises(Unfit, match="quotation mark"):
        read_arguments('--alias "my model')


def test_what_differs_from_the_default() -> None:
    assert not changed(Settings(), "sharing")
    assert changed(Settings(sharing=False), "sharing")
