"""How many tokens of context: stops at powers of two, at the model's own limit, and where the memory ends."""

from functools import partial

from PySide6.QtCore import QSignalBlocker, Qt, Signal
from PySide6.QtWidgets import QHBoxLayout, QVBoxLayout, QWidget

from app.ui.models.context_fit import ContextFit
from app.ui.models.context_steps import nearest, place_of, steps
from app.ui.models.marked_slider import MarkedSlider
from app.ui.parts.buttons import Button, Role
from app.ui.parts.labels import Body, Quiet
from app.ui.parts.sizes import count_text
from app.ui.said import said
from app.ui.style.palette import Tone
from app.ui.style.theme import Theme
from app.ui.style.tokens import GAP
from app.ui.words import tr


class ContextSlider(QWidget):
    """`context` is what it stands at. `chosen` comes only when a person moves it or takes what is offered."""

    chosen = Signal(int)

    def __init__(self, theme: Theme, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._stops = steps(None)
        self._limit: int | None = None
        self._fit = ContextFit()
        self.slider = MarkedSlider(theme)
        self.slider.setAccessibleName(said(tr("Context in tokens")))
        self.slider.setPageStep(1)
        self._value, self._most = Body(wraps=False, is_strong=True), Quiet()
        self._value.setMinimumWidth(self._value.fontMetrics().horizontalAdvance("000 000"))
        self._value.setAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        self.room = Quiet(wraps=True, pixels=12)
        self.offers = tuple(self._offer(number) for number in range(2))
        self._lay_out()
        self.slider.valueChanged.connect(self._moved)

    @property
    def context(self) -> int:
        """Tokens."""
        return self._stops[self.slider.value()]

    def show_context(self, context: int, limit: int | None) -> None:
        """Stand at `context` of at most `limit`, the tokens the model was trained for; None when that is unknown."""
        self._limit = limit
        self._stops = steps(limit, context, *self._fit.marks)
        with QSignalBlocker(self.slider):
            self.slider.setRange(0, len(self._stops) - 1)
            self.slider.setValue(nearest(self._stops, context))
        self._say()

    def show_fit(self, fit: ContextFit) -> None:
        """Show how far the memory reaches; the stops are those of the next `show_context`."""
        self._fit = fit
        for number, button in enumerate(self.offers):
            button.setVisible(number < len(fit.offers))
            if number < len(fit.offers):
                button.say(tr("Use {context}", context=count_text(fit.offers[number])))
        self._say()

    def _lay_out(self) -> None:
        rows = QVBoxLayout(self)
        rows.setContentsMargins(0, 0, 0, 0)
        rows.setSpacing(0)
        line, below = QHBoxLayout(), QHBoxLayout()
        for each in (line, below):
            each.setSpacing(GAP)
            rows.addLayout(each)
        line.addWidget(Quiet(tr("Context, tokens"), pixels=12))
        line.addWidget(self.slider, 1)
        line.addWidget(self._value)
        line.addWidget(self._most)
        below.addWidget(self.room, 1)
        for button in self.offers:
            button.hide()
            below.addWidget(button, 0, Qt.AlignmentFlag.AlignTop)

    def _offer(self, number: int) -> Button:
        """A button for a larger context, with words of its own before anything is known of it."""
        return Button(tr("Use more context"), Role.QUIET, partial(self._take, number), is_small=True)

    def _moved(self) -> None:
        self._say()
        self.chosen.emit(self.context)

    def _take(self, number: int) -> None:
        if number < len(self._fit.offers):
            context = self._fit.offers[number]
            self.show_context(context, self._limit)
            self.chosen.emit(context)

    def _say(self) -> None:
        self._value.say(count_text(self.context))
        limit = tr("of {most}", most=count_text(self._limit)) if self._limit else tr("tokens")
        self._most.say(limit)
        largest = self._fit.largest
        is_beyond = largest is not None and self.context > largest
        words = (self._fit.beyond if is_beyond else self._fit.words) or ""
        self.room.say(words)
        self.room.set_tone(Tone.TIGHT if is_beyond else None)
        self.room.setVisible(bool(said(words)))
        marks = tuple(place_of(self._stops, tokens) for tokens in self._fit.marks if tokens < self._stops[-1])
        self.slider.mark(marks, place_of(self._stops, largest) if largest is not None else None)
        told = f"{count_text(self.context)} {said(limit)}. {said(words)}"
        self.slider.setAccessibleDescription(told.strip())
