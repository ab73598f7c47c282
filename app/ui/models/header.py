"""The first line of the page: its title, what is here or what could be, and the tools of either."""

from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QKeySequence, QShortcut
from PySide6.QtWidgets import QHBoxLayout, QStackedWidget, QWidget

from app.ui.discover.find_bar import FindBar
from app.ui.models.toolbar import Toolbar
from app.ui.parts.labels import Heading
from app.ui.parts.switch import Switch
from app.ui.style.theme import Theme
from app.ui.style.tokens import GAP, UNIT
from app.ui.words import tr


class Header(QWidget):
    """`turned` says with True that the person wants to find more models."""

    turned = Signal(bool)

    def __init__(self, theme: Theme, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.switch = Switch(tr("Which models"), (tr("On these PCs"), tr("Find more")))
        self.toolbar, self.find_bar = Toolbar(theme), FindBar(theme)
        self.tools = QStackedWidget()
        self.tools.addWidget(self.toolbar)
        self.tools.addWidget(self.find_bar)
        line = QHBoxLayout(self)
        line.setContentsMargins(0, 0, 0, 0)
        line.setSpacing(GAP + UNIT)
        line.addWidget(Heading(tr("Models")))
        line.addWidget(self.switch)
        line.addWidget(self.tools, 1)
        self.switch.chosen.connect(lambda number: self.turned.emit(number == 1))
        find = QShortcut(QKeySequence(QKeySequence.StandardKey.Find), self)
        find.setContext(Qt.ShortcutContext.WindowShortcut)
        find.activated.connect(self._begin)

    @property
    def is_finding(self) -> bool:
        """Whether more models are looked for."""
        return self.switch.now == 1

    def turn(self, is_finding: bool) -> None:
        """Show the tools of one of the two."""
        self.switch.stand(int(is_finding))
        self.tools.setCurrentIndex(int(is_finding))

    def _begin(self) -> None:
        (self.find_bar if self.is_finding else self.toolbar).search.begin()
