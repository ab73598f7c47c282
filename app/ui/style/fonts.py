"""The system's UI font in four sizes with figures of one width, and the system's monospace font."""

import sys

from PySide6.QtGui import QFont, QFontDatabase

from app.ui.style.tokens import BODY, SMALL

_TABULAR = "tnum"

_WINDOWS_MONO = ("Cascadia Mono", "Consolas", "Courier New")
"""Qt names only the last, which Windows keeps for old programs; all three are part of Windows 11."""


def ui_font(pixels: int = BODY, is_strong: bool = False) -> QFont:
    """The system's UI font, `pixels` high at 100 %. Figures stand in columns."""
    font = QFontDatabase.systemFont(QFontDatabase.SystemFont.GeneralFont)
    font.setPixelSize(pixels)
    font.setWeight(QFont.Weight.DemiBold if is_strong else QFont.Weight.Normal)
    font.setFeature(QFont.Tag(_TABULAR), 1)
    return font


def mono_font(pixels: int = SMALL + 1) -> QFont:
    """The system's monospace font, for code, logs and commands only."""
    font = QFontDatabase.systemFont(QFontDatabase.SystemFont.FixedFont)
    if sys.platform == "win32":
        font.setFamilies(_WINDOWS_MONO)
    font.setPixelSize(pixels)
    font.setStyleHint(QFont.StyleHint.Monospace)
    return font
