"""What every page of the window is."""

from PySide6.QtCore import Qt
from PySide6.QtGui import QHideEvent, QShowEvent
from PySide6.QtWidgets import QWidget

from app.schema.node import Status
from app.ui.desk import Desk
from app.ui.style.theme import Theme
from app.ui.words import Phrase, tr


class Page(QWidget):
    """A page is made once, at its first visit: `SomePage(desk, theme, parent)`.

    It fills the window beside the rail; its own margins are `tokens.EDGE`. Override `shown`, `leaving`, `wish` and
    `about_to_quit`. While it is hidden it hears nothing; when it comes back, `shown` is called with what holds then.
    """

    title: Phrase = tr("Caravan")

    def __init__(self, desk: Desk, theme: Theme, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.desk = desk
        self.theme = theme
        self.setObjectName("page")
        # A click beside everything takes the focus off a field.
        self.setFocusPolicy(Qt.FocusPolicy.ClickFocus)
        desk.status_changed.connect(self._on_status)
        desk.link_changed.connect(self._on_link)

    def shown(self, status: Status | None) -> None:
        """The page is visible and this is the status now: at each visit, then after each change. None: no node."""

    def leaving(self) -> None:
        """The page was hidden."""

    def wish(self, about: str) -> None:
        """Somebody was sent here with `desk.go(wish, about)`; the page is visible already."""

    def about_to_quit(self) -> None:
        """The program ends: write down what is not yet."""

    def showEvent(self, event: QShowEvent) -> None:  # noqa: D102
        super().showEvent(event)
        self.shown(self.desk.status)

    def hideEvent(self, event: QHideEvent) -> None:  # noqa: D102
        super().hideEvent(event)
        self.leaving()

    def _on_status(self, status: Status) -> None:
        if self.isVisible():
            self.shown(status)

    def _on_link(self) -> None:
        if self.isVisible() and self.desk.status is None:
            self.shown(None)
