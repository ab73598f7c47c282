"""Two panes side by side, a list and what is chosen in it, with a handle between them that shows only by its gap."""

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QSplitter, QWidget

from app.ui.style.tokens import GROUP

_LIST_WIDTH, _SIDE_WIDTH = 200, 430
"""What each needs for its buttons and figures; together the room that the smallest window has."""


class Panes(QSplitter):
    """The list takes four ninths, unless the person moves the handle; neither pane vanishes."""

    def __init__(self, listed: QWidget, chosen: QWidget, parent: QWidget | None = None) -> None:
        super().__init__(Qt.Orientation.Horizontal, parent)
        self.setChildrenCollapsible(False)
        self.setHandleWidth(GROUP)
        self.setStyleSheet("QSplitter::handle { background: transparent; }")
        for widget, width, stretch in ((listed, _LIST_WIDTH, 4), (chosen, _SIDE_WIDTH, 5)):
            widget.setMinimumWidth(width)
            self.addWidget(widget)
            self.setStretchFactor(self.count() - 1, stretch)
        self.setSizes([400, 500])
