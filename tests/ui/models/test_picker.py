"""The picker: rows and verdicts, the plan that follows the person's wishes, keyboard, drops, empty states."""

from collections.abc import Iterator

import pytest
from PySide6.QtCore import QMimeData, QPointF, Qt, QUrl
from PySide6.QtGui import QDragEnterEvent, QDropEvent, QKeyEvent
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QWidget

from app.schema.instance import LastLaunch
from app.schema.model import HeldModel
from app.schema.node import Status
from app.schema.plan import KvType, Plan, PlanRequest, Refusal, Share
from app.schema.record import ModelId
from app.system.paths import Paths
from app.ui.desk import Wish
from app.ui.face import Link
from app.ui.models import planning
from app.ui.models import sample_cluster as cluster
from app.ui.models.list_model import spoken
from app.ui.models.page import CALM_MS
from app.ui.models.rows import FitFilter
from app.ui.models.sample_planner import SampleClient
from app.ui.models.verdict_desk import AT_ONCE
from app.ui.models.verdicts import Fit
from tests.ui.conftest import Until
from tests.ui.desks import ScriptedErrands
from tests.ui.models.stage import ManualErrands, Stage, is_control

BIG, SHORT = "Qwen3-32B-Q6_K", "Llama-3.3-70B-Instruct-Q4_K_M"
BROKEN, SMALL = "DeepSeek-R1-Distill-14B-Q4_K_M", "gemma-3-12b-it-Q5_K_M"


@pytest.fixture
def make(application: QApplication, paths: Paths) -> Iterator["Maker"]:
    maker = Maker(paths)
    yield maker
    for each in maker.stages:
        each.end()
    QApplication.processEvents()


class Maker:
    def __init__(self, paths: Paths) -> None:
        self.paths = paths
        self.stages: list[Stage] = []

    def __call__(
        self,
        held: tuple[HeldModel, ...] | None = None,
        status: Status | None = None,
        client: SampleClient | None = None,
    ) -> Stage:
        client = client or SampleClient(cluster.few_models() if held is None else held)
        stage = Stage(self.paths, ScriptedErrands(client), client, status or cluster.status())
        self.stages.append(stage)
        return stage


@pytest.fixture
def stage(make: Maker, until: Until) -> Stage:
    made = make()
    until(lambda: made.is_settled)
    return made


def pick(stage: Stage, until: Until, model: str) -> None:
    stage.page.wish(model)
    until(lambda: stage.is_settled and shown_request(stage).model_id == model)


def shown_request(stage: Stage) -> PlanRequest:
    request = stage.page.side.details.planning.request
    assert request is not None
    return request


def settle(stage: Stage, until: Until) -> None:
    until(lambda: stage.is_settled)


def test_every_model_gets_its_verdict(stage: Stage, until: Until) -> None:
    rows = stage.page.pane.view.rows
    until(lambda: all(row.verdict.fit is not Fit.CHECKING for row in rows.rows))
    assert rows.rowCount() == 9
    assert spoken(rows.rows[2]).endswith("sees pictures, fits here, 93 tok/s")
    # Each is asked for once, but for the selected one, and a file that cannot be read not at all.
    asked = [request.model_id for request in stage.client.asked]
    assert BROKEN not in asked
    assert len(asked) <= 9


def test_the_plan_of_the_selected_model_is_shown(stage: Stage, until: Until) -> None:
    pick(stage, until, BIG)
    details = stage.page.side.details
    assert details.name.text() == "Qwen3 32B"
    assert details.launch.text() == "Launch on 2 PCs"
    assert details.launch.isEnabled()
    assert details.slider.context == 4096
    assert "tok/s" in details.headline.text()


def test_launch_sends_the_plan_that_is_shown(stage: Stage, until: Until) -> None:
    pick(stage, until, BIG)
    details = stage.page.side.details
    details.advanced.line.setText('--alias "my model"')
    details.launch.click()
    until(lambda: stage.client.launched)
    assert stage.client.launched[0].plan == details.planning.answer
    assert stage.client.launched[0].extra_arguments == ("--alias", "my model")
    assert stage.client.launched[0].wishes == shown_request(stage)


def test_a_model_is_shown_as_it_ran_last(make: Maker, until: Until) -> None:
    shares = (
        Share(node=cluster.LIVING_ROOM, device="CUDA0", layers=20),
        Share(node=cluster.WORKSHOP, device="CUDA0", layers=44),
    )
    wishes = PlanRequest(model_id=ModelId(BIG), context=8192, slots=2, kv_type=KvType.Q8_0, shares=shares)
    last = LastLaunch(model_id=ModelId(BIG), wishes=wishes, extra_arguments=("--alias", "my model"), at=1.0)
    stage = make(status=cluster.status().model_copy(update={"last_launches": (last,)}))
    settle(stage, until)
    pick(stage, until, BIG)
    details = stage.page.side.details
    assert shown_request(stage) == wishes
    assert (details.advanced.kv_type, details.advanced.slots) == (KvType.Q8_0, 2)
    assert details.advanced.arguments == ("--alias", "my model")
    assert details.body.is_by_hand
    pick(stage, until, SMALL)
    assert not details.body.is_by_hand
    assert details.advanced.arguments == ()


def test_a_refused_model_says_why_where_the_button_is(stage: Stage, until: Until) -> None:
    pick(stage, until, SHORT)
    details = stage.page.side.details
    answer = details.planning.answer
    assert isinstance(answer, Refusal)
    assert not details.launch.isEnabled()
    assert details.launch.toolTip() == details.launch.accessibleDescription() == answer.sentence
    details.start()
    assert stage.client.launched == []


class Tight(SampleClient):
    """Refuses what is above 2 048 tokens and says that this many fit."""

    async def plan(self, request: PlanRequest) -> Plan | Refusal:
        if (request.context or 4096) > 2048:
            self.asked.append(request)
            return Refusal(
                model_id=request.model_id, code="does_not_fit", sentence="Short.", hint="", largest_context=2048
            )
        return await super().plan(request)


def test_the_largest_context_that_fits_is_one_click_away(make: Maker, until: Until) -> None:
    stage = make(client=Tight(cluster.few_models()))
    settle(stage, until)
    pick(stage, until, SMALL)
    banner = stage.page.side.details.body.banner
    assert banner.button is not None
    assert banner.button.text().startswith("Use 2")
    banner.button.click()
    settle(stage, until)
    assert shown_request(stage).context == 2048
    assert stage.page.side.details.slider.context == 2048
    assert stage.page.side.details.launch.isEnabled()


def test_more_context_than_fits_is_told_before_the_node_answers(stage: Stage, until: Until) -> None:
    pick(stage, until, BIG)
    control = stage.page.side.details.slider
    assert control.room.text().startswith("Fits up to ")
    control.slider.setValue(control.slider.maximum())
    assert control.room.text().startswith("More than fits. It fits up to ")
    assert control.room.property("tone") == "tight"
    assert "More than fits" in control.slider.accessibleDescription()
    assert not stage.page.side.details.launch.isEnabled()
    settle(stage, until)
    assert isinstance(stage.page.side.details.planning.answer, Refusal)


def test_larger_contexts_that_fit_are_one_click_away(stage: Stage, until: Until) -> None:
    pick(stage, until, BIG)
    details = stage.page.side.details
    first = details.planning.answer
    assert isinstance(first, Plan)
    assert first.largest_context is not None
    stays, most = details.slider.offers
    assert [each.isVisible() for each in (stays, most)] == [True, True]
    most.click()
    assert details.slider.context == first.largest_context
    settle(stage, until)
    answer = details.planning.answer
    assert isinstance(answer, Plan)
    assert (answer.context, answer.pcs) == (first.largest_context, 3)
    assert not stays.isVisible()
    assert not most.isVisible()
    # The places where another PC is needed are stops of their own.
    assert first.largest_context_in_place in details.slider._stops


def test_a_file_that_cannot_be_read_says_why(stage: Stage, until: Until) -> None:
    stage.page.wish(BROKEN)
    details = stage.page.side.details
    until(lambda: details.name.text().startswith("DeepSeek"))
    assert "ends too early" in details.body.banner.accessibleName()
    assert not details.launch.isEnabled()
    assert "ends too early" in details.launch.toolTip()


def test_a_moving_slider_asks_once(stage: Stage, until: Until) -> None:
    pick(stage, until, BIG)
    before = len(stage.client.asked)
    slider = stage.page.side.details.slider.slider
    for value in range(slider.value(), slider.maximum() + 1):
        slider.setValue(value)
    assert not stage.page.side.details.launch.isEnabled()
    settle(stage, until)
    assert [each.context for each in stage.client.asked[before:]] == [40960]
    assert stage.page.side.details.slider.context == 40960


def test_the_number_of_pcs_is_chosen_and_left_to_caravan_again(stage: Stage, until: Until) -> None:
    pick(stage, until, BIG)
    body = stage.page.side.details.body
    body.choice._group.button(3).click()
    settle(stage, until)
    assert shown_request(stage).pcs == 3
    assert stage.page.side.details.launch.text() == "Launch on 3 PCs"
    body.automatic.click()
    settle(stage, until)
    assert shown_request(stage).pcs is None
    assert not body.choice._group.button(1).isEnabled()


def test_a_pc_that_was_left_out_is_used_anyway(stage: Stage, until: Until) -> None:
    pick(stage, until, BIG)
    stage.page.side.details.body.left_out.wanted.emit(cluster.LAPTOP)
    settle(stage, until)
    assert shown_request(stage).use == (cluster.LAPTOP,)
    answer = stage.page.side.details.planning.answer
    assert isinstance(answer, Plan)
    assert answer.pcs == 3


def test_layers_are_shared_out_by_hand(stage: Stage, until: Until) -> None:
    pick(stage, until, BIG)
    body = stage.page.side.details.body
    body.mode.switch.group.button(1).click()
    # Wishes of the last launch for who takes part no longer hold: the sliders say it.
    stage.page.side.details.planning.request = shown_request(stage).model_copy(
        update={"use": (cluster.LIVING_ROOM,), "min_pcs": 2}
    )
    body.sliders.sliders[1].setValue(20)
    settle(stage, until)
    assert (shown_request(stage).use, shown_request(stage).min_pcs) == ((), 1)
    given = {share.node: share.layers for share in shown_request(stage).shares}
    assert given == {cluster.LIVING_ROOM: 20, cluster.WORKSHOP: 44}
    body.mode.switch.group.button(0).click()
    settle(stage, until)
    assert shown_request(stage).shares == ()


def test_the_advanced_wishes_are_planned(stage: Stage, until: Until) -> None:
    pick(stage, until, BIG)
    details = stage.page.side.details
    details.fold.click()
    assert details.advanced.isVisible()
    details.advanced.kv.setCurrentIndex(1)
    details.advanced.slot_count.setValue(3)
    settle(stage, until)
    assert (shown_request(stage).kv_type, shown_request(stage).slots) == (KvType.Q8_0, 3)
    pick(stage, until, SMALL)
    assert (shown_request(stage).kv_type, details.advanced.slots) == (KvType.F16, 1)
    # What was wished for a model is remembered while the window is open.
    pick(stage, until, BIG)
    assert (shown_request(stage).kv_type, details.advanced.kv_type, details.advanced.slots) == (
        KvType.Q8_0,
        KvType.Q8_0,
        3,
    )


def test_search_filter_and_nothing(stage: Stage, until: Until) -> None:
    page = stage.page
    page.toolbar.search.setText("gemma")
    assert [row.model_id for row in page.pane.view.rows.rows] == [SMALL]
    assert page.pane.count.text() == "1 of 9 models"
    page.toolbar.search.setText("no such thing")
    assert page.pane.nothing.isVisible()
    assert page.pane.nothing.button is not None
    page.pane.nothing.button.click()
    assert page.pane.view.isVisible()
    page.toolbar.fit.setCurrentIndex(page.toolbar.fit.findData(FitFilter.NOT))
    until(lambda: page.pane.view.rows.rowCount() == 2)


def test_the_selection_survives_every_order(stage: Stage, until: Until) -> None:
    pick(stage, until, SMALL)
    before = len(stage.client.asked)
    for number in range(stage.page.toolbar.sort.count()):
        stage.page.toolbar.sort.setCurrentIndex(number)
        current = stage.page.pane.view.currentIndex()
        assert stage.page.pane.view.rows.rows[current.row()].model_id == SMALL
    settle(stage, until)
    assert len(stage.client.asked) == before


def test_the_whole_way_by_keyboard(stage: Stage, until: Until) -> None:
    page = stage.page
    page.activateWindow()
    QTest.keyClick(page, Qt.Key.Key_F, Qt.KeyboardModifier.ControlModifier)
    until(page.toolbar.search.hasFocus)
    QTest.keyClicks(page.toolbar.search, "qwen")
    QTest.keyClick(page.toolbar.search, Qt.Key.Key_Down)
    until(page.pane.view.hasFocus)
    QTest.keyClick(page.pane.view, Qt.Key.Key_Home)
    QTest.keyClick(page.pane.view, Qt.Key.Key_Down)
    until(lambda: stage.is_settled and shown_request(stage).model_id == BIG)
    QTest.keyClick(page.pane.view, Qt.Key.Key_Return)
    until(lambda: stage.client.launched)
    assert stage.client.launched[0].plan.model_id == BIG
    QTest.keyClick(page, Qt.Key.Key_F, Qt.KeyboardModifier.ControlModifier)
    QTest.keyClick(page.toolbar.search, Qt.Key.Key_Escape)
    assert page.toolbar.search.text() == ""


def test_every_control_has_a_name(stage: Stage, until: Until) -> None:
    pick(stage, until, BIG)
    stage.page.side.details.body.mode.switch.group.button(1).click()
    unnamed = [each for each in stage.page.findChildren(QWidget) if is_control(each) and not each.accessibleName()]
    assert unnamed == []


def test_without_models_the_page_teaches(make: Maker, until: Until) -> None:
    stage = make(held=())
    empty = stage.page.states.empty
    until(empty.isVisible)
    assert "D:\\models" in empty.text.text()
    assert not stage.page.toolbar.search.isVisible()


def test_with_few_models_the_page_says_how_more_come(make: Maker, until: Until) -> None:
    stage = make(held=(cluster.demo_model(),))
    until(stage.page.pane.more.isVisible)


def test_without_a_node_there_is_a_button_to_start_it(make: Maker, paths: Paths) -> None:
    client = SampleClient(())
    stage = Stage(paths, ScriptedErrands(client), client, None)
    make.stages.append(stage)
    wishes: list[object] = []
    stage.desk.wished.connect(lambda wish, about: wishes.append(wish))
    assert stage.page.states.no_node.isVisible()
    assert stage.page.states.no_node.button is not None
    stage.page.states.no_node.button.click()
    assert wishes == [Wish.START_NODE]


def test_a_dropped_file_is_planned_by_its_path(stage: Stage, until: Until, paths: Paths) -> None:
    file = paths.data.parent / "große Dateien" / "new model.gguf"
    file.parent.mkdir(parents=True)
    file.write_bytes(b"GGUF" + bytes(996))
    data = QMimeData()
    data.setUrls([QUrl.fromLocalFile(str(file)), QUrl("https://example.com/x.gguf")])
    copy, left, none = Qt.DropAction.CopyAction, Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier
    page = stage.page
    page.dragEnterEvent(QDragEnterEvent(QPointF(9, 9).toPoint(), copy, data, left, none))
    assert page.states.drop.isVisible()
    page.dropEvent(QDropEvent(QPointF(9, 9), copy, data, left, none))
    until(lambda: stage.is_settled and shown_request(stage).model_id == str(file))
    assert not page.states.drop.isVisible()
    assert page.pane.view.rows.rowCount() == 10
    assert page.side.details.launch.isEnabled()


def test_other_memory_asks_again_and_a_little_of_it_does_not(make: Maker, until: Until) -> None:
    stage = make()
    settle(stage, until)
    before = len(stage.client.asked)
    stage.page._since.invalidate()
    stage.tell(moved(300))
    settle(stage, until)
    assert len(stage.client.asked) == before
    stage.tell(moved(9000))
    settle(stage, until)
    # The eight that can be read, and the selected one.
    until(lambda: len(stage.client.asked) - before >= 8)
    again = len(stage.client.asked)
    # As if it came right after, however long the answers took.
    assert stage.page._since.isValid()
    stage.page._since.restart()
    stage.tell(moved(0))
    settle(stage, until)
    assert len(stage.client.asked) == again
    assert CALM_MS > 1000


def moved(mebibytes: int) -> Status:
    status = cluster.status()
    assert status.hardware is not None
    card = status.hardware.accelerators[0]
    less = card.model_copy(update={"free_bytes": (card.free_bytes or 0) - (mebibytes << 20)})
    hardware = status.hardware.model_copy(update={"accelerators": (less,)})
    return status.model_copy(update={"hardware": hardware})


@pytest.fixture
def manual(make: Maker, paths: Paths, until: Until) -> tuple[Stage, ManualErrands]:
    client = SampleClient(cluster.many_models(60))
    errands = ManualErrands(client)
    stage = Stage(paths, errands, client, cluster.status())
    make.stages.append(stage)
    errands.answer()
    until(lambda: stage.page.pane.view.rows.rowCount() == 60)
    return stage, errands


def test_few_questions_are_open_at_once_and_what_is_seen_comes_first(
    manual: tuple[Stage, ManualErrands], until: Until
) -> None:
    stage, errands = manual
    until(lambda: not stage.page.side.details.planning._pause.isActive())
    assert len(errands.open) == AT_ONCE + 1
    view = stage.page.pane.view
    view.verticalScrollBar().setValue(view.verticalScrollBar().maximum())
    until(lambda: not view._rest.isActive())
    for _ in range(AT_ONCE):
        errands.answer()
    until(lambda: len(errands.open) == AT_ONCE + 1)
    asked_before = len(stage.client.asked)
    for _ in range(3):
        errands.answer(1)
        QApplication.processEvents()
    seen = {row.model_id for row in list(view.rows.rows)[-12:]}
    assert {each.model_id for each in stage.client.asked[asked_before:]} <= seen


def test_an_answer_that_is_too_late_is_dropped(manual: tuple[Stage, ManualErrands], until: Until) -> None:
    stage, errands = manual
    shown = stage.page.side.details.planning
    until(lambda: not stage.page.pane.view._rest.isActive())
    stage.page.shelf.stop()
    errands.open.clear()
    stage.page.wish(BIG)
    until(lambda: len(plans(errands)) == 1)
    first = shown_request(stage)
    shown.change(first.model_copy(update={"context": 8192}), 0)
    until(lambda: len(plans(errands)) == 2)
    errands.answer(plans(errands)[1])
    until(lambda: shown.answer is not None)
    errands.answer(plans(errands)[0])
    QApplication.processEvents()
    assert isinstance(shown.answer, Plan)
    assert shown.answer.context == 8192


def plans(errands: ManualErrands) -> list[int]:
    """Which questions are for the plan of the selected model. Others are for verdicts, once the list rests."""
    return [number for number, (work, _, _) in enumerate(errands.open) if work.__module__ == planning.__name__]


def test_leaving_the_page_drops_what_is_asked(manual: tuple[Stage, ManualErrands], until: Until) -> None:
    stage, errands = manual
    until(lambda: len(errands.open) == AT_ONCE + 1)
    handles = [errand for _, _, errand in errands.open]
    stage.page.hide()
    assert not any(errand.is_open for errand in handles)
    assert stage.is_settled or not stage.page.shelf.verdicts.is_busy
    stage.page.show()
    until(lambda: stage.page.shelf.verdicts.is_busy)


def test_coming_back_asks_only_for_what_is_missing(stage: Stage, until: Until) -> None:
    until(lambda: all(row.verdict.fit is not Fit.CHECKING for row in stage.page.shelf.rows))
    before = len(stage.client.asked)
    stage.page.hide()
    stage.page.show()
    settle(stage, until)
    assert len(stage.client.asked) == before


def test_a_node_that_comes_back_is_asked_anew(stage: Stage, until: Until) -> None:
    before = len(stage.client.asked)
    stage.desk.take_link(Link.LOST)
    assert stage.page.states.no_node.isVisible()
    stage.desk.take_link(Link.FOUND, "http://127.0.0.1:1")
    stage.tell(cluster.status())
    settle(stage, until)
    until(lambda: len(stage.client.asked) - before >= 8)
    assert stage.page.pane.view.isVisible()


def test_return_in_an_empty_list_does_nothing(make: Maker, until: Until) -> None:
    stage = make(held=())
    until(stage.page.states.empty.isVisible)
    press = QKeyEvent(QKeyEvent.Type.KeyPress, Qt.Key.Key_Return, Qt.KeyboardModifier.NoModifier)
    stage.page.pane.view.keyPressEvent(press)
    assert stage.client.launched == []
