"""200 found, 20 downloads that go on: the main thread is never busy for long."""

from collections.abc import Iterator

import pytest
from PySide6.QtCore import QTimer
from PySide6.QtWidgets import QApplication

from app.schema.download import DownloadPhase
from app.system.paths import Paths
from app.ui.discover import find_view, search
from app.ui.discover.results import results_of
from app.ui.discover.sample import FindClient, SampleHub, download, many, status
from app.ui.wish import FIND
from tests.ui.conftest import Until
from tests.ui.heartbeat import Heartbeat, most
from tests.ui.models.stage import Stage, calm_stage

COUNT = 20


@pytest.fixture
def stage(application: QApplication, paths: Paths) -> Iterator[Stage]:
    with calm_stage(paths, FindClient(hub=SampleHub(many(200))), status()) as made:
        yield made


def test_downloads_and_results_never_hold_the_main_thread_up(
    stage: Stage, until: Until, capsys: pytest.CaptureFixture[str]
) -> None:
    page = stage.page
    page.wish(FIND)
    until(lambda: page.header.find_bar.search.isVisible() and stage.is_settled)
    moving = [download(number, DownloadPhase.DOWNLOADING, part=0.0) for number in range(COUNT)]
    turns, words = 0, ["", "sample", "maker-1", "7b", "sample 0"]
    beat = Heartbeat()

    def go_on() -> None:
        nonlocal turns
        turns += 1
        moved = (
            each.model_copy(
                update={"bytes_done": turns * 40 << 20, "rate": 9e6 + turns * 31e3, "seconds_left": 900.0 - turns}
            )
            for each in moving
        )
        stage.tell(status(*moved))

    def search_on() -> None:
        if words:
            page.header.find_bar.search.setText(words.pop())
            page.finding.search.enter()

    def scroll() -> None:
        view = page.finding.results
        view.setCurrentIndex(view.rows.index((view.currentIndex().row() + 3) % max(1, view.rows.rowCount())))
        page.grab()

    timers = []
    for call, pause in ((go_on, 100), (search_on, 300), (scroll, 150)):
        timer = QTimer()
        timer.timeout.connect(call)
        timer.start(pause)
        timers.append(timer)
    until(lambda: turns >= 40 and not words)
    for timer in timers:
        timer.stop()
    beat.stop()
    with capsys.disabled():
        print(  # noqa: T201
            f"\n{COUNT} downloads, results of 100: longest turn {beat.by_cpu * 1000:.0f} ms of CPU, "
            f"{beat.by_clock * 1000:.0f} ms by the clock in {beat.beats} turns"
        )
    assert len(page.downloads.lines) == COUNT
    assert beat.by_cpu < most()


def test_two_hundred_rows_are_made_and_shown_in_one_turn(stage: Stage, until: Until) -> None:
    page = stage.page
    page.wish(FIND + "sample")
    until(lambda: page.finding.results.rows.rowCount() == search.LIMIT)
    beat = Heartbeat()
    page.finding.results.show_rows(results_of(many(200), find_view.time.time()))
    page.finding.results.grab()
    until(lambda: beat.beats > 3)
    beat.stop()
    assert page.finding.results.rows.rowCount() == 200
    assert beat.by_cpu < most()
