"""The tray icon's pictures: strips of own SVG drawings, one per pixel size, tinted for a light or dark taskbar."""

import sys

from PySide6.QtCore import QRectF, QSettings, QSize
from PySide6.QtGui import QColor, QGuiApplication, QIcon, QImage, QPainter, QPixmap
from PySide6.QtSvg import QSvgRenderer

from app.system.paths import resources_folder
from app.ui.states import Icon

SIZES = (16, 20, 24, 32)
"""Pixel sizes with a drawing of their own; twice each serves displays of 200 %."""

INK_ON_LIGHT = QColor("#1F2430")
INK_ON_DARK = QColor("#F4F1EA")
AMBER_ON_LIGHT = QColor("#B45309")
AMBER_ON_DARK = QColor("#F6AD55")

_CELLS = (*Icon, "attention-dot")
"""What a strip holds, from left to right."""

_HALF_LIGHT = 128

_PERSONALIZE = "HKEY_CURRENT_USER\\Software\\Microsoft\\Windows\\CurrentVersion\\Themes\\Personalize"


class Icons:
    """All tray icons. Needs a QGuiApplication."""

    def __init__(self) -> None:
        folder = resources_folder() / "icons"
        self._strips = {size: QSvgRenderer(str(folder / f"tray-{size}.svg")) for size in SIZES}
        self._made: dict[tuple[Icon, bool], QIcon] = {}

    def icon(self, icon: Icon, on_dark: bool) -> QIcon:
        """The icon in all its sizes, drawn once."""
        key = (icon, on_dark)
        if key not in self._made:
            self._made[key] = self._draw(icon, on_dark)
        return self._made[key]

    def image(self, icon: Icon, size: int, scale: int, on_dark: bool) -> QImage:
        """One picture of `size * scale` pixels."""
        ink, amber = (INK_ON_DARK, AMBER_ON_DARK) if on_dark else (INK_ON_LIGHT, AMBER_ON_LIGHT)
        picture = self._tinted(icon, size, scale, ink)
        if icon is Icon.ATTENTION:
            painter = QPainter(picture)
            painter.drawImage(0, 0, self._tinted("attention-dot", size, scale, amber))
            painter.end()
        return picture

    def _draw(self, icon: Icon, on_dark: bool) -> QIcon:
        made = QIcon()
        for size in SIZES:
            for scale in (1, 2):
                made.addPixmap(QPixmap.fromImage(self.image(icon, size, scale, on_dark)))
        return made

    def _tinted(self, cell: str, size: int, scale: int, tint: QColor) -> QImage:
        strip = self._strips[size]
        strip.setViewBox(QRectF(_CELLS.index(cell) * size, 0, size, size))
        # `QImage.fill` and `QPainter.fillRect` would load Qt's large namespace of enums: that takes longer than to draw
        # all icons.
        blank = QPixmap(QSize(size, size) * scale)
        blank.fill(QColor(0, 0, 0, 0))
        picture = blank.toImage()
        painter = QPainter(picture)
        strip.render(painter, QRectF(picture.rect()))
        painter.setCompositionMode(QPainter.CompositionMode.CompositionMode_SourceIn)
        solid = QPixmap(blank.size())
        solid.fill(tint)
        painter.drawPixmap(0, 0, solid)
        painter.end()
        return picture


def taskbar_is_dark() -> bool:
    """Whether the icon stands on a dark bar. Windows lets the taskbar be dark while programs are light."""
    if sys.platform == "win32":
        light = QSettings(_PERSONALIZE, QSettings.Format.NativeFormat).value("SystemUsesLightTheme")
        if light is not None:
            return not int(str(light))
    # Here and not above: see `_tinted`.
    from PySide6.QtCore import Qt

    return QGuiApplication.styleHints().colorScheme() is Qt.ColorScheme.Dark


def taskbar_seems_dark() -> bool:
    """As `taskbar_is_dark`, at once, before Caravan has a look of its own: elsewhere than on Windows by the palette."""
    if sys.platform == "win32":
        return taskbar_is_dark()
    return QGuiApplication.palette().window().color().lightness() < _HALF_LIGHT
