"""Between the icon and the whole program: nothing that a person asks for is lost, and an early end is an end."""

import gc
from collections.abc import Iterator

import pytest
from PySide6.QtWidgets import QApplication, QSystemTrayIcon

from app.system.paths import Paths
from app.ui.desktop import starting_icon
from app.ui.starting import Starting, Wanted
from app.ui.window.memory import Memory
from app.ui.window.shell import MainWindow
from tests.ui.conftest import Until


@pytest.fixture(autouse=True)
def _collector() -> Iterator[None]:
    """The program calms Python's garbage collector for itself; the other tests keep theirs."""
    before = gc.get_threshold()
    yield
    gc.unfreeze()
    gc.set_threshold(*before)


@pytest.fixture
def icon(application: QApplication) -> Iterator[QSystemTrayIcon]:
    made = starting_icon()
    yield made
    made.hide()
    made.deleteLater()


def windows() -> list[MainWindow]:
    return [each for each in QApplication.topLevelWidgets() if isinstance(each, MainWindow) and each.isVisible()]


def test_a_click_before_everything_is_loaded_opens_the_window(
    application: QApplication, icon: QSystemTrayIcon, paths: Paths, until: Until
) -> None:
    paths.ensure()
    starting = Starting(application, Wanted(paths, ["no such program"]), icon)
    starting.begin()
    assert icon.isVisible()
    icon.activated.emit(QSystemTrayIcon.ActivationReason.Trigger)
    assert windows() == []
    until(windows)
    starting.finish()
    assert not icon.isVisible()
    assert windows() == []


def test_the_end_of_the_session_keeps_the_windows_place(
    application: QApplication, icon: QSystemTrayIcon, paths: Paths, until: Until
) -> None:
    """Windows ends a program that returned from `aboutToQuit`, so this must not wait for more."""
    paths.ensure()
    starting = Starting(application, Wanted(paths, ["no such program"]), icon)
    starting.begin()
    starting.show_window()
    until(windows)
    application.aboutToQuit.emit()
    assert Memory(paths).now.place
    starting.finish()


def test_an_end_before_everything_is_loaded_begins_nothing(
    application: QApplication, icon: QSystemTrayIcon, paths: Paths
) -> None:
    starting = Starting(application, Wanted(paths, ["no such program"]), icon)
    starting.begin()
    starting.quit()
    application.exec()
    starting.finish()
    assert windows() == []
    assert not icon.isVisible()
