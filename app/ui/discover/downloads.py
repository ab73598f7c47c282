"""PURE: downloads as lines: what each does, how far it is, what can be done with it, and all of them in one line."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from app.schema.download import ACTIVE_PHASES, Download, DownloadPhase
from app.schema.errors import ErrorInfo
from app.schema.record import ModelId
from app.ui.discover.wording import joined
from app.ui.models import figures
from app.ui.models.rows import display_name
from app.ui.parts.sizes import rate_text, seconds_text
from app.ui.style.palette import Tone
from app.ui.words import Phrase, tr, verbatim


class Deed(StrEnum):
    """What can be done with a download."""

    PAUSE = "pause"
    RESUME = "resume"
    CANCEL = "cancel"
    LAUNCH = "launch"
    DISMISS = "dismiss"


@dataclass(frozen=True)
class Line:
    """One download. `part` is how far it is (0..1), None where that says nothing; `deeds` in the order of buttons."""

    name: str
    state: Phrase
    tone: Tone
    detail: Phrase
    part: float | None
    trouble: ErrorInfo | None
    deeds: tuple[Deed, ...]


_STATES: dict[DownloadPhase, tuple[Phrase, Tone, tuple[Deed, ...]]] = {
    DownloadPhase.QUEUED: (tr("waiting"), Tone.NEUTRAL, (Deed.PAUSE, Deed.CANCEL)),
    DownloadPhase.DOWNLOADING: (tr("downloading"), Tone.ACCENT, (Deed.PAUSE, Deed.CANCEL)),
    DownloadPhase.CHECKING: (tr("checking"), Tone.ACCENT, (Deed.CANCEL,)),
    DownloadPhase.DONE: (tr("ready"), Tone.GOOD, (Deed.LAUNCH, Deed.DISMISS)),
    DownloadPhase.FAILED: (tr("failed"), Tone.TIGHT, (Deed.RESUME, Deed.CANCEL)),
    DownloadPhase.PAUSED: (tr("paused"), Tone.NEUTRAL, (Deed.RESUME, Deed.CANCEL)),
    DownloadPhase.CANCELLED: (tr("cancelled"), Tone.NEUTRAL, (Deed.DISMISS,)),
}

_UNFINISHED = frozenset(DownloadPhase) - {DownloadPhase.DONE, DownloadPhase.CANCELLED}


def shown(downloads: Sequence[Download]) -> tuple[Download, ...]:
    """Those worth a line: what was cancelled is gone."""
    return tuple(each for each in downloads if each.phase is not DownloadPhase.CANCELLED)


def line(download: Download) -> Line:
    """A download as it is now."""
    state, tone, deeds = _STATES[download.phase]
    return Line(
        name=name_of(download),
        state=state,
        tone=tone,
        detail=_detail(download),
        part=_part(download) if download.phase in _UNFINISHED else None,
        trouble=download.error if download.phase is DownloadPhase.FAILED else None,
        deeds=deeds,
    )


def name_of(download: Download) -> str:
    """`Qwen3 8B Q4_K_M`."""
    name = display_name(ModelId(download.name.rpartition("/")[2]))
    quantization = download.quantization
    return f"{name} {quantization}" if quantization and quantization.casefold() not in name.casefold() else name


def summary(downloads: Sequence[Download]) -> Phrase | None:
    """`3 downloads · 24 % · 41 MB/s · 12 min left` of those that go on by themselves; None when none does."""
    active = [each for each in downloads if each.phase in ACTIVE_PHASES]
    if not active:
        return None
    count = tr("1 download") if len(active) == 1 else tr("{count} downloads", count=len(active))
    done, total = sum(each.bytes_done for each in active), sum(each.bytes_total for each in active)
    rate = sum(each.rate or 0.0 for each in active)
    left = (total - done) / rate if rate > 0 else None
    return joined(
        count,
        tr("{percent} %", percent=done * 100 // total) if total else "",
        rate_text(rate) if rate > 0 else "",
        tr("{time} left", time=seconds_text(left)) if left else "",
    )


def brief(downloads: Sequence[Download]) -> Phrase | None:
    """The same in a few words for the status strip: `2 downloads · 24 %`."""
    active = [each for each in downloads if each.phase in ACTIVE_PHASES]
    if not active:
        return None
    done, total = sum(each.bytes_done for each in active), sum(each.bytes_total for each in active)
    percent = done * 100 // total if total else 0
    if len(active) == 1:
        return tr("1 download · {percent} %", percent=percent)
    return tr("{count} downloads · {percent} %", count=len(active), percent=percent)


def loses_bytes(download: Download) -> bool:
    """Whether cancelling throws away what took a while to get."""
    return download.bytes_done > 0


def _detail(download: Download) -> Phrase:
    total = figures.size(download.bytes_total)
    if download.phase is DownloadPhase.DONE:
        return joined(total, *([tr("sees pictures")] if download.projector else []))
    amount = tr("{done} of {total}", done=figures.size(download.bytes_done), total=total)
    note = verbatim(download.note) if download.note else ""
    if download.phase is not DownloadPhase.DOWNLOADING:
        return joined(amount if download.phase is not DownloadPhase.CHECKING else total, note)
    return joined(
        amount,
        rate_text(download.rate) if download.rate else "",
        tr("{time} left", time=seconds_text(download.seconds_left)) if download.seconds_left is not None else "",
        note,
    )


def _part(download: Download) -> float | None:
    if download.bytes_total <= 0:
        return None
    return min(1.0, download.bytes_done / download.bytes_total)
