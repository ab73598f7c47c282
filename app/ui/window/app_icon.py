"""The window's icon: the llama, light on indigo dusk, so that it can be seen on any taskbar."""

from PySide6.QtCore import QRectF, Qt
from PySide6.QtGui import QColor, QIcon, QPainter, QPixmap

from app.ui.style.icons import pixmap
from app.ui.style.palette import LIGHT

SIZES = (16, 24, 32, 48, 64, 128, 256)


def app_icon() -> QIcon:
    """The icon in all its sizes. Needs a QGuiApplication."""
    made = QIcon()
    for size in SIZES:
        made.addPixmap(_drawn(size))
    return made


def _drawn(size: int) -> QPixmap:
    picture = QPixmap(size, size)
    picture.fill(Qt.GlobalColor.transparent)
    painter = QPainter(picture)
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    painter.setPen(Qt.PenStyle.NoPen)
    painter.setBrush(QColor(LIGHT.accent))
    painter.drawRoundedRect(QRectF(0, 0, size, size), size * 0.22, size * 0.22)
    inner = round(size * 0.76)
    painter.drawPixmap((size - inner) // 2, (size - inner) // 2, pixmap("llama", LIGHT.on_accent, inner, 1.0))
    painter.end()
    return picture
