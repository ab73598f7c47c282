"""The first run: how each step stands, what its buttons ask, and that it is shown once."""

from collections.abc import Iterator

import pytest
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QAbstractButton, QApplication

from app.schema.errors import NotAllowed
from app.schema.node import CatalogueStatus, Status
from app.schema.settings import Settings
from app.system.paths import Paths
from app.ui.bridge import Bridge
from app.ui.desk import Desk, Wish
from app.ui.face import Link
from app.ui.front import Front
from app.ui.settings.first_run import FirstRunPage
from app.ui.settings.first_steps import DEMO_MODEL, StepKind, wanted
from app.ui.settings.sample import HURDLES, SampleNode, missing_engine, status
from app.ui.style.theme import Theme
from app.ui.window.memory import Memory
from app.ui.window.shell import MainWindow
from tests.ui.conftest import Until
from tests.ui.desks import ScriptedErrands


class FixingNode(SampleNode):
    """Puts the network right; Windows' firewall prompt is cancelled."""

    async def fix(self, code: str) -> str:
        self.calls.append(f"fix {code}")
        if code == "firewall_blocks":
            raise NotAllowed("Windows was not allowed to change the firewall.", "Click Fix again and choose Yes.")
        return "This PC's network is set to Private now."


class FirstRun:
    def __init__(self, paths: Paths, told: Status | None) -> None:
        self.node = FixingNode(Settings(), [])
        self.desk = Desk(ScriptedErrands(self.node), paths)
        self.wishes: list[tuple[Wish, str]] = []
        self.desk.wished.connect(lambda wish, about: self.wishes.append((wish, about)))
        self.page = FirstRunPage(self.desk, Theme(is_dark=False, has_motion=False))
        self.page.resize(900, 900)
        self.page.show()
        if told is not None:
            self.tell(told)

    def tell(self, told: Status) -> None:
        self.desk.take_link(Link.FOUND, "http://127.0.0.1:1")
        self.desk.status = told
        self.desk.status_changed.emit(told)

    def end(self) -> None:
        self.page.close()
        self.page.deleteLater()
        QApplication.processEvents()


NEW = status(engine=missing_engine(), warnings=HURDLES, catalogue=CatalogueStatus(models=1))


@pytest.fixture
def first(application: QApplication, paths: Paths) -> Iterator[FirstRun]:
    made = FirstRun(paths, None)
    yield made
    made.end()


def test_before_there_is_a_node_nothing_can_be_asked_of_it(first: FirstRun) -> None:
    assert not first.page.demo.isEnabled()
    assert not first.page.invite.isEnabled()
    first.desk.take_link(Link.LOST)
    assert first.page.start.isVisible()
    first.page.start.click()
    assert first.wishes == [(Wish.START_NODE, "")]


def test_the_engine_is_installed_from_here(first: FirstRun, until: Until) -> None:
    first.tell(NEW)
    assert first.page.install.first.isVisible()
    assert not first.page.demo.isEnabled()
    first.page.install.first.click()
    until(lambda: len(first.node.installs) == 1)
    first.tell(status(catalogue=CatalogueStatus(models=1)))
    assert not first.page.install.isVisible()
    first.page.demo.click()
    assert first.wishes == [(Wish.MODELS, DEMO_MODEL)]


def test_invite_join_and_leaving_are_wishes(first: FirstRun) -> None:
    first.tell(NEW)
    for each in (first.page.invite, first.page.join, first.page.done):
        each.click()
    assert [wish for wish, _ in first.wishes] == [Wish.INVITE, Wish.JOIN, Wish.CLUSTER]


def test_a_hurdle_is_fixed_or_says_why_not(first: FirstRun, until: Until) -> None:
    first.tell(NEW)
    hurdles = first.page.hurdles
    network, firewall = hurdles.banners
    assert network.button is not None
    assert firewall.button is not None
    network.button.click()
    until(lambda: hurdles.outcome is not None)
    assert hurdles.outcome is not None
    assert hurdles.outcome.accessibleName() == "This PC's network is set to Private now."
    firewall.button.click()
    until(lambda: "not allowed" in (hurdles.outcome.accessibleName() if hurdles.outcome else ""))
    assert first.node.calls == ["fix network_public", "fix firewall_blocks"]
    assert firewall.button.isEnabled()
    first.tell(status(warnings=()))
    assert hurdles.banners == []


def test_every_control_has_a_name_and_every_card_its_state(first: FirstRun) -> None:
    first.tell(NEW)
    for each in first.page.findChildren(QAbstractButton):
        if each.isVisible():
            assert each.accessibleName()
            assert not each.isEnabled() or each.focusPolicy() & Qt.FocusPolicy.TabFocus
    assert first.page.cards[StepKind.NETWORK].accessibleName() == "The network: needs a look"


def test_it_is_shown_until_another_page_was_opened(application: QApplication, paths: Paths) -> None:
    memory = Memory(paths)
    desk = Desk(ScriptedErrands(None), paths)
    window = MainWindow(desk, Theme(is_dark=False, has_motion=False), memory)
    assert wanted(desk.status, memory.now)
    window.open_first_steps()
    window.show_window()
    assert isinstance(window.page, FirstRunPage)
    assert wanted(desk.status, memory.now)
    window.open_page(Wish.CLUSTER)
    assert not wanted(desk.status, memory.now)
    window.about_to_quit()
    window.hide()
    window.deleteLater()
    memory.finish()
    QApplication.processEvents()
    assert Memory(paths).now.saw_first_steps


class Desktop:
    """The front over a bridge that never starts."""

    def __init__(self, paths: Paths) -> None:
        self.bridge = Bridge(paths, ["no such program"])
        self.theme = Theme(is_dark=False, has_motion=False)
        self.front = Front(self.bridge, self.theme, paths)

    def end(self) -> None:
        self.front.finish()
        if self.front.window is not None:
            self.front.window.deleteLater()
        self.bridge.stop()
        QApplication.processEvents()


def test_the_first_window_shows_it_and_the_second_does_not(application: QApplication, paths: Paths) -> None:
    desktop = Desktop(paths)
    desktop.front.show_window()
    assert desktop.front.window is not None
    first = desktop.front.window.page
    desktop.front.desk.go(Wish.MODELS)
    desktop.end()
    again = Desktop(paths)
    again.front.show_window()
    assert again.front.window is not None
    assert [isinstance(first, FirstRunPage), isinstance(again.front.window.page, FirstRunPage)] == [True, False]
    again.end()


def test_a_chosen_look_outlives_the_window(application: QApplication, paths: Paths) -> None:
    desktop = Desktop(paths)
    desktop.theme.force(True)
    desktop.end()
    again = Desktop(paths)
    assert again.theme.forced is True
    assert again.theme.palette.is_dark
    again.end()
