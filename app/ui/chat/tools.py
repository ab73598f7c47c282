"""What every message needs to be shown, made once per chat page."""

from dataclasses import dataclass

from app.ui.chat.formulas import Formulas
from app.ui.chat.highlight import Highlighter
from app.ui.chat.pictures import Pictures
from app.ui.style.theme import Theme


@dataclass(frozen=True)
class Tools:
    """The look, the colours of code, the drawings of formulas, and the pictures of images."""

    theme: Theme
    highlighter: Highlighter
    formulas: Formulas
    pictures: Pictures
