"""All conversations as a list: found, renamed, pinned, deleted and brought back, exported and imported."""

import time
from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from PySide6.QtCore import QAbstractListModel, QModelIndex, QObject, QPersistentModelIndex, Qt, QTimer, Signal

from app.schema.errors import InputError
from app.system.files import plain_reason, write_atomically
from app.ui.chat.archive import Archive
from app.ui.chat.exchange import as_json, as_markdown, copied, from_json
from app.ui.chat.records import Author, Conversation, Message, Preset
from app.ui.chat.search import Hit
from app.ui.chat.store import Store
from app.ui.said import said
from app.ui.words import tr

SEARCH_MS = 150
LARGEST_IMPORT = 256 << 20
Index = QModelIndex | QPersistentModelIndex


class Rows(QAbstractListModel):
    """The conversations that are listed. `HIT` of an index is its Hit."""

    HIT = Qt.ItemDataRole.UserRole + 1

    renamed = Signal(str, str)
    """A conversation's id and its new title."""

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._hits: list[Hit] = []

    def show(self, hits: Sequence[Hit]) -> None:
        """List these."""
        if [each.conversation.id for each in hits] == [each.conversation.id for each in self._hits]:
            self._hits = list(hits)
            self.dataChanged.emit(self.index(0), self.index(max(len(hits) - 1, 0)))
            return
        self.beginResetModel()
        self._hits = list(hits)
        self.endResetModel()

    def row_of(self, conversation: str) -> int | None:
        """Where a conversation is listed, None when it is not."""
        return next((row for row, each in enumerate(self._hits) if each.conversation.id == conversation), None)

    def rowCount(self, parent: Index = QModelIndex()) -> int:  # noqa: D102
        return 0 if parent.isValid() else len(self._hits)

    def flags(self, index: Index) -> Qt.ItemFlag:  # noqa: D102
        return super().flags(index) | Qt.ItemFlag.ItemIsEditable

    def data(self, index: Index, role: int = Qt.ItemDataRole.DisplayRole) -> Any:  # noqa: D102
        if not index.isValid() or index.row() >= len(self._hits):
            return None
        hit = self._hits[index.row()]
        if role == self.HIT:
            return hit
        if role in {Qt.ItemDataRole.DisplayRole, Qt.ItemDataRole.EditRole}:
            return hit.conversation.title
        if role == Qt.ItemDataRole.AccessibleDescriptionRole:
            pinned = said(tr("pinned")) if hit.conversation.pinned else ""
            return f"{pinned} {hit.excerpt or when(hit.conversation.updated_at)}".strip()
        return None

    def setData(self, index: Index, value: Any, role: int = Qt.ItemDataRole.EditRole) -> bool:  # noqa: D102
        title = " ".join(str(value).split())
        if role != Qt.ItemDataRole.EditRole or not title:
            return False
        self.renamed.emit(self._hits[index.row()].conversation.id, title)
        return True


class Shelf(QObject):
    """The conversations. What is written goes to the archive; the list follows at once."""

    changed = Signal(object)
    """A Conversation that was renamed or pinned here."""
    deleted = Signal(object)
    """A Conversation that can be brought back with `undo`."""
    imported = Signal(object)
    """The Conversations that were imported."""
    presets_changed = Signal(object)
    """All presets."""

    def __init__(self, archive: Archive) -> None:
        super().__init__()
        self._archive = archive
        self._all: dict[str, Conversation] = {}
        self._gone: Conversation | None = None
        self._words = ""
        self.rows = Rows(self)
        self.rows.renamed.connect(lambda key, title: self._change(key, title=title))
        self._search = QTimer(self, singleShot=True, interval=SEARCH_MS)
        self._search.timeout.connect(self._look)

    def load(self) -> None:
        """Read the list."""
        self._archive.do(lambda store: store.conversations(), self._loaded)
        self._load_presets()

    def get(self, conversation: str) -> Conversation | None:
        """A conversation by its id."""
        return self._all.get(conversation)

    @property
    def is_empty(self) -> bool:
        """Whether there is none at all."""
        return not self._all

    @property
    def is_searching(self) -> bool:
        """Whether only what was found is listed."""
        return bool(self._words)

    def put(self, conversation: Conversation) -> None:
        """A conversation is new or has changed."""
        if self._gone is None or self._gone.id != conversation.id:
            self._all[conversation.id] = conversation
            self._list()

    def search(self, words: str) -> None:
        """List what holds all these words; an empty text lists all."""
        self._words = words.strip()
        if self._words:
            self._search.start()
        else:
            self._search.stop()
            self._list()

    def pin(self, conversation: str) -> None:
        """Pin, or unpin."""
        self._change(conversation, pinned=not self._all[conversation].pinned)

    def delete(self, conversation: str) -> None:
        """Delete; the last deleted one can be brought back."""
        self._gone = self._all.pop(conversation)
        self._archive.do(lambda store: store.delete(conversation))
        self._list()
        self._look()
        self.deleted.emit(self._gone)

    def undo(self) -> Conversation | None:
        """Bring the last deleted one back."""
        gone, self._gone = self._gone, None
        if gone is not None:
            self._archive.do(lambda store: store.restore(gone.id))
            self.put(gone)
            self._look()
        return gone

    def duplicate(self, conversation: str) -> None:
        """Make a copy with all its branches, which is opened."""
        title = said(tr("{title} (copy)", title=self._all[conversation].title))

        def work(store: Store) -> list[Conversation]:
            made = copied(store.archived(conversation), title)
            fresh = made.conversation.model_copy(update={"updated_at": time.time(), "pinned": False})
            store.add(made.model_copy(update={"conversation": fresh}))
            return [fresh]

        self._archive.do(work, self._imported)

    def export(self, conversations: Sequence[str], path: Path) -> None:
        """Write conversations to a file: Markdown when its name ends with `.md`, else JSON."""
        archive = self._archive
        archive.do(lambda store: write_out([store.archived(each) for each in conversations], path))

    def all_ids(self) -> list[str]:
        """The ids of all conversations."""
        return list(self._all)

    def bring_in(self, path: Path) -> None:
        """Import a JSON file."""

        def work(store: Store) -> list[Conversation]:
            found = read_in(path)
            for each in found:
                store.add(each)
            return [each.conversation for each in found]

        self._archive.do(work, self._imported)

    def keep_preset(self, preset: Preset) -> None:
        """Save a system prompt by a name."""
        self._archive.do(lambda store: store.keep_preset(preset))
        self._load_presets()

    def drop_preset(self, name: str) -> None:
        """Delete a saved system prompt."""
        self._archive.do(lambda store: store.drop_preset(name))
        self._load_presets()

    def _loaded(self, conversations: list[Conversation]) -> None:
        self._all = {each.id: each for each in conversations} | self._all
        self._list()

    def _load_presets(self) -> None:
        self._archive.do(lambda store: store.presets(), self.presets_changed.emit)

    def _imported(self, conversations: list[Conversation]) -> None:
        for each in conversations:
            self.put(each)
        self.imported.emit(conversations)

    def _change(self, conversation: str, **fields: object) -> None:
        changed = self._all[conversation].model_copy(update=fields)
        self._archive.do(lambda store: store.save(changed))
        self.put(changed)
        self._look()
        self.changed.emit(changed)

    def _list(self) -> None:
        if not self._words:
            every = sorted(self._all.values(), key=lambda each: (not each.pinned, -each.updated_at))
            self.rows.show([Hit(each, None, "") for each in every])

    def _look(self) -> None:
        words = self._words
        if words:
            self._archive.do(lambda store: store.search(words), lambda hits: self._found(words, hits))

    def _found(self, words: str, hits: list[Hit]) -> None:
        if words == self._words:
            self.rows.show(hits)


def write_out(archived: Sequence[Any], path: Path) -> None:
    """Write an export. Raises InputError that names the file."""
    is_text = path.suffix.lower() == ".md"
    text = "\n\n".join(as_markdown(each, speaker) for each in archived) if is_text else as_json(archived)
    try:
        write_atomically(path, text.encode("utf-8"))
    except OSError as error:
        raise InputError(f"{path.name} cannot be written: {plain_reason(error)}.", "Choose another place.") from error


def read_in(path: Path) -> tuple[Any, ...]:
    """Read an export. Raises InputError that names the file."""
    try:
        if path.stat().st_size > LARGEST_IMPORT:
            raise InputError(f"{path.name} is too large to be an export.", "Choose one that Caravan exported.")
        return from_json(path.read_bytes().decode("utf-8-sig"))
    except OSError as error:
        raise InputError(f"{path.name} cannot be read: {plain_reason(error)}.", "Choose another file.") from error
    except UnicodeDecodeError as error:
        raise InputError(f"{path.name} is not a text file.", "Choose one that Caravan exported.") from error


def speaker(message: Message) -> str:
    """Who wrote a message, in the language of the person."""
    return said(tr("You")) if message.author is Author.USER else said(tr("Answer"))


def when(moment: float, now: datetime | None = None) -> str:
    """A time of the past, short: `14:02`, `Yesterday`, `12 Nov`, `12 Nov 2025`. `moment` is seconds since the epoch."""
    then, today = datetime.fromtimestamp(moment), now or datetime.now()
    if then.date() == today.date():
        return then.strftime("%H:%M")
    if then.date() == (today - timedelta(days=1)).date():
        return said(tr("Yesterday"))
    return then.strftime("%d %b" if then.year == today.year else "%d %b %Y").lstrip("0")
