"""Small pictures of the images in messages, read on the thread beside the main one."""

import base64
import binascii
from collections import OrderedDict
from functools import partial

from PySide6.QtCore import QByteArray, QObject, Qt, Signal
from PySide6.QtGui import QImage, QPixmap
from PySide6.QtWidgets import QHBoxLayout, QLabel, QWidget

from app.ui.chat.background import Background
from app.ui.chat.records import Attachment
from app.ui.style.tokens import GAP

HEIGHT = 120
WIDEST = 240
KEPT = 60
_FINE = 2
"""Pixels of a picture per pixel at 100 %."""


class Pictures(QObject):
    """`get` the picture of an image; `ready` tells when one that was not there yet is read."""

    ready = Signal()

    def __init__(self, background: Background) -> None:
        super().__init__()
        self._background = background
        self._known: OrderedDict[str, QPixmap | None] = OrderedDict()

    def get(self, image: Attachment) -> QPixmap | None:
        """The picture, None when there is none (yet)."""
        if image.content in self._known:
            self._known.move_to_end(image.content)
            return self._known[image.content]
        self._known[image.content] = None
        if len(self._known) > KEPT:
            self._known.popitem(last=False)
        self._background.do(partial(small, image.content), lambda found: self._know(image.content, found))
        return None

    def _know(self, content: str, found: QImage) -> None:
        if not found.isNull():
            self._known[content] = QPixmap.fromImage(found)
            self.ready.emit()


def small(content: str) -> QImage:
    """An image in base64 as a small one; a null one when it cannot be read."""
    try:
        found = QImage.fromData(QByteArray(base64.b64decode(content)))
    except (binascii.Error, ValueError):
        return QImage()
    if found.isNull():
        return found
    ratio = Qt.AspectRatioMode.KeepAspectRatio
    if found.height() > HEIGHT * _FINE or found.width() > WIDEST * _FINE:
        found = found.scaled(WIDEST * _FINE, HEIGHT * _FINE, ratio, Qt.TransformationMode.SmoothTransformation)
    found.setDevicePixelRatio(_FINE)
    return found


class PictureRow(QWidget):
    """The images of a message in a row at the right; each tells its name."""

    def __init__(self, pictures: Pictures, parent: QWidget) -> None:
        super().__init__(parent)
        self._pictures = pictures
        self._images: tuple[Attachment, ...] = ()
        self._labels: list[QLabel] = []
        self._row = QHBoxLayout(self)
        self._row.setContentsMargins(0, 0, 0, 0)
        self._row.setSpacing(GAP)
        self._row.addStretch(1)
        pictures.ready.connect(self._fill)

    def show_images(self, images: tuple[Attachment, ...]) -> None:
        """Show these."""
        self._images = images
        self.setVisible(bool(images))
        for label in self._labels:
            label.setVisible(False)
        while len(self._labels) < len(images):
            self._labels.append(QLabel())
            self._row.addWidget(self._labels[-1])
        self._fill()

    def _fill(self) -> None:
        for label, image in zip(self._labels, self._images, strict=False):
            picture = self._pictures.get(image)
            label.setPixmap(picture or QPixmap())
            label.setVisible(picture is not None)
            label.setToolTip(image.name)
            label.setAccessibleName(image.name)
