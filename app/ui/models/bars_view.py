"""The plan as a caravan: one PC below the other in the order in which layers flow, each with its memory."""

from collections.abc import Sequence

from PySide6.QtWidgets import QHBoxLayout, QVBoxLayout, QWidget

from app.ui.models.plan_view import DeviceBar, PcBars
from app.ui.parts.bar import StackedBar
from app.ui.parts.labels import Elided, Quiet
from app.ui.parts.segments import memory_segments
from app.ui.style.palette import Tone
from app.ui.style.theme import Theme
from app.ui.style.tokens import BODY, GAP, UNIT
from app.ui.words import tr


class BarsView(QWidget):
    """Shows the PCs of a plan. Bars stay while their devices do: a moving slider only moves lengths."""

    def __init__(self, theme: Theme, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._theme = theme
        self._shown: list[tuple[str, str]] = []
        self._lines: list[_DeviceLine] = []
        self._rows = QVBoxLayout(self)
        self._rows.setContentsMargins(0, 0, 0, 0)
        self._rows.setSpacing(GAP + UNIT)

    def show_bars(self, bars: Sequence[PcBars]) -> None:
        """Show these PCs."""
        wanted = [(pc, device) for pc in bars for device in pc.devices]
        keys = [(str(pc.node), device.name) for pc, device in wanted]
        if keys != self._shown:
            self._shown = keys
            self._make(len(keys))
        for line, (pc, device) in zip(self._lines, wanted, strict=True):
            line.show_device(pc, device)

    def _make(self, count: int) -> None:
        for line in self._lines:
            line.hide()
            line.deleteLater()
        self._lines = [_DeviceLine(self._theme) for _ in range(count)]
        for line in self._lines:
            self._rows.addWidget(line)


class _DeviceLine(QWidget):
    def __init__(self, theme: Theme) -> None:
        super().__init__()
        self._theme = theme
        self._name = Elided(pixels=BODY, is_strong=True)
        self._what = Quiet()
        self._room = Quiet()
        self._parts = Quiet(wraps=True)
        self._bar = StackedBar(theme, tr("Memory"))
        rows = QVBoxLayout(self)
        rows.setContentsMargins(0, 0, 0, 0)
        rows.setSpacing(UNIT)
        head = QHBoxLayout()
        head.setSpacing(GAP)
        head.addWidget(self._name, 1)
        head.addWidget(self._what)
        head.addWidget(self._room)
        rows.addLayout(head)
        rows.addWidget(self._bar)
        rows.addWidget(self._parts)

    def show_device(self, pc: PcBars, device: DeviceBar) -> None:
        self._name.say(tr("{pc} · {device}", pc=pc.name, device=device.name))
        self._what.say(device.layers)
        short = device.over > 0
        self._room.say(tr("too much by {size}", size=device.missing) if short else device.summary)
        self._parts.say(device.small_parts)
        self._room.set_tone(Tone.BAD if short else None)
        colour = self._theme.palette.device_colour(pc.colour)
        self._bar.setAccessibleName(self._name.text())
        self._bar.show_segments(
            memory_segments(colour, device.weights, device.kv, device.buffers, device.other, device.free)
        )
