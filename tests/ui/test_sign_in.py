"""Start with Windows: asked and set in the background, told on the main thread."""

import sys
from pathlib import Path

import pytest
from PySide6.QtWidgets import QApplication

from app.schema.errors import ErrorInfo
from app.ui.commands import HIDDEN, tray_command
from app.ui.sign_in import SignIn
from tests.ui.conftest import Until

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="would change this user's own registry")


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "Büro config"))
    return tmp_path / "Büro config"


def test_on_and_off_again(application: QApplication, until: Until, config: Path) -> None:
    told: list[bool] = []
    errors: list[ErrorInfo] = []
    sign_in = SignIn(tray_command(Path("/data")), told.append, errors.append)
    sign_in.look()
    until(lambda: told == [False])
    sign_in.change(True)
    until(lambda: told == [False, True])
    assert HIDDEN in (config / "autostart" / "caravan.desktop").read_text("utf-8")
    sign_in.change(False)
    until(lambda: told == [False, True, False])
    sign_in.finish()
    assert errors == []


def test_what_cannot_be_changed_is_told(application: QApplication, until: Until, config: Path) -> None:
    config.parent.mkdir(parents=True, exist_ok=True)
    config.write_text("a file where a folder should be")
    errors: list[ErrorInfo] = []
    sign_in = SignIn(tray_command(None), lambda is_on: None, errors.append)
    sign_in.change(True)
    until(lambda: errors)
    assert errors[0].sentence.startswith("Starting with the system could not be changed")
    sign_in.finish()
