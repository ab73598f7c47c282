"""Conversations on the disk: kept, found, branched, deleted and brought back; damage is kept aside."""

import sqlite3
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.ui.chat import store as store_module
from app.ui.chat.records import (
    Attachment,
    AttachmentKind,
    Author,
    Figures,
    Message,
    Preset,
    Sampling,
    Stop,
    new_conversation,
    new_id,
)
from app.ui.chat.schema import MIGRATIONS, VERSION, migrate, version_of
from app.ui.chat.search import Terms, excerpt
from app.ui.chat.store import ChatsUnusable, Store, open_store


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "Büro data" / "conversations.db"


@pytest.fixture
def store(path: Path) -> Iterator[Store]:
    made = open_store(path).store
    yield made
    made.close()


def said(conversation: str, text: str, **more: object) -> Message:
    values = {"id": new_id(), "conversation": conversation, "parent": None, "author": Author.USER, "text": text}
    return Message.model_validate(values | {"created_at": time.time(), "stop": Stop.END} | more)


def begun(store: Store, title: str, *texts: str) -> str:
    conversation = new_conversation(title)
    store.save(conversation)
    store.write([said(conversation.id, text) for text in texts])
    return conversation.id


def test_everything_of_a_conversation_comes_back(store: Store, path: Path) -> None:
    conversation = new_conversation("Über 中文", "qwen").model_copy(
        update={"system_prompt": "Be brief.", "sampling": Sampling(temperature=0.2, thinking=False), "leaf": "x"}
    )
    full = said(
        conversation.id,
        "Hello \x00 'quoted' 😀",
        attachments=(Attachment(name="a.txt", kind=AttachmentKind.TEXT, content="1\n2"),),
        figures=Figures(rate=21.3, answer_tokens=412),
        error={"code": "head_failed", "sentence": "It stopped."},
        reasoning="hm",
        model="qwen",
    )
    store.save(conversation)
    store.write([full])
    store.close()
    again = open_store(path).store
    assert again.conversations() == [conversation]
    assert again.messages(conversation.id) == [full]
    again.close()


def test_pinned_ones_come_first_then_the_newest(store: Store) -> None:
    ids = []
    for number in range(3):
        made = new_conversation(str(number)).model_copy(update={"updated_at": float(number), "pinned": number == 0})
        store.save(made)
        ids.append(made.id)
    assert [each.title for each in store.conversations()] == ["0", "2", "1"]


@pytest.mark.parametrize("full_text", [True, False])
@pytest.mark.parametrize(
    ("words", "found"),
    [
        ("caravan", {"a"}),
        ("CARAVAN lama", {"a"}),
        ("arava", {"a"}),
        ("骆驼", {"b"}),
        ("一队骆驼", {"b"}),
        ("100%", {"b"}),
        ('say "hi"', {"b"}),
        ("title of c", {"c"}),
        ("caravan missing", set()),
        ("x%y", set()),
        ("NEAR(", set()),
        ("  ", set()),
    ],
)
def test_search_in_all_text(store: Store, words: str, found: set[str], full_text: bool) -> None:
    begun(store, "a", "The Caravan carries", "a lama and a caravan")
    begun(store, "b", "沙漠里有一队骆驼。", 'They say "hi" 100% of the time')
    begun(store, "Title of C", "nothing")
    store._full_text = full_text
    assert {hit.conversation.title[-1].lower() for hit in store.search(words)} == found


def test_a_hit_says_where(store: Store) -> None:
    begun(store, "t", "x" * 200 + " the needle in the hay " + "y" * 200)
    (hit,) = store.search("needle")
    assert hit.message is not None
    assert "the needle in the hay" in hit.excerpt
    assert hit.excerpt.startswith("…")
    assert hit.excerpt.endswith("…")


def test_a_changed_message_is_found_by_its_new_text_only(store: Store) -> None:
    home = begun(store, "t")
    message = said(home, "before")
    store.write([message])
    store.write([message.model_copy(update={"text": "after"})])
    assert not store.search("before")
    assert store.search("after")
    store.remove([message.id])
    assert not store.search("after")


def test_delete_can_be_undone_until_it_is_purged(store: Store) -> None:
    home = begun(store, "t", "words to find")
    store.delete(home)
    assert not store.conversations()
    assert not store.search("words")
    store.restore(home)
    assert len(store.search("words")) == 1
    store.delete(home)
    store.purge(time.time() + 1)
    store.restore(home)
    assert not store.conversations()
    assert not store.messages(home)


def test_an_answer_whose_writer_vanished_is_marked_and_can_be_found(store: Store, path: Path) -> None:
    home = begun(store, "t")
    store.write([said(home, "half an answer", author=Author.ASSISTANT, stop=None)])
    assert not store.search("half")
    store.close()
    again = open_store(path).store
    assert again.messages(home)[0].stop is Stop.INTERRUPTED
    assert len(again.search("half")) == 1
    again.close()


def test_presets(store: Store) -> None:
    store.keep_preset(Preset(name="Poet", prompt="Rhyme."))
    store.keep_preset(Preset(name="Poet", prompt="Rhyme well."))
    store.keep_preset(Preset(name="Coder", prompt="Only code."))
    store.drop_preset("Coder")
    assert store.presets() == [Preset(name="Poet", prompt="Rhyme well.")]


@pytest.mark.parametrize(
    "damage", [b"no database at all, but long enough to be one" * 50, b"SQLite format 3\0" + b"\xff" * 4096]
)
def test_a_damaged_file_is_kept_aside(path: Path, damage: bytes) -> None:
    path.parent.mkdir()
    path.write_bytes(damage)
    opened = open_store(path)
    assert opened.kept_aside is not None
    assert opened.kept_aside.read_bytes() == damage
    begun(opened.store, "new", "works")
    opened.store.close()
    again = open_store(path)
    again.store.close()
    assert again.kept_aside is None


def test_damage_in_the_middle_is_found(path: Path) -> None:
    opened = open_store(path)
    for number in range(50):
        begun(opened.store, str(number), "text " * 500)
    opened.store.close()
    content = bytearray(path.read_bytes())
    content[8192:40960] = b"\xaa" * (40960 - 8192)
    path.write_bytes(content)
    again = open_store(path)
    assert again.kept_aside is not None
    again.store.close()


def test_a_newer_file_is_left_alone(path: Path) -> None:
    open_store(path).store.close()
    with sqlite3.connect(path) as connection:
        connection.execute(f"PRAGMA user_version = {VERSION + 1}")
    connection.close()
    before = path.read_bytes()
    with pytest.raises(ChatsUnusable, match="newer"):
        open_store(path)
    assert path.read_bytes() == before


def test_a_file_that_takes_no_writes_is_told_and_left_alone(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As one that is read-only, or that another program keeps to itself."""
    open_store(path).store.close()
    monkeypatch.setattr(store_module, "BUSY_SECONDS", 0.1)
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(ChatsUnusable, match="locked"):
        open_store(path)
    other.close()
    again = open_store(path)
    again.store.close()
    assert again.kept_aside is None


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ChatsUnusable, match="a file stands where"):
        open_store(tmp_path / "file" / "conversations.db")


def test_migration_goes_step_by_step_and_a_broken_step_changes_nothing(path: Path) -> None:
    open_store(path).store.close()
    connection = sqlite3.connect(path, isolation_level=None)
    broken = (*MIGRATIONS, "CREATE TABLE more (x); INSERT INTO no_such_table VALUES (1);")
    with pytest.raises(sqlite3.OperationalError):
        migrate(connection, broken)
    assert version_of(connection) == VERSION
    migrate(connection, (*MIGRATIONS, "ALTER TABLE conversations ADD COLUMN colour TEXT;"))
    migrate(connection, (*MIGRATIONS, "this step has been made already"))
    assert version_of(connection) == VERSION + 1
    assert "colour" in connection.execute("SELECT sql FROM sqlite_master WHERE name = 'conversations'").fetchone()[0]
    connection.close()


def test_the_excerpt_of_a_text_without_the_word() -> None:
    assert excerpt("short", Terms.of("none")) == "short"
