"""Icons from our own drawings in `resources/icons`: a 20 grid, a stroke of 1.5, tinted with any colour, crisp to 300 %.

Qt's cache keeps what was drawn, so asking again costs little. `icon_names` tells all there are.
"""

from PySide6.QtCore import QByteArray, QRectF, QSize, Qt
from PySide6.QtGui import QIcon, QImage, QPainter, QPixmap, QPixmapCache
from PySide6.QtSvg import QSvgRenderer

from app.system.paths import resources_folder
from app.ui.style.palette import LIGHT

SCALES = (1.0, 1.25, 1.5, 2.0, 2.5, 3.0)
"""Display scales with a picture of their own."""


def icon(name: str, colour: str | None = None, size: int = 20) -> QIcon:
    """The drawing `name` in one colour (`#RRGGBB`; None is the light scheme's ink), `size` pixels at 100 %.

    Needs a QGuiApplication. Raises FileNotFoundError for a name that has no drawing.
    """
    made = QIcon()
    for scale in SCALES:
        made.addPixmap(pixmap(name, colour or LIGHT.ink, size, scale))
    return made


def pixmap(name: str, colour: str, size: int, scale: float) -> QPixmap:
    """One picture, `size * scale` device pixels wide and high, that is `size` pixels in a layout."""
    key = f"caravan {name} {colour} {size} {scale}"
    made = QPixmap()
    if not QPixmapCache.find(key, made):
        made = _drawn(name, colour, size, scale)
        QPixmapCache.insert(key, made)
    return made


def _drawn(name: str, colour: str, size: int, scale: float) -> QPixmap:
    renderer = QSvgRenderer(QByteArray(_drawing(name).replace("currentColor", colour).encode("ascii")))
    pixels = round(size * scale)
    picture = QImage(QSize(pixels, pixels), QImage.Format.Format_ARGB32_Premultiplied)
    picture.fill(Qt.GlobalColor.transparent)
    painter = QPainter(picture)
    renderer.render(painter, QRectF(0, 0, pixels, pixels))
    painter.end()
    made = QPixmap.fromImage(picture)
    made.setDevicePixelRatio(scale)
    return made


def icon_names() -> tuple[str, ...]:
    """All drawings there are."""
    folder = resources_folder() / "icons"
    return tuple(sorted(each.stem for each in folder.glob("*.svg") if not each.stem.startswith("tray-")))


def _drawing(name: str) -> str:
    return (resources_folder() / "icons" / f"{name}.svg").read_text("ascii")
