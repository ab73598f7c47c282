"""The smallest window there is cuts no button, hides nothing at its side and puts nothing over something else."""

from collections.abc import Callable, Iterator

import pytest
from PySide6.QtCore import QEventLoop, QRect, QTimer
from PySide6.QtWidgets import QAbstractButton, QApplication, QScrollArea, QWidget

from app.schema.node import Status
from app.system.paths import Paths
from app.ui.chat.page import ChatPage
from app.ui.desk import Desk, Wish
from app.ui.discover import sample as discover
from app.ui.face import Link
from app.ui.models import sample as models
from app.ui.models.page import ModelsPage
from app.ui.screenshots import Silent
from app.ui.showcase import home, plan, running, stage
from app.ui.style.theme import Theme
from app.ui.window.memory import Memory
from app.ui.window.shell import LEAST, SIZE, MainWindow

PICTURES = {name: make for name, make in (*models.pictures(), *discover.pictures())}
LONG_MODEL = "A-Model-That-Somebody-Merged-From-Five-Others-And-Then-Quantized-Again-70B-v3.1.Q4_K_M"

Show = Callable[..., MainWindow]


@pytest.fixture
def show(application: QApplication, paths: Paths) -> Iterator[Show]:
    """Shows a picture of the showcase, or the chat over a status, in the smallest window."""
    theme = Theme(is_dark=False, has_motion=False)
    theme.apply(application)
    windows: list[MainWindow] = []

    def showing(name: str = "", status: Status | None = None) -> MainWindow:
        desk = Desk(Silent(), paths)
        if status is not None:
            desk.take_link(Link.FOUND)
            desk.take_status(status)
        window = PICTURES[name](desk, theme) if name else MainWindow(desk, theme, Memory(paths))
        assert isinstance(window, MainWindow)
        windows.append(window)
        if not name:
            window.open_page(Wish.CHAT)
        resize(window, LEAST.width(), LEAST.height())
        return window

    yield showing
    for window in windows:
        window.about_to_quit()
        window.hide()
        window.deleteLater()


def resize(window: MainWindow, width: int, height: int) -> None:
    """Give it this size, and Qt the time to lay it out."""
    window.resize(width, height)
    window.show()
    loop = QEventLoop()
    QTimer.singleShot(100, loop.quit)
    loop.exec()


def place(widget: QWidget) -> QRect:
    """Where it is in its window."""
    return QRect(widget.mapTo(widget.window(), widget.rect().topLeft()), widget.size())


def cut_buttons(window: QWidget) -> list[str]:
    """Buttons that are narrower than their words, or not wholly in the window."""
    shown = [each for each in window.findChildren(QAbstractButton) if each.isVisible() and each.text()]
    return [
        each.text()
        for each in shown
        if each.width() < each.minimumSizeHint().width() or place(each).right() > window.window().rect().right()
    ]


@pytest.mark.parametrize(
    "name", ["models", "models-failed", "models-launching", "models-ready", "models-find-gated", "models-find-short"]
)
def test_models_are_whole(show: Show, name: str) -> None:
    window = show(name)
    assert cut_buttons(window) == []
    sideways = [each.horizontalScrollBar() for each in window.findChildren(QScrollArea) if each.isVisible()]
    assert not any(each.maximum() > 0 for each in sideways)


def test_a_closed_repository_keeps_its_files_above_its_button(show: Show) -> None:
    page = show("models-find-gated").page
    assert isinstance(page, ModelsPage)
    repository = page.finding.repository
    assert repository.gate.isVisible()
    assert place(repository.files).bottom() < place(repository.button).top()
    assert place(repository.files).top() > place(repository.gate).bottom()


def test_the_chats_make_room_for_the_panel_and_come_back(show: Show) -> None:
    window = show(status=home())
    page = window.page
    assert isinstance(page, ChatPage)
    assert page.shelf_view.isVisible()
    page.head.panel.setChecked(True)
    resize(window, LEAST.width(), LEAST.height())
    assert not page.shelf_view.isVisible()
    assert place(page.panel).right() <= window.rect().right()
    assert cut_buttons(page.head) == []
    resize(window, SIZE.width(), SIZE.height())
    assert page.shelf_view.isVisible()
    assert page.panel.isVisible()
    resize(window, LEAST.width(), LEAST.height())
    page.head.panel.setChecked(False)
    assert page.shelf_view.isVisible()


def test_a_long_model_name_leaves_its_button_whole(show: Show) -> None:
    made = plan(LONG_MODEL, (stage(1, "WORKSHOP", "CUDA0", 0, 63, (13.4, 3.0, 1.2)),))
    page = show(status=home().model_copy(update={"instances": (running(made),)})).page
    assert isinstance(page, ChatPage)
    page.talk.change(model=LONG_MODEL)
    assert cut_buttons(page.head) == []
    assert "\N{HORIZONTAL ELLIPSIS}" in page.head.picker.text()
    assert LONG_MODEL in page.head.picker.accessibleName()
