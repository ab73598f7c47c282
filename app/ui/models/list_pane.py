"""The left half of the picker: the list, what it says when nothing matches, and where models come from."""

from collections.abc import Sequence

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QHBoxLayout, QStackedWidget, QVBoxLayout, QWidget

from app.ui.models import rows as row_values
from app.ui.models.list_model import row_list
from app.ui.models.pcs import Pc
from app.ui.models.row_delegate import HEIGHT, RowDelegate
from app.ui.models.rows import Row, Wish
from app.ui.parts.buttons import Button, Role
from app.ui.parts.card import Card
from app.ui.parts.empty import EmptyState
from app.ui.parts.labels import Quiet
from app.ui.parts.row_view import RowView
from app.ui.style.theme import Theme
from app.ui.style.tokens import GAP
from app.ui.words import Phrase, tr

FEW = 4
"""Up to so many models the pane says how more come in."""


class ListPane(QWidget):
    """Shows the rows that a wish leaves."""

    clear_wanted = Signal()
    folder_wanted = Signal()
    find_wanted = Signal()

    def __init__(self, theme: Theme, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.view = RowView[Row](theme, row_list(), HEIGHT, tr("Models"))
        self.view.paint_with(RowDelegate(theme))
        self.count = Quiet()
        self.nothing = EmptyState(
            theme,
            "search",
            tr("Nothing matches"),
            tr("No model has these words, this place and this verdict."),
            tr("Show all"),
            self.clear_wanted.emit,
        )
        self.more = self._more()
        self._stack = QStackedWidget()
        self._stack.addWidget(self.view)
        self._stack.addWidget(self.nothing)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(GAP)
        column.addWidget(self._stack, 1)
        column.addWidget(self.more)
        column.addWidget(self.count)

    def show_rows(self, rows: Sequence[Row], wish: Wish) -> None:
        """Show those of these rows that the person wants to see."""
        shown = row_values.chosen(rows, wish)
        self.view.show_rows(shown)
        self._stack.setCurrentWidget(self.view if shown or not rows else self.nothing)
        self.more.setVisible(len(rows) <= FEW and not wish.narrows)
        self.count.say(_count_words(len(shown), len(rows)))

    def places(self, rows: Sequence[Row], pcs: tuple[Pc, ...]) -> tuple[tuple[str, Phrase], ...]:
        """What the place filter offers."""
        return row_values.places(rows, pcs)

    def _more(self) -> Card:
        card = Card(is_sunken=True)
        card.rows.addWidget(
            Quiet(
                tr(
                    "Find more on Hugging Face, drop a .gguf file here, or put it into the models folder. Models of "
                    "Ollama, LM Studio, Hugging Face and llama.cpp are found where they are."
                ),
                wraps=True,
                pixels=12,
            )
        )
        line = QHBoxLayout()
        line.addWidget(Button(tr("Find a model"), Role.PLAIN, self.find_wanted.emit, is_small=True))
        line.addWidget(Button(tr("Open the models folder"), Role.PLAIN, self.folder_wanted.emit, is_small=True))
        line.addStretch(1)
        card.rows.addLayout(line)
        return card


def _count_words(shown: int, known: int) -> Phrase:
    if shown != known:
        return tr("{shown} of {known} models", shown=shown, known=known)
    return tr("1 model") if known == 1 else tr("{known} models", known=known)
