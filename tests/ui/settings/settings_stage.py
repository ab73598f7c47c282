"""What these tests stand on: the page over a made-up node, visible."""

from collections.abc import Callable
from typing import Any, TypeVar

from PySide6.QtWidgets import QApplication, QWidget

from app.schema.node import Status
from app.system.paths import Paths
from app.ui.desk import Desk, Wish
from app.ui.face import Link
from app.ui.settings.page import SettingsPage
from app.ui.settings.sample import SampleNode
from app.ui.style.sheet import style_sheet
from app.ui.style.theme import Theme
from tests.ui.desks import ScriptedErrands

W = TypeVar("W", bound=QWidget)


class Stage:
    """`node` keeps what it was asked; what it sets is told in the next status."""

    def __init__(self, paths: Paths, status: Status | None, node: SampleNode) -> None:
        self.node = node
        self.errands = ScriptedErrands(node)
        self.desk = Desk(self.errands, paths)
        self.theme = Theme(is_dark=False, has_motion=False)
        self.wishes: list[tuple[Wish, str]] = []
        self.desk.wished.connect(lambda wish, about: self.wishes.append((wish, about)))
        self.desk.take_link(Link.FOUND if status else Link.LOST, "http://127.0.0.1:1" if status else None)
        if status is not None:
            self.desk.take_status(status)
        self.page = SettingsPage(self.desk, self.theme)
        self.page.setStyleSheet(style_sheet(self.theme.palette))
        self.page.resize(950, 650)
        self.page.show()

    def tell(self, **fields: object) -> None:
        """A new status with these fields, at once."""
        assert self.desk.status is not None
        self.desk.status = self.desk.status.model_copy(update=fields)
        self.desk.status_changed.emit(self.desk.status)

    def lose(self) -> None:
        """The node is gone."""
        self.desk.take_link(Link.LOST)

    def open(self, name: str) -> Any:
        """Open a section."""
        self.page.wish(name)
        return self.page.section

    def end(self) -> None:
        self.page.about_to_quit()
        self.page.close()
        self.page.deleteLater()
        QApplication.processEvents()


Play = Callable[..., Stage]
