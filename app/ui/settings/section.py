"""What every section of the settings is: a title, a quiet line, and what scrolls below them."""

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QScrollArea, QSizePolicy, QVBoxLayout, QWidget

from app.schema.node import Status
from app.ui.parts.labels import Heading, Quiet
from app.ui.parts.scrolling import scrolling
from app.ui.style.tokens import BODY, EDGE, GROUP, UNIT
from app.ui.words import Phrase

WIDTH = 640
"""Widest column of settings."""


class Section(QWidget):
    """Put cards into it with `add`. `shown` hears every status while the section is open."""

    def __init__(self, title: Phrase, about: Phrase, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._column = QVBoxLayout()
        self._column.setContentsMargins(0, 0, 0, EDGE)
        self._column.setSpacing(GROUP)
        self._whole = QVBoxLayout(self)
        self._whole.setContentsMargins(0, 0, 0, 0)
        self._whole.setSpacing(GROUP)
        self._whole.addLayout(_head(title, about))

    def fill(self, widget: QWidget) -> None:
        """Below the title there is this one widget, which scrolls by itself."""
        self._whole.addWidget(widget, 1)

    def add(self, widget: QWidget) -> None:
        """One more card."""
        self._column.addWidget(widget)

    def close_column(self) -> None:
        """No more cards come."""
        self._column.addStretch(1)
        self.fill(self._area())

    def shown(self, status: Status | None) -> None:
        """The status now; None without a node."""

    def leaving(self) -> None:
        """Another section is open, or the page was left."""

    def _area(self) -> QScrollArea:
        content = QWidget()
        content.setObjectName("canvas")
        content.setMaximumWidth(WIDTH)
        content.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Preferred)
        content.setLayout(self._column)
        area = scrolling(content)
        area.setAlignment(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignTop)
        return area


def _head(title: Phrase, about: Phrase) -> QVBoxLayout:
    words = QVBoxLayout()
    words.setSpacing(UNIT)
    words.addWidget(Heading(title))
    words.addWidget(Quiet(about, wraps=True, pixels=BODY))
    return words
