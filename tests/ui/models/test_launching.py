"""A launch on screen: steps, failure, ready; the strip of what runs."""

import time
from collections.abc import Iterator

import pytest
from PySide6.QtWidgets import QApplication

from app.schema.instance import InstanceState, InstanceStatus, Phase
from app.schema.plan import Plan, PlanRequest
from app.schema.settings import Settings
from app.system.paths import Paths
from app.ui.desk import Wish
from app.ui.models import sample_cluster as cluster
from app.ui.models import sample_launch
from app.ui.models.sample_planner import LOG, SampleClient, planned
from tests.ui.conftest import Until
from tests.ui.desks import ScriptedErrands
from tests.ui.models.stage import Stage

HELD = cluster.few_models()
NOW = 1000.0


def plan(number: int = 0) -> Plan:
    found = planned(HELD[number].model, PlanRequest(model_id=HELD[number].model.id))
    assert isinstance(found, Plan)
    return found


def instance(state: InstanceState, number: int = 0, phases: tuple[Phase, ...] = ()) -> InstanceStatus:
    error = sample_launch.FAILURE if state is InstanceState.FAILED else None
    return sample_launch.instance(state, plan(number), phases=phases, error=error, at=NOW)


@pytest.fixture
def stage(application: QApplication, paths: Paths, until: Until) -> Iterator[Stage]:
    client = SampleClient(HELD)
    made = Stage(paths, ScriptedErrands(client), client, cluster.status())
    until(lambda: made.is_settled)
    made.page.wish(HELD[0].model.id)
    until(lambda: made.is_settled)
    yield made
    made.end()
    QApplication.processEvents()


def begin(stage: Stage, until: Until) -> InstanceStatus:
    """Launch what is selected; returns the instance as the node then tells it."""
    stage.page.side.details.launch.click()
    until(lambda: stage.client.launched)
    started = instance(InstanceState.STARTING, phases=sample_launch.loading(NOW + 40))
    started = started.model_copy(update={"id": "instance-1"})
    until(lambda: stage.page.side.watched == "instance-1")
    stage.tell(cluster.status(started))
    return started


def test_a_launch_is_followed_step_by_step(stage: Stage, until: Until) -> None:
    begin(stage, until)
    panel = stage.page.side.panel
    assert stage.page.side.currentWidget() is panel
    assert panel.title.text() == "Launching Qwen3 32B"
    lines = {line.words.text(): line for line in panel.steps.lines}
    weights = lines["Load weights to LIVING ROOM + WORKSHOP"]
    assert weights.detail.text() == "3.3 GB of 8.4 GB, 112 MB/s, 47 s left"
    assert weights.bar.value() == round(1000 * 3329 / 8602)
    assert weights.accessibleName().endswith(": at work")
    assert lines["Start workers"].aside.text() == "1 of 1"
    assert panel.cancel.isVisible()


def test_cancel_asks_the_node_once(stage: Stage, until: Until) -> None:
    begin(stage, until)
    stage.page.side.panel.cancel.click()
    stage.page.side.panel.cancel.click()
    until(lambda: stage.client.stopped)
    assert stage.client.stopped == ["instance-1"]
    stage.tell(cluster.status())
    assert stage.page.side.currentWidget() is stage.page.side.details


def test_a_failure_has_its_sentence_its_log_and_retry(stage: Stage, until: Until) -> None:
    started = begin(stage, until)
    failed = started.model_copy(
        update={
            "state": InstanceState.FAILED,
            "error": sample_launch.FAILURE,
            "phases": sample_launch.loading(NOW, failed=True),
        }
    )
    stage.tell(cluster.status(failed))
    panel = stage.page.side.panel
    assert panel.trouble.accessibleName() == f"{sample_launch.FAILURE.sentence} {sample_launch.FAILURE.hint}"
    until(lambda: panel.log.toPlainText() == "\n".join(LOG))
    assert panel.log.isVisible()
    assert not panel.cancel.isVisible()
    panel.copy.click()
    assert LOG[-1] in QApplication.clipboard().text()
    panel.retry.click()
    until(lambda: len(stage.client.launched) == 2)
    assert stage.client.launched[1] == stage.client.launched[0]
    until(lambda: stage.page.side.watched == "instance-2")


def test_without_a_log_the_error_keeps_what_it_brought(stage: Stage, until: Until) -> None:
    started = begin(stage, until)
    stage.client.logs = None  # type: ignore[assignment,method-assign]
    error = sample_launch.FAILURE.model_copy(update={"detail": ("line of the error",)})

    async def no_log(name: str, lines: int) -> tuple[list[str], list[str]]:
        return [], []

    stage.client.logs = no_log  # type: ignore[method-assign]
    stage.tell(cluster.status(started.model_copy(update={"state": InstanceState.FAILED, "error": error})))
    until(lambda: stage.page.side.panel.log.toPlainText() == "line of the error")


def test_ready_leads_to_chat_and_unload(stage: Stage, until: Until) -> None:
    started = begin(stage, until)
    ready = started.model_copy(update={"state": InstanceState.READY, "ready_at": NOW + 9.4})
    stage.tell(cluster.status(ready))
    panel = stage.page.side.panel
    assert panel.subtitle.text().startswith("Ready in 9.4 s on LIVING ROOM + WORKSHOP")
    assert "9.4 s" in panel.measured.text()
    wishes: list[tuple[object, str]] = []
    stage.desk.wished.connect(lambda wish, about: wishes.append((wish, about)))
    panel.chat.click()
    assert wishes == [(Wish.CHAT, HELD[0].model.id)]
    panel.unload.click()
    until(lambda: stage.client.stopped == ["instance-1"])
    panel.back.click()
    assert stage.page.side.currentWidget() is stage.page.side.details


def test_the_strip_shows_every_instance(stage: Stage, until: Until) -> None:
    first, second = instance(InstanceState.READY), instance(InstanceState.READY, 5)
    stage.tell(cluster.status(first, second))
    lines = list(stage.page.strip._lines.values())
    assert [line.words.text() for line in lines] == [
        "Qwen3 32B on LIVING ROOM + WORKSHOP",
        "gemma 3 12b it on WORKSHOP",
    ]
    lines[1].stop.click()
    until(lambda: stage.client.stopped == [second.id])
    lines[1].look.click()
    assert stage.page.side.panel.title.text() == "gemma 3 12b it is ready"
    stage.tell(cluster.status())
    assert not stage.page.strip.isVisible()


def test_what_another_pc_launched_is_shown_and_ended_from_here(stage: Stage) -> None:
    theirs = instance(InstanceState.READY)
    peer = cluster.peers()[0]
    assert peer.report is not None
    other = peer.model_copy(update={"report": peer.report.model_copy(update={"instances": (theirs,)})})
    stage.tell(cluster.status(others=(other, cluster.peers()[1])))
    stage.page.strip._lines[theirs.id].look.click()
    stage.page.side.panel.unload.click()
    assert stage.client.stopped == [theirs.id]


def test_what_is_idle_tells_when_it_goes(stage: Stage) -> None:
    ready = instance(InstanceState.READY).model_copy(update={"idle_since": time.time() - 17.5 * 60})
    settings = Settings(unload_after=30)
    stage.tell(cluster.status(ready).model_copy(update={"settings": settings}))
    line = stage.page.strip._lines[ready.id]
    line.look.click()
    assert line.words.text().endswith("unloads in 13 min")
    assert "idle, unloads in 13 min" in stage.page.side.panel.subtitle.text()
    busy = ready.model_copy(update={"answering": 1, "idle_since": None})
    stage.tell(cluster.status(busy).model_copy(update={"settings": settings}))
    assert "unloads" not in line.words.text()
    assert "unloads" not in stage.page.side.panel.subtitle.text()


def test_the_speed_of_the_last_answer_is_told_beside_the_prediction(stage: Stage) -> None:
    ready = instance(InstanceState.READY)
    stage.page.desk.take_speed(ready.id, 21.3)
    stage.tell(cluster.status(ready))
    stage.page.strip._lines[ready.id].look.click()
    assert stage.page.side.panel.measured.text().startswith("The last answer came with 21 tok/s.")


def test_a_failure_is_dismissed(stage: Stage) -> None:
    failed = instance(InstanceState.FAILED, phases=sample_launch.loading(NOW, failed=True))
    stage.tell(cluster.status(failed))
    stage.page.strip._lines[failed.id].stop.click()
    assert not stage.page.strip.isVisible()
    assert stage.client.stopped == []


def test_a_model_that_runs_shows_its_instance_when_it_is_selected(stage: Stage) -> None:
    ready = instance(InstanceState.READY, 5)
    stage.tell(cluster.status(ready))
    assert stage.page.side.currentWidget() is stage.page.side.details
    stage.page.wish(ready.model_id)
    assert stage.page.side.currentWidget() is stage.page.side.panel
    stage.page.wish(HELD[0].model.id)
    assert stage.page.side.currentWidget() is stage.page.side.details
