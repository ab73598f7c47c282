"""Text in the four sizes. Always plain text: a name with `<b>` in it shows as it is."""

from PySide6.QtCore import QSize, Qt
from PySide6.QtGui import QFont, QPainter, QPaintEvent, QResizeEvent
from PySide6.QtWidgets import QLabel, QSizePolicy, QWidget

from app.ui.said import said, tip
from app.ui.style.fonts import mono_font, ui_font
from app.ui.style.palette import Tone
from app.ui.style.tokens import BODY, HEADING, SMALL, TITLE
from app.ui.words import Phrase


class Text(QLabel):
    """A label in one font. `say` changes its text, `set_tone` its colour."""

    def __init__(self, text: Phrase | str, font: QFont, parent: QWidget | None = None, wraps: bool = False) -> None:
        super().__init__(parent)
        self.setTextFormat(Qt.TextFormat.PlainText)
        self.setFont(font)
        self.setWordWrap(wraps)
        self.say(text)

    def say(self, text: Phrase | str) -> None:
        """Show another text."""
        if (new := said(text)) != self.text():
            self.setText(new)

    def set_tone(self, tone: Tone | None) -> None:
        """Another colour of text; None is ink. Quiet labels are quiet by themselves."""
        set_property(self, "tone", tone.value if tone else None)


class Heading(Text):
    """A page's title (level 1, 20 px) or a group's (level 2, 15 px)."""

    def __init__(self, text: Phrase | str = "", level: int = 1, parent: QWidget | None = None) -> None:
        super().__init__(text, ui_font(TITLE if level == 1 else HEADING, is_strong=True), parent)


class Body(Text):
    """Running text, 13 px; it wraps unless told otherwise."""

    def __init__(
        self, text: Phrase | str = "", parent: QWidget | None = None, wraps: bool = True, is_strong: bool = False
    ) -> None:
        super().__init__(text, ui_font(BODY, is_strong), parent, wraps)


class Quiet(Text):
    """What may be overlooked: 11 px, or another size, in the quiet colour."""

    def __init__(
        self, text: Phrase | str = "", parent: QWidget | None = None, wraps: bool = False, pixels: int = SMALL
    ) -> None:
        super().__init__(text, ui_font(pixels), parent, wraps)
        self.set_tone(None)

    def set_tone(self, tone: Tone | None) -> None:
        """Another colour of text; None is quiet."""
        set_property(self, "tone", tone.value if tone and tone is not Tone.NEUTRAL else "quiet")


class Mono(Text):
    """Code, a command, an address: monospace, and it can be selected."""

    def __init__(self, text: Phrase | str = "", parent: QWidget | None = None, pixels: int = SMALL + 1) -> None:
        super().__init__(text, mono_font(pixels), parent)
        selectable = Qt.TextInteractionFlag.TextSelectableByMouse | Qt.TextInteractionFlag.TextSelectableByKeyboard
        self.setTextInteractionFlags(selectable)


class Elided(Text):
    """One line that ends in an ellipsis when there is no room; the whole text is its tooltip and accessible name."""

    def __init__(
        self,
        text: Phrase | str = "",
        parent: QWidget | None = None,
        pixels: int = BODY,
        is_strong: bool = False,
        mode: Qt.TextElideMode = Qt.TextElideMode.ElideRight,
    ) -> None:
        self._mode = mode
        super().__init__(text, ui_font(pixels, is_strong), parent)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)

    def say(self, text: Phrase | str) -> None:
        """Show another text, on one line."""
        self.setText(" ".join(said(text).split()))
        self.setAccessibleName(self.text())
        self._tell_if_cut()

    def minimumSizeHint(self) -> QSize:  # noqa: D102
        return QSize(self.fontMetrics().averageCharWidth() * 3, super().minimumSizeHint().height())

    def resizeEvent(self, event: QResizeEvent) -> None:  # noqa: D102
        super().resizeEvent(event)
        self._tell_if_cut()

    def paintEvent(self, event: QPaintEvent) -> None:  # noqa: D102
        painter = QPainter(self)
        painter.setPen(self.palette().color(self.foregroundRole()))
        cut = self.fontMetrics().elidedText(self.text(), self._mode, self.width())
        painter.drawText(self.rect(), int(self.alignment()), cut)

    def _tell_if_cut(self) -> None:
        is_cut = self.fontMetrics().horizontalAdvance(self.text()) > self.width()
        self.setToolTip(tip(self.text()) if is_cut else "")


def set_property(widget: QWidget, name: str, value: str | None) -> None:
    """Set what the stylesheet selects by, and let it take effect."""
    if widget.property(name) == value:
        return
    widget.setProperty(name, value)
    widget.style().unpolish(widget)
    widget.style().polish(widget)
