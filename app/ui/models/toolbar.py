"""The tools of the picker: search, filters, order, and looking again."""

from collections.abc import Iterable

from PySide6.QtCore import QSignalBlocker, Signal
from PySide6.QtGui import QKeySequence, QResizeEvent
from PySide6.QtWidgets import QComboBox, QHBoxLayout, QWidget

from app.ui.models.rows import FitFilter, SortBy, Wish
from app.ui.parts.buttons import IconButton
from app.ui.parts.search_field import SearchField
from app.ui.said import said
from app.ui.style.theme import Theme
from app.ui.style.tokens import GAP
from app.ui.words import Phrase, shortened, tr

_FITS = (
    (FitFilter.ALL, tr("Any verdict")),
    (FitFilter.FITS, tr("Fits")),
    (FitFilter.HERE, tr("Fits on this PC")),
    (FitFilter.NOT, tr("Does not fit")),
)
_SORTS = (
    (SortBy.NAME, tr("By name")),
    (SortBy.SPEED, tr("Fastest first")),
    (SortBy.SIZE, tr("Largest first")),
    (SortBy.DATE, tr("Newest first")),
)
_SEARCH_WIDTH = 240
_LEAST_WIDTH, _FIT_WIDTH, _SORT_WIDTH, _PLACE_WIDTH = 170, 300, 430, 568
_PLACE_COLUMNS = 40
_PLACE_LENGTH = 10


class Toolbar(QWidget):
    """Tells a `Wish` whenever the person wants to see something else."""

    wished = Signal(object)
    """A Wish."""
    rescan_wanted = Signal()
    list_wanted = Signal()
    """The person is done with the search field and goes on in the list."""

    def __init__(self, theme: Theme, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._are_useful = True
        self._offered: list[tuple[str | None, str]] = []
        self.search = SearchField(theme, tr("Search"), tr("Search models"))
        self.search.setMinimumWidth(_SEARCH_WIDTH // 2)
        self.search.setMaximumWidth(_SEARCH_WIDTH)
        self.place = _choices(tr("Where it lies"), ((None, tr("All places")),))
        self.place.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        self.place.setMinimumContentsLength(_PLACE_LENGTH)
        self.fit = _choices(tr("Whether it fits"), _FITS)
        self.sort = _choices(tr("Order"), _SORTS)
        self.rescan = IconButton(
            theme, "refresh", tr("Look for models again"), self.rescan_wanted.emit, shortcut=QKeySequence("F5")
        )
        self._lay_out()
        self.search.textChanged.connect(self._tell)
        self.search.left.connect(self.list_wanted)
        self.search.entered.connect(self.list_wanted)
        for each in (self.place, self.fit, self.sort):
            each.currentIndexChanged.connect(self._tell)

    @property
    def wish(self) -> Wish:
        """What the person wants to see now."""
        # Qt gives an enumeration back as the text that it is.
        fit, sort = FitFilter(self.fit.currentData()), SortBy(self.sort.currentData())
        return Wish(self.search.text(), self.place.currentData(), fit, sort)

    def offer_places(self, places: Iterable[tuple[str, Phrase]]) -> None:
        """The places there are; the chosen one stays when it is still there."""
        offered = [(None, said(tr("All places"))), *((key, said(words)) for key, words in places)]
        if offered == self._offered:
            return
        self._offered = offered
        chosen = self.place.currentData()
        with QSignalBlocker(self.place):
            self.place.clear()
            for key, words in offered:
                self.place.addItem(shortened(words, _PLACE_COLUMNS), key)
            self.place.view().setMinimumWidth(self.place.view().sizeHintForColumn(0) + GAP * 4)
            self.place.setCurrentIndex(max(0, self.place.findData(chosen)))
        self._show_fitting()

    def show_tools(self, are_useful: bool) -> None:
        """Without models there is nothing to search."""
        self._are_useful = are_useful
        self._show_fitting()

    def clear(self) -> None:
        """Hide nothing any more."""
        for each in (self.place, self.fit):
            each.setCurrentIndex(0)
        self.search.clear()

    def _lay_out(self) -> None:
        line = QHBoxLayout(self)
        line.setContentsMargins(0, 0, 0, 0)
        line.setSpacing(GAP)
        line.addStretch(1)
        line.addWidget(self.search, 2)
        for each in (self.place, self.fit, self.sort, self.rescan):
            line.addWidget(each)
        self.setMinimumWidth(_LEAST_WIDTH)
        self._show_fitting()

    def resizeEvent(self, event: QResizeEvent) -> None:  # noqa: D102
        super().resizeEvent(event)
        self._show_fitting()

    def _show_fitting(self) -> None:
        """In a narrow window the least needed give way first."""
        useful, width = self._are_useful, self.width()
        self.search.setVisible(useful)
        self.fit.setVisible(useful and width > _FIT_WIDTH)
        self.sort.setVisible(useful and width > _SORT_WIDTH)
        self.place.setVisible(useful and width > _PLACE_WIDTH and self.place.count() > 2)

    def _tell(self) -> None:
        self.wished.emit(self.wish)


def _choices(name: Phrase, offered: Iterable[tuple[object, Phrase]]) -> QComboBox:
    box = QComboBox()
    box.setAccessibleName(said(name))
    box.setToolTip(said(name))
    for key, words in offered:
        box.addItem(said(words), key)
    return box
