"""The tables of the conversations, by version. A step is never changed once it has shipped: add the next one."""

import sqlite3
from collections.abc import Sequence

MIGRATIONS: tuple[str, ...] = (
    """
    CREATE TABLE conversations (
        id TEXT PRIMARY KEY, title TEXT NOT NULL, pinned INTEGER NOT NULL DEFAULT 0, model TEXT,
        system_prompt TEXT NOT NULL DEFAULT '', sampling TEXT NOT NULL DEFAULT '{}', leaf TEXT,
        created_at REAL NOT NULL, updated_at REAL NOT NULL, deleted_at REAL
    ) WITHOUT ROWID;
    CREATE TABLE messages (
        seq INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE,
        conversation TEXT NOT NULL REFERENCES conversations (id) ON DELETE CASCADE,
        parent TEXT, author TEXT NOT NULL, text TEXT NOT NULL, reasoning TEXT NOT NULL DEFAULT '',
        attachments TEXT NOT NULL DEFAULT '[]', model TEXT, figures TEXT NOT NULL DEFAULT '{}',
        stop TEXT, error TEXT, created_at REAL NOT NULL
    );
    CREATE INDEX messages_of_a_conversation ON messages (conversation, seq);
    CREATE TABLE presets (name TEXT PRIMARY KEY, prompt TEXT NOT NULL) WITHOUT ROWID;
    """,
)

VERSION = len(MIGRATIONS)

WORDS = "CREATE VIRTUAL TABLE IF NOT EXISTS words USING fts5 (text, tokenize = 'trigram')"
"""The full text by `messages.seq`. Trigrams find any part of a word, and Chinese, which has no spaces."""


def migrate(connection: sqlite3.Connection, steps: Sequence[str] = MIGRATIONS) -> None:
    """Bring an open file to the newest version, each step whole or not at all. Raises sqlite3.Error."""
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    for number, step in enumerate(steps[version:], start=version + 1):
        try:
            connection.executescript(f"BEGIN IMMEDIATE; {step} PRAGMA user_version = {number}; COMMIT;")
        except sqlite3.Error:
            if connection.in_transaction:
                connection.rollback()
            raise


def version_of(connection: sqlite3.Connection) -> int:
    """The version of an open file; 0 is an empty one. Raises sqlite3.Error when it is no database."""
    return int(connection.execute("PRAGMA user_version").fetchone()[0])


def has_full_text(connection: sqlite3.Connection) -> bool:
    """Make the full-text table; False where this SQLite cannot."""
    try:
        connection.execute(WORDS)
    except sqlite3.OperationalError as error:
        if "no such" not in str(error):
            raise
        return False
    return True
