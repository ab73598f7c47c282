"""The tools of finding: what to look for, and in which order."""

from PySide6.QtCore import Signal
from PySide6.QtGui import QResizeEvent
from PySide6.QtWidgets import QComboBox, QHBoxLayout, QWidget

from app.schema.download import HubSort
from app.ui.parts.search_field import SearchField
from app.ui.said import said
from app.ui.style.theme import Theme
from app.ui.style.tokens import GAP
from app.ui.words import tr

_SORTS = (
    (HubSort.DOWNLOADS, tr("Most downloaded")),
    (HubSort.TRENDING, tr("Trending now")),
    (HubSort.LIKES, tr("Most liked")),
    (HubSort.UPDATED, tr("Newest first")),
)

_SEARCH_WIDTH, _SORT_WIDTH = 120, 320


class FindBar(QWidget):
    """`typed` comes with every letter, `search.entered` with Enter."""

    typed = Signal(str)
    sort_chosen = Signal(object)
    """A HubSort."""

    def __init__(self, theme: Theme, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        words = tr("Name, owner/name, or a pasted address")
        self.search = SearchField(theme, words, tr("Search Hugging Face"))
        self.search.setMinimumWidth(_SEARCH_WIDTH)
        self.sort = QComboBox()
        self.sort.setAccessibleName(said(tr("Order")))
        self.sort.setToolTip(said(tr("Order")))
        for sort, name in _SORTS:
            self.sort.addItem(said(name), sort)
        line = QHBoxLayout(self)
        line.setContentsMargins(0, 0, 0, 0)
        line.setSpacing(GAP)
        line.addWidget(self.search, 1)
        line.addWidget(self.sort)
        self.setMinimumWidth(_SEARCH_WIDTH)
        self.search.textChanged.connect(self.typed)
        # Qt gives an enumeration back as the text that it is.
        self.sort.currentIndexChanged.connect(lambda: self.sort_chosen.emit(HubSort(self.sort.currentData())))

    def resizeEvent(self, event: QResizeEvent) -> None:
        """In a narrow window the order gives way."""
        super().resizeEvent(event)
        self.sort.setVisible(self.width() >= _SORT_WIDTH)
