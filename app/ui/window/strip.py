"""The status strip at the bottom: the live state, in the tray's own words and shapes, and the downloads."""

from PySide6.QtGui import QPixmap
from PySide6.QtWidgets import QFrame, QHBoxLayout, QLabel, QWidget

from app.ui.desk import Desk, Wish
from app.ui.discover.downloads import brief
from app.ui.face import Face, Icon, face
from app.ui.icons import Icons
from app.ui.parts.buttons import Button, Role
from app.ui.parts.labels import Elided
from app.ui.style.theme import Theme
from app.ui.style.tokens import EDGE, GAP, SMALL, UNIT
from app.ui.words import tr

HEIGHT = 32
_PICTURE = 16


class Strip(QFrame):
    """Follows the desk by itself."""

    def __init__(self, desk: Desk, theme: Theme, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("strip")
        self.setFixedHeight(HEIGHT)
        self._desk, self._theme = desk, theme
        self._icons = Icons()
        self._face: Face | None = None
        self._picture = QLabel()
        self.line = Elided("", pixels=SMALL)
        self.downloads = Button("", Role.QUIET, lambda: desk.go(Wish.MODELS), is_small=True)
        self._start = Button(tr("Start Caravan"), Role.QUIET, lambda: desk.go(Wish.START_NODE), is_small=True)
        row = QHBoxLayout(self)
        row.setContentsMargins(GAP + UNIT, 0, EDGE, 0)
        row.setSpacing(GAP)
        row.addWidget(self._picture)
        row.addWidget(self.line, 1)
        row.addWidget(self.downloads)
        row.addWidget(self._start)
        desk.status_changed.connect(self._refresh)
        desk.link_changed.connect(self._refresh)
        desk.measured.connect(self._refresh)
        theme.changed.connect(self._draw)
        self._refresh()

    def _refresh(self, _: object = None) -> None:
        arriving = brief(self._desk.status.downloads) if self._desk.status is not None else None
        self.downloads.setVisible(arriving is not None)
        if arriving is not None:
            self.downloads.say(arriving)
        now = face(self._desk.status, self._desk.link, self._desk.speeds)
        if now == self._face:
            return
        self._face = now
        self.line.say(now.line)
        self._start.setVisible(now.icon is Icon.NOTHING)
        self._draw()

    def _draw(self) -> None:
        if self._face is None:
            return
        scale = 2
        image = self._icons.image(self._face.icon, _PICTURE, scale, self._theme.palette.is_dark)
        picture = QPixmap.fromImage(image)
        picture.setDevicePixelRatio(scale)
        self._picture.setPixmap(picture)
