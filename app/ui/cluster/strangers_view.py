"""PCs that were seen on the network and are not joined, each with a Join button."""

from collections.abc import Callable

from PySide6.QtWidgets import QHBoxLayout, QLabel, QVBoxLayout, QWidget

from app.ui.cluster.picture import Stranger
from app.ui.parts.buttons import Button, Role
from app.ui.parts.card import Card
from app.ui.parts.labels import Body, Heading, Quiet
from app.ui.parts.pill import Pill
from app.ui.style.icons import icon
from app.ui.style.palette import Tone
from app.ui.style.theme import Theme
from app.ui.style.tokens import GAP, GROUP, UNIT
from app.ui.words import tr

MOST = 8
"""Strangers shown; a school's network has more, and they are in the join dialog all the same."""


class Strangers(QWidget):
    """`on_join` is called with the stranger whose button was pressed."""

    def __init__(self, theme: Theme, on_join: Callable[[Stranger], None], parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._theme, self._on_join = theme, on_join
        self._shown: tuple[Stranger, ...] | None = None
        self._rows = QVBoxLayout(self)
        self._rows.setContentsMargins(0, 0, 0, 0)
        self._rows.setSpacing(GAP)
        self._rows.addWidget(Heading(tr("Seen on this network, not joined"), level=2))
        self._lines: list[QWidget] = []
        theme.changed.connect(self._again)

    def show_strangers(self, strangers: tuple[Stranger, ...]) -> None:
        """Show these."""
        if strangers == self._shown:
            return
        self._shown = strangers
        for line in self._lines:
            line.deleteLater()
        self._lines = [self._line(each) for each in strangers[:MOST]]
        if len(strangers) > MOST:
            self._lines.append(Quiet(tr("and {count} more", count=len(strangers) - MOST)))
        for line in self._lines:
            self._rows.addWidget(line)
        self.setVisible(bool(strangers))

    def _again(self) -> None:
        shown, self._shown = self._shown, None
        self.show_strangers(shown or ())

    def _line(self, stranger: Stranger) -> QWidget:
        card = Card()
        card.rows.setContentsMargins(GROUP, GAP, GAP, GAP)
        row = QHBoxLayout()
        row.setSpacing(GAP + UNIT)
        picture = QLabel()
        picture.setPixmap(icon("pc", self._theme.palette.quiet, 20).pixmap(20))
        row.addWidget(picture)
        row.addWidget(Body(tr("A PC at {address}", address=stranger.host), wraps=False))
        if stranger.is_inviting:
            row.addWidget(Pill(tr("shows a code now"), Tone.ACCENT))
        row.addStretch(1)
        role = Role.PRIMARY if stranger.is_inviting else Role.PLAIN
        button = Button(tr("Join"), role, lambda: self._on_join(stranger), is_small=True)
        button.setAccessibleName(f"{button.text()}: {stranger.host}")
        row.addWidget(button)
        card.rows.addLayout(row)
        return card
