"""Finding a model: typing and pasting, what is found, verdicts before the download, keyboard, failures."""

from collections.abc import Iterator

import pytest
from PySide6.QtCore import Qt, QTimer
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QWidget

from app.schema.download import Download, DownloadPhase, DownloadRequest, HubSort, TokenSource
from app.schema.errors import RepositoryNotFound
from app.schema.plan import Plan, Refusal
from app.system.paths import Paths
from app.ui.discover import search as searching
from app.ui.discover.gate import TokenDialog
from app.ui.discover.lists import spoken_file, spoken_result
from app.ui.discover.look import AT_ONCE
from app.ui.discover.repository_view import REST_MS
from app.ui.discover.sample import OFFLINE, FindClient, SampleHub, download, many, status
from app.ui.face import Link
from app.ui.models import sample_cluster as cluster
from app.ui.models.verdicts import Fit
from app.ui.wish import FIND
from tests.ui.conftest import Until
from tests.ui.desks import ScriptedErrands
from tests.ui.models.stage import ManualErrands, Stage, is_control

FIRST = "Qwen/Qwen3-8B-GGUF"


class Maker:
    def __init__(self, paths: Paths) -> None:
        self.paths = paths
        self.stages: list[Stage] = []

    def __call__(self, hub: SampleHub | None = None, *arriving: Download, is_manual: bool = False) -> Stage:
        client = FindClient(hub=hub)
        errands = ManualErrands(client) if is_manual else ScriptedErrands(client)
        stage = Stage(self.paths, errands, client, status(*arriving))
        self.stages.append(stage)
        return stage


@pytest.fixture
def make(application: QApplication, paths: Paths) -> Iterator[Maker]:
    maker = Maker(paths)
    yield maker
    for each in maker.stages:
        each.end()
    QApplication.processEvents()


def hub(stage: Stage) -> SampleHub:
    assert isinstance(stage.client, FindClient)
    return stage.client.hub


def asked(stage: Stage, name: str) -> list[object]:
    return [about for call, about in hub(stage).calls if call == name]


def look_for(stage: Stage, until: Until, text: str) -> None:
    stage.page.wish(FIND + text)
    settle(stage, until)


def settle(stage: Stage, until: Until) -> None:
    until(lambda: not stage.page.finding.is_busy)


@pytest.fixture
def found(make: Maker, until: Until) -> Stage:
    stage = make()
    look_for(stage, until, "qwen")
    return stage


def test_nothing_is_asked_before_the_person_does(make: Maker, until: Until) -> None:
    stage = make()
    stage.page.header.switch.group.button(1).click()
    assert stage.page.finding.start.isVisible()
    until(lambda: stage.page.header.find_bar.search.isVisible())
    assert hub(stage).calls == []
    stage.page.finding.start.buttons[0].click()
    until(lambda: asked(stage, "search"))
    assert asked(stage, "search") == [("Qwen3", HubSort.DOWNLOADS)]
    assert stage.page.header.find_bar.search.text() == "Qwen3"


def test_typing_asks_once_it_rests_and_enter_at_once(make: Maker, until: Until) -> None:
    stage = make()
    stage.page.wish(FIND)
    field = stage.page.header.find_bar.search
    QTest.keyClicks(field, "qwen")
    assert asked(stage, "search") == []
    until(lambda: asked(stage, "search"))
    QTest.keyClicks(field, "3")
    QTest.keyClick(field, Qt.Key.Key_Return)
    assert [text for text, _ in asked(stage, "search")] == ["qwen", "qwen3"]  # type: ignore[misc]
    until(lambda: not stage.page.finding.search._pause.isActive())
    assert len(asked(stage, "search")) == 2
    assert searching.PAUSE_MS >= 200


def test_what_is_found_is_listed_with_what_the_hub_tells(found: Stage) -> None:
    rows = found.page.finding.results.rows.rows
    assert rows[0].model.repository == FIRST
    assert spoken_result(rows[0]) == ("Qwen3 8B, by Qwen, 1.2M downloads · 840 likes · 3 days ago · Apache 2.0")
    assert found.page.finding.counted.text() == "3 found"


def test_an_address_a_name_and_a_quantization_go_straight_to_it(make: Maker, until: Until) -> None:
    stage = make()
    for number, text in enumerate((f"https://huggingface.co/{FIRST}", "someone/other", f"hf.co/{FIRST}:Q6_K"), 1):
        look_for(stage, until, text)
        assert asked(stage, "search") == []
        assert asked(stage, "repository") == [text] if number == 1 else len(asked(stage, "repository")) == number
        assert stage.page.finding.results.rows.rowCount() == 1
        assert stage.page.finding.repository.files.isVisible()
    assert stage.page.finding.repository.name.text() == "Qwen3 8B"


def test_another_order_asks_again(found: Stage, until: Until) -> None:
    found.page.header.find_bar.sort.setCurrentIndex(3)
    until(lambda: not found.page.finding.is_busy)
    assert asked(found, "search")[-1] == ("qwen", HubSort.UPDATED)


def test_every_seen_quantization_gets_its_verdict_here_before_the_download(found: Stage, until: Until) -> None:
    view = found.page.finding.repository.files
    until(lambda: all(row.verdict.fit is Fit.HERE for row in view.seen()))
    assert view.current is not None
    assert (view.current.name, view.current.is_recommended) == ("Q4_K_M", True)
    assert spoken_file(view.current) == "Q4_K_M, recommended, good balance, 4.7 GB, fits here, 138 tok/s"
    assert [row.is_recommended for row in view.rows.rows].count(True) == 1
    # Only the header of the chosen one is fetched; the others are told from it, each once.
    assert asked(found, "plan") == ["Qwen3-8B-Q4_K_M"]
    about = asked(found, "estimate")
    assert len(about) == len(set(about))
    assert found.page.finding.repository.plan.why.text().startswith("Recommended: The largest good file")


def test_the_plan_of_the_chosen_one_is_drawn(make: Maker, until: Until) -> None:
    stage = make(SampleHub(scale=5))
    look_for(stage, until, "qwen")
    repository = stage.page.finding.repository
    answer = repository.look.answer(repository.files.current)
    assert isinstance(answer, Plan)
    assert answer.pcs == 2
    assert repository.plan.bars.isVisible()
    assert len(repository.plan.bars._lines) == 2
    assert "tok/s" in repository.headline.text()


def test_what_does_not_fit_says_by_how_much_and_may_be_had_anyway(make: Maker, until: Until) -> None:
    stage = make(SampleHub(scale=14))
    look_for(stage, until, "qwen")
    repository = stage.page.finding.repository
    assert isinstance(repository.look.answer(repository.files.current), Refusal)
    assert "short" in repository.plan.banner.accessibleName()
    assert repository.button.text() == "Download 65.8 GB anyway"


def test_the_button_begins_the_download_of_what_is_chosen(found: Stage, until: Until) -> None:
    repository = found.page.finding.repository
    repository.button.click()
    until(lambda: asked(found, "download"))
    assert asked(found, "download") == [DownloadRequest(repository=FIRST, file="Qwen3-8B-Q4_K_M", revision="4f1c" * 10)]
    found.tell(status(download(1, DownloadPhase.DOWNLOADING)))
    until(lambda: not repository.button.isEnabled())
    assert repository.files.current is not None
    assert "on its way" in spoken_file(repository.files.current)
    assert found.page.downloads.isVisible()


def test_a_paused_one_is_resumed_from_here_too(make: Maker, until: Until) -> None:
    stage = make(None, download(1, DownloadPhase.PAUSED))
    look_for(stage, until, "qwen")
    button = stage.page.finding.repository.button
    assert button.text() == "Resume the download"
    button.click()
    until(lambda: asked(stage, "resume"))
    assert asked(stage, "resume") == ["download-1"]


def test_what_is_here_already_leads_to_the_picker(make: Maker, until: Until) -> None:
    held = (
        *cluster.few_models(),
        cluster.HeldModel(model=cluster.model("Qwen3-8B-Q4_K_M"), holders=(cluster.WORKSHOP,)),
    )
    stage = make(None, download(1, DownloadPhase.DONE))
    assert isinstance(stage.client, FindClient)
    stage.client.held = held
    stage.page.shelf.load()
    look_for(stage, until, "qwen")
    stage.page.finding.repository.button.click()
    until(lambda: stage.page.states.isVisible() and stage.is_settled)
    request = stage.page.side.details.planning.request
    assert request is not None
    assert request.model_id == "Qwen3-8B-Q4_K_M"


def test_a_download_that_arrives_is_looked_at_again(found: Stage, until: Until) -> None:
    before = len(asked(found, "repository"))
    found.tell(status(download(1, DownloadPhase.DOWNLOADING)))
    assert len(asked(found, "repository")) == before
    found.tell(status(download(1, DownloadPhase.DONE)))
    until(lambda: len(asked(found, "repository")) == before + 1)


def test_downloads_that_go_on_do_not_put_the_verdicts_off(found: Stage, until: Until) -> None:
    told = QTimer()
    turns = 0

    def go_on() -> None:
        nonlocal turns
        turns += 1
        moving = download(1, DownloadPhase.DOWNLOADING, "Other-Q8_0")
        found.tell(status(moving.model_copy(update={"bytes_done": turns << 20})))

    told.timeout.connect(go_on)
    told.start(REST_MS // 3)
    view = found.page.finding.repository.files
    until(lambda: turns > 10 and not view._rest.isActive())
    QTest.keyClick(view, Qt.Key.Key_Up)
    until(lambda: asked(found, "plan") == ["Qwen3-8B-Q4_K_M", "Qwen3-8B-Q4_K_S"])
    told.stop()


def test_a_repository_that_is_not_there_is_told_from_a_hub_that_does_not_answer(make: Maker, until: Until) -> None:
    stage = make(SampleHub(file_error=RepositoryNotFound("There is no someone/missing.", "Check its name.")))
    look_for(stage, until, "someone/missing")
    assert stage.page.finding.failure.title.text() == "It was not found"
    hub(stage).file_error = OFFLINE
    look_for(stage, until, "someone/missing")
    assert stage.page.finding.failure.title.text() == "Hugging Face cannot be asked"


def test_a_refused_download_says_why_and_can_be_tried_again(found: Stage, until: Until) -> None:
    repository = found.page.finding.repository
    hub(found).error = OFFLINE
    repository.button.click()
    until(repository.trouble.isVisible)
    assert "does not answer" in repository.trouble.accessibleName()
    until(repository.button.isEnabled)


def test_without_internet_it_says_so_and_tries_again(make: Maker, until: Until) -> None:
    stage = make(SampleHub(error=OFFLINE))
    look_for(stage, until, "qwen")
    failure = stage.page.finding.failure
    assert failure.isVisible()
    assert "Models that are on these PCs run without it." in failure.text.text()
    hub(stage).error = None
    assert failure.button is not None
    failure.button.click()
    until(stage.page.finding.results.isVisible)


def test_nothing_found_says_what_to_do(make: Maker, until: Until) -> None:
    stage = make()
    look_for(stage, until, "no such thing")
    assert stage.page.finding.nothing.isVisible()
    assert "no such thing" in stage.page.finding.nothing.text.text()
    stage.page.header.find_bar.search.clear()
    assert stage.page.finding.start.isVisible()


def test_a_repository_that_cannot_be_looked_at_is_asked_for_again(make: Maker, until: Until) -> None:
    stage = make(SampleHub(file_error=OFFLINE))
    look_for(stage, until, "qwen")
    repository = stage.page.finding.repository
    assert repository.failure.isVisible()
    hub(stage).file_error = None
    assert repository.failure.button is not None
    repository.failure.button.click()
    until(repository.files.isVisible)


def test_a_closed_repository_explains_itself_and_takes_a_token(make: Maker, until: Until) -> None:
    stage = make()
    look_for(stage, until, "gemma")
    repository = stage.page.finding.repository
    assert repository.gate.isVisible()
    assert not repository.button.isEnabled()
    assert "access token" in repository.button.toolTip()
    assert "Sees pictures: mmproj-F16" in repository.about.text()
    repository.gate.token.click()
    dialog = next(each for each in QApplication.topLevelWidgets() if isinstance(each, TokenDialog))
    assert not dialog.keep.isEnabled()
    QTest.keyClicks(dialog.field, "hf_secret")
    dialog.keep.click()
    until(repository.button.isEnabled)
    assert asked(stage, "keep_token") == ["hf_secret"]
    assert "you entered" in repository.gate.words.text()
    assert hub(stage).token is TokenSource.CARAVAN


def test_the_whole_way_by_keyboard(make: Maker, until: Until) -> None:
    stage = make()
    page, bar = stage.page, stage.page.header.find_bar
    page.activateWindow()
    page.header.switch.group.button(1).click()
    QTest.keyClick(page, Qt.Key.Key_F, Qt.KeyboardModifier.ControlModifier)
    until(bar.search.hasFocus)
    QTest.keyClicks(bar.search, "qwen")
    QTest.keyClick(bar.search, Qt.Key.Key_Return)
    until(lambda: not page.finding.is_busy and page.finding.results.isVisible())
    QTest.keyClick(bar.search, Qt.Key.Key_Return)
    until(page.finding.results.hasFocus)
    QTest.keyClick(page.finding.results, Qt.Key.Key_Down)
    until(lambda: not page.finding.is_busy)
    QTest.keyClick(page.finding.results, Qt.Key.Key_Return)
    until(page.finding.repository.files.hasFocus)
    QTest.keyClick(page.finding.repository.files, Qt.Key.Key_Up)
    QTest.keyClick(page.finding.repository.files, Qt.Key.Key_Return)
    until(lambda: asked(stage, "download"))
    wanted = asked(stage, "download")[0]
    assert isinstance(wanted, DownloadRequest)
    assert wanted.file == "Qwen3-30B-A3B-Instruct-2507-Q4_K_S"


def test_every_control_has_a_name(make: Maker, until: Until) -> None:
    stage = make(None, download(1, DownloadPhase.FAILED), download(2, DownloadPhase.DONE))
    look_for(stage, until, "gemma")
    unnamed = [each for each in stage.page.findChildren(QWidget) if is_control(each) and not each.accessibleName()]
    assert unnamed == []


def test_few_plans_are_asked_at_once_and_none_for_what_is_passed_by(make: Maker, until: Until) -> None:
    stage = make(is_manual=True)
    errands = stage.errands
    assert isinstance(errands, ManualErrands)
    stage.page.wish(FIND + "qwen")
    answer(errands, "_question.<locals>", "search")
    until(lambda: waiting(errands, "_closely"))
    answer(errands, "_closely")
    until(lambda: waiting(errands, "look", "_where"))
    assert len(waiting(errands, "look", "_where")) == 1
    answer(errands, "_where.<locals>", "look")
    until(lambda: len(waiting(errands, "look", "_where")) == AT_ONCE)
    handles = waiting(errands, "look", "_where")
    stage.page.finding.results.setCurrentIndex(stage.page.finding.results.rows.index(1))
    assert not any(each.is_open for each in handles)
    stage.page.header.switch.group.button(0).click()
    until(lambda: not stage.page.finding.look._pause.isActive())
    assert not [each for each in waiting(errands, "_closely") if each.is_open]
    # Whoever comes back gets what was dropped.
    stage.page.header.switch.group.button(1).click()
    assert [each for each in waiting(errands, "_closely") if each.is_open]


def waiting(errands: ManualErrands, *names: str) -> list[object]:
    """The handles of what is asked, by the names of the module and function that ask it."""
    return [
        errand
        for work, _, errand in errands.open
        if all(name in f"{work.__module__}.{work.__qualname__}" for name in names)
    ]


def answer(errands: ManualErrands, name: str, module: str = "") -> None:
    works = [each[0] for each in errands.open]
    errands.answer(next(at for at, each in enumerate(works) if name in each.__qualname__ and module in each.__module__))


def test_a_node_that_is_lost_takes_the_page_back_and_gives_it_again(found: Stage, until: Until) -> None:
    found.desk.take_link(Link.LOST)
    assert found.page.states.no_node.isVisible()
    assert not found.page.header.isEnabled()
    found.desk.take_link(Link.FOUND, "http://127.0.0.1:1")
    found.tell(status())
    until(found.page.finding.results.isVisible)


def test_two_hundred_are_cut_where_the_question_ends(make: Maker, until: Until) -> None:
    stage = make(SampleHub(many(200)))
    look_for(stage, until, "sample")
    assert stage.page.finding.results.rows.rowCount() == searching.LIMIT
    assert stage.page.finding.counted.text() == "The first 100 found"
