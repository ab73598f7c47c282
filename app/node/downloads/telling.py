"""What watchers are told of downloads: changes at once, figures a few times a second."""

from collections.abc import Callable
from dataclasses import dataclass, field

from app.node.downloads.book import Entry
from app.node.rate_meter import RateMeter
from app.schema.download import Download, DownloadFigures, DownloadId, DownloadPhase
from app.schema.event import DownloadChanged, DownloadForgotten, DownloadProgressed, Event

TELL_SECONDS = 0.25
"""Least time between two events that only carry figures."""

STALE_SECONDS = 1.0
"""After so long without progress the rate is told anew."""


@dataclass
class _Counter:
    """What is known of one download beside its entry. `first` are the bytes at the begin of its latest try."""

    shown: Download
    bytes_done: int
    first: int
    meter: RateMeter = field(default_factory=RateMeter)
    rate: float | None = None
    note: str | None = None
    told_at: float = float("-inf")


class Telling:
    """The downloads as they are shown. Entries are given; bytes, rate and note are counted here."""

    def __init__(self, publish: Callable[[Event], None], clock: Callable[[], float]) -> None:
        self._publish = publish
        self._clock = clock
        self._counters: dict[DownloadId, _Counter] = {}

    def now(self, download: DownloadId) -> Download:
        """A download as it was told last."""
        return self._counters[download].shown

    def begin(self, entry: Entry, bytes_done: int) -> None:
        """Show a download for the first time."""
        self._counters[entry.id] = _Counter(entry.shown(bytes_done), bytes_done, bytes_done)
        self._publish(DownloadChanged(download=self._counters[entry.id].shown))

    def change(self, entry: Entry) -> None:
        """Show what changed of an entry. Out of DOWNLOADING there is no rate, and only queued ones have a note."""
        counter = self._counters[entry.id]
        if entry.phase is not DownloadPhase.DOWNLOADING:
            counter.rate, counter.meter = None, RateMeter()
        if entry.phase is not DownloadPhase.QUEUED:
            counter.note = None
        if entry.phase in (DownloadPhase.QUEUED, DownloadPhase.CHECKING):
            counter.first = counter.bytes_done
        told = {"rate": counter.rate, "seconds_left": self._left(entry.total, counter), "note": counter.note}
        counter.shown = entry.shown(counter.bytes_done).model_copy(update=told)
        self._publish(DownloadChanged(download=counter.shown))

    def progress(self, download: DownloadId, done: int) -> None:
        """Count bytes; they are told a few times a second."""
        counter, at = self._counters[download], self._clock()
        counter.bytes_done = done
        counter.rate = counter.meter.add(at, done)
        if at - counter.told_at >= TELL_SECONDS:
            self._tell_figures(download, counter, at)

    def tick(self, download: DownloadId) -> None:
        """Time passed: where nothing arrives the rate falls, and nobody sees that from progress."""
        counter, at = self._counters.get(download), self._clock()
        if (
            counter is None
            or counter.shown.phase is not DownloadPhase.DOWNLOADING
            or at - counter.told_at < STALE_SECONDS
        ):
            return
        counter.rate = counter.meter.add(at, counter.bytes_done) or None
        self._tell_figures(download, counter, at)

    def _tell_figures(self, download: DownloadId, counter: _Counter, at: float) -> None:
        done = counter.bytes_done
        counter.told_at = at
        left = self._left(counter.shown.bytes_total, counter)
        figures = DownloadFigures(id=download, bytes_done=done, rate=counter.rate, seconds_left=left)
        counter.shown = counter.shown.model_copy(update=figures.model_dump(exclude={"id"}))
        self._publish(DownloadProgressed(figures=figures))

    def count(self, download: DownloadId, done: int, is_told: bool = True) -> Download:
        """Set the bytes that are there after something else than progress."""
        counter = self._counters[download]
        counter.bytes_done = counter.first = done
        counter.shown = counter.shown.model_copy(update={"bytes_done": done})
        if is_told:
            self._publish(DownloadChanged(download=counter.shown))
        return counter.shown

    def note(self, download: DownloadId, sentence: str) -> None:
        """Say what is waited for; shown with the next change."""
        self._counters[download].note = sentence

    def has_progressed(self, download: DownloadId) -> bool:
        """Whether the latest try brought any bytes."""
        counter = self._counters[download]
        return counter.bytes_done > counter.first

    def forget(self, download: DownloadId) -> None:
        """Show it no more."""
        if self._counters.pop(download, None) is not None:
            self._publish(DownloadForgotten(id=download))

    @staticmethod
    def _left(total: int, counter: _Counter) -> float | None:
        return (total - counter.bytes_done) / counter.rate if counter.rate else None
