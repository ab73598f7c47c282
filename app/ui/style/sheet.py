"""The one stylesheet, `resources/style/caravan.qss`, filled with a palette's colours and the tokens."""

from string import Template

from app.system.paths import resources_folder
from app.ui.style import tokens
from app.ui.style.palette import Palette


def style_sheet(palette: Palette) -> str:
    """The whole stylesheet. Raises KeyError when it names a value that does not exist."""
    folder = resources_folder() / "style"
    return Template((folder / "caravan.qss").read_text("utf-8")).substitute(
        {name: value for name, value in vars(palette).items() if isinstance(value, str)},
        scheme="dark" if palette.is_dark else "light",
        folder=folder.as_posix(),
        radius=f"{tokens.CONTROL_RADIUS}px",
        card_radius=f"{tokens.CARD_RADIUS}px",
        gap=f"{tokens.GAP}px",
        height=f"{tokens.CONTROL_HEIGHT - 2}px",
        small_height=f"{tokens.SMALL_CONTROL_HEIGHT - 2}px",
    )
