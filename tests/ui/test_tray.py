"""What the tray shows for each thing the bridge says, and what each menu line does."""

from collections.abc import Iterator

import pytest
from PySide6.QtCore import QObject, QUrl, Slot
from PySide6.QtGui import QAction, QColor, QDesktopServices
from PySide6.QtWidgets import QApplication, QMessageBox

from app.schema.engine import EngineStatus
from app.schema.errors import ErrorInfo
from app.schema.instance import InstanceState
from app.schema.node import Status
from app.system.paths import Paths
from app.ui.bridge import Bridge
from app.ui.keeper import Attachment
from app.ui.notices import Notice
from app.ui.tray import QUIET, Tray, mixed
from tests.ui.conftest import Until
from tests.ui.samples import PROBLEM, instance, loading, status

API = "http://127.0.0.1:52415"
MISSING = ErrorInfo(code="engine_missing", sentence="WORKSHOP has no llama.cpp.", hint="Run `caravan engine install`.")


class Shown:
    """A tray over a bridge that never starts: the test speaks in its place."""

    def __init__(self, paths: Paths) -> None:
        self.bridge = Bridge(paths, ["no such program"])
        self.tray = Tray(self.bridge, paths)
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
    made = Shown(paths)
    yield made
    made.bridge.stop()
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
    assert shown.lines == ["Caravan is not running", "Start Caravan", "Show logs folder", "Quit"]


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


class Browser(QObject):
    def __init__(self) -> None:
        super().__init__()
        self.opened: list[str] = []

    @Slot(QUrl)
    def open(self, url: QUrl) -> None:
        self.opened.append(url.toString())


def test_pages_and_logs_are_opened(shown: Shown, paths: Paths) -> None:
    browser = Browser()
    for scheme in ("http", "file"):
        QDesktopServices.setUrlHandler(scheme, browser, "open")
    shown.attach()
    shown.tell(status())
    shown.choose("Open API pages")
    shown.choose("Show logs folder")
    for scheme in ("http", "file"):
        QDesktopServices.unsetUrlHandler(scheme)
    assert browser.opened == [f"{API}/docs", QUrl.fromLocalFile(str(paths.logs)).toString()]


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
