"""Below the messages: what went wrong, what is waited for, and the composer, in the column of the messages."""

from functools import partial
from pathlib import Path

from PySide6.QtCore import QTimer, Signal
from PySide6.QtGui import QResizeEvent
from PySide6.QtWidgets import QFileDialog, QVBoxLayout, QWidget

from app.schema.errors import CaravanError, ErrorInfo
from app.ui.chat.archive import Archive
from app.ui.chat.composer import Composer
from app.ui.chat.files import image, read_attachment
from app.ui.chat.records import Attachment
from app.ui.chat.store import Store
from app.ui.parts.banner import Banner
from app.ui.said import said
from app.ui.style.palette import Tone
from app.ui.style.theme import Theme
from app.ui.style.tokens import EDGE, GAP, GROUP, READING_WIDTH
from app.ui.words import Phrase, tr

TROUBLE_MS = 20_000


class Foot(QWidget):
    """`tell` shows a trouble for a while, `wait_for` a reason as long as it holds."""

    wants_models = Signal()

    def __init__(self, theme: Theme, archive: Archive, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._archive = archive
        self.takes_images = False
        self.trouble = Banner(theme, Tone.TIGHT, "", on_close=self._close)
        self.waiting = Banner(theme, Tone.NEUTRAL, "", "", tr("Models"), self.wants_models.emit)
        self.composer = Composer(theme)
        self._fades = QTimer(self, singleShot=True, interval=TROUBLE_MS)
        self._fades.timeout.connect(self._close)
        self._rows = QVBoxLayout(self)
        self._rows.setSpacing(GAP)
        for each in (self.trouble, self.waiting, self.composer):
            self._rows.addWidget(each)
        self.trouble.hide()
        self.waiting.hide()
        self.composer.files_given.connect(self.take_files)
        self.composer.picture_given.connect(self.take_picture)
        self.composer.wants_file.connect(self.ask_files)

    def tell(self, error: ErrorInfo) -> None:
        """Say what went wrong."""
        self.trouble.tell(Tone.TIGHT, error.sentence, error.hint)
        self.trouble.show()
        self._fades.start()

    def wait_for(self, reason: Phrase | None) -> None:
        """Say why nothing can be asked; None when it can."""
        self.waiting.setVisible(reason is not None)
        if reason is not None:
            self.waiting.tell(Tone.NEUTRAL, reason)

    def take_files(self, paths: list[Path]) -> None:
        """Read files and put them beside the message. What cannot be taken is said."""
        for path in paths:
            self._archive.do(partial(_read, path, self.takes_images), self._add)

    def take_picture(self, content: bytes) -> None:
        """A picture of the clipboard goes with the message."""
        try:
            self._add(image(said(tr("Picture.png")), content, "image/png", self.takes_images))
        except CaravanError as error:
            self.tell(error.info())

    def ask_files(self) -> None:
        """Let the person choose files."""
        dialog = QFileDialog(self, said(tr("Add files to the message")))
        dialog.setFileMode(QFileDialog.FileMode.ExistingFiles)
        dialog.filesSelected.connect(lambda chosen: self.take_files([Path(each) for each in chosen]))
        dialog.finished.connect(dialog.deleteLater)
        dialog.open()

    def resizeEvent(self, event: QResizeEvent) -> None:  # noqa: D102
        super().resizeEvent(event)
        # As wide as the messages, which leave room for the scroll bar.
        side = max((self.width() - READING_WIDTH) // 2, EDGE)
        self._rows.setContentsMargins(side, GAP, side, GROUP)

    def _add(self, attachment: Attachment) -> None:
        self.composer.add(attachment)

    def _close(self) -> None:
        self.trouble.hide()


def _read(path: Path, takes_images: bool, _: Store) -> Attachment:
    return read_attachment(path, takes_images)
