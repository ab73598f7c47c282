"""What a person does on the chat page, and what comes of it."""

from PySide6.QtCore import Qt, QUrl
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QWidget

from app.client import ChatPiece
from app.schema.errors import ErrorInfo
from app.schema.instance import InstanceState
from app.ui.chat.code_block import CodeBlock
from app.ui.chat.message_actions import Deed
from app.ui.chat.message_view import MessageView
from app.ui.chat.prose import Prose
from app.ui.chat.records import Sampling, Stop
from app.ui.chat.sample import MODEL, TABLE
from app.ui.showcase import home
from tests.ui.browser import browsing
from tests.ui.chat.conftest import LOST, Chat, do, last_view
from tests.ui.conftest import Until


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


def test_only_web_links_are_opened(chat: Chat) -> None:
    chat.exchange("link", "[a](http://example.org/x) and ![p](http://example.org/p.png)")
    body = last_view(chat).body
    assert body is not None
    prose = body.parts[0]
    assert isinstance(prose, Prose)
    with browsing() as opened:
        prose.anchorClicked.emit(QUrl("file:///etc/passwd"))
        prose.anchorClicked.emit(QUrl("http://example.org/x"))
    assert opened == ["http://example.org/x"]
    assert prose.loadResource(2, QUrl("http://example.org/p.png")) is None


def test_copying_a_message(chat: Chat) -> None:
    chat.exchange("q", "**bold** answer")
    do(chat, Deed.COPY, -1)
    assert QApplication.clipboard().text() == "**bold** answer"


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
