"""Settings on real widgets: what each change asks of the node, what a refusal says and where."""

import json
import shlex
import sys
from pathlib import Path

import pytest
from PySide6.QtCore import Qt
from PySide6.QtGui import QGuiApplication
from PySide6.QtTest import QTest
from PySide6.QtWidgets import (
    QAbstractButton,
    QApplication,
    QComboBox,
    QLabel,
    QLineEdit,
    QPlainTextEdit,
    QPushButton,
    QWidget,
)

from app.schema.engine import EngineBackend, EngineInstall, InstallPhase
from app.schema.settings import Settings
from app.system import autostart
from app.system.paths import Paths
from app.ui.desk import Wish
from app.ui.face import Link
from app.ui.menu import DEMO_MODEL
from app.ui.parts.dialog import Dialog
from app.ui.settings.rows import TYPING_MS
from app.ui.settings.sample import failed_install, installing, missing_engine
from app.ui.settings.this_pc import ThisPc
from app.ui.showcase import home
from app.ui.window.memory import Memory
from tests.ui.conftest import Until
from tests.ui.settings.settings_stage import Play

SECTIONS = ("this-pc", "models", "engine", "api", "look", "advanced", "logs", "about")


def type_into(field: QLineEdit, text: str) -> None:
    field.setFocus()
    field.selectAll()
    QTest.keyClicks(field, text)


def test_a_name_is_saved_a_moment_after_the_last_letter(play: Play, until: Until) -> None:
    stage = play()
    section = stage.open("this-pc")
    type_into(section.name_field, "ATTIC")
    assert stage.node.changes == []
    until(lambda: stage.node.changes)
    assert [each.name for each in stage.node.changes] == ["ATTIC"]
    assert TYPING_MS <= 1000


def test_enter_saves_at_once_and_undo_goes_back(play: Play, until: Until) -> None:
    stage = play()
    section = stage.open("this-pc")
    assert not section.name.undo.isVisible()
    type_into(section.name_field, "ATTIC")
    QTest.keyClick(section.name_field, Qt.Key.Key_Return)
    until(lambda: stage.node.held.name == "ATTIC")
    until(lambda: section.name.undo.isVisible())
    section.name.undo.click()
    until(lambda: stage.node.held.name is None)
    until(lambda: section.name_field.text() == "")


def test_escape_takes_back_what_was_typed(play: Play) -> None:
    stage = play(Settings(name="ATTIC"))
    section = stage.open("this-pc")
    type_into(section.name_field, "CELLAR")
    QTest.keyClick(section.name_field, Qt.Key.Key_Escape)
    assert section.name_field.text() == "ATTIC"
    assert stage.node.changes == []


def test_a_status_does_not_disturb_somebody_who_types(play: Play, until: Until) -> None:
    stage = play()
    section = stage.open("this-pc")
    type_into(section.name_field, "ATT")
    stage.tell(settings=Settings(name="OTHER"))
    assert section.name_field.text() == "ATT"


def test_a_change_keeps_what_changed_elsewhere(play: Play, until: Until) -> None:
    stage = play()
    section = stage.open("this-pc")
    stage.node.held = Settings(cpu_threads=7)
    QTest.mouseClick(section.sharing_switch, Qt.MouseButton.LeftButton)
    until(lambda: not stage.node.held.sharing)
    assert stage.node.held == Settings(cpu_threads=7, sharing=False)


def test_what_the_node_refuses_is_told_at_its_field_and_can_be_mended(play: Play, until: Until) -> None:
    stage = play()
    section = stage.open("engine")
    section.extra_field.put("--tempp 0.7")
    until(lambda: section.extra.error)
    assert "does not know the extra argument --tempp" in section.extra.error
    assert "Did you mean --temp?" in section.extra.error
    assert section.extra_field.text() == "--tempp 0.7"
    stage.tell(seq=7)
    assert section.extra_field.text() == "--tempp 0.7"
    assert section.threads.error == ""
    section.extra_field.put("--temp 0.7")
    until(lambda: stage.node.held.extra_arguments == ("--temp", "0.7"))
    until(lambda: not section.extra.error)


def test_what_cannot_be_a_value_is_told_and_never_sent(play: Play, until: Until) -> None:
    stage = play()
    section = stage.open("engine")
    section.threads_field.put("many")
    assert "between 1 and 1024" in section.threads.error
    assert section.threads.undo.isVisible() or section.threads_field.text() == "many"
    assert stage.node.changes == []
    section.threads_field.put("12")
    until(lambda: stage.node.held.cpu_threads == 12)
    assert section.threads.error == ""


def test_folders_come_and_go(play: Play, until: Until, tmp_path: Path) -> None:
    stage = play()
    section = stage.open("models")
    folder = str(tmp_path / "Große Modelle")
    section.include(folder)
    until(lambda: stage.node.held.model_folders == (folder,))
    section.include(folder)
    assert "already" in section.folders.error
    remove = next(each for each in button_names(section) if each.startswith("Do not look in"))
    button(section, remove).click()
    until(lambda: stage.node.held.model_folders == ())


def test_a_mirror_in_the_open_is_refused_here(play: Play) -> None:
    stage = play()
    section = stage.open("advanced")
    section.mirror_field.put("http://mirror.example")
    assert "https" in section.mirror.error
    assert stage.node.changes == []


def test_addresses_can_be_copied(play: Play) -> None:
    stage = play()
    section = stage.open("api")
    section.base.button.click()
    assert QGuiApplication.clipboard().text() == "http://127.0.0.1:1/v1"
    assert section.base.button.accessibleName() == "Copied"
    section.api.button.click()
    assert QGuiApplication.clipboard().text() == "http://127.0.0.1:1"
    section.example.button.click()
    words = shlex.split(QGuiApplication.clipboard().text())
    assert words[:2] == ["curl", "http://127.0.0.1:1/v1/chat/completions"]
    assert json.loads(words[-1])["model"] == DEMO_MODEL


def test_when_models_come_and_go(play: Play, until: Until) -> None:
    stage = play(Settings(unload_after=7))
    section = stage.open("models")
    choice = section.unload_choice
    assert choice.currentText() == "after 7 min"
    assert section.unload.undo.isVisible()
    choice.setCurrentIndex(choice.findText("after 30 min"))
    choice.activated.emit(choice.currentIndex())
    until(lambda: stage.node.held.unload_after == 30)
    section.unload.undo.click()
    until(lambda: stage.node.held.unload_after is None)
    until(lambda: choice.currentText() == "never")
    for switch, name in (
        (section.request_switch, "load_on_request"),
        (section.room_switch, "make_room"),
        (section.start_switch, "load_at_start"),
    ):
        before = getattr(stage.node.held, name)
        assert switch.isChecked() is before
        switch.click()
        until(lambda name=name, before=before: getattr(stage.node.held, name) is not before)


def test_closing_the_window_is_an_option_of_its_own(play: Play) -> None:
    stage = play()
    assert not stage.open("this-pc").closing.isVisible()
    chosen: list[bool] = []
    stage.desk.closing_chosen.connect(chosen.append)
    stage.desk.choose_closing(True)
    other = ThisPc(stage.desk, stage.theme, stage.page.changes, ())
    other.shown(stage.desk.status)
    assert other.closing_switch.isChecked()
    other.closing_switch.click()
    assert chosen == [True, False]
    assert stage.desk.closes_to_tray is False
    other.finish()
    other.deleteLater()


@pytest.mark.skipif(sys.platform == "win32", reason="the registry is the person's own")
def test_starting_at_sign_in(play: Play, until: Until) -> None:
    stage = play()
    section = stage.open("this-pc")
    until(lambda: section.start_switch.isEnabled())
    assert not section.start_switch.isChecked()
    section.start_switch.click()
    until(autostart.is_enabled)
    section.start_switch.click()
    until(lambda: not autostart.is_enabled())


def test_an_install_shows_its_progress_and_can_be_ended(play: Play, until: Until) -> None:
    stage = play()
    section = stage.open("engine")
    section.install.backend.setCurrentIndex(2)
    section.install.another.click()
    until(lambda: stage.node.installs)
    assert stage.node.installs[0].backend is EngineBackend.VULKAN
    until(lambda: section.install.cancel.isVisible())
    stage.tell(engine_install=installing())
    assert section.install.detail.text() == "183 MB of 562 MB · 11 MB/s · 34 s left"
    assert section.install.bar.value() == round(1000 * 183 / 562)
    section.install.cancel.click()
    until(lambda: stage.node.calls == ["cancel install"])
    stage.tell(engine_install=EngineInstall(id="one", phase=InstallPhase.CANCELLED))
    assert section.install.another.isVisible()
    assert "kept" in section.install.notes.text()


def test_a_failed_install_says_why_and_tries_again(play: Play, until: Until) -> None:
    stage = play()
    section = stage.open("engine")
    stage.tell(engine=missing_engine(), engine_install=failed_install())
    assert section.install.failure.isVisible()
    assert section.install.first.isVisible()
    assert "GitHub does not answer" in section.install.failure.accessibleName()
    section.install.failure.button.click()
    until(lambda: len(stage.node.installs) == 1)


def test_archives_on_this_pc_are_installed_without_a_download(play: Play, until: Until) -> None:
    stage = play()
    section = stage.open("engine")
    section.install.install_files(["C:/x/llama.zip"])
    until(lambda: stage.node.installs)
    assert stage.node.installs[0].files == ("C:/x/llama.zip",)


def test_the_look_changes_at_once_and_is_remembered(play: Play, paths: Paths) -> None:
    stage = play()
    memory = Memory(paths)
    stage.theme.chosen.connect(lambda: memory.change(is_dark=stage.theme.forced))
    section = stage.open("look")
    assert section.choices[False].isChecked()
    remembered = []
    for choice in (True, False, None):
        section.choices[choice].click()
        assert stage.theme.palette.is_dark is bool(choice)
        memory.finish()
        remembered.append(Memory(paths).now.is_dark)
    assert remembered == [True, False, None]


def test_what_counts_later_is_told_and_restarted(play: Play, until: Until) -> None:
    stage = play()
    stage.open("models")
    assert not stage.page.notice.isVisible()
    stage.tell(settings=Settings(use_known_folders=False))
    assert stage.page.notice.isVisible()
    assert "other programs' folders" in stage.page.notice.accessibleName()
    assert stage.page.notice.button is not None
    stage.page.notice.button.click()
    until(lambda: stage.node.calls == ["shut down"])
    stage.lose()
    assert stage.wishes == []
    until(lambda: stage.wishes == [(Wish.START_NODE, "")])


def test_a_node_that_answers_while_it_ends_is_started_all_the_same(play: Play, until: Until) -> None:
    stage = play()
    before = stage.desk.status
    assert before is not None
    stage.tell(settings=Settings(use_known_folders=False))
    assert stage.page.notice.button is not None
    stage.page.notice.button.click()
    until(lambda: stage.node.calls == ["shut down"])
    for _ in range(5):
        stage.lose()
        stage.desk.take_link(Link.FOUND, "http://127.0.0.1:1")
        stage.desk.status = before
        stage.desk.status_changed.emit(before)
    assert stage.wishes == []
    stage.lose()
    until(lambda: stage.wishes == [(Wish.START_NODE, "")])
    stage.lose()
    until(lambda: stage.wishes == [(Wish.START_NODE, "")] * 2)
    stage.desk.status_changed.emit(
        before.model_copy(update={"node": before.node.model_copy(update={"started_at": 9.0})})
    )
    stage.lose()
    assert not stage.page._restarting.isActive()


def test_a_restart_asks_while_a_model_runs(play: Play, until: Until) -> None:
    stage = play(shown=home())
    stage.tell(settings=Settings(name="ATTIC"))
    assert stage.page.notice.button is not None
    stage.page.notice.button.click()
    dialog = stage.page.findChildren(Dialog)[0]
    assert stage.node.calls == []
    next(each for each in dialog.findChildren(QPushButton) if each.text() == "Restart").click()
    until(lambda: stage.node.calls == ["shut down"])


def test_without_a_node_nothing_of_it_can_be_changed(play: Play, until: Until) -> None:
    stage = play()
    section = stage.open("this-pc")
    stage.lose()
    assert stage.page.lost.isVisible()
    assert not section.name_field.isEnabled()
    assert stage.desk.link is Link.LOST
    assert not stage.open("engine").extra_field.isEnabled()
    assert stage.open("api").base.button.isEnabled()


@pytest.mark.parametrize("name", SECTIONS)
def test_every_control_has_a_name_and_takes_the_keyboard(play: Play, until: Until, name: str) -> None:
    stage = play()
    stage.open(name)
    until(lambda: stage.page.section.isVisible())
    kinds = (QAbstractButton, QLineEdit, QComboBox, QPlainTextEdit)
    seen = 0
    for each in stage.page.section.findChildren(QWidget):
        if not isinstance(each, kinds) or not each.isVisible() or each.objectName().startswith("qt_"):
            continue
        if isinstance(each.parent(), QLineEdit | QComboBox):
            continue
        seen += 1
        assert each.accessibleName(), each
        assert not each.isEnabled() or each.focusPolicy() & Qt.FocusPolicy.TabFocus, each.accessibleName()
    assert seen


def test_the_sections_open_with_the_arrow_keys(play: Play) -> None:
    stage = play()
    stage.page.list.setFocus()
    opened = []
    for _ in SECTIONS:
        opened.append(type(stage.page.section).__name__)
        QTest.keyClick(stage.page.list, Qt.Key.Key_Down)
    assert len(set(opened)) == len(SECTIONS)


@pytest.mark.parametrize("name", SECTIONS)
@pytest.mark.parametrize("size", [(640, 440), (956, 668)])
def test_nothing_is_wider_than_its_room(play: Play, until: Until, name: str, size: tuple[int, int]) -> None:
    stage = play(Settings(name="x" * 60, model_folders=("D:\\" + "Ordner" * 40,)))
    stage.page.resize(*size)
    section = stage.open(name)
    QApplication.processEvents()
    assert stage.page.width() == size[0]
    right = section.mapTo(stage.page, section.rect().topRight()).x()
    for each in section.findChildren(QAbstractButton):
        if each.isVisible() and each.text() != "":
            place = each.mapTo(stage.page, each.rect().topRight()).x()
            assert place <= right + 1, each.accessibleName()


def test_about_names_every_use_of_the_internet(play: Play) -> None:
    section = play().open("about")
    told = " ".join(each.text() for each in section.findChildren(QLabel))
    assert "llama.cpp from GitHub" in told
    assert "models on Hugging Face" in told


def test_a_wish_opens_a_section_or_a_log(play: Play, until: Until) -> None:
    stage = play()
    stage.page.wish("engine")
    assert type(stage.page.section).__name__ == "EngineSection"
    stage.page.wish("head-7f3a")
    section = stage.page.section
    assert type(section).__name__ == "LogsSection"
    until(lambda: section.model.total == 40)  # type: ignore[attr-defined]


def button_names(widget: QWidget) -> list[str]:
    return [each.accessibleName() for each in widget.findChildren(QAbstractButton)]


def button(widget: QWidget, name: str) -> QAbstractButton:
    return next(each for each in widget.findChildren(QAbstractButton) if each.accessibleName() == name)
