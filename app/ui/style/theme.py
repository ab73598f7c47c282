"""The look in force: follows the system's light or dark at once, or is forced."""

import sys

from PySide6.QtCore import QByteArray, QObject, QSettings, Qt, Signal
from PySide6.QtGui import QColor, QGuiApplication, QPalette
from PySide6.QtWidgets import QApplication

from app.ui.style.fonts import ui_font
from app.ui.style.palette import DARK, LIGHT, Palette
from app.ui.style.sheet import style_sheet

_SCHEMES = {None: Qt.ColorScheme.Unknown, True: Qt.ColorScheme.Dark, False: Qt.ColorScheme.Light}
"""As Qt takes them; `Unknown` follows the system."""

_DESKTOP = "HKEY_CURRENT_USER\\Control Panel\\Desktop"
_ANIMATION_BYTE, _ANIMATION_BIT = 4, 0x02
"""Where `UserPreferencesMask` holds Windows' "Animation effects" (SPI_GETCLIENTAREAANIMATION)."""


class Theme(QObject):
    """`palette` is the one in force; `changed` is emitted after it is another. Paint from it, connect to `changed`.

    Make one per application, then `apply` it. Widgets that only use the stylesheet need no theme.
    """

    changed = Signal()
    chosen = Signal()
    """The person chose another look: `forced` is another."""

    def __init__(self, is_dark: bool | None = None, has_motion: bool | None = None) -> None:
        """`is_dark` and `has_motion` None follow the system."""
        super().__init__()
        self._forced = is_dark
        self._motion = has_motion
        self._app: QApplication | None = None
        self.palette = self._wanted()
        QGuiApplication.styleHints().colorSchemeChanged.connect(self._follow)

    def apply(self, app: QApplication) -> None:
        """Give the application this look, now and after every change."""
        self._app = app
        app.setStyle("Fusion")
        app.setFont(ui_font())
        self._tell_windows()
        self._dress(app)

    @property
    def forced(self) -> bool | None:
        """Whether the person wants dark (True) or light (False); None follows the system."""
        return self._forced

    def force(self, is_dark: bool | None) -> None:
        """Be dark or light whatever the system is; None follows it again."""
        if is_dark is not self._forced:
            self._forced = is_dark
            self._tell_windows()
            self.chosen.emit()
        self._follow()

    def motion(self, milliseconds: int) -> int:
        """How long a motion takes now: 0 where the person wants none."""
        has_motion = system_has_motion() if self._motion is None else self._motion
        return milliseconds if has_motion else 0

    def _tell_windows(self) -> None:
        """Title bars and the system's own dialogs are Windows' to draw: in the look the person chose."""
        if sys.platform == "win32":
            QGuiApplication.styleHints().setColorScheme(_SCHEMES[self._forced])

    def _wanted(self) -> Palette:
        is_dark = QGuiApplication.styleHints().colorScheme() is Qt.ColorScheme.Dark
        return DARK if (is_dark if self._forced is None else self._forced) else LIGHT

    def _follow(self) -> None:
        wanted = self._wanted()
        if wanted is self.palette:
            return
        self.palette = wanted
        if self._app is not None:
            self._dress(self._app)
        self.changed.emit()

    def _dress(self, app: QApplication) -> None:
        app.setPalette(qt_palette(self.palette))
        app.setStyleSheet(style_sheet(self.palette))


def qt_palette(palette: Palette) -> QPalette:
    """Qt's roles in our colours, for everything the stylesheet does not name."""
    role = QPalette.ColorRole
    colours = {
        role.Window: palette.ground,
        role.WindowText: palette.ink,
        role.Base: palette.card,
        role.AlternateBase: palette.sunken,
        role.Text: palette.ink,
        role.Button: palette.sunken,
        role.ButtonText: palette.ink,
        role.BrightText: palette.red,
        role.ToolTipBase: palette.card,
        role.ToolTipText: palette.ink,
        role.PlaceholderText: palette.quiet,
        role.Highlight: palette.accent,
        role.HighlightedText: palette.on_accent,
        role.Link: palette.accent_ink,
        role.LinkVisited: palette.accent_ink,
        role.Accent: palette.accent,
        role.Light: palette.hover,
        role.Midlight: palette.line,
        role.Mid: palette.edge,
        role.Dark: palette.edge,
        role.Shadow: palette.line,
    }
    made = QPalette()
    for each, colour in colours.items():
        made.setColor(each, QColor(colour))
    for each in (role.WindowText, role.Text, role.ButtonText):
        made.setColor(QPalette.ColorGroup.Disabled, each, QColor(palette.quiet))
    return made


def system_has_motion() -> bool:
    """Whether the person lets things move. Windows says it; elsewhere Qt does not tell, and things move."""
    if sys.platform == "win32":
        mask = QSettings(_DESKTOP, QSettings.Format.NativeFormat).value("UserPreferencesMask")
        known = mask.data() if isinstance(mask, QByteArray) else b""
        return len(known) <= _ANIMATION_BYTE or bool(known[_ANIMATION_BYTE] & _ANIMATION_BIT)
    return True
