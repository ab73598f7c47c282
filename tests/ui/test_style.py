"""The look: text can be read on every ground it stands on, every drawing keeps to the grid, the sheet is whole."""

import re
import sys
from itertools import combinations

import pytest
from PySide6.QtCore import Qt
from PySide6.QtGui import QGuiApplication, QTextDocument
from PySide6.QtWidgets import QApplication

from app.system.paths import resources_folder
from app.ui.parts.bar import Pattern, Segment, grounds
from app.ui.said import tip
from app.ui.style.icons import icon, icon_names, pixmap
from app.ui.style.palette import CONTRAST, DARK, LIGHT, Palette, contrast, luminance, text_on
from app.ui.style.sheet import style_sheet
from app.ui.style.theme import Theme
from app.ui.words import tr
from tests.ui.conftest import Until

SCHEMES = pytest.mark.parametrize("palette", [LIGHT, DARK], ids=["light", "dark"])
# fmt: off
NEEDED = {
    "chat", "models", "cluster", "settings", "logs", "info", "invite", "join", "plus", "close", "search",
    "filter", "sort", "copy", "check", "warning", "stop", "send", "refresh", "edit", "branch-left",
    "branch-right", "delete", "pin", "download", "upload", "image", "file", "brain", "play", "pause", "cable",
    "wifi", "gpu", "ram", "llama", "more", "chevron-down", "chevron-right", "chevron-left", "chevron-up", "external",
    "folder", "key", "lock",
}
# fmt: on


@SCHEMES
def test_every_text_can_be_read(palette: Palette) -> None:
    poor = [(ink, ground, contrast(ink, ground)) for ink, ground in palette.pairs() if contrast(ink, ground) < CONTRAST]
    assert poor == []


@SCHEMES
@pytest.mark.parametrize("index", range(8))
@pytest.mark.parametrize("pattern", [Pattern.SOLID, Pattern.STRIPES, Pattern.DOTS])
def test_words_on_a_bar_can_be_read(palette: Palette, index: int, pattern: Pattern) -> None:
    under = grounds(palette, Segment(tr("KV"), 1, palette.device_colour(index), pattern))
    assert min(contrast(text_on(*under), ground) for ground in under) >= CONTRAST


@SCHEMES
def test_words_on_free_and_other_can_be_read(palette: Palette) -> None:
    for pattern in (Pattern.GREY, Pattern.FREE):
        assert contrast(palette.ink, grounds(palette, Segment(tr("free"), 1, "", pattern))[0]) >= CONTRAST


@SCHEMES
def test_a_focused_field_is_told_by_more_than_a_hint(palette: Palette) -> None:
    # https://www.w3.org/TR/WCAG21/#non-text-contrast
    assert all(contrast(palette.accent, ground) >= 3 for ground in (palette.ground, palette.card, palette.side))


@SCHEMES
def test_device_colours_differ_for_the_colour_blind(palette: Palette) -> None:
    assert len(set(palette.devices)) == 8
    assert palette.device_colour(9) == palette.device_colour(1)
    assert all(
        abs(luminance(one) - luminance(two)) > 0.01 or one[1:3] != two[1:3]
        for one, two in combinations(palette.devices, 2)
    )


def test_contrast_is_the_published_measure() -> None:
    assert contrast("#FFFFFF", "#000000") == pytest.approx(21)
    assert contrast("#777777", "#FFFFFF") == pytest.approx(4.48, abs=0.005)


@SCHEMES
def test_the_sheet_is_filled_whole(palette: Palette) -> None:
    sheet = style_sheet(palette)
    assert re.findall(r"\$\w+", re.sub(r"/\*.*?\*/", "", sheet)) == []
    assert "font-size" not in re.sub(r"/\*.*?\*/", "", sheet)
    for path in re.findall(r'url\("([^"]+)"\)', sheet):
        assert (resources_folder() / "style" / path.rsplit("/", 1)[1]).exists()


def test_every_icon_is_there_and_keeps_to_the_grid(application: QApplication) -> None:
    assert set(icon_names()) >= NEEDED
    for name in icon_names():
        picture = pixmap(name, "#000000", 20, 1.0).toImage()
        edge = [(n, m) for n in range(20) for m in (0, 19)]
        assert all(picture.pixelColor(x, y).alpha() < 40 for pair in edge for x, y in (pair, pair[::-1])), name
        text = (resources_folder() / "icons" / f"{name}.svg").read_text()
        assert 'viewBox="0 0 20 20"' in text
        assert 'stroke-width="1.5"' in text


def test_an_icon_takes_the_colour_and_is_crisp_at_200_percent(application: QApplication) -> None:
    shown = icon("check", "#FF0000", 20).pixmap(icon("check").availableSizes()[0], 2.0)
    assert (shown.width(), shown.devicePixelRatio()) == (40, 2.0)
    image = shown.toImage()
    seen = {
        image.pixelColor(x, y).name() for x in range(40) for y in range(40) if image.pixelColor(x, y).alpha() == 255
    }
    assert seen == {"#ff0000"}
    with pytest.raises(FileNotFoundError):
        icon("no such drawing")


@pytest.mark.parametrize("name", ["<b>ROOM</b>", "a < b & c", "WORKSHOP", "<img src=x>\nb"])
def test_a_tooltip_shows_names_as_they_are(application: QApplication, name: str) -> None:
    document = QTextDocument()
    shown = tip(name)
    if "<" in shown:
        document.setHtml(shown)
        shown = document.toPlainText()
    assert shown == name


def test_a_theme_changes_at_once_and_tells(application: QApplication, until: Until) -> None:
    theme = Theme(is_dark=False, has_motion=False)
    told: list[bool] = []
    theme.changed.connect(lambda: told.append(theme.palette.is_dark))
    theme.force(True)
    theme.force(True)
    assert told == [True]
    assert theme.palette is DARK
    assert theme.motion(180) == 0
    assert Theme(is_dark=True, has_motion=True).motion(180) == 180


@pytest.mark.skipif(sys.platform != "win32", reason="elsewhere the window manager draws what is around a window")
def test_windows_draws_title_bars_in_the_look_that_was_chosen(application: QApplication) -> None:
    theme, hints = Theme(has_motion=False), QGuiApplication.styleHints()
    theme.apply(application)
    for is_dark, scheme in ((True, Qt.ColorScheme.Dark), (False, Qt.ColorScheme.Light)):
        theme.force(is_dark)
        assert hints.colorScheme() is scheme
        assert theme.palette.is_dark is is_dark
    theme.force(None)
    assert hints.colorScheme() is not Qt.ColorScheme.Unknown
