"""What a person does on the chat page, and what comes of it."""

import json
from pathlib import Path

import pytest
from PySide6.QtCore import QMimeData, QObject, Qt, QUrl, Slot
from PySide6.QtGui import QDesktopServices, QImage
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QLabel, QWidget

from app.client import ChatPiece
from app.schema.errors import ErrorInfo
from app.schema.instance import InstanceState, LastLaunch
from app.schema.model import HeldModel, ModelFile
from app.schema.plan import PlanRequest
from app.schema.record import ModelId
from app.ui.chat.code_block import CodeBlock
from app.ui.chat.message_view import Deed, MessageView
from app.ui.chat.prose import Prose
from app.ui.chat.records import Sampling, Stop
from app.ui.chat.sample import MODEL, TABLE
from app.ui.desk import Wish
from app.ui.models.sample_cluster import few_models
from app.ui.showcase import alone, home
from tests.ui.chat.conftest import Chat, Open
from tests.ui.conftest import Until
from tests.ui.samples import loading

LOST = ErrorInfo(code="head_failed", sentence="The model stopped in the middle of its answer.", hint="Try again.")
PICTURE = "data:image/png;base64,"


def last_view(chat: Chat) -> MessageView:
    view = chat.page.stage.list.view(chat.page.talk.path[-1].id)
    assert view is not None
    return view


def do(chat: Chat, deed: Deed, index: int) -> None:
    chat.page.stage.acted.emit(deed, chat.page.talk.path[index].id)


def test_ask_and_answer(chat: Chat) -> None:
    chat.write("Who are you?")
    assert chat.model.last.body["model"] == MODEL
    assert chat.model.last.body["messages"] == [{"role": "user", "content": "Who are you?"}]
    chat.model.last.tells(ChatPiece(progress={"processed": 3, "total": 9}))
    chat.page.stage.tick()
    note = last_view(chat).note
    assert note is not None
    assert note.text.text() == "Reading 3 of 9 tokens"
    chat.model.last.says("A cara", "van.")
    chat.model.last.ends()
    assert chat.texts == ["Who are you?", "A caravan."]
    assert chat.page.talk.conversation.title == "Who are you?"
    assert chat.page.shelf.rows.index(0).data() == "Who are you?"
    assert last_view(chat).actions_row.line.text().endswith("stopped: end")
    assert not chat.page.foot.composer.send.isEnabled()


def test_enter_sends_and_shift_enter_begins_a_line(chat: Chat) -> None:
    editor = chat.page.foot.composer.editor
    one = editor.height()
    QTest.keyClicks(editor, "one")
    QTest.keyClick(editor, Qt.Key.Key_Return, Qt.KeyboardModifier.ShiftModifier)
    QTest.keyClicks(editor, "two")
    assert editor.height() > one
    QTest.keyClick(editor, Qt.Key.Key_Return)
    assert chat.texts[0] == "one\ntwo"
    assert editor.height() == one
    editor.setPlainText("line\n" * 30)
    assert editor.height() < 9 * one


def test_escape_and_the_button_stop(chat: Chat) -> None:
    for stop in (
        lambda: QTest.keyClick(chat.page.foot.composer.editor, Qt.Key.Key_Escape),
        chat.page.foot.composer.send.click,
    ):
        chat.write("Tell me a long story")
        asked = chat.model.last
        asked.says("Once upon")
        stop()
        assert not asked.is_open
        message = chat.page.talk.path[-1]
        assert (message.text, message.stop) == ("Once upon", Stop.STOPPED)
        assert not chat.page.talk.is_busy


def test_the_next_question_carries_the_whole_branch(chat: Chat) -> None:
    chat.exchange("one", "1")
    chat.page.talk.change(system_prompt="Count.", sampling=Sampling(temperature=0.5, seed=7))
    chat.write("two")
    body = chat.model.last.body
    assert [each["role"] for each in body["messages"]] == ["system", "user", "assistant", "user"]
    assert (body["temperature"], body["seed"]) == (0.5, 7)


def test_answering_again_keeps_both_versions(chat: Chat) -> None:
    chat.exchange("question", "first")
    do(chat, Deed.AGAIN, -1)
    chat.model.last.says("second")
    chat.model.last.ends()
    assert chat.texts == ["question", "second"]
    assert last_view(chat).actions_row.version.text() == "2/2"
    do(chat, Deed.EARLIER, -1)
    assert chat.texts == ["question", "first"]


def test_editing_a_question_keeps_the_old_branch(chat: Chat) -> None:
    chat.exchange("one", "1")
    chat.exchange("two", "2")
    do(chat, Deed.EDIT, 0)
    assert chat.page.foot.composer.editor.toPlainText() == "one"
    chat.write("uno")
    assert chat.model.last.body["messages"] == [{"role": "user", "content": "uno"}]
    chat.model.last.says("1!")
    chat.model.last.ends()
    assert chat.texts == ["uno", "1!"]
    do(chat, Deed.EARLIER, 0)
    assert chat.texts == ["one", "1", "two", "2"]


def test_up_edits_the_last_question_and_escape_gives_up(chat: Chat) -> None:
    chat.exchange("question", "answer")
    editor = chat.page.foot.composer.editor
    QTest.keyClick(editor, Qt.Key.Key_Up)
    assert editor.toPlainText() == "question"
    QTest.keyClick(editor, Qt.Key.Key_Escape)
    assert editor.toPlainText() == ""
    chat.exchange("next", "more")
    assert chat.texts == ["question", "answer", "next", "more"]


def test_going_on_does_not_repeat(chat: Chat) -> None:
    chat.write("story")
    chat.model.last.says("Once upon")
    chat.model.last.ends("length")
    do(chat, Deed.GO_ON, -1)
    assert chat.model.last.body["messages"][-1] == {"role": "assistant", "content": "Once upon"}
    chat.model.last.says("Once upon a", " time")
    chat.model.last.ends()
    assert chat.texts == ["story", "Once upon a time"]
    assert chat.page.talk.path[-1].stop is Stop.END


def test_an_answer_that_broke_off_goes_on_with_one_click_once_a_model_is_there(chat: Chat) -> None:
    chat.write("story")
    chat.model.last.says("Once upon")
    sentence = "The model stopped in the middle of its answer. See `caravan status` for why."
    chat.model.last.breaks(ErrorInfo(code="head_failed", sentence=sentence))
    failed = home().instances[0].model_copy(update={"state": InstanceState.FAILED, "error": LOST})
    without = home().model_copy(update={"seq": 1, "instances": (failed,)})
    chat.tell(without)
    chat.page.shown(without)
    view = last_view(chat)
    assert view.problem is not None
    assert view.problem.accessibleName() == (
        "The model stopped in the middle of its answer. What has come is kept, and goes on once a model is ready."
    )
    button = view.problem.button
    assert button is not None
    assert (button.text(), button.isEnabled()) == ("Continue", False)
    chat.tell(home().model_copy(update={"seq": 2}))
    chat.page.shown(chat.desk.status)
    assert button.isEnabled()
    button.click()
    body = chat.model.last.body
    assert body["messages"][-1] == {"role": "assistant", "content": "Once upon"}
    assert body["chat_template_kwargs"] == {"enable_thinking": False}
    chat.model.last.says(" a time")
    chat.model.last.ends()
    assert chat.texts == ["story", "Once upon a time"]
    assert view.problem.isHidden()


def test_a_loss_before_the_first_word_offers_another_try(chat: Chat) -> None:
    chat.write("story")
    chat.model.last.breaks(LOST)
    problem = last_view(chat).problem
    assert problem is not None
    assert problem.button is not None
    assert problem.button.text() == "Try again"
    problem.button.click()
    chat.model.last.says("Twice")
    chat.model.last.ends()
    assert chat.texts == ["story", "Twice"]


def test_deleting_a_message(chat: Chat) -> None:
    chat.exchange("one", "1")
    chat.exchange("two", "2")
    do(chat, Deed.DELETE, 2)
    assert chat.texts == ["one", "1"]
    do(chat, Deed.DELETE, 0)
    assert chat.texts == []


def test_thoughts_are_folded_with_their_time(chat: Chat) -> None:
    chat.write("think")
    chat.model.last.tells(ChatPiece(reasoning="Let me see. "))
    chat.page.stage.tick()
    view = last_view(chat)
    assert view.thoughts is not None
    assert "Thinking" in view.thoughts.button.text()
    assert not view.thoughts.words.isVisible()
    chat.model.last.says("Yes.")
    chat.model.last.ends()
    assert "Thought for" in view.thoughts.button.text()
    folded = view.height()
    view.thoughts.button.click()
    assert view.thoughts.words.toPlainText() == "Let me see."
    assert view.height() > folded


def test_markdown_is_shown_in_blocks_that_stay(chat: Chat, until: Until) -> None:
    chat.write("table")
    for at in range(0, len(TABLE), 7):
        chat.model.last.says(TABLE[at : at + 7])
        if at % 70 == 0:
            chat.page.stage.tick()
    body = last_view(chat).body
    assert body is not None
    first = body.parts[0]
    chat.model.last.ends()
    parts = [type(each) for each in body.parts]
    assert parts == [Prose, CodeBlock, Prose]
    assert body.parts[0] is first
    code = body.parts[1]
    assert isinstance(code, CodeBlock)
    code.copy.click()
    assert QApplication.clipboard().text().startswith("def tokens_per_second")
    assert "|" not in first.toPlainText() if isinstance(first, Prose) else False
    until(lambda: code.lines.document().firstBlock().layout().formats())


class Browser(QObject):
    def __init__(self) -> None:
        super().__init__()
        self.opened: list[str] = []

    @Slot(QUrl)
    def open(self, url: QUrl) -> None:
        self.opened.append(url.toString())


def test_only_web_links_are_opened(chat: Chat) -> None:
    browser = Browser()
    for scheme in ("http", "file"):
        QDesktopServices.setUrlHandler(scheme, browser, "open")
    chat.exchange("link", "[a](http://example.org/x) and ![p](http://example.org/p.png)")
    body = last_view(chat).body
    assert body is not None
    prose = body.parts[0]
    assert isinstance(prose, Prose)
    prose.anchorClicked.emit(QUrl("file:///etc/passwd"))
    prose.anchorClicked.emit(QUrl("http://example.org/x"))
    for scheme in ("http", "file"):
        QDesktopServices.unsetUrlHandler(scheme)
    assert browser.opened == ["http://example.org/x"]
    assert prose.loadResource(2, QUrl("http://example.org/p.png")) is None


def test_copying_a_message(chat: Chat) -> None:
    chat.exchange("q", "**bold** answer")
    do(chat, Deed.COPY, -1)
    assert QApplication.clipboard().text() == "**bold** answer"


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
    assert chat.page.head.where.text_shown() == "on LIVING ROOM + WORKSHOP"
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
    assert chat.page.head.where.text_shown() == f"{MODEL} is loading, 62 %"


def test_where_the_model_runs_leads_to_its_plan(chat: Chat) -> None:
    wishes: list[tuple[Wish, str]] = []
    chat.desk.wished.connect(lambda wish, about: wishes.append((wish, about)))
    chat.page.head.where.click()
    assert wishes == [(Wish.MODELS, MODEL)]
    chat.tell(alone().model_copy(update={"seq": 5}))
    chat.page.shown(chat.desk.status)
    assert not chat.page.head.where.isEnabled()
    assert chat.page.head.where.text_shown() == "No model is running"


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


def test_everything_is_there_after_a_restart(opened: Open, until: Until) -> None:
    chat = opened(home())
    chat.exchange("Remember the blue camel", "I shall")
    do(chat, Deed.AGAIN, -1)
    chat.model.last.says("Certainly")
    chat.model.last.ends()
    home_id = chat.page.talk.conversation.id
    chat.close()
    again = opened(home())
    until(lambda: again.page.shelf.get(home_id))
    again.page.wish(home_id)
    until(lambda: again.texts)
    assert again.texts == ["Remember the blue camel", "Certainly"]
    do(again, Deed.EARLIER, -1)
    assert again.texts[-1] == "I shall"


def test_search_rename_pin_delete_and_undo(chat: Chat, until: Until) -> None:
    chat.exchange("The blue camel", "walks")
    chat.page.shelf_view.wants_new.emit()
    chat.exchange("Something else", "entirely different words")
    rows = chat.page.shelf.rows
    chat.page.shelf_view.search.setText("different")
    until(lambda: rows.rowCount() == 1)
    assert rows.index(0).data() == "Something else"
    chat.page.shelf_view.search.setText("")
    until(lambda: rows.rowCount() == 2)
    rows.setData(rows.index(0), " Renamed  here ")
    assert chat.page.head.title.text() == "Renamed here"
    other = rows.index(1).data(rows.HIT).conversation.id
    chat.page.shelf.pin(other)
    assert rows.row_of(other) == 0
    chat.page.shelf.delete(chat.page.talk.conversation.id)
    assert (rows.rowCount(), chat.texts) == (1, [])
    assert chat.page.shelf_view.undo.isVisible()
    chat.page.shelf_view.undo.button.click()
    until(lambda: chat.texts)
    assert chat.texts == ["Something else", "entirely different words"]


def test_a_copy_has_all_branches_and_is_opened(chat: Chat, until: Until) -> None:
    chat.exchange("question", "first")
    do(chat, Deed.AGAIN, -1)
    chat.model.last.says("second")
    chat.model.last.ends()
    original = chat.page.talk.conversation
    chat.page.shelf.duplicate(original.id)
    until(lambda: chat.page.talk.conversation.id != original.id and chat.texts)
    assert chat.page.talk.conversation.title == "question (copy)"
    assert chat.texts == ["question", "second"]
    do(chat, Deed.EARLIER, -1)
    assert chat.texts == ["question", "first"]
    do(chat, Deed.DELETE, 0)
    chat.page.wish(original.id)
    until(lambda: chat.page.talk.conversation.id == original.id)
    assert chat.texts == ["question", "second"]


def test_export_and_import(chat: Chat, tmp_path: Path, until: Until) -> None:
    chat.exchange("question", "answer")
    target, page = tmp_path / "all.json", tmp_path / "one.md"
    chat.page.shelf.export(chat.page.shelf.all_ids(), target)
    chat.page.shelf.export(chat.page.shelf.all_ids(), page)
    until(page.exists)
    assert len(json.loads(target.read_text("utf-8"))["conversations"]) == 1
    assert "## You\n\nquestion\n\n## Answer\n\nanswer" in page.read_text("utf-8")
    chat.page.shelf.bring_in(target)
    until(lambda: chat.page.shelf.rows.rowCount() == 2)
    page.write_text("no json")
    chat.page.shelf.bring_in(page)
    until(chat.page.foot.trouble.isVisible)
    assert "cannot be read as conversations" in chat.page.foot.trouble.accessibleName()


def test_an_answer_goes_on_while_another_chat_is_open(chat: Chat, until: Until) -> None:
    chat.write("long story")
    chat.model.last.says("Once ")
    home_id = chat.page.talk.conversation.id
    chat.page.shelf_view.wants_new.emit()
    chat.write("impatient")
    assert len(chat.model.asked) == 1
    chat.model.last.says("upon a time")
    chat.page.wish(home_id)
    until(lambda: chat.texts)
    assert chat.texts[-1] == "Once upon a time"
    chat.model.last.ends()
    assert chat.page.talk.path[-1].stop is Stop.END


def test_prompt_presets_and_sampling(chat: Chat, until: Until) -> None:
    panel = chat.page.panel
    panel.prompt.setPlainText("Rhyme.")
    panel.keep_as("Poet")
    until(lambda: panel.presets.count() == 2)
    panel.prompt.setPlainText("")
    panel.presets.setCurrentIndex(1)
    panel.presets.activated.emit(1)
    assert panel.prompt.toPlainText() == "Rhyme."
    panel.fields["temperature"].stepBy(1)
    panel.fields["top_k"].choose(0)
    assert chat.page.talk.conversation.sampling == Sampling(temperature=0.8, top_k=0)
    panel.reset.click()
    assert chat.page.talk.conversation.sampling == Sampling()
    assert chat.page.talk.conversation.system_prompt == "Rhyme."


def test_scrolling_away_is_respected_while_it_streams(chat: Chat) -> None:
    for number in range(6):
        chat.exchange(f"question {number}", TABLE)
    messages = chat.page.stage.list
    chat.write("more")
    bar = messages.verticalScrollBar()
    assert bar.value() == bar.maximum()
    chat.model.last.says(TABLE)
    chat.page.stage.tick()
    assert bar.value() == bar.maximum()
    bar.setValue(bar.value() - 400)
    place = bar.value()
    chat.model.last.says("\n\n" + TABLE)
    chat.page.stage.tick()
    assert bar.value() == place
    assert chat.page.stage.to_end.isVisible()
    chat.page.stage.to_end.click()
    assert bar.value() == bar.maximum()
    assert not chat.page.stage.to_end.isVisible()


def test_every_control_has_a_name_and_can_be_reached(chat: Chat) -> None:
    chat.exchange("q", TABLE)
    chat.page.head.panel.setChecked(True)
    nameless = [
        each
        for each in chat.page.findChildren(QWidget)
        if each.isVisible()
        and each.focusPolicy() & Qt.FocusPolicy.TabFocus
        and not each.accessibleName()
        and each.objectName() not in {"qt_spinbox_lineedit", "qt_scrollarea_viewport"}
    ]
    assert nameless == []
    view = last_view(chat)
    view.setFocus()
    QTest.keyClick(view, Qt.Key.Key_Tab)
    assert chat.page.window().focusWidget() is not view


def test_arrows_go_from_message_to_message(chat: Chat) -> None:
    for number in range(3):
        chat.exchange(f"question {number}", TABLE)
    last_view(chat).setFocus()
    for key in (Qt.Key.Key_Up, Qt.Key.Key_Up, Qt.Key.Key_Down):
        focused = chat.page.window().focusWidget()
        assert focused is not None
        QTest.keyClick(focused, key)
    focused = chat.page.window().focusWidget()
    assert isinstance(focused, MessageView)
    assert focused.shown is not None
    assert focused.shown.message.text == "question 2"
    QTest.keyClick(focused, Qt.Key.Key_C, Qt.KeyboardModifier.ControlModifier)
    assert QApplication.clipboard().text() == "question 2"


def test_the_look_changes_with_the_theme(chat: Chat) -> None:
    chat.exchange("q", TABLE)
    before = last_view(chat)
    chat.theme.force(True)
    after = last_view(chat)
    assert after is not before
    assert chat.theme.palette.accent_soft in chat.page.styleSheet()
    chat.theme.force(False)
