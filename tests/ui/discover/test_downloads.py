"""Downloads on the page, in the status strip and as news: real figures, buttons, no bytes thrown away unasked."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from PySide6.QtGui import QGuiApplication
from PySide6.QtWidgets import QApplication, QPushButton

from app.schema.download import DownloadId, DownloadPhase
from app.schema.model import HeldModel
from app.system.paths import Paths
from app.ui.desk import Desk, Wish
from app.ui.discover.downloads_panel import MOST_HEIGHT
from app.ui.discover.sample import FindClient, download, downloads, status
from app.ui.face import Link
from app.ui.models import sample_cluster as cluster
from app.ui.models.row_menu import RowMenu
from app.ui.notices import notices
from app.ui.parts.dialog import Dialog
from app.ui.style.theme import Theme
from app.ui.window.strip import Strip
from tests.ui.conftest import Until
from tests.ui.desks import ScriptedErrands
from tests.ui.models.stage import Stage

MOVING = download(1, DownloadPhase.DOWNLOADING)
ONE = DownloadId("download-1")


@pytest.fixture
def stage(application: QApplication, paths: Paths, until: Until) -> Iterator[Stage]:
    client = FindClient()
    made = Stage(paths, ScriptedErrands(client), client, status())
    until(lambda: made.is_settled)
    yield made
    made.end()
    QApplication.processEvents()


def calls(stage: Stage) -> list[tuple[str, object]]:
    assert isinstance(stage.client, FindClient)
    return stage.client.hub.calls


def press(stage: Stage, words: str) -> None:
    line = stage.page.downloads.lines[ONE]
    next(button for button in line.buttons if button.text() == words).click()


def answer(words: str) -> None:
    """Press a button of the one dialog that is open."""
    dialog = next(each for each in QApplication.topLevelWidgets() if isinstance(each, Dialog) and each.isVisible())
    next(each for each in dialog.findChildren(QPushButton) if each.text() == words).click()


def test_without_downloads_nothing_is_there(stage: Stage) -> None:
    assert not stage.page.downloads.isVisible()


def test_a_download_goes_on_and_its_line_stays_the_same(stage: Stage) -> None:
    stage.tell(status(MOVING))
    line = stage.page.downloads.lines[ONE]
    assert (line.name.text(), line.state.text()) == ("Qwen3 8B Q4_K_M", "downloading")
    assert line.detail.text() == "1.7 GB of 4.7 GB · 11 MB/s · 5 min left"
    stage.tell(status(MOVING.model_copy(update={"bytes_done": 4 << 30, "seconds_left": 62.0})))
    assert stage.page.downloads.lines[ONE] is line
    assert line.detail.text() == "4 GB of 4.7 GB · 11 MB/s · 1 min left"
    assert line.bar.value() == pytest.approx(851, abs=2)
    stage.tell(status())
    assert not stage.page.downloads.isVisible()


def test_pause_and_resume(stage: Stage, until: Until) -> None:
    stage.tell(status(MOVING))
    press(stage, "Pause")
    stage.tell(status(download(1, DownloadPhase.PAUSED)))
    press(stage, "Resume")
    until(lambda: calls(stage) == [("pause", ONE), ("resume", ONE)])


def test_what_took_a_while_is_not_thrown_away_unasked(stage: Stage, until: Until) -> None:
    stage.tell(status(MOVING))
    press(stage, "Cancel")
    answer("Cancel")
    assert calls(stage) == []
    press(stage, "Cancel")
    answer("Cancel the download")
    until(lambda: calls(stage) == [("cancel", ONE), ("forget", ONE)])


def test_what_has_not_begun_is_cancelled_at_once(stage: Stage, until: Until) -> None:
    stage.tell(status(download(1, DownloadPhase.QUEUED)))
    press(stage, "Cancel")
    until(lambda: calls(stage) == [("cancel", ONE), ("forget", ONE)])


def test_what_failed_says_why_below_its_line(stage: Stage, until: Until) -> None:
    stage.tell(status(download(1, DownloadPhase.FAILED)))
    line = stage.page.downloads.lines[ONE]
    assert line.trouble.isVisible()
    assert line.trouble.text().endswith("Free some space, then resume the download.")
    press(stage, "Resume")
    until(lambda: calls(stage) == [("resume", ONE)])


def test_what_is_ready_leads_to_the_picker_with_it_selected(stage: Stage, until: Until) -> None:
    assert isinstance(stage.client, FindClient)
    stage.page.header.switch.group.button(1).click()
    stage.tell(status(download(1, DownloadPhase.DONE)))
    # The node tells that it is done before its catalogue has it.
    press(stage, "Launch...")
    arrived = HeldModel(model=cluster.model("Qwen3-8B-Q4_K_M"), holders=(cluster.WORKSHOP,))
    stage.client.held = (*stage.client.held, arrived)
    stage.page.shelf.load()
    until(lambda: stage.is_settled and stage.page.side.details.name.text() == "Qwen3 8B")
    assert stage.page.states.isVisible()
    assert calls(stage) == [("forget", ONE)]


def test_thirty_two_are_made_a_few_at_a_time_and_fold_away(stage: Stage, until: Until) -> None:
    stage.tell(status(*downloads(32)))
    panel = stage.page.downloads
    assert 0 < len(panel.lines) < 32
    until(lambda: len(panel.lines) == 32)
    assert panel.height() < MOST_HEIGHT + 60
    assert panel.summary.text().startswith("17 downloads")
    unfolded = panel.height()
    panel.fold.click()
    until(lambda: panel.height() < unfolded - 60)


def test_the_status_strip_counts_them(application: QApplication, paths: Paths) -> None:
    desk = Desk(ScriptedErrands(None), paths)
    desk.take_link(Link.FOUND)
    strip = Strip(desk, Theme(is_dark=False, has_motion=False))
    wishes: list[object] = []
    desk.wished.connect(lambda wish, about: wishes.append(wish))
    strip.show()
    desk.take_status(status())
    assert not strip.downloads.isVisible()
    desk._calm.stop()
    desk.take_status(status(MOVING))
    assert strip.downloads.text() == "1 download · 36 %"
    strip.downloads.click()
    assert wishes == [Wish.MODELS]
    strip.hide()


def test_news_of_what_arrived_and_of_what_failed() -> None:
    done, failed = download(1, DownloadPhase.DONE), download(1, DownloadPhase.FAILED)
    told = notices(status(MOVING), status(done))
    assert [(str(each.title), str(each.body)) for each in told] == [
        ("Qwen3 8B Q4_K_M is here", "4.7 GB downloaded. Launch it in Models.")
    ]
    (problem,) = notices(status(MOVING), status(failed))
    assert problem.is_problem
    assert str(problem.title) == "Qwen3 8B Q4_K_M was not downloaded"
    # What was so before the program started is no news, nor is what begins.
    assert notices(status(done), status(done)) == notices(status(), status(MOVING)) == ()
    assert notices(None, status(done)) == ()


def own_row(stage: Stage, until: Until, folder: Path) -> None:
    """Have a model in this folder, and select it."""
    assert isinstance(stage.client, FindClient)
    model = cluster.model("Own-8B-Q4_K_M", folder=str(folder))
    path = str(folder / "Own-8B-Q4_K_M.gguf")
    model = model.model_copy(update={"path": path, "parts": (path,)})
    stage.client.held = (HeldModel(model=model, holders=(cluster.WORKSHOP,)),)
    stage.page.shelf.load()
    until(lambda: stage.is_settled and stage.page.side.details.name.text() == "Own 8B")


def opened_menu(stage: Stage) -> RowMenu:
    stage.page.side.details.more.click()
    return next(each for each in stage.page.findChildren(RowMenu) if each.isVisible())


def test_a_model_in_our_own_folder_is_removed_after_a_question(stage: Stage, until: Until) -> None:
    own_row(stage, until, stage.desk.paths.models / "Qwen")
    menu = opened_menu(stage)
    assert menu.remove.isEnabled()
    menu.copy_path.trigger()
    assert QGuiApplication.clipboard().text().endswith("Own-8B-Q4_K_M.gguf")
    menu.remove.trigger()
    menu.close()
    answer("Cancel")
    assert calls(stage) == []
    menu = opened_menu(stage)
    menu.remove.trigger()
    menu.close()
    answer("Remove it")
    until(lambda: calls(stage) == [("remove_model", "Own-8B-Q4_K_M")])


def test_a_model_of_another_program_stays(stage: Stage, until: Until, tmp_path: Path) -> None:
    own_row(stage, until, tmp_path / ".lmstudio" / "models")
    menu = opened_menu(stage)
    assert not menu.remove.isEnabled()
    assert "own models folder" in menu.remove.toolTip()
    assert menu.show_file.isEnabled()
    menu.close()
