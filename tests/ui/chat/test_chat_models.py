"""Which model answers on the chat page, how it gets there, and what it can take."""

from pathlib import Path

import pytest
from PySide6.QtCore import QMimeData, QUrl
from PySide6.QtGui import QImage
from PySide6.QtWidgets import QLabel

from app.client import ChatPiece
from app.schema.instance import InstanceState, LastLaunch
from app.schema.model import HeldModel, ModelFile
from app.schema.plan import PlanRequest
from app.schema.record import ModelId
from app.ui.chat.records import Sampling
from app.ui.chat.sample import MODEL
from app.ui.desk import Wish
from app.ui.models.sample_cluster import few_models
from app.ui.showcase import alone, home
from tests.ui.chat.conftest import LOST, Chat, Open
from tests.ui.conftest import Until
from tests.ui.samples import loading

PICTURE = "data:image/png;base64,"


def test_without_a_model_the_page_leads_to_the_models(opened: Open) -> None:
    chat = opened(alone())
    wishes: list[Wish] = []
    asked: list[bool] = []
    chat.desk.wished.connect(lambda wish, _: wishes.append(wish))
    chat.page.open_models.connect(lambda: asked.append(True))
    assert chat.page.stage.bare.isVisible()
    assert chat.page.stage.bare.button is not None
    chat.page.stage.bare.button.click()
    assert (wishes, asked) == ([Wish.MODELS], [True])
    chat.write("hello?")
    assert not chat.model.asked
    assert chat.page.foot.composer.editor.toPlainText() == "hello?"


@pytest.mark.parametrize(
    ("state", "words"),
    [
        (InstanceState.STARTING, f"{MODEL} is loading. You can write meanwhile, and send when it is ready."),
        (InstanceState.FAILED, f"{MODEL} is not running. {LOST.sentence}"),
    ],
)
def test_why_nothing_can_be_asked(chat: Chat, state: InstanceState, words: str) -> None:
    chat.exchange("q", "a")
    there = home().instances[0]
    error = LOST if state is InstanceState.FAILED else None
    changed = there.model_copy(update={"state": state, "error": error})
    chat.tell(home().model_copy(update={"seq": 1, "instances": (changed,)}))
    chat.page.shown(chat.desk.status)
    assert chat.page.foot.waiting.isVisible()
    assert chat.page.foot.waiting.accessibleName() == words
    chat.page.shown(None)


def test_the_picker_shows_ready_models_and_their_pcs(chat: Chat) -> None:
    menu = chat.page.head.picker_menu()
    assert menu.actions()[0].text() == f"{MODEL}\tLIVING ROOM + WORKSHOP"
    assert menu.actions()[0].isChecked()
    assert chat.page.head.where.accessibleName() == "on LIVING ROOM + WORKSHOP"
    menu.deleteLater()


def test_a_model_that_does_not_run_is_loaded_when_it_is_picked(chat: Chat) -> None:
    last = LastLaunch(model_id=ModelId("gemma-3-12b-it-Q5_K_M"), wishes=PlanRequest(model_id=ModelId("x")), at=1.0)
    chat.tell(home().model_copy(update={"seq": 1, "last_launches": (last,)}))
    chat.page._know_models(few_models())
    menu = chat.page.head.picker_menu()
    loads = [each for each in menu.actions() if each.text().startswith("Load ")]
    assert loads[0].text() == "Load gemma-3-12b-it-Q5_K_M"
    assert f"Load {MODEL}" not in [each.text() for each in loads]
    loads[0].trigger()
    menu.deleteLater()
    assert chat.model.client.loaded == ["gemma-3-12b-it-Q5_K_M"]
    assert chat.page.talk.conversation.model == "gemma-3-12b-it-Q5_K_M"
    starting = home().instances[0].model_copy(update={"state": InstanceState.STARTING, "phases": loading(62, 100)})
    chat.tell(home().model_copy(update={"seq": 2, "instances": (starting,)}))
    chat.page.shown(chat.desk.status)
    assert chat.page.head.where.accessibleName() == f"{MODEL} is loading, 62 %"


def test_where_the_model_runs_leads_to_its_plan(chat: Chat) -> None:
    wishes: list[tuple[Wish, str]] = []
    chat.desk.wished.connect(lambda wish, about: wishes.append((wish, about)))
    chat.page.head.where.click()
    assert wishes == [(Wish.MODELS, MODEL)]
    chat.tell(alone().model_copy(update={"seq": 5}))
    chat.page.shown(chat.desk.status)
    assert not chat.page.head.where.isEnabled()
    assert chat.page.head.where.accessibleName() == "No model is running"


def test_what_was_unloaded_is_loaded_when_something_is_asked(chat: Chat) -> None:
    chat.exchange("q", "a")
    gone = home().instances[0].model_copy(update={"state": InstanceState.STOPPED})
    chat.tell(home().model_copy(update={"seq": 1, "instances": (gone,), "peers": ()}))
    chat.page.shown(chat.desk.status)
    assert chat.page.head.where.text() == f"{MODEL} is loaded when you ask"
    assert not chat.page.foot.waiting.isVisible()
    chat.write("again")
    assert chat.model.last.body["model"] == MODEL
    off = home().settings.model_copy(update={"load_on_request": False})
    chat.model.last.ends()
    chat.tell(home().model_copy(update={"seq": 2, "instances": (gone,), "peers": (), "settings": off}))
    chat.page.shown(chat.desk.status)
    assert chat.page.foot.waiting.isVisible()
    chat.page.shown(None)


def test_the_gauge_fills(chat: Chat) -> None:
    chat.write("q")
    chat.model.last.tells(ChatPiece(usage={"prompt_tokens": 12_000, "completion_tokens": 3_000}))
    chat.model.last.ends()
    gauge = chat.page.foot.composer.gauge
    assert gauge.numbers.text().replace("\N{NARROW NO-BREAK SPACE}", " ") == "15 000 / 16 384"
    assert "Begin a new chat soon" in gauge.toolTip()


def test_a_text_file_goes_with_the_message(chat: Chat, tmp_path: Path, until: Until) -> None:
    good, bad = tmp_path / "Größe.txt", tmp_path / "program.exe"
    good.write_text("höher", "utf-8")
    bad.write_bytes(b"MZ\0\0")
    source = QMimeData()
    source.setUrls([QUrl.fromLocalFile(str(each)) for each in (good, bad)])
    chat.page.foot.composer.editor.insertFromMimeData(source)
    until(lambda: chat.page.foot.composer.attachments and chat.page.foot.trouble.isVisible())
    assert "program.exe is not a text file." in chat.page.foot.trouble.accessibleName()
    chat.write("Sum up")
    assert chat.model.last.body["messages"][0]["content"] == "File Größe.txt:\n```\nhöher\n```\n\nSum up"
    assert not chat.page.foot.composer.attachments


def pasted(chat: Chat) -> None:
    picture = QImage(4, 4, QImage.Format.Format_RGB32)
    picture.fill(0)
    source = QMimeData()
    source.setImageData(picture)
    chat.page.foot.composer.editor.insertFromMimeData(source)


def test_a_picture_is_taken_only_by_a_model_that_can_look(opened: Open, chat: Chat, until: Until) -> None:
    pasted(chat)
    assert "cannot look at images" in chat.page.foot.trouble.accessibleName()
    file = ModelFile(id=ModelId(MODEL), path="", folder="", size_bytes=1, modified=0, parts=(), projector_path="p.gguf")
    seeing = opened(home(), (HeldModel(model=file, holders=()),))
    until(lambda: seeing.page.foot.takes_images)
    pasted(seeing)
    seeing.write("What is it?")
    content = seeing.model.last.body["messages"][0]["content"]
    assert content[0]["image_url"]["url"].startswith(PICTURE)
    question = seeing.page.stage.list.view(seeing.page.talk.path[0].id)
    assert question is not None
    assert question.pictures is not None
    until(lambda: [each for each in question.pictures.findChildren(QLabel) if not each.pixmap().isNull()])
    assert question.pictures.findChildren(QLabel)[0].accessibleName() == "Picture.png"


def test_thinking_is_a_switch_where_the_template_has_one(opened: Open, chat: Chat, until: Until) -> None:
    assert not chat.page.foot.composer.think.isVisible()
    assert not chat.page.panel.thinking.isEnabled()
    shape = few_models()[0].model.shape
    assert shape is not None
    file = ModelFile(id=ModelId(MODEL), path="", folder="", size_bytes=1, modified=0, parts=())
    thinker = file.model_copy(update={"shape": shape.model_copy(update={"has_thinking_switch": True})})
    thinking = opened(home(), (HeldModel(model=thinker, holders=()),))
    think = thinking.page.foot.composer.think
    until(think.isVisible)
    assert think.isChecked()
    think.click()
    thinking.write("Quick")
    assert thinking.model.last.body["chat_template_kwargs"] == {"enable_thinking": False}
    assert thinking.page.panel.thinking.currentText() == "Off"
    thinking.page.panel.reset.click()
    assert think.isChecked()
    assert thinking.page.talk.conversation.sampling == Sampling()
