"""Logs: followed, filtered, copied, saved; 100 000 lines never hold the main thread up."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from PySide6.QtCore import QTimer
from PySide6.QtGui import QGuiApplication
from PySide6.QtWidgets import QApplication

from app.schema.settings import Settings
from app.system.paths import Paths
from app.ui.desk import Desk
from app.ui.face import Link
from app.ui.settings.log_lines import MOST_LINES, Level, LineFilter, read_lines
from app.ui.settings.log_model import LogModel
from app.ui.settings.logs_section import LogsSection
from app.ui.settings.sample import SampleNode, log_lines, status
from app.ui.style.theme import Theme
from tests.ui.conftest import Until
from tests.ui.desks import ScriptedErrands
from tests.ui.heartbeat import Heartbeat, most


class Logs:
    def __init__(self, paths: Paths, count: int, is_found: bool = True) -> None:
        self.node = SampleNode(Settings(), log_lines(count))
        self.desk = Desk(ScriptedErrands(self.node), paths)
        if is_found:
            self.desk.take_link(Link.FOUND, "http://127.0.0.1:1")
            self.desk.take_status(status())
        self.theme = Theme(is_dark=False, has_motion=False)
        self.section = LogsSection(self.desk, self.theme)
        self.section.resize(760, 600)
        self.section.show()
        self.section.shown(self.desk.status)

    @property
    def total(self) -> int:
        return self.section.model.total

    @property
    def shown(self) -> int:
        return self.section.model.rowCount() if self.section.model.is_settled else -1

    def end(self) -> None:
        self.section.leaving()
        self.section.finish()
        self.section.close()
        self.section.deleteLater()
        QApplication.processEvents()


@pytest.fixture
def logs(application: QApplication, paths: Paths) -> Iterator[Logs]:
    made = Logs(paths, 500)
    yield made
    made.end()


def test_new_lines_come_at_the_end_and_are_followed(logs: Logs, until: Until) -> None:
    until(lambda: logs.shown == 500)
    until(lambda: logs.section.view.verticalScrollBar().value() > 0 and logs.section.view.is_at_end)
    resets: list[bool] = []
    logs.section.model.modelReset.connect(lambda: resets.append(True))
    logs.node.lines["caravan"].extend(["2026-11-21T09:00:00.000Z ERROR   caravan.x: new"] * 3)
    logs.section.look()
    until(lambda: logs.shown == 503)
    until(lambda: logs.section.view.is_at_end)
    assert logs.section.model.line(502).level is Level.ERROR
    assert resets == []


def test_whoever_scrolled_up_is_left_there(logs: Logs, until: Until) -> None:
    until(lambda: logs.shown == 500 and logs.section.view.verticalScrollBar().value() > 0)
    logs.section.view.verticalScrollBar().setValue(0)
    logs.node.lines["caravan"].append("one more")
    logs.section.look()
    until(lambda: logs.shown == 501)
    QApplication.processEvents()
    assert logs.section.view.verticalScrollBar().value() == 0


def test_a_log_that_began_anew_replaces_the_old_one(logs: Logs, until: Until) -> None:
    until(lambda: logs.shown == 500)
    logs.node.lines["caravan"] = ["2026-11-21T09:00:00.000Z INFO    caravan.x: a new file"]
    logs.section.look()
    until(lambda: logs.shown == 1)


def test_text_and_level_filter_together(logs: Logs, until: Until) -> None:
    until(lambda: logs.shown == 500)
    logs.section.level.setCurrentIndex(2)
    logs.section.search.setText("LAPTOP")
    until(lambda: logs.section.model.filter.words and 0 < logs.shown < 500)
    assert {line.level for line in logs.section.model.shown_lines()} == {Level.WARNING}
    assert all("LAPTOP" in line.text for line in logs.section.model.shown_lines())
    assert logs.section.count.text().endswith("of 500 lines")
    logs.section.search.setText("no line has this")
    until(lambda: logs.shown == 0)
    assert logs.section._stack.currentIndex() == 1


def test_another_log_is_another_list(logs: Logs, until: Until) -> None:
    until(lambda: logs.shown == 500)
    logs.section.names.setCurrentIndex(1)
    until(lambda: logs.shown == 40)


def test_copy_takes_the_selected_lines_or_all(logs: Logs, until: Until) -> None:
    until(lambda: logs.shown == 500)
    logs.section.copy_button.click()
    assert QGuiApplication.clipboard().text().count("\n") == 499
    view = logs.section.view
    view.setCurrentIndex(logs.section.model.index(3))
    logs.section.copy_button.click()
    assert QGuiApplication.clipboard().text() == logs.section.model.line(3).text


def test_lines_are_saved_as_they_are_shown(logs: Logs, until: Until, tmp_path: Path) -> None:
    until(lambda: logs.shown == 500)
    logs.section.search.setText("0xC0000409")
    until(lambda: 0 < logs.shown < 500)
    file = tmp_path / "Prüfung.log"
    logs.section.save(str(file))
    until(lambda: logs.section.news.isVisible())
    assert file.read_text("utf-8").count("0xC0000409") == logs.shown
    logs.section.save(str(tmp_path / "none" / "x.log"))
    until(lambda: "Not saved" in logs.section.news.accessibleName())


def test_diagnostics_are_copied(logs: Logs, until: Until) -> None:
    logs.node.lines["caravan"].append("Authorization: Bearer s3cr3t-token-of-mine")
    logs.section.report_button.click()
    until(lambda: logs.section.news.isVisible())
    text = QGuiApplication.clipboard().text()
    assert "# Caravan diagnostics" in text
    assert "s3cr3t" not in text
    assert "## Log caravan" in text
    assert logs.section.report_button.isEnabled()


def test_without_a_node_the_files_are_read(application: QApplication, paths: Paths, until: Until) -> None:
    paths.ensure()
    (paths.logs / "caravan.log").write_text("\n".join(log_lines(50)) + "\n", "utf-8")
    made = Logs(paths, 0, is_found=False)
    until(lambda: made.shown == 50)
    made.section.report_button.click()
    until(lambda: made.section.news.isVisible())
    assert "The node does not answer." in QGuiApplication.clipboard().text()
    made.end()


def test_memory_is_bounded(application: QApplication, until: Until) -> None:
    model = LogModel()
    model.replace(read_lines(log_lines(MOST_LINES)))
    model.show_only(LineFilter.typed("", Level.WARNING))
    until(lambda: model.is_settled)
    before = model.rowCount()
    last = read_lines(log_lines(5000))
    model.append(last)
    assert model.total <= MOST_LINES
    assert 0 < model.rowCount() < before + 5000
    assert model.last == last[-1]
    assert all(line.level >= Level.WARNING for line in model.shown_lines())


def test_a_hundred_thousand_lines_never_hold_the_main_thread_up(
    logs: Logs, until: Until, capsys: pytest.CaptureFixture[str]
) -> None:
    until(lambda: logs.shown == 500)
    logs.section._clock.stop()
    lines = read_lines(log_lines(MOST_LINES))
    more = read_lines(log_lines(60))
    beat = Heartbeat()
    logs.section.model.replace(lines)
    until(lambda: logs.shown == MOST_LINES)
    typed = ["", "0xC0", "caravan.instances llama", "caravan.inst", "caravan", "ca", "c"]
    bar = logs.section.view.verticalScrollBar()

    def type_on() -> None:
        if typed:
            logs.section.search.setText(typed.pop())

    def scroll() -> None:
        bar.setValue((bar.value() * 7 + 40_000) % max(1, bar.maximum()))
        logs.section.view.viewport().repaint()

    def write_on() -> None:
        if logs.total < MOST_LINES + 1000:
            logs.section.model.append(more)

    timers = []
    for call, pause in ((type_on, 200), (scroll, 30), (write_on, 100)):
        timer = QTimer()
        timer.timeout.connect(call)
        timer.start(pause)
        timers.append(timer)
    until(lambda: not typed)
    until(lambda: logs.section.model.is_settled and not logs.section._calm.isActive())
    until(lambda: logs.shown == logs.total)
    for timer in timers:
        timer.stop()
    beat.stop()
    with capsys.disabled():
        sys.stdout.write(
            f"\n  100 000 lines: longest turn {beat.by_cpu * 1000:.1f} ms CPU, {beat.by_clock * 1000:.1f} ms by clock\n"
        )
    assert beat.beats > 50
    assert beat.by_cpu < most()
