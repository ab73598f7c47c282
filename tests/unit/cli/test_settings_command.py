"""What is typed becomes a value of the setting, or a sentence that says why not."""

import pytest

from app.cli.settings_command import changed, checked_name
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


def test_names() -> None:
    assert checked_name("unload-after") == "unload_after"
    with pytest.raises(InputError) as refused:
        checked_name("unload")
    assert "unload_after" in refused.value.hint
