"""Layers shared out by hand: a slider per device; what one takes the others give."""

from collections.abc import Sequence
from functools import partial

from PySide6.QtCore import QSignalBlocker, Qt, Signal
from PySide6.QtWidgets import QGridLayout, QSlider, QWidget

from app.ui.models.shares import Portion, moved
from app.ui.parts.labels import Body, Elided, Quiet
from app.ui.said import said
from app.ui.style.tokens import GAP, UNIT
from app.ui.words import tr


class HandSliders(QWidget):
    """`portions` is what stands now; `chosen` comes when a person moved a slider."""

    chosen = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.portions: tuple[Portion, ...] = ()
        self.sliders: list[QSlider] = []
        self._counts: list[Body] = []
        self._widgets: list[QWidget] = []
        self._grid = QGridLayout(self)
        self._grid.setContentsMargins(0, 0, 0, 0)
        self._grid.setHorizontalSpacing(GAP)
        self._grid.setVerticalSpacing(UNIT)
        self._grid.setColumnStretch(0, 2)
        self._grid.setColumnStretch(1, 3)

    def show_portions(self, portions: Sequence[Portion]) -> None:
        """Show these devices with their layers."""
        same = [(each.node, each.device) for each in portions] == [(each.node, each.device) for each in self.portions]
        self.portions = tuple(portions)
        if not same:
            self._make()
        self._stand()

    def _make(self) -> None:
        for widget in self._widgets:
            widget.hide()
            widget.deleteLater()
        self._widgets, self.sliders, self._counts = [], [], []
        for number, portion in enumerate(self.portions):
            self._add(number, portion)

    def _add(self, number: int, portion: Portion) -> None:
        name = Elided(tr("{pc} · {device}", pc=portion.pc, device=portion.device_name), pixels=12)
        slider = QSlider(Qt.Orientation.Horizontal)
        slider.setAccessibleName(said(tr("Layers on {pc}, {device}", pc=portion.pc, device=portion.device_name)))
        slider.valueChanged.connect(partial(self._moved, number))
        count, unit = Body(wraps=False, is_strong=True), Quiet(tr("layers"))
        count.setMinimumWidth(count.fontMetrics().horizontalAdvance("000"))
        count.setAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        for column, widget in enumerate((name, slider, count, unit)):
            self._grid.addWidget(widget, number, column)
            self._widgets.append(widget)
        self.sliders.append(slider)
        self._counts.append(count)

    def _moved(self, number: int, layers: int) -> None:
        self.portions = moved(self.portions, number, layers)
        self._stand()
        self.chosen.emit()

    def _stand(self) -> None:
        total = sum(each.layers for each in self.portions)
        for portion, slider, count in zip(self.portions, self.sliders, self._counts, strict=True):
            with QSignalBlocker(slider):
                slider.setRange(0, total)
                slider.setValue(portion.layers)
            count.say(str(portion.layers))
