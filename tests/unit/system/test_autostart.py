"""The user's own entry, as the system would read it."""

import re
import secrets
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.system.autostart import disable, enable, exec_line, is_approved, is_enabled, run_line

COMMAND = [r"C:\Program Files\Caravan ü\Caravan.exe", "--tray", "two words"]


@pytest.fixture
def entry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    name = f"Caravan-test-{secrets.token_hex(4)}"
    yield name
    disable(name)


def test_on_again_and_off_again(entry: str) -> None:
    assert not is_enabled(entry)
    enable(COMMAND, entry)
    enable(COMMAND, entry)
    assert is_enabled(entry)
    disable(entry)
    disable(entry)
    assert not is_enabled(entry)


@pytest.mark.skipif(sys.platform != "win32", reason="the registry is Windows")
def test_what_task_manager_switches_off_is_off_until_the_user_asks_here() -> None:
    import winreg

    from app.system.autostart import _APPROVED, _RUN, _value

    name = f"Caravan-test-{secrets.token_hex(4)}"
    enable(COMMAND, name)
    try:
        assert _value(_RUN, name) == '"C:\\Program Files\\Caravan ü\\Caravan.exe" --tray "two words"'
        with winreg.CreateKey(winreg.HKEY_CURRENT_USER, _APPROVED) as key:
            winreg.SetValueEx(key, name, 0, winreg.REG_BINARY, bytes([3, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8]))
        assert not is_enabled(name)
        enable(COMMAND, name)
        assert is_enabled(name)
        assert _value(_APPROVED, name) is None
    finally:
        disable(name)


@pytest.mark.skipif(sys.platform == "win32", reason="desktop files are not Windows")
@pytest.mark.parametrize("line", ["Hidden=true", "X-GNOME-Autostart-enabled=false"])
def test_what_the_desktop_switches_off_is_off_until_the_user_asks_here(entry: str, line: str, tmp_path: Path) -> None:
    enable(COMMAND, entry)
    file = tmp_path / "autostart" / f"{entry.lower()}.desktop"
    file.write_text(file.read_text("utf-8") + line + "\n", "utf-8")
    assert not is_enabled(entry)
    enable(COMMAND, entry)
    assert is_enabled(entry)


@pytest.mark.parametrize(
    ("switch", "starts"),
    [
        (None, True),
        (b"", True),
        (b"\x02" + bytes(11), True),
        (b"\x06", True),
        (b"\x03" + bytes(11), False),
        (b"\x07", False),
    ],
)
def test_task_managers_switch(switch: bytes | None, starts: bool) -> None:
    assert is_approved(switch) is starts


@given(st.lists(st.text(st.characters(codec="utf-8", exclude_characters="\0\n"), min_size=1), min_size=1))
def test_a_desktop_file_keeps_every_argument(command: list[str]) -> None:
    string = exec_line(command).replace("\\\\", "\\")
    found = re.findall(r'"((?:\\.|[^"\\])*)"', string, re.S)
    assert [re.sub(r"\\(.)", r"\1", part, flags=re.S).replace("%%", "%") for part in found] == command


def test_the_program_is_quoted_even_without_a_space() -> None:
    assert run_line([r"C:\Caravan\Caravan.exe"]) == r'"C:\Caravan\Caravan.exe"'
    assert run_line([r"C:\C\c.exe", "node"]) == r'"C:\C\c.exe" node'
