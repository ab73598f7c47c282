"""Surfaces to group things on."""

from PySide6.QtWidgets import QFrame, QVBoxLayout, QWidget

from app.ui.style.tokens import GAP, GROUP


class Card(QFrame):
    """A raised surface with a vertical layout, `rows`. `is_sunken` makes it a quiet one without a frame."""

    def __init__(self, parent: QWidget | None = None, is_sunken: bool = False) -> None:
        super().__init__(parent)
        self.setProperty("surface", "sunken" if is_sunken else "card")
        self.rows = QVBoxLayout(self)
        self.rows.setContentsMargins(GROUP, GROUP, GROUP, GROUP)
        self.rows.setSpacing(GAP)


class Line(QFrame):
    """A hairline. Group by space first."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("line")
        self.setFixedHeight(1)
