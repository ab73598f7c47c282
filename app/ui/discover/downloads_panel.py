"""All downloads of this PC, at the top of the page; the node owns them, so they survive the window."""

from collections.abc import Awaitable, Callable, Sequence

from PySide6.QtCore import QEvent, QObject, Qt, QTimer, Signal
from PySide6.QtGui import QResizeEvent
from PySide6.QtWidgets import QFrame, QHBoxLayout, QScrollArea, QVBoxLayout, QWidget

from app.client import NodeClient
from app.schema.download import Download, DownloadId
from app.ui.desk import Desk
from app.ui.discover import downloads as values
from app.ui.discover.download_line import DownloadLine
from app.ui.discover.downloads import Deed
from app.ui.models.figures import size
from app.ui.models.fold import Fold
from app.ui.parts.buttons import Role
from app.ui.parts.dialog import confirm
from app.ui.parts.labels import Elided
from app.ui.style.theme import Theme
from app.ui.style.tokens import GAP, SMALL, UNIT
from app.ui.words import tr

MOST_HEIGHT = 132
"""Three lines and a bit of the fourth: one sees that there are more."""

MOST_PART = 0.2
"""Of the page's height, in a low window."""

_LEAST_HEIGHT = 56

MADE_AT_ONCE = 4
"""Lines made in one turn of Qt's loop: one costs some milliseconds."""


class DownloadsPanel(QWidget):
    """One line per download, folded away with the arrow. It hides when there is none."""

    launch_wanted = Signal(str)
    """What the picker calls a model that is ready: its id, or its path."""

    def __init__(self, desk: Desk, theme: Theme, page: QWidget) -> None:
        super().__init__(page)
        self._desk, self._page = desk, page
        page.installEventFilter(self)
        self._shown: tuple[Download, ...] = ()
        self.lines: dict[DownloadId, DownloadLine] = {}
        self.fold = Fold(theme, tr("Downloads"))
        self.fold.setChecked(True)
        self.summary = Elided(pixels=SMALL)
        self._head, self._area, self._canvas = QWidget(), QScrollArea(), QWidget()
        self._rows = QVBoxLayout(self._canvas)
        self._more = QTimer(self)
        self._more.setSingleShot(True)
        self._more.timeout.connect(self._make_some)
        self._lay_out()
        self.fold.turned.connect(lambda _: self._fit())
        self.hide()

    def show_downloads(self, downloads: Sequence[Download]) -> None:
        """Show these, in this order."""
        shown = values.shown(downloads)
        if shown == self._shown:
            return
        self._shown = shown
        wanted = {each.id for each in shown}
        for gone in [each for each in self.lines if each not in wanted]:
            line = self.lines.pop(gone)
            line.hide()
            line.deleteLater()
        for each in shown:
            if each.id in self.lines:
                self.lines[each.id].show_download(each)
        self.summary.say(values.summary(shown) or "")
        self._make_some()
        self.setVisible(bool(shown))

    def _make_some(self) -> None:
        """Make the lines that are missing, a few at a time."""
        missing = [each for each in self._shown if each.id not in self.lines]
        for each in missing[:MADE_AT_ONCE]:
            line = self.lines[each.id] = DownloadLine()
            line.deed_wanted.connect(self._do)
            line.show_download(each)
            self._rows.addWidget(line)
        if len(missing) > MADE_AT_ONCE:
            self._more.start(0)
        self._fit()

    def _fit(self) -> None:
        has_many = len(self._shown) > 1
        self._head.setVisible(has_many)
        self._area.setVisible(not has_many or self.fold.isChecked())
        rows, width = self._rows, self._area.viewport().width()
        height = rows.totalHeightForWidth(width) if rows.hasHeightForWidth() else rows.sizeHint().height()
        self._area.setFixedHeight(min(MOST_HEIGHT, height, max(_LEAST_HEIGHT, int(self._page.height() * MOST_PART))))

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:  # noqa: D102
        if event.type() is QEvent.Type.Resize and not self.isHidden():
            self._fit()
        return False

    def resizeEvent(self, event: QResizeEvent) -> None:  # noqa: D102
        super().resizeEvent(event)
        self._fit()

    def _do(self, deed: Deed, download: Download) -> None:
        if deed is Deed.LAUNCH:
            self.launch_wanted.emit(download.model_id or download.path or download.name)
            self._send(Deed.DISMISS, download)
        elif deed is Deed.CANCEL and values.loses_bytes(download):
            self._ask_cancel(download)
        else:
            self._send(deed, download)

    def _ask_cancel(self, download: Download) -> None:
        text = tr(
            "{done} of {name} are here already and would be deleted. Pause keeps them.",
            done=size(download.bytes_done),
            name=values.name_of(download),
        )
        action = tr("Cancel the download")
        confirm(self, tr("Cancel the download?"), text, action, lambda: self._send(Deed.CANCEL, download), Role.DANGER)

    def _send(self, deed: Deed, download: Download) -> None:
        self._desk.ask(_work(deed, download.id))

    def _lay_out(self) -> None:
        head = QHBoxLayout(self._head)
        head.setContentsMargins(0, 0, 0, 0)
        head.setSpacing(GAP)
        head.addWidget(self.fold)
        head.addWidget(self.summary, 1)
        self._canvas.setObjectName("canvas")
        self._rows.setContentsMargins(0, 0, 0, 0)
        self._rows.setSpacing(UNIT)
        self._rows.setAlignment(Qt.AlignmentFlag.AlignTop)
        self._area.setFrameShape(QFrame.Shape.NoFrame)
        self._area.setWidgetResizable(True)
        self._area.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self._area.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self._area.setWidget(self._canvas)
        rows = QVBoxLayout(self)
        rows.setContentsMargins(0, 0, 0, 0)
        rows.setSpacing(UNIT)
        rows.addWidget(self._head)
        rows.addWidget(self._area)


def _work(deed: Deed, download: DownloadId) -> Callable[[NodeClient], Awaitable[None]]:
    async def work(client: NodeClient) -> None:
        hub = client.hub
        if deed is Deed.CANCEL:
            await hub.cancel(download)
            await hub.forget(download)
            return
        deeds = {Deed.PAUSE: hub.pause, Deed.RESUME: hub.resume, Deed.DISMISS: hub.forget}
        await deeds[deed](download)

    return work
