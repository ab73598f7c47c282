"""A row with a list to choose from."""

from collections.abc import Callable, Sequence

from PySide6.QtWidgets import QComboBox

from app.ui.said import said
from app.ui.settings.changes import Changes
from app.ui.settings.rows import FieldOf, Setting
from app.ui.style.fonts import ui_font
from app.ui.style.theme import Theme
from app.ui.style.tokens import BODY
from app.ui.words import Phrase


class Choice(QComboBox):
    """Values with their words. One that the list does not have, because it was set elsewhere, is added at its end."""

    def __init__(self, values: Sequence[object], words: Callable[[object], Phrase]) -> None:
        super().__init__()
        self._words = words
        self.setFont(ui_font(BODY))
        self.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToContents)
        for each in values:
            self.addItem(said(words(each)), each)

    def show_value(self, value: object) -> None:
        """Stand at this value. An open list is left alone."""
        if self.view().isVisible():
            return
        values = [self.itemData(number) for number in range(self.count())]
        if value not in values:
            self.addItem(said(self._words(value)), value)
            values.append(value)
        self.setCurrentIndex(values.index(value))


def choice_setting(
    theme: Theme,
    changes: Changes,
    name: str,
    title: Phrase,
    reason: Phrase,
    values: Sequence[object],
    words: Callable[[object], Phrase],
) -> tuple[Setting, Choice]:
    """A row with a list for a field that has few sensible values."""
    choice = Choice(values, words)
    choice.activated.connect(lambda number: changes.change(name, choice.itemData(number)))
    row = Setting(theme, title, reason, choice)
    FieldOf(changes, row, name, lambda settings: choice.show_value(getattr(settings, name)))
    return row, choice
