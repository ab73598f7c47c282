"""PURE: the quantizations of a repository as rows, and what can be done with the chosen one."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from app.schema.download import ACTIVE_PHASES, Download, DownloadPhase, HubFile, HubRepository
from app.ui.discover.wording import joined
from app.ui.models import figures
from app.ui.models.quantizations import quality
from app.ui.models.verdicts import CHECKING, Fit, Verdict
from app.ui.words import Phrase, tr

SPARE_BYTES = 1 << 30
"""What a download leaves free on the disk at least."""


@dataclass(frozen=True)
class FileRow:
    """One file. `mark` says in words what is special about it: recommended, here already, on its way."""

    key: str
    name: str
    meaning: Phrase | None
    size: Phrase
    mark: Phrase | None
    verdict: Verdict
    file: HubFile
    download: Download | None

    @property
    def is_recommended(self) -> bool:
        """Whether this is the one to take."""
        return self.file.recommended

    @property
    def is_here(self) -> bool:
        """Whether it lies on this PC."""
        return self.file.here or (self.download is not None and self.download.phase is DownloadPhase.DONE)


class Deed(StrEnum):
    """What the one button does."""

    DOWNLOAD = "download"
    RESUME = "resume"
    OPEN = "open"


@dataclass(frozen=True)
class Offer:
    """The one button: what it says and does, why it cannot (None: it can), and the line beside it."""

    words: Phrase
    deed: Deed
    reason: Phrase | None
    note: Phrase


def file_key(repository: HubRepository, file: HubFile) -> str:
    """What tells a file from all files of the hub."""
    return f"{repository.model.repository}@{repository.revision}/{file.name}"


def file_rows(
    repository: HubRepository, downloads: Iterable[Download], verdicts: Mapping[str, Verdict]
) -> list[FileRow]:
    """A row for each model of the repository, smallest first as the hub's side sorts them."""
    own = {each.name: each for each in downloads if _is_of(each, repository)}
    alike = Counter(each.quantization for each in repository.files)
    return [
        _row(repository, each, own.get(each.name), verdicts, alike[each.quantization] == 1) for each in repository.files
    ]


def chosen_first(repository: HubRepository) -> str | None:
    """The key of the file to begin with: what was asked for, else the recommended one, else the first."""
    wanted = [each for each in repository.files if each.name == repository.chosen]
    wanted += [each for each in repository.files if each.recommended]
    first = next(iter((*wanted, *repository.files)), None)
    return file_key(repository, first) if first is not None else None


def projector_words(repository: HubRepository) -> Phrase | None:
    """What makes the repository's models see; None when nothing does."""
    if not repository.projectors:
        return None
    smallest = min(repository.projectors, key=lambda each: each.size_bytes or 0)
    if len(repository.projectors) == 1 and smallest.size_bytes is not None:
        name = smallest.name.rpartition("/")[2]
        return tr("Sees pictures: {file}, {size}, comes along.", file=name, size=figures.size(smallest.size_bytes))
    return tr("Sees pictures: a projector comes along.")


def offer(row: FileRow, free_bytes: int | None, has_access: bool, is_asking: bool = False) -> Offer:
    """What the button offers for a file. `has_access` is False where an access token is missing for it."""
    size = row.file.size_bytes
    note = joined(row.size if size is not None else "", _free_words(free_bytes))
    if row.is_here:
        return Offer(tr("Launch..."), Deed.OPEN, None, tr("It is on this PC."))
    phase = row.download.phase if row.download is not None else None
    if phase in ACTIVE_PHASES:
        return Offer(_words(row), Deed.DOWNLOAD, tr("It is on its way: see above."), tr("It is on its way: see above."))
    if phase in {DownloadPhase.PAUSED, DownloadPhase.FAILED}:
        return Offer(tr("Resume the download"), Deed.RESUME, None, note)
    reason = _obstacle(size, free_bytes, has_access)
    if is_asking:
        reason = reason or tr("The download is about to begin.")
    return Offer(_words(row), Deed.DOWNLOAD, reason, reason if reason is not None and not is_asking else note)


def _obstacle(size: int | None, free_bytes: int | None, has_access: bool) -> Phrase | None:
    if not has_access:
        return tr("It needs an access token: see above.")
    if size is not None and free_bytes is not None and free_bytes < size + SPARE_BYTES:
        missing = figures.missing(size + SPARE_BYTES - free_bytes)
        return tr("The disk of the models folder is {size} short; 1 GB stays free.", size=missing)
    return None


def _words(row: FileRow) -> Phrase:
    if row.file.size_bytes is None:
        return tr("Download")
    if row.verdict.fit in {Fit.SHORT, Fit.REFUSED}:
        return tr("Download {size} anyway", size=row.size)
    return tr("Download {size}", size=row.size)


def _free_words(free_bytes: int | None) -> Phrase | str:
    return tr("{size} free on this PC", size=figures.size(free_bytes)) if free_bytes is not None else ""


def _is_of(download: Download, repository: HubRepository) -> bool:
    return download.repository == repository.model.repository and download.phase is not DownloadPhase.CANCELLED


def _row(
    repository: HubRepository,
    file: HubFile,
    download: Download | None,
    verdicts: Mapping[str, Verdict],
    is_alone: bool,
) -> FileRow:
    key, plain = file_key(repository, file), file.name.rpartition("/")[2]
    return FileRow(
        key=key,
        name=file.quantization if file.quantization is not None and is_alone else plain,
        meaning=quality(file.quantization),
        size=figures.size(file.size_bytes),
        mark=_mark(file, download),
        verdict=verdicts.get(key, CHECKING),
        file=file,
        download=download,
    )


def _mark(file: HubFile, download: Download | None) -> Phrase | None:
    if file.here or (download is not None and download.phase is DownloadPhase.DONE):
        return tr("on this PC")
    if download is not None and download.phase in ACTIVE_PHASES:
        return tr("on its way")
    if download is not None:
        return tr("begun")
    return tr("recommended") if file.recommended else None
