"""200 models: the main thread is never busy for long, whatever arrives and however one scrolls."""

from collections.abc import Iterator

import pytest
from PySide6.QtCore import QTimer
from PySide6.QtWidgets import QApplication

from app.system.paths import Paths
from app.ui.models import sample_cluster as cluster
from app.ui.models.verdict_desk import AT_ONCE
from app.ui.models.verdicts import Fit
from tests.ui.conftest import Until
from tests.ui.heartbeat import Heartbeat, most
from tests.ui.models.stage import SlowClient, Stage, calm_stage


@pytest.fixture
def stage(application: QApplication, paths: Paths) -> Iterator[Stage]:
    with calm_stage(paths, SlowClient(cluster.many_models(200), 0.002), cluster.status()) as made:
        yield made


def test_two_hundred_models_never_hold_the_main_thread_up(
    stage: Stage, until: Until, capsys: pytest.CaptureFixture[str]
) -> None:
    view = stage.page.pane.view
    until(lambda: view.rows.rowCount() == 200)
    beat = Heartbeat()
    bar, words = view.verticalScrollBar(), ["", "q6", "", "sample 1", "sam", "sa", "s"]
    stage.page.toolbar.sort.setCurrentIndex(1)

    def scroll() -> None:
        bar.setValue((bar.value() + 400) % max(1, bar.maximum()))
        stage.page.grab()

    def type_on() -> None:
        if words:
            stage.page.toolbar.search.setText(words.pop())

    timers = []
    for call, pause in ((scroll, 30), (type_on, 90)):
        timer = QTimer()
        timer.timeout.connect(call)
        timer.start(pause)
        timers.append(timer)
    until(lambda: stage.is_settled and all(row.verdict.fit is not Fit.CHECKING for row in stage.page.shelf.rows))
    until(lambda: not words)
    for timer in timers:
        timer.stop()
    beat.stop()
    with capsys.disabled():
        print(  # noqa: T201
            f"\n200 models: longest turn {beat.by_cpu * 1000:.0f} ms of CPU, {beat.by_clock * 1000:.0f} ms by the clock"
            f" in {beat.beats} turns, {len(stage.client.asked)} plans"
        )
    assert stage.client.most_at_once <= AT_ONCE + 1
    assert beat.by_cpu < most()
