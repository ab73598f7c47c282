"""The conversations of this user in one SQLite file. Every call reads or writes the disk: never on Qt's main thread.

Damage is kept aside, never deleted: the file is renamed and an empty one begun. https://sqlite.org/wal.html: with
`synchronous = FULL` a committed transaction survives the loss of power.
"""

import json
import sqlite3
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from app.schema.errors import CaravanError
from app.system.files import plain_reason
from app.ui.chat.records import Archived, Conversation, Message, Preset
from app.ui.chat.schema import VERSION, has_full_text, migrate, version_of
from app.ui.chat.search import Hit, Terms, excerpt

BUSY_SECONDS = 5.0
MOST_HITS = 100

_SUFFIXES = ("", "-wal", "-shm")
_COLUMNS = "id, title, pinned, model, system_prompt, sampling, leaf, created_at, updated_at"
_PARTS = "id, conversation, parent, author, text, reasoning, attachments, model, figures, stop, error, created_at"


class ChatsUnusable(CaravanError):
    """The file of the conversations is there and cannot be used; it is left as it is."""

    code = "chats_unusable"


@dataclass(frozen=True)
class Opened:
    """An open store, and where a damaged file was put, None when all was well."""

    store: "Store"
    kept_aside: Path | None = None


def open_store(path: Path) -> Opened:
    """Open the conversations, or begin them. Raises ChatsUnusable."""
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        connection = _sound(path)
        aside = None
        if connection is None:
            aside = _put_aside(path)
            connection = _connected(path)
        return Opened(_begun(connection), aside)
    except OSError as error:
        raise _unusable(path, plain_reason(error)) from error
    except sqlite3.Error as error:
        raise _unusable(path, str(error)) from error


class Store:
    """The conversations. Use it from one thread. Raises sqlite3.Error when the disk fails."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._full_text = has_full_text(connection)
        connection.execute("UPDATE messages SET stop = 'interrupted' WHERE stop IS NULL AND author = 'assistant'")
        self.purge(time.time())
        self._index_missing()

    def close(self) -> None:
        """Close the file."""
        self._connection.close()

    def conversations(self) -> list[Conversation]:
        """All that are not deleted, pinned ones first, then the newest."""
        rows = self._connection.execute(
            f"SELECT {_COLUMNS} FROM conversations WHERE deleted_at IS NULL ORDER BY pinned DESC, updated_at DESC"
        )
        return [_conversation(row) for row in rows]

    def messages(self, conversation: str) -> list[Message]:
        """All messages of a conversation, every branch, in the order in which they were added."""
        rows = self._connection.execute(
            f"SELECT {_PARTS} FROM messages WHERE conversation = ? ORDER BY seq", (conversation,)
        )
        return [_message(row) for row in rows]

    def archived(self, conversation: str) -> Archived:
        """A conversation with its messages. Raises KeyError."""
        row = self._connection.execute(f"SELECT {_COLUMNS} FROM conversations WHERE id = ?", (conversation,)).fetchone()
        if row is None:
            raise KeyError(conversation)
        return Archived(conversation=_conversation(row), messages=tuple(self.messages(conversation)))

    def save(self, conversation: Conversation) -> None:
        """Add or replace a conversation; its messages stay."""
        values = conversation.model_dump() | {"sampling": conversation.sampling.model_dump_json(exclude_none=True)}
        names = _COLUMNS.split(", ")
        changes = ", ".join(f"{name} = excluded.{name}" for name in names[1:])
        self._connection.execute(
            f"INSERT INTO conversations ({_COLUMNS}) VALUES ({', '.join('?' * len(names))}) "
            f"ON CONFLICT (id) DO UPDATE SET {changes}",
            [values[name] for name in names],
        )

    def write(self, messages: Sequence[Message]) -> None:
        """Add or replace messages in one transaction; those that are complete can be searched from then on."""
        with self._transaction():
            for message in messages:
                self._write(message)

    def remove(self, messages: Iterable[str]) -> None:
        """Delete messages for ever."""
        with self._transaction():
            for message in messages:
                if self._full_text:
                    self._connection.execute(
                        "DELETE FROM words WHERE rowid IN (SELECT seq FROM messages WHERE id = ?)", (message,)
                    )
                self._connection.execute("DELETE FROM messages WHERE id = ?", (message,))

    def delete(self, conversation: str) -> None:
        """Hide a conversation; `restore` brings it back until it is purged."""
        self._connection.execute("UPDATE conversations SET deleted_at = ? WHERE id = ?", (time.time(), conversation))

    def restore(self, conversation: str) -> None:
        """Undo `delete`."""
        self._connection.execute("UPDATE conversations SET deleted_at = NULL WHERE id = ?", (conversation,))

    def purge(self, before: float) -> None:
        """Remove for ever what was deleted before a time (seconds since the epoch)."""
        chosen = "SELECT id FROM conversations WHERE deleted_at < ?"
        with self._transaction():
            if self._full_text:
                self._connection.execute(
                    f"DELETE FROM words WHERE rowid IN (SELECT seq FROM messages WHERE conversation IN ({chosen}))",
                    (before,),
                )
            self._connection.execute("DELETE FROM conversations WHERE deleted_at < ?", (before,))

    def add(self, archived: Archived) -> None:
        """Add an imported conversation and its messages in one go."""
        self.save(archived.conversation)
        self.write(archived.messages)

    def search(self, text: str) -> list[Hit]:
        """Conversations whose title or any message holds every word of `text`, the newest first."""
        terms = Terms.of(text)
        if not terms:
            return []
        found: dict[str, Hit] = {}
        for each in self.conversations():
            if terms.all_in(each.title):
                found[each.id] = Hit(each, None, "")
        for row in self._matching(terms):
            conversation, message, body = _conversation(row[2:]), row[0], row[1]
            hit = found.get(conversation.id)
            if hit is None or hit.message is None:
                found[conversation.id] = Hit(conversation, message, excerpt(body, terms))
        return sorted(found.values(), key=lambda hit: (not hit.conversation.pinned, -hit.conversation.updated_at))

    def presets(self) -> list[Preset]:
        """The saved system prompts by name."""
        rows = self._connection.execute("SELECT name, prompt FROM presets ORDER BY name COLLATE NOCASE")
        return [Preset(name=name, prompt=prompt) for name, prompt in rows]

    def keep_preset(self, preset: Preset) -> None:
        """Add or replace a system prompt."""
        self._connection.execute("INSERT OR REPLACE INTO presets VALUES (?, ?)", (preset.name, preset.prompt))

    def drop_preset(self, name: str) -> None:
        """Delete a saved system prompt."""
        self._connection.execute("DELETE FROM presets WHERE name = ?", (name,))

    def _matching(self, terms: Terms) -> list[Any]:
        condition, values = terms.condition(self._full_text)
        columns = ", ".join(f"c.{name}" for name in _COLUMNS.split(", "))
        return self._connection.execute(
            f"SELECT m.id, m.text, {columns} FROM messages m JOIN conversations c ON c.id = m.conversation "
            f"WHERE c.deleted_at IS NULL AND {condition} ORDER BY m.seq DESC LIMIT {MOST_HITS * 10}",
            values,
        ).fetchall()

    def _write(self, message: Message) -> None:
        names = _PARTS.split(", ")
        values = message.model_dump(mode="json")
        for name in ("attachments", "figures"):
            values[name] = json.dumps(values[name])
        values["error"] = message.error.model_dump_json() if message.error else None
        changes = ", ".join(f"{name} = excluded.{name}" for name in names[1:])
        self._connection.execute(
            f"INSERT INTO messages ({_PARTS}) VALUES ({', '.join('?' * len(names))}) "
            f"ON CONFLICT (id) DO UPDATE SET {changes}",
            [values[name] for name in names],
        )
        if self._full_text and message.stop is not None:
            self._index(message.id, message.text)

    def _index(self, message: str, text: str) -> None:
        (seq,) = self._connection.execute("SELECT seq FROM messages WHERE id = ?", (message,)).fetchone()
        self._connection.execute("DELETE FROM words WHERE rowid = ?", (seq,))
        self._connection.execute("INSERT INTO words (rowid, text) VALUES (?, ?)", (seq, text))

    def _index_missing(self) -> None:
        """What was being written when the program went down."""
        if self._full_text:
            self._connection.execute(
                "INSERT INTO words (rowid, text) SELECT seq, text FROM messages "
                "WHERE seq NOT IN (SELECT rowid FROM words)"
            )

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        self._connection.execute("BEGIN IMMEDIATE")
        with self._connection:
            yield


def _conversation(row: Sequence[Any]) -> Conversation:
    values = dict(zip(_COLUMNS.split(", "), row, strict=True))
    return Conversation.model_validate(values | {"sampling": _json(values["sampling"], {})})


def _message(row: Sequence[Any]) -> Message:
    values = dict(zip(_PARTS.split(", "), row, strict=True))
    for name in ("attachments", "figures", "error"):
        values[name] = _json(values[name], None)
    return Message.model_validate({name: value for name, value in values.items() if value is not None})


def _json(text: str | None, otherwise: object) -> object:
    """A part that a newer or damaged version wrote is left out rather than losing its message."""
    try:
        return json.loads(text) if text else otherwise
    except ValueError:
        return otherwise


def _sound(path: Path) -> sqlite3.Connection | None:
    """An open, checked, migrated connection; None when the file is damaged. Raises ChatsUnusable for a newer one."""
    try:
        connection = _connected(path)
    except sqlite3.OperationalError:
        raise
    except sqlite3.DatabaseError:
        return None
    if _reads_well(connection):
        return connection
    connection.close()
    return None


def _reads_well(connection: sqlite3.Connection) -> bool:
    try:
        if connection.execute("PRAGMA quick_check(1)").fetchone() != ("ok",):
            return False
        # A row that no longer reads as a conversation is damage too.
        for row in connection.execute(f"SELECT {_COLUMNS} FROM conversations"):
            _conversation(row)
    except (sqlite3.DatabaseError, ValidationError):
        return False
    return True


def _connected(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False)
    try:
        if version_of(connection) > VERSION:
            raise _unusable(path, "a newer Caravan wrote it")
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA foreign_keys = ON")
        migrate(connection)
    except BaseException:
        connection.close()
        raise
    return connection


def _begun(connection: sqlite3.Connection) -> Store:
    """The store of a sound file, which may still refuse to be written to. Raises sqlite3.Error."""
    try:
        return Store(connection)
    except BaseException:
        connection.close()
        raise


def _put_aside(path: Path) -> Path:
    stamp = time.strftime("%Y%m%d-%H%M%S")
    for suffix in _SUFFIXES:
        part = path.with_name(path.name + suffix)
        if part.exists():
            part.replace(path.with_name(f"{path.stem}.damaged-{stamp}{path.suffix}{suffix}"))
    return path.with_name(f"{path.stem}.damaged-{stamp}{path.suffix}")


def _unusable(path: Path, reason: str) -> ChatsUnusable:
    return ChatsUnusable(
        f"The conversations in {path} cannot be used: {reason}.", "What you write now is not kept.", (reason,)
    )


def open_in_memory() -> Store:
    """A store that forgets all when it is closed: for when the file cannot be used."""
    connection = sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False)
    migrate(connection)
    return Store(connection)
