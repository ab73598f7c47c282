"""The installed program on a screen, from the sign-in to the sign-out: icon, window, the system's look."""

import json
import subprocess
import time
import winreg
from pathlib import Path

from app.ui.commands import HIDDEN
from app.ui.style.palette import DARK, LIGHT
from tests.windows.installed.conftest import OURS, Caravan, running, started, wait_until
from tests.windows.on_screen import has_tray_icon, pixel, shown, sign_out, tell_settings_changed, windows

PERSONALIZE = r"Software\Microsoft\Windows\CurrentVersion\Themes\Personalize"
TITLE = "Caravan"
SAVED_SECONDS = 30.0
"""Windows grants a program 5 s at the end of the session (`HungAppTimeout`); Wine on a busy machine takes longer."""


def test_from_the_sign_in_to_the_sign_out(caravan: Caravan, tmp_path: Path) -> None:
    data = tmp_path / "data of Jörg 测试"
    data.mkdir()
    (data / "settings.json").write_text(json.dumps({"use_known_folders": False}), "utf-8")
    command = [caravan.program(), "--data-dir", str(data)]
    with started(*command, HIDDEN) as first:
        wait_until(has_tray_icon)
        wait_until((data / "node.json").exists)
        assert shown(first.pid) == []
        assert subprocess.run(command, timeout=120, check=False).returncode == 0
        wait_until(lambda: TITLE in shown(first.pid))
        follows_the_systems_look(first.pid)
        ends_with_the_session(first, data)


def follows_the_systems_look(pid: int) -> None:
    (window,) = [each.handle for each in windows() if each.pid == pid and each.title == TITLE]
    for is_light, palette in ((True, LIGHT), (False, DARK)):
        with winreg.CreateKey(winreg.HKEY_CURRENT_USER, PERSONALIZE) as key:
            winreg.SetValueEx(key, "AppsUseLightTheme", 0, winreg.REG_DWORD, int(is_light))
        tell_settings_changed("ImmersiveColorSet")
        wait_until(lambda wanted=palette.side.lower(): pixel(window, 3, 3) == wanted)


def ends_with_the_session(tray: "subprocess.Popen[bytes]", data: Path) -> None:
    began = time.monotonic()
    assert sign_out(tray.pid)
    assert json.loads((data / "window.json").read_text("utf-8"))["place"]
    assert time.monotonic() - began < SAVED_SECONDS
    assert tray.wait(120) == 0
    wait_until(lambda: running(*OURS) == [])
    assert not (data / "node.json").exists()
