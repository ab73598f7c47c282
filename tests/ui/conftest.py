"""Qt without a screen, on Windows with the one that is there.

No Qt warning and no error in a slot may pass; where Qt cannot be loaded, tests are skipped.

The tests need no plugin of pytest: one that imports Qt would end the whole run on a PC without Qt's system libraries.
"""

import importlib
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

import pytest

from app.system.paths import Paths

if TYPE_CHECKING:
    from PySide6.QtWidgets import QApplication

os.environ["QT_QPA_PLATFORM"] = "windows" if sys.platform == "win32" else "offscreen"
"""Without a screen, Qt on Windows finds no fonts."""

PATIENCE_MS = 60_000
_POLL_MS = 5

OFFSCREEN_TALK = (
    "QPlatformNativeInterface::systemTrayWindowChanged",
    "does not support propagateSizeHints",
    "not support raise()",
    "not support grabbing the keyboard",
)
"""What Qt says of tray icons and windows on a screen that is none."""


def is_complaint(line: str) -> bool:
    return not any(known in line for known in OFFSCREEN_TALK)


def _why_not() -> str | None:
    try:
        importlib.import_module("PySide6.QtWidgets")
        importlib.import_module("PySide6.QtSvg")
    except ImportError as error:
        return f"Qt cannot be loaded: {error}"
    return None


WHY_NOT = _why_not()


class WithoutQt(pytest.Module):
    """A test module that is not imported."""

    def collect(self) -> list[pytest.Item]:
        pytest.skip(WHY_NOT or "")


def pytest_pycollect_makemodule(module_path: Path, parent: pytest.Collector) -> pytest.Module | None:
    return WithoutQt.from_parent(parent, path=module_path) if WHY_NOT else None


@pytest.fixture(scope="session")
def application() -> "QApplication":
    from app.ui.desktop import make_application

    return make_application()


@pytest.fixture(autouse=True)
def _no_complaints() -> Iterator[None]:
    from PySide6.QtCore import QtMsgType, qInstallMessageHandler

    complaints: list[str] = []

    def hear(kind: QtMsgType, _: object, text: str) -> None:
        if kind not in {QtMsgType.QtDebugMsg, QtMsgType.QtInfoMsg} and is_complaint(text):
            complaints.append(f"Qt: {text}")

    def catch(kind: type[BaseException], error: BaseException, _: TracebackType | None) -> None:
        complaints.append(f"{kind.__name__} in a slot: {error}")

    before, sys.excepthook = sys.excepthook, catch
    previous = qInstallMessageHandler(hear)
    yield
    qInstallMessageHandler(previous)
    sys.excepthook = before
    assert complaints == []


Until = Callable[[Callable[[], object]], None]


@pytest.fixture
def until(application: "QApplication") -> Until:
    """Run Qt's loop until something is so; fails when it does not come."""
    from PySide6.QtCore import QEventLoop, QTimer

    def wait(reached: Callable[[], object]) -> None:
        loop, poll, deadline = QEventLoop(), QTimer(), QTimer()
        poll.timeout.connect(lambda: loop.quit() if reached() else None)
        deadline.timeout.connect(loop.quit)
        poll.start(_POLL_MS)
        deadline.start(PATIENCE_MS)
        loop.exec()
        poll.stop()
        deadline.stop()
        assert reached()

    return wait


@pytest.fixture
def paths(tmp_path: Path) -> Paths:
    return Paths.under(tmp_path / "Büro data")
