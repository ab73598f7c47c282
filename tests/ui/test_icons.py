"""Each state is told by shape: its picture differs from every other one even without colour, at every size."""

from itertools import combinations

import pytest
from PySide6.QtGui import QImage
from PySide6.QtWidgets import QApplication

from app.ui.face import Icon
from app.ui.icons import SIZES, Icons

ENOUGH = 0.03
"""The part of all pixels in which two states differ at least."""


@pytest.fixture
def icons(application: QApplication) -> Icons:
    return Icons()


def shape(picture: QImage) -> list[int]:
    return [picture.pixelColor(x, y).alpha() for y in range(picture.height()) for x in range(picture.width())]


@pytest.mark.parametrize("scale", [1, 2])
@pytest.mark.parametrize("size", SIZES)
def test_no_two_states_look_alike(icons: Icons, size: int, scale: int) -> None:
    shapes = {icon: shape(icons.image(icon, size, scale, on_dark=False)) for icon in Icon}
    for one, other in combinations(Icon, 2):
        differing = sum(abs(a - b) > 128 for a, b in zip(shapes[one], shapes[other], strict=True))
        assert differing / (size * scale) ** 2 >= ENOUGH, (one, other)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("icon", Icon)
def test_the_drawing_stays_within_its_cell_and_fills_it(icons: Icons, icon: Icon, size: int) -> None:
    picture = icons.image(icon, size, 1, on_dark=False)
    filled = [(x, y) for x in range(size) for y in range(size) if picture.pixelColor(x, y).alpha() > 128]
    columns, rows = {x for x, _ in filled}, {y for _, y in filled}
    assert max(columns) - min(columns) >= size * 0.7
    assert max(rows) - min(rows) >= size * 0.5
    left, right = sorted(columns)[0], sorted(columns)[-1]
    assert left <= size * 0.2
    assert right >= size * 0.7


@pytest.mark.parametrize("icon", Icon)
def test_light_and_dark_differ_in_tint_only(icons: Icons, icon: Icon) -> None:
    on_light, on_dark = (icons.image(icon, 16, 1, on_dark=dark) for dark in (False, True))
    assert shape(on_light) == shape(on_dark)
    assert on_light != on_dark


def test_an_icon_has_all_its_sizes_and_is_drawn_once(icons: Icons) -> None:
    made = icons.icon(Icon.READY, on_dark=True)
    assert {size.width() for size in made.availableSizes()} == {16, 20, 24, 32, 40, 48, 64}
    assert icons.icon(Icon.READY, on_dark=True) is made
