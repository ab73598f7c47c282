"""The warnings of the node, each with its hint and the button that helps."""

from PySide6.QtWidgets import QVBoxLayout, QWidget

from app.ui.cluster.picture import Advice
from app.ui.desk import Desk
from app.ui.parts.banner import Banner
from app.ui.parts.labels import Quiet
from app.ui.style.palette import Tone
from app.ui.style.theme import Theme
from app.ui.style.tokens import GAP
from app.ui.words import tr

MOST = 3
"""Warnings shown at once; the rest is counted."""


class AdviceList(QWidget):
    """Warnings that hold, and above them what has just failed until it is closed."""

    def __init__(self, theme: Theme, desk: Desk, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._theme, self._desk = theme, desk
        self._shown: tuple[Advice, ...] = ()
        self._news: Banner | None = None
        self._lines: list[QWidget] = []
        self._rows = QVBoxLayout(self)
        self._rows.setContentsMargins(0, 0, 0, 0)
        self._rows.setSpacing(GAP)
        self.setVisible(False)

    def show_advice(self, advice: tuple[Advice, ...]) -> None:
        """Show these."""
        if advice == self._shown:
            return
        self._shown = advice
        for line in self._lines:
            line.deleteLater()
        self._lines = [self._line(each) for each in advice[:MOST]]
        if len(advice) > MOST:
            self._lines.append(Quiet(tr("and {count} more", count=len(advice) - MOST)))
        for line in self._lines:
            self._rows.addWidget(line)
        self.setVisible(bool(self._lines) or self._news is not None)

    def tell(self, tone: Tone, sentence: str, hint: str) -> None:
        """Say what has just happened."""
        self._forget_news()
        self._news = Banner(self._theme, tone, sentence, hint, on_close=self._forget_news)
        self._rows.insertWidget(0, self._news)
        self.setVisible(True)

    def _forget_news(self) -> None:
        if self._news is not None:
            self._news.deleteLater()
            self._news = None
        self.setVisible(bool(self._lines))

    def _line(self, advice: Advice) -> Banner:
        wish = advice.wish
        if advice.fix is None or wish is None:
            return Banner(self._theme, Tone.TIGHT, advice.sentence, advice.hint)
        return Banner(
            self._theme,
            Tone.TIGHT,
            advice.sentence,
            advice.hint,
            advice.fix,
            lambda: self._desk.go(wish, advice.about),
        )
