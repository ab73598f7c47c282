"""The file of downloads: what is needed to go on with each after a restart."""

import logging
from pathlib import Path

from pydantic import ValidationError

from app.schema.download import ACTIVE_PHASES, Download, DownloadId, DownloadPhase, HubPart
from app.schema.errors import ErrorInfo
from app.schema.record import Bytes, ModelId, Record
from app.system.files import read_json, write_atomically

logger = logging.getLogger("caravan.node.downloads")

MOST_ENTRIES = 200
"""Downloads that are kept on the list; the oldest that are done go first."""


class Arrived(Record):
    """A file whose content was checked: as it lay then, so that it need not be read again."""

    path: str
    size: Bytes
    modified_ns: int


class Entry(Record):
    """One download. `parts` are the model's files in order, `projector` one more that comes along.

    `folder` is where they go, chosen when the first bytes are written. `arrived` are those that were checked.
    """

    id: DownloadId
    repository: str
    revision: str
    name: str
    quantization: str | None = None
    parts: tuple[HubPart, ...]
    projector: HubPart | None = None
    phase: DownloadPhase
    folder: str | None = None
    arrived: tuple[Arrived, ...] = ()
    path: str | None = None
    model_id: ModelId | None = None
    error: ErrorInfo | None = None

    @property
    def files(self) -> tuple[HubPart, ...]:
        """Everything to get. The projector comes first: the model is there when its last part is."""
        return (*((self.projector,) if self.projector else ()), *self.parts)

    @property
    def total(self) -> int:
        """Bytes of all files."""
        return sum(part.size_bytes for part in self.files)

    @property
    def content(self) -> tuple[str, frozenset[str]]:
        """What makes two downloads the same: the repository and what its files hold."""
        return self.repository.casefold(), frozenset(part.sha256 or part.path for part in self.parts)

    def shown(self, bytes_done: int) -> Download:
        """The entry as others see it."""
        return Download(
            id=self.id,
            repository=self.repository,
            revision=self.revision,
            name=self.name,
            quantization=self.quantization,
            phase=self.phase,
            bytes_done=min(bytes_done, self.total),
            bytes_total=self.total,
            path=self.path,
            projector=self.projector.path if self.projector else None,
            error=self.error,
            model_id=self.model_id,
        )


class Book(Record):
    """The content of `downloads.json`, oldest first."""

    entries: tuple[Entry, ...] = ()


class _Found(Record):
    """The file as found: each entry is judged by itself."""

    entries: tuple[object, ...] = ()


def read_book(path: Path) -> tuple[Entry, ...]:
    """The downloads of earlier; those that ran when the node ended are queued again. Raises OSError.

    A missing or damaged file counts as none; an entry that is damaged, or a newer version's, is left out.
    """
    try:
        found = _Found.model_validate(read_json(path)).entries
    except FileNotFoundError:
        return ()
    except ValueError as error:
        logger.warning("the list of downloads in %s is damaged, a new one is begun: %s", path, error)
        return ()
    entries = [entry for each in found if (entry := _entry(each)) is not None]
    known = {each.id: each for each in entries if each.phase is not DownloadPhase.CANCELLED}
    return tuple(map(_queued_again, known.values()))


def _entry(found: object) -> Entry | None:
    try:
        return Entry.model_validate(found)
    except ValidationError as error:
        logger.warning("a download on the list cannot be used and is left out: %s", error)
        return None


def _queued_again(entry: Entry) -> Entry:
    is_active = entry.phase in ACTIVE_PHASES
    return entry.model_copy(update={"phase": DownloadPhase.QUEUED}) if is_active else entry


def write_book(path: Path, entries: tuple[Entry, ...]) -> None:
    """Save the list. Raises OSError."""
    write_atomically(path, Book(entries=_newest(entries)).model_dump_json(indent=1).encode())


def _newest(entries: tuple[Entry, ...]) -> tuple[Entry, ...]:
    spare = max(0, len(entries) - MOST_ENTRIES)
    done = [each.id for each in entries if each.phase is DownloadPhase.DONE][:spare]
    return tuple(each for each in entries if each.id not in done)
