"""The shared widgets: what they tell a screen reader, when they move, what they do with too little room."""

import pytest
from PySide6.QtGui import QImage
from PySide6.QtWidgets import QApplication

from app.ui.parts.banner import Banner
from app.ui.parts.bar import StackedBar
from app.ui.parts.buttons import Button, IconButton, Role
from app.ui.parts.empty import EmptyState
from app.ui.parts.labels import Body, Elided
from app.ui.parts.progress import Progress, Spinner
from app.ui.parts.segments import memory_segments
from app.ui.style.palette import DARK, LIGHT, Tone
from app.ui.style.theme import Theme

GB = 1 << 30


@pytest.fixture
def theme(application: QApplication) -> Theme:
    made = Theme(is_dark=False, has_motion=False)
    made.apply(application)
    return made


def test_a_bar_says_itself_in_words_and_leaves_nothing_empty_out(theme: Theme) -> None:
    bar = StackedBar(theme, "RTX 4090")
    bar.show_segments(memory_segments(LIGHT.device_colour(0), 13 * GB, 0, GB, 2 * GB, 8 * GB), 24 * GB)
    assert bar.accessibleName() == "RTX 4090"
    assert bar.accessibleDescription() == "weights 13 GB, buffers 1 GB, other 2 GB, free 8 GB"


def test_a_bars_parts_are_as_wide_as_their_bytes(theme: Theme) -> None:
    bar = StackedBar(theme, "GPU")
    bar.resize(200, 20)
    bar.show_segments(memory_segments("#0072B2", 12 * GB, 0, 0, 0, 12 * GB), 24 * GB)
    picture = bar.grab().toImage()
    blue = [x for x in range(200) if picture.pixelColor(x, 2).name() == "#0072b2"]
    assert 97 <= len(blue) <= 100
    assert max(blue) < 101


def test_an_empty_bar_is_drawn_without_a_total(theme: Theme) -> None:
    bar = StackedBar(theme, "GPU")
    bar.show_segments(())
    assert not bar.grab().toImage().isNull()


def test_a_cut_text_tells_the_whole_one(theme: Theme) -> None:
    label = Elided("The quiet PC in the attic that nobody is allowed to turn off")
    label.resize(100, 20)
    label.show()
    QApplication.processEvents()
    assert label.toolTip() == label.accessibleName() == "The quiet PC in the attic that nobody is allowed to turn off"
    label.resize(900, 20)
    QApplication.processEvents()
    assert label.toolTip() == ""
    label.hide()


def test_a_button_that_is_off_says_why(theme: Theme) -> None:
    button = Button("Save & go", Role.PRIMARY)
    assert (button.text(), button.accessibleName()) == ("Save && go", "Save & go")
    button.allow("2.1 GB short on WORKSHOP")
    assert (button.isEnabled(), button.toolTip()) == (False, "2.1 GB short on WORKSHOP")
    assert button.accessibleDescription() == "2.1 GB short on WORKSHOP"
    button.allow(None)
    assert (button.isEnabled(), button.toolTip()) == (True, "")


def test_an_icon_button_has_a_name_and_tells_its_keys(theme: Theme) -> None:
    pressed: list[bool] = []
    button = IconButton(theme, "copy", "Copy", lambda: pressed.append(True), shortcut="Ctrl+Shift+C")
    assert (button.accessibleName(), button.toolTip()) == ("Copy", "Copy (Ctrl+Shift+C)")
    button.click()
    assert pressed == [True]


def dark_pixels(picture: QImage) -> int:
    return sum(picture.pixelColor(x, y).lightness() < 90 for x in range(32) for y in range(32))


def test_icons_are_tinted_again_when_the_theme_changes(theme: Theme) -> None:
    button = IconButton(theme, "copy", "Copy")
    before = dark_pixels(button.icon().pixmap(20).toImage().scaled(32, 32))
    theme.force(True)
    assert theme.palette is DARK
    after = dark_pixels(button.icon().pixmap(20).toImage().scaled(32, 32))
    assert before != after
    theme.force(False)


def test_a_spinner_turns_only_while_it_is_seen_and_may(application: QApplication) -> None:
    for has_motion in (True, False):
        spinner = Spinner(Theme(is_dark=False, has_motion=has_motion), "Loading")
        assert spinner._timer == 0
        spinner.show()
        assert bool(spinner._timer) is has_motion
        spinner.hide()
        assert spinner._timer == 0


@pytest.mark.parametrize(("part", "value"), [(0.4, 400), (None, 0), (7.0, 1000), (-1.0, 0)])
def test_progress_never_leaves_its_bar(theme: Theme, part: float | None, value: int) -> None:
    progress = Progress("Download")
    progress.show_part(part)
    assert progress.value() == value


def test_a_banner_says_both_and_its_button_helps(theme: Theme) -> None:
    done: list[str] = []
    banner = Banner(theme, Tone.TIGHT, "It is slow.", "Use a cable.", "Fix", lambda: done.append("fix"))
    assert banner.accessibleName() == "It is slow. Use a cable."
    assert banner.button is not None
    banner.button.click()
    banner.tell(Tone.GOOD, "It is quick.")
    assert (banner.accessibleName(), done) == ("It is quick.", ["fix"])


def test_an_empty_state_offers_its_button(theme: Theme) -> None:
    done: list[bool] = []
    empty = EmptyState(theme, "chat", "No chats yet", "They will be here.", "New chat", lambda: done.append(True))
    assert empty.button is not None
    empty.button.click()
    assert done == [True]
    assert EmptyState(theme, "chat", "Nothing", "At all.").button is None


def test_names_are_never_taken_for_markup(theme: Theme) -> None:
    label = Body("<b>ROOM</b> & co")
    assert label.text() == "<b>ROOM</b> & co"
    plain = Body("xxxROOMxxxx & co")
    assert label.sizeHint().width() > plain.sizeHint().width() * 0.9
