"""Draw `caravan.ico` from the tray's own drawings: `python -m resources.windows.make_icon`.

Each picture is a tray drawing of whole pixels, enlarged by whole numbers, on a rounded tile. File layout: Microsoft,
"The ICO file format", with PNG pictures, which Windows Vista and later read.
"""

import os
import struct
import sys
from pathlib import Path

from PySide6.QtCore import QBuffer, QIODevice, QRectF, Qt
from PySide6.QtGui import QColor, QGuiApplication, QImage, QPainter
from PySide6.QtSvg import QSvgRenderer

PICTURES = {
    16: (16, 1),
    20: (16, 1),
    24: (20, 1),
    32: (24, 1),
    40: (32, 1),
    48: (20, 2),
    64: (24, 2),
    128: (24, 4),
    256: (24, 8),
}
"""Size of a picture in pixels -> size of the tray drawing in it, and how often it is enlarged."""

READY_CELL = 5
"""Where the drawing of a loaded caravan stands in a strip."""

TILE = QColor("#B45309")
INK = QColor("#F4F1EA")
FOLDER = Path(__file__).resolve().parent


def picture(size: int) -> QImage:
    """One picture of `size` pixels. Needs a QGuiApplication."""
    drawing, times = PICTURES[size]
    image = QImage(size, size, QImage.Format.Format_ARGB32_Premultiplied)
    image.fill(Qt.GlobalColor.transparent)
    painter = QPainter(image)
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    painter.setPen(Qt.PenStyle.NoPen)
    painter.setBrush(TILE)
    painter.drawRoundedRect(QRectF(0, 0, size, size), size / 5, size / 5)
    margin = (size - drawing * times) // 2
    painter.drawImage(margin, margin, _glyph(drawing, times))
    painter.end()
    return image


def _glyph(drawing: int, times: int) -> QImage:
    strip = QSvgRenderer(str(FOLDER.parent / "icons" / f"tray-{drawing}.svg"))
    strip.setViewBox(QRectF(READY_CELL * drawing, 0, drawing, drawing))
    glyph = QImage(drawing * times, drawing * times, QImage.Format.Format_ARGB32_Premultiplied)
    glyph.fill(Qt.GlobalColor.transparent)
    painter = QPainter(glyph)
    strip.render(painter, QRectF(glyph.rect()))
    painter.setCompositionMode(QPainter.CompositionMode.CompositionMode_SourceIn)
    painter.fillRect(glyph.rect(), INK)
    painter.end()
    return glyph


def icon() -> bytes:
    """The whole file: a directory of 16 bytes for each picture, then the pictures."""
    pictures = {size: _png(picture(size)) for size in PICTURES}
    place = 6 + 16 * len(pictures)
    directory = struct.pack("<3H", 0, 1, len(pictures))
    for size, data in pictures.items():
        # A byte holds the size, where 0 stands for 256.
        directory += struct.pack("<4B2H2I", size % 256, size % 256, 0, 0, 1, 32, len(data), place)
        place += len(data)
    return directory + b"".join(pictures.values())


def _png(image: QImage) -> bytes:
    buffer = QBuffer()
    buffer.open(QIODevice.OpenModeFlag.WriteOnly)
    image.save(buffer, "PNG")  # type: ignore[call-overload]
    return bytes(buffer.data().data())


def main() -> int:
    """Write the file beside this one."""
    os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
    application = QGuiApplication([])
    (FOLDER / "caravan.ico").write_bytes(icon())
    del application
    return 0


if __name__ == "__main__":
    sys.exit(main())
