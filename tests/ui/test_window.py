"""The main window: its pages, its keys, what it remembers."""

from collections.abc import Iterator

import pytest
from PySide6.QtCore import QSize, Qt
from PySide6.QtGui import QShortcut
from PySide6.QtWidgets import QApplication, QLabel, QToolButton, QWidget

from app.schema.instance import InstanceState
from app.system.paths import Paths
from app.ui.chat.page import ChatPage
from app.ui.desk import Desk, Wish
from app.ui.face import Link
from app.ui.style.theme import Theme
from app.ui.window.memory import Memory, Remembered
from app.ui.window.pages import ENTRIES, Entry, make_page
from app.ui.window.shell import MainWindow, first_size
from app.ui.wish import NEW_CHAT
from app.ui.words import tr
from tests.ui.desks import ScriptedErrands
from tests.ui.samples import instance, status


class Opened:
    """A window over a desk without a node."""

    def __init__(self, paths: Paths) -> None:
        self.memory = Memory(paths)
        self.desk = Desk(ScriptedErrands(None), paths)
        self.window = MainWindow(self.desk, Theme(is_dark=False, has_motion=False), self.memory)
        self.wishes: list[tuple[Wish, str]] = []
        self.desk.wished.connect(lambda wish, about: self.wishes.append((wish, about)))

    def end(self) -> None:
        self.window.about_to_quit()
        self.window.hide()
        self.window.deleteLater()
        self.memory.finish()
        QApplication.processEvents()


@pytest.fixture
def opened(application: QApplication, paths: Paths) -> Iterator[Opened]:
    made = Opened(paths)
    yield made
    made.end()


def test_pages_are_made_at_their_first_visit_only(opened: Opened) -> None:
    assert opened.window.stack.count() == 0
    opened.window.open_page(Wish.CLUSTER)
    first = opened.window.page
    opened.window.open_page(Wish.SETTINGS)
    opened.window.open_page(Wish.CLUSTER)
    assert opened.window.page is first
    assert opened.window.stack.count() == 2


def test_the_rail_shows_and_opens_pages(opened: Opened) -> None:
    opened.window.show_window()
    opened.window.rail.buttons[Wish.SETTINGS].click()
    checked = [wish for wish, button in opened.window.rail.buttons.items() if button.isChecked()]
    assert checked == [Wish.SETTINGS]
    assert opened.window.page is not None


@pytest.mark.parametrize(
    ("keys", "wish", "about"),
    [
        ("Ctrl+1", Wish.CHAT, ""),
        ("Ctrl+2", Wish.MODELS, ""),
        ("Ctrl+3", Wish.CLUSTER, ""),
        ("Ctrl+4", Wish.SETTINGS, ""),
        ("Ctrl+N", Wish.CHAT, "new"),
        ("Ctrl+J", Wish.JOIN, ""),
        ("Ctrl+I", Wish.INVITE, ""),
    ],
)
def test_every_key_sends_the_person_somewhere(opened: Opened, keys: str, wish: Wish, about: str) -> None:
    shortcut = next(each for each in opened.window.findChildren(QShortcut) if each.key().toString() == keys)
    shortcut.activated.emit()
    assert opened.wishes == [(wish, about)]


def test_closing_hides_and_says_so(opened: Opened) -> None:
    closed: list[bool] = []
    opened.window.closed.connect(lambda: closed.append(True))
    opened.window.show_window()
    opened.window.close()
    assert closed == [True]
    assert not opened.window.isVisible()


def test_one_that_does_not_close_to_the_tray_says_so_and_stays_until_caravan_ends(opened: Opened) -> None:
    closed: list[bool] = []
    opened.window.closed.connect(lambda: closed.append(True))
    opened.window.show_window()
    opened.memory.change(closes_to_tray=False)
    opened.window.close()
    assert closed == [True]
    assert opened.window.isVisible()


@pytest.mark.parametrize(
    ("available", "size"),
    [
        ((1920, 1032), (1040, 700)),
        # 1920 x 1080 at 150 %, beside Windows 11's taskbar.
        ((1280, 672), (1040, 632)),
        ((640, 480), (800, 480)),
    ],
)
def test_the_first_size_leaves_room_for_title_and_taskbar(available: tuple[int, int], size: tuple[int, int]) -> None:
    assert first_size(QSize(*available)).toTuple() == size


def test_page_and_place_are_remembered(application: QApplication, paths: Paths) -> None:
    first = Opened(paths)
    first.window.show_window()
    first.window.open_page(Wish.SETTINGS)
    first.window.resize(800, 520)
    first.end()
    second = Opened(paths)
    second.window.show_window()
    assert second.window.size().toTuple() == (800, 520)
    assert second.window.rail.buttons[Wish.SETTINGS].isChecked()
    second.end()


@pytest.mark.parametrize("content", [b"", b"{", b'{"page": "no such page", "place": "!!"}', b'{"place": "AAAA"}'])
def test_a_damaged_memory_is_no_obstacle(application: QApplication, paths: Paths, content: bytes) -> None:
    paths.ensure()
    (paths.data / "window.json").write_bytes(content)
    made = Opened(paths)
    made.window.show_window()
    assert made.window.rail.buttons[Wish.CLUSTER].isChecked()
    made.end()


def test_a_memory_that_cannot_be_written_is_no_obstacle(application: QApplication, paths: Paths) -> None:
    paths.data.parent.mkdir(parents=True, exist_ok=True)
    paths.data.write_text("a file where a folder should be")
    memory = Memory(paths)
    memory.change(page="chat")
    memory.finish()
    assert memory.now == Remembered(page="chat")


def test_the_strip_says_what_the_tray_says(opened: Opened) -> None:
    opened.window.show_window()
    opened.desk.take_link(Link.FOUND, "http://127.0.0.1:1")
    opened.desk.take_status(status(instance(InstanceState.READY, pcs=3)))
    texts = {label.text() for label in opened.window.findChildren(QLabel)}
    assert "Ready · 3 PCs · caravan-demo" in texts


def test_a_hidden_page_hears_nothing_and_catches_up(opened: Opened) -> None:
    opened.desk.take_link(Link.FOUND, "http://127.0.0.1:1")
    opened.desk.take_status(status(node_name="WORKSHOP"))
    opened.window.show_window()
    page = opened.window.page
    assert page is not None
    assert any("WORKSHOP" in view.accessibleName() for view in page.canvas.views.values())  # type: ignore[attr-defined]
    opened.window.open_page(Wish.SETTINGS)
    opened.desk.take_status(status(node_name="ATTIC"))
    opened.window.open_page(Wish.CLUSTER)
    assert [view.accessibleName() for view in page.canvas.views.values()] == ["ATTIC"]  # type: ignore[attr-defined]


def test_every_control_of_the_frame_has_a_name_and_takes_the_keyboard(opened: Opened) -> None:
    for button in opened.window.rail.findChildren(QToolButton):
        assert button.accessibleName()
        assert button.focusPolicy() & Qt.FocusPolicy.TabFocus


def test_a_page_with_a_fault_is_not_hidden(opened: Opened) -> None:
    entry = Entry(Wish.SETTINGS, tr("Settings"), "settings", "tests.ui.broken_page", "NoPage")
    with pytest.raises(ModuleNotFoundError, match="no_such_module"):
        make_page(entry, opened.desk, Theme(is_dark=False, has_motion=False))


def test_the_rail_is_in_the_order_of_the_keys() -> None:
    assert [entry.wish for entry in ENTRIES] == [Wish.CHAT, Wish.MODELS, Wish.CLUSTER, Wish.SETTINGS]


def test_ctrl_n_begins_a_chat_and_no_keys_are_there_twice(opened: Opened) -> None:
    window = opened.window
    window.show_window()
    for entry in ENTRIES:
        window.open_page(entry.wish)
        keys = [each.key().toString() for each in window.findChildren(QShortcut) if is_heard(each)]
        assert len(keys) == len(set(keys))
    window.open_page(Wish.CHAT)
    chat = window.page
    assert isinstance(chat, ChatPage)
    chat.talk.change(title="An old one", model="some model")
    window.open_page(Wish.CHAT, NEW_CHAT)
    assert chat.talk.conversation.title == "New chat"
    assert chat.talk.conversation.model == "some model"


def is_heard(shortcut: QShortcut) -> bool:
    """Whether the keys work while the page that is shown has the focus."""
    holder = shortcut.parent()
    is_shown = isinstance(holder, QWidget) and holder.isVisible()
    return is_shown and shortcut.context() is not Qt.ShortcutContext.WidgetShortcut
