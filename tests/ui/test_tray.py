"""What the tray shows for each thing the bridge says, and what each menu line does."""

from collections.abc import Iterator

import pytest
from PySide6.QtCore import QUrl
from PySide6.QtGui import QAction, QColor
from PySide6.QtWidgets import QApplication, QMessageBox, QSystemTrayIcon

from app.schema.engine import EngineStatus
from app.schema.errors import ErrorInfo
from app.schema.instance import InstanceState
from app.schema.node import Status
from app.system.paths import Paths
from app.ui.bridge import Bridge
from app.ui.desk import Wish
from app.ui.front import Front
from app.ui.joining.invite import InviteDialog
from app.ui.joining.join import JoinDialog
from app.ui.keeper import Attachment
from app.ui.leaving import LeavingDialog
from app.ui.notices import Notice
from app.ui.style.theme import Theme
from app.ui.tray import Tray
from app.ui.tray_menu import QUIET, mixed
from tests.ui.browser import browsing
from tests.ui.conftest import Until
from tests.ui.samples import PROBLEM, instance, loading, status

API = "http://127.0.0.1:52415"
MISSING = ErrorInfo(code="engine_missing", sentence="WORKSHOP has no llama.cpp.", hint="Run `caravan engine install`.")


class Shown:
    """A tray over a bridge that never starts: the test speaks in its place."""

    def __init__(self, paths: Paths, is_home: bool = False) -> None:
        self.paths = paths
        self.bridge = Bridge(paths, ["no such program"])
        self.front = Front(self.bridge, Theme(is_dark=False, has_motion=False), paths, is_home)
        self.tray = Tray(self.bridge, self.front, paths)
        self.notices: list[Notice] = []
        self.tray.notified.connect(self.notices.append)
        self.tray.show()

    def attach(self, is_ours: bool = True) -> None:
        self.bridge.attached.emit(Attachment(API, is_ours))

    def tell(self, now: Status) -> None:
        self.bridge.status_changed.emit(now)
        QApplication.processEvents()

    @property
    def lines(self) -> list[str]:
        return [action.text() for action in self.tray.menu.actions() if not action.isSeparator()]

    def action(self, text: str) -> QAction:
        return next(action for action in self.tray.menu.actions() if action.text() == text)

    def choose(self, text: str) -> None:
        self.action(text).trigger()
        QApplication.processEvents()


@pytest.fixture
def shown(application: QApplication, paths: Paths) -> Iterator[Shown]:
    yield from ending(Shown(paths))


@pytest.fixture
def home(application: QApplication, paths: Paths) -> Iterator[Shown]:
    """A desktop without tray icons: Caravan lives in its window."""
    yield from ending(Shown(paths, is_home=True))


def ending(made: Shown) -> Iterator[Shown]:
    yield made
    made.bridge.stop()
    made.front.finish()
    if made.front.window is not None:
        made.front.window.deleteLater()
    made.tray.icon.hide()
    made.tray.menu.deleteLater()
    made.tray.deleteLater()
    QApplication.processEvents()


STATES = [
    (status(), "No model is running"),
    (status(instance(InstanceState.STARTING, phases=loading(62, 100))), "Loading caravan-demo 62 %"),
    (status(instance(InstanceState.READY, pcs=3)), "Ready · 3 PCs · caravan-demo"),
    (status(instance(InstanceState.FAILED, error=PROBLEM)), "caravan-demo did not start"),
    (status(engine=EngineStatus(problem=MISSING)), "Engine missing: WORKSHOP has no llama.cpp."),
]


@pytest.mark.parametrize(("now", "line"), STATES, ids=[line for _, line in STATES])
def test_the_first_line_and_the_tooltip_say_the_state(shown: Shown, now: Status, line: str) -> None:
    shown.attach()
    shown.tell(now)
    assert shown.lines[0] == line
    assert shown.tray.icon.toolTip() == line
    assert not shown.action(line).isEnabled()


def test_every_state_has_a_picture_of_its_own(shown: Shown) -> None:
    pictures = set()
    for now, _ in STATES[:4]:
        shown.attach()
        shown.tell(now)
        pictures.add(shown.tray.icon.icon().pixmap(16, 16).toImage().bits().tobytes())
    assert len(pictures) == 4


def test_before_and_after_a_node(shown: Shown) -> None:
    assert shown.lines[0] == "Caravan is starting"
    shown.attach()
    shown.tell(status(instance(InstanceState.READY)))
    shown.bridge.node_lost.emit()
    QApplication.processEvents()
    assert shown.lines == [
        "Caravan is not running",
        "Open Caravan",
        "Chat",
        "Models",
        "Start Caravan",
        "Settings",
        "Logs",
        "Quit",
    ]


def test_a_name_with_an_ampersand_is_no_shortcut(shown: Shown) -> None:
    shown.attach()
    shown.tell(status(instance(InstanceState.READY, model="tea & cake")))
    assert "Unload tea && cake" in shown.lines
    assert shown.tray.icon.toolTip() == "Ready · 1 PC · tea & cake"


def test_progress_changes_the_words_and_keeps_the_lines(shown: Shown) -> None:
    shown.attach()
    shown.tell(status(instance(InstanceState.STARTING, phases=loading(1, 100))))
    before = list(shown.tray.menu.actions())
    shown.tell(status(instance(InstanceState.STARTING, phases=loading(2, 100))))
    assert shown.lines[0] == "Loading caravan-demo 2 %"
    assert shown.tray.menu.actions() == before


def test_ready_and_failed_are_notified(shown: Shown) -> None:
    shown.attach()
    shown.tell(status(instance(InstanceState.STARTING)))
    shown.tell(status(instance(InstanceState.READY, ready_at=109.0)))
    shown.tell(status(instance(InstanceState.FAILED, ready_at=109.0, error=PROBLEM)))
    assert [(str(each.title), each.is_problem) for each in shown.notices] == [
        ("caravan-demo is ready", False),
        ("caravan-demo stopped", True),
    ]


def test_a_failed_command_is_notified_with_its_hint(shown: Shown) -> None:
    shown.bridge.failed.emit(PROBLEM)
    QApplication.processEvents()
    assert str(shown.notices[0].body) == f"{PROBLEM.sentence} {PROBLEM.hint}"


def test_the_address_is_copied(shown: Shown) -> None:
    shown.attach()
    shown.tell(status())
    shown.choose("Copy API address")
    assert QApplication.clipboard().text() == f"{API}/v1"


def test_pages_and_logs_are_opened(shown: Shown, paths: Paths) -> None:
    shown.attach()
    shown.tell(status())
    with browsing() as opened:
        shown.choose("Open API pages")
        shown.choose("Logs")
    assert opened == [f"{API}/docs", QUrl.fromLocalFile(str(paths.logs)).toString()]


def test_a_problem_is_explained_in_full(shown: Shown) -> None:
    shown.attach()
    shown.tell(status(instance(InstanceState.FAILED, error=PROBLEM)))
    shown.choose("What happened, and what to do...")
    boxes = [each for each in QApplication.topLevelWidgets() if isinstance(each, QMessageBox)]
    assert [(box.text(), box.informativeText()) for box in boxes] == [(PROBLEM.sentence, PROBLEM.hint)]
    assert boxes[0].isVisible()
    boxes[0].close()


def test_quit_says_so_until_the_bridge_has_ended(shown: Shown, until: Until) -> None:
    finished: list[bool] = []
    shown.tray.finished.connect(lambda: finished.append(True))
    shown.attach(is_ours=False)
    shown.tell(status())
    shown.bridge.start()
    shown.choose("Quit (Caravan keeps running)")
    assert shown.lines[0] == "Caravan is ending"
    until(lambda: finished)
    assert not shown.tray.icon.isVisible()


def test_a_left_click_opens_the_window_and_entries_turn_its_pages(shown: Shown) -> None:
    shown.attach()
    shown.tell(status())
    assert shown.front.window is None
    shown.tray.icon.activated.emit(QSystemTrayIcon.ActivationReason.Trigger)
    assert shown.front.window is not None
    assert shown.front.window.isVisible()
    shown.choose("Settings")
    assert shown.front.window.rail.buttons[Wish.SETTINGS].isChecked()


def test_join_and_invite_open_their_dialogs_one_at_a_time(shown: Shown) -> None:
    shown.attach()
    shown.tell(status())
    shown.choose("Invite a PC...")
    assert isinstance(shown.front.dialog, InviteDialog)
    shown.choose("Join cluster...")
    assert isinstance(shown.front.dialog, JoinDialog)
    shown.front.dialog.reject()
    assert shown.front.dialog is None


def test_the_model_that_was_ready_last_is_offered_again(shown: Shown) -> None:
    shown.attach()
    shown.tell(status(instance(InstanceState.READY, model="Qwen3-32B")))
    shown.tell(status())
    assert "Load last model (Qwen3-32B)" in shown.lines


def leaving(shown: Shown) -> LeavingDialog:
    return next(each for each in QApplication.topLevelWidgets() if isinstance(each, LeavingDialog) and each.isVisible())


def test_quitting_asks_once_whether_to_keep_serving(shown: Shown) -> None:
    shown.attach()
    shown.tell(status(instance(InstanceState.READY)))
    shown.choose("Quit")
    leaving(shown).reject()
    assert shown.lines[0] == "Ready · 1 PC · caravan-demo"
    shown.choose("Quit")
    leaving(shown).keep.click()
    assert not shown.tray.icon.isVisible()
    assert shown.lines[0] == "Ready · 1 PC · caravan-demo"
    shown.tray.show_window()
    assert shown.tray.icon.isVisible()
    shown.tell(status(instance(InstanceState.READY)))
    assert shown.lines[-2:] == ["Quit (keeps serving)", "Stop serving and quit"]
    shown.choose("Quit (keeps serving)")
    assert not shown.tray.icon.isVisible()


def test_stopping_everything_ends_the_bridge(shown: Shown, until: Until) -> None:
    finished: list[bool] = []
    shown.tray.finished.connect(lambda: finished.append(True))
    shown.attach()
    shown.tell(status(instance(InstanceState.READY)))
    shown.bridge.start()
    shown.choose("Quit")
    leaving(shown).stop.click()
    assert shown.lines[0] == "Caravan is ending"
    until(lambda: finished)


def test_nobody_served_is_nothing_to_ask(shown: Shown) -> None:
    shown.attach()
    shown.tell(status())
    shown.choose("Quit")
    assert shown.lines[0] == "Caravan is ending"


def test_the_first_close_of_the_window_says_where_it_went(shown: Shown) -> None:
    front = Front(shown.bridge, Theme(is_dark=False, has_motion=False), shown.paths)
    front.hidden.connect(shown.tray.tell_hidden)
    for _ in range(2):
        front.show_window()
        assert front.window is not None
        front.window.close()
    assert [str(each.title) for each in shown.notices] == ["Caravan is still here"]
    front.finish()
    assert front.window is not None
    front.window.deleteLater()


def test_without_a_tray_the_window_says_where_caravan_lives_and_closing_it_quits(home: Shown) -> None:
    home.attach()
    home.tell(status())
    home.front.show_window()
    window = home.front.window
    assert window is not None
    assert not home.tray.icon.isVisible()
    assert "lives in this window" in window.news.banner.accessibleName()
    window.close()
    assert home.lines[0] == "Caravan is ending"


def test_without_a_tray_news_is_told_in_the_window_which_stays_while_it_asks(home: Shown) -> None:
    home.attach()
    home.front.show_window()
    window = home.front.window
    assert window is not None
    home.tell(status(instance(InstanceState.STARTING)))
    home.tell(status(instance(InstanceState.READY, ready_at=109.0)))
    assert "caravan-demo is ready" in window.news.banner.accessibleName()
    window.close()
    leaving(home).reject()
    assert window.isVisible()
    assert home.lines[0] == "Ready · 1 PC · caravan-demo"


def test_ctrl_q_quits(shown: Shown) -> None:
    shown.attach()
    shown.tell(status())
    shown.front.do(Wish.QUIT)
    assert shown.lines[0] == "Caravan is ending"


@pytest.mark.parametrize(("ink", "ground"), [("#000000", "#ffffff"), ("#ffffff", "#202020"), ("#1F2430", "#efefef")])
def test_a_line_that_only_tells_can_be_read(ink: str, ground: str) -> None:
    assert contrast(mixed(QColor(ink), QColor(ground), QUIET), QColor(ground)) >= 4.5


def contrast(one: QColor, other: QColor) -> float:
    """https://www.w3.org/TR/WCAG21/#dfn-contrast-ratio."""
    light, dark = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def _luminance(colour: QColor) -> float:
    linear = [each / 12.92 if each <= 0.04045 else ((each + 0.055) / 1.055) ** 2.4 for each in colour.getRgbF()[:3]]
    return sum(part * each for part, each in zip((0.2126, 0.7152, 0.0722), linear, strict=True))
