"""Finding models: what was found on the left, the chosen repository on the right; else what stands in the way."""

import time
from collections.abc import Sequence

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QStackedWidget, QVBoxLayout, QWidget

from app.schema.download import Download, DownloadPhase
from app.schema.errors import ErrorInfo, RepositoryNotFound
from app.ui.desk import Desk
from app.ui.discover.find_bar import FindBar
from app.ui.discover.lists import result_view
from app.ui.discover.look import Look
from app.ui.discover.repository_view import RepositoryView
from app.ui.discover.results import Result, results_of
from app.ui.discover.search import LIMIT, Found, Search
from app.ui.discover.start_view import StartView
from app.ui.models.pcs import Pc
from app.ui.parts.empty import EmptyState
from app.ui.parts.labels import Quiet
from app.ui.parts.panes import Panes
from app.ui.parts.waiting import Waiting
from app.ui.style.theme import Theme
from app.ui.style.tokens import GAP
from app.ui.words import Phrase, tr


class FindView(QStackedWidget):
    """Follows the find bar. `repository.open_wanted` names a FileRow that is on this PC already."""

    searched = Signal()
    """Another answer, or none: `search` has it."""

    def __init__(self, desk: Desk, theme: Theme, bar: FindBar, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._bar = bar
        self._arrived: frozenset[str] = frozenset()
        self.search, self.look = Search(desk, self), Look(desk, self)
        self.start, self.results = StartView(theme), result_view(theme)
        self.repository = RepositoryView(desk, theme, self.look)
        self.counted = Quiet()
        self.waiting = Waiting(theme, tr("Asking Hugging Face"))
        self.nothing = EmptyState(theme, "search", tr("Nothing found"), "")
        self.failure = EmptyState(
            theme, "warning", tr("Hugging Face cannot be asked"), "", tr("Try again"), self.search.again
        )
        self.panes = Panes(self._pane(), self.repository)
        for each in (self.start, self.waiting, self.nothing, self.failure, self.panes):
            self.addWidget(each)
        self._connect()

    def look_for(self, text: str) -> None:
        """Look for this, as if it had been typed."""
        self._bar.search.setText(text)
        self.search.ask(text)

    def show_news(self, downloads: Sequence[Download], pcs: tuple[Pc, ...]) -> None:
        """Downloads went on, or the cluster is another."""
        self.repository.show_news(downloads, pcs)
        arrived = frozenset(each.id for each in downloads if each.phase is DownloadPhase.DONE)
        if arrived - self._arrived and self.look.repository is not None and self.isVisible():
            self.look.again()
        self._arrived = arrived

    def cluster_changed(self) -> None:
        """Other PCs, or other memory: ask again where the files would run."""
        self.look.verdicts.grow_old()
        self.repository.want_verdicts()

    def resume(self) -> None:
        """Somebody looks again: go on with what was asked."""
        self.search.resume()
        self.look.resume()
        self.repository.want_verdicts()

    def rest(self) -> None:
        """Nobody looks: ask for nothing."""
        self.search.stop()
        self.look.stop()

    @property
    def is_busy(self) -> bool:
        """Whether an answer is still to come."""
        looks = self.look.is_asking or self.look.verdicts.is_busy or self.repository.is_about_to_ask
        return self.search.is_asking or looks

    def _connect(self) -> None:
        self._bar.typed.connect(self.search.type)
        self._bar.search.entered.connect(self._enter)
        self._bar.search.left.connect(self._go_to_list)
        self._bar.sort_chosen.connect(self.search.order)
        self.start.wanted.connect(self.look_for)
        self.search.changed.connect(self._follow)
        self.results.selected.connect(self._select)
        self.results.entered.connect(lambda: self.repository.files.setFocus(Qt.FocusReason.TabFocusReason))

    def _enter(self) -> None:
        if self.search.question == self._bar.search.text() and self.search.found is not None:
            self._go_to_list()
        else:
            self.search.enter()

    def _go_to_list(self) -> None:
        if self.results.isVisible():
            self.results.setFocus(Qt.FocusReason.ShortcutFocusReason)

    def _follow(self) -> None:
        search = self.search
        if search.question is None:
            self.setCurrentWidget(self.start)
        elif search.error is not None:
            self._show_failure(search.error)
        elif search.found is None:
            self.setCurrentWidget(self.waiting)
        else:
            self._show_found(search.found)
        self.searched.emit()

    def _show_found(self, found: Found) -> None:
        rows = results_of(found.models, time.time())
        self.results.show_rows(rows)
        self.counted.say(_count_words(len(rows), self.search.is_asking))
        if rows:
            self.setCurrentWidget(self.panes)
            return
        self.look.show(None)
        self.nothing.text.say(tr("Hugging Face has no GGUF model for “{text}”. Try fewer or other words.",
                                 text=self.search.question or ""))  # fmt: skip
        self.setCurrentWidget(self.nothing)

    def _show_failure(self, error: ErrorInfo) -> None:
        is_missing = error.code == RepositoryNotFound.code
        title = tr("It was not found") if is_missing else tr("Hugging Face cannot be asked")
        self.failure.title.say(title)
        self.failure.text.say(f"{error.sentence} {error.hint}".strip())
        self.setCurrentWidget(self.failure)

    def _select(self, result: Result | None) -> None:
        found = self.search.found
        if result is not None and found is not None:
            self.look.show(result.model, found.repository)

    def _pane(self) -> QWidget:
        pane = QWidget()
        column = QVBoxLayout(pane)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(GAP)
        column.addWidget(self.results, 1)
        column.addWidget(self.counted)
        return pane


def _count_words(count: int, is_asking: bool) -> Phrase:
    if is_asking:
        return tr("Asking Hugging Face")
    if count >= LIMIT:
        return tr("The first {count} found", count=count)
    return tr("1 found") if count == 1 else tr("{count} found", count=count)
