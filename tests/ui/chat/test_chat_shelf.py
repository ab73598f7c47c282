"""The conversations beside the chat page: what is kept, found, copied and deleted."""

import json
from pathlib import Path

from app.ui.chat.message_actions import Deed
from app.ui.chat.records import Stop
from app.ui.showcase import home
from tests.ui.chat.conftest import Chat, Open, do
from tests.ui.conftest import Until


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
