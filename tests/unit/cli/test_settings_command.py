"""What is typed becomes a value of the setting, or a sentence that says why not."""

from pathlib import Path

import pytest

from app.cli.settings_command import changed, checked_name, folder_list
from app.schema.errors import InputError
from app.schema.settings import Settings


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("unload_after", "30", 30.0),
        ("unload_after", "0.5", 0.5),
        ("unload_after", "default", None),
        ("unload_after", "null", None),
        ("load_on_request", "false", False),
        ("load_on_request", "off", False),
        ("name", "Büro PC", "Büro PC"),
        ("name", "42", "42"),
        ("model_folders", '["D:/Modelle", "E:/"]', ("D:/Modelle", "E:/")),
        ("engine_path", r"C:\Tools\llama cpp", r"C:\Tools\llama cpp"),
    ],
)
def test_values(name: str, text: str, value: object) -> None:
    assert getattr(changed(Settings(cpu_threads=3), name, text), name) == value
    assert changed(Settings(cpu_threads=3), name, text).cpu_threads == 3


@pytest.mark.parametrize(
    ("name", "text"), [("unload_after", "0"), ("unload_after", "soon"), ("sharing", "2"), ("cpu_threads", "-1")]
)
def test_what_does_not_fit_is_told_with_its_name(name: str, text: str) -> None:
    with pytest.raises(InputError, match=name):
        changed(Settings(), name, text)


def test_a_folder_is_typed_as_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for typed, folders in ((str(tmp_path), (str(tmp_path),)), ("Große Modelle", (str(tmp_path / "Große Modelle"),))):
        assert changed(Settings(), "model_folders", folder_list(typed)).model_folders == folders
    for typed in ('["D:/Modelle", "E:/"]', "default"):
        assert folder_list(typed) == typed


def test_a_list_that_is_none_is_told_how_to_be_written() -> None:
    with pytest.raises(InputError, match="list of texts") as refused:
        changed(Settings(), "extra_arguments", "--temp 0.7")
    assert '["--temp", "0.7"]' in refused.value.hint


def test_names() -> None:
    assert checked_name("unload-after") == "unload_after"
    with pytest.raises(InputError) as refused:
        checked_name("unload")
    assert "unload_after" in refused.value.hint
