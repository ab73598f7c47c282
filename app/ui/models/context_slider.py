"""How many tokens of context: stops at powers of two and at the model's own limit."""

from PySide6.QtCore import QSignalBlocker, Qt, Signal
from PySide6.QtWidgets import QHBoxLayout, QSlider, QWidget

from app.ui.models.context_steps import nearest, steps
from app.ui.parts.labels import Body, Quiet
from app.ui.parts.sizes import count_text
from app.ui.said import said
from app.ui.style.tokens import GAP
from app.ui.words import tr


class ContextSlider(QWidget):
    """`context` is what it stands at. `chosen` comes only when a person moves it."""

    chosen = Signal(int)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._stops = steps(None)
        self._limit: int | None = None
        self.slider = QSlider(Qt.Orientation.Horizontal)
        self.slider.setAccessibleName(said(tr("Context in tokens")))
        self.slider.setPageStep(1)
        self._value, self._most = Body(wraps=False, is_strong=True), Quiet()
        self._value.setMinimumWidth(self._value.fontMetrics().horizontalAdvance("000 000"))
        self._value.setAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        self._lay_out()
        self.slider.valueChanged.connect(self._moved)

    @property
    def context(self) -> int:
        """Tokens."""
        return self._stops[self.slider.value()]

    def show_context(self, context: int, limit: int | None) -> None:
        """Stand at `context` of at most `limit`, the tokens the model was trained for; None when that is unknown."""
        self._limit = limit
        self._stops = steps(limit, context)
        with QSignalBlocker(self.slider):
            self.slider.setRange(0, len(self._stops) - 1)
            self.slider.setValue(nearest(self._stops, context))
        self._say()

    def _lay_out(self) -> None:
        line = QHBoxLayout(self)
        line.setContentsMargins(0, 0, 0, 0)
        line.setSpacing(GAP)
        line.addWidget(Quiet(tr("Context, tokens"), pixels=12))
        line.addWidget(self.slider, 1)
        line.addWidget(self._value)
        line.addWidget(self._most)

    def _moved(self) -> None:
        self._say()
        self.chosen.emit(self.context)

    def _say(self) -> None:
        self._value.say(count_text(self.context))
        limit = tr("of {most}", most=count_text(self._limit)) if self._limit else tr("tokens")
        self._most.say(limit)
        self.slider.setAccessibleDescription(f"{count_text(self.context)} {said(limit)}")
