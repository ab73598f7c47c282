"""One download on one line: its state, its name, how far it is, and its two buttons; below, why it failed."""

from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QResizeEvent
from PySide6.QtWidgets import QFrame, QHBoxLayout, QVBoxLayout, QWidget

from app.schema.download import Download
from app.ui.discover import downloads
from app.ui.discover.downloads import Deed, Line
from app.ui.parts.buttons import Button, Role
from app.ui.parts.labels import Elided, Quiet, set_property
from app.ui.parts.pill import Pill
from app.ui.parts.progress import Progress
from app.ui.said import said
from app.ui.style.palette import Tone
from app.ui.style.tokens import BODY, GAP, SMALL, UNIT
from app.ui.words import tr

_WORDS = {
    Deed.PAUSE: tr("Pause"),
    Deed.RESUME: tr("Resume"),
    Deed.CANCEL: tr("Cancel"),
    Deed.LAUNCH: tr("Launch..."),
    Deed.DISMISS: tr("Dismiss"),
}
_STATE_WIDTH, _BAR_WIDTH = 92, 120
_LEAST_FOR_BAR = 700


class DownloadLine(QFrame):
    """Shows one download. `deed_wanted` is a Deed of `app.ui.discover.downloads` and the Download."""

    deed_wanted = Signal(object, object)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setProperty("surface", "card")
        self._download: Download | None = None
        self._shown: Line | None = None
        self.state, self.name = Pill(), Elided(pixels=BODY)
        self.bar, self.detail = Progress(tr("Progress of the download")), Elided(pixels=SMALL)
        set_property(self.detail, "tone", "quiet")
        self.detail.setAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        self.buttons = tuple(Button("", Role.QUIET, is_small=True) for _ in range(2))
        for number, button in enumerate(self.buttons):
            button.clicked.connect(lambda _, number=number: self._press(number))
        self.trouble = Quiet(wraps=True, pixels=12)
        self.trouble.set_tone(Tone.TIGHT)
        self.bar.setFixedWidth(_BAR_WIDTH)
        self._lay_out()

    def show_download(self, download: Download) -> None:
        """Show it as it is now."""
        if download is self._download:
            return
        self._download = download
        line = downloads.line(download)
        if line == self._shown:
            return
        before, self._shown = self._shown, line
        self.detail.say(line.detail)
        self.bar.show_part(line.part)
        if before is None or (before.state, before.deeds, before.trouble) != (line.state, line.deeds, line.trouble):
            self._show_state(line)

    def resizeEvent(self, event: QResizeEvent) -> None:  # noqa: D102
        super().resizeEvent(event)
        self._show_bar()

    def _show_state(self, line: Line) -> None:
        self.state.show_as(line.state, line.tone)
        self.name.say(line.name)
        self.bar.setAccessibleDescription(line.name)
        for number, button in enumerate(self.buttons):
            button.setVisible(number < len(line.deeds))
            if number < len(line.deeds):
                button.say(_WORDS[line.deeds[number]])
                button.setAccessibleName(f"{button.text()}: {line.name}")
        error = line.trouble
        self.trouble.say(f"{error.sentence} {error.hint}".strip() if error is not None else "")
        self.trouble.setVisible(error is not None)
        self.setAccessibleName(f"{line.name}: {said(line.state)}")
        self._show_bar()

    def _show_bar(self) -> None:
        has_part = self._shown is not None and self._shown.part is not None
        self.bar.setVisible(has_part and self.width() >= _LEAST_FOR_BAR)

    def _press(self, number: int) -> None:
        if self._shown is not None and number < len(self._shown.deeds):
            self.deed_wanted.emit(self._shown.deeds[number], self._download)

    def _lay_out(self) -> None:
        rows = QVBoxLayout(self)
        rows.setContentsMargins(12, UNIT, UNIT, UNIT)
        rows.setSpacing(2)
        line = QHBoxLayout()
        line.setSpacing(GAP)
        cell = QHBoxLayout()
        cell.addWidget(self.state)
        cell.addStretch(1)
        column = QWidget()
        column.setFixedWidth(_STATE_WIDTH)
        column.setLayout(cell)
        cell.setContentsMargins(0, 0, 0, 0)
        line.addWidget(column)
        line.addWidget(self.name, 1)
        line.addWidget(self.detail, 1)
        line.addWidget(self.bar)
        for button in self.buttons:
            line.addWidget(button)
        rows.addLayout(line)
        rows.addWidget(self.trouble)
        self.trouble.hide()
