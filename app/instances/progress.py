"""What the engine's output says about a launch: phases, buffers and devices, gathered from typed events.

The only writer of an instance's phases while its head loads. It reads events and the clock it is given, nothing else.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field

from app.engine.output import (
    BufferSize,
    ControlReady,
    ControlState,
    LoadDots,
    LoadingTensors,
    ModelLoaded,
    OutputEvent,
    UsingDevice,
    WarmingUp,
)
from app.instances import phases
from app.schema.instance import DeviceBuffer, PhaseName, Unit


@dataclass
class LoadProgress:
    """Gathers what one head says. `names` maps a worker's `host:port` to how its device is shown.

    `total_bytes` are the weights the plan expects to travel or be read. `clock` is the time of day that people are
    told; `steady` never jumps, and `advanced_at` is when anything last moved on it. `words_end` is set once the head
    said that the model is loaded: devices and buffers are all told before.
    """

    total_bytes: int
    names: dict[str, str]
    clock: Callable[[], float]
    phases: phases.Phases
    steady: Callable[[], float]
    advanced_at: float = 0.0
    devices: set[str] = field(default_factory=set)
    buffers: dict[tuple[str, str], float] = field(default_factory=dict)
    words_end: asyncio.Event = field(default_factory=asyncio.Event)
    _fraction: float = 0.0

    def begin(self, name: PhaseName) -> None:
        """Start a phase now."""
        self.phases = phases.begin(self.phases, name, self.clock())
        self.advanced_at = self.steady()

    def take(self, event: OutputEvent) -> None:
        """Account for one event of the head's output."""
        match event:
            case ControlState(value=value):
                self._tensors(value)
            case LoadDots(count=count):
                self._tensors(min(1.0, self._fraction + count / 100))
            case LoadingTensors():
                self._enter(PhaseName.TENSORS)
            case WarmingUp() | ModelLoaded() | ControlReady():
                self._loaded()
                if isinstance(event, ModelLoaded):
                    self.words_end.set()
            case UsingDevice(endpoint=endpoint) if endpoint is not None:
                self.devices.add(endpoint)
            case BufferSize(owner=owner, endpoint=endpoint, kind=kind, mebibytes=size):
                device = self.names.get(endpoint or "", owner)
                self.buffers[device, kind] = self.buffers.get((device, kind), 0.0) + size

    def first_line(self) -> None:
        """The head printed something: it runs, and the handshake with the workers is next."""
        if phases.is_pending(self.phases, PhaseName.HANDSHAKE):
            self.begin(PhaseName.HANDSHAKE)

    def _enter(self, name: PhaseName) -> None:
        if phases.is_pending(self.phases, name):
            self.begin(name)

    def _tensors(self, fraction: float) -> None:
        self._enter(PhaseName.TENSORS)
        if fraction > self._fraction:
            self._fraction = fraction
            self.advanced_at = self.steady()
        self._advance()

    def _advance(self) -> None:
        done = round(self._fraction * self.total_bytes)
        self.phases = phases.progress(self.phases, PhaseName.TENSORS, done, self.total_bytes, Unit.BYTES, self.clock())

    def _loaded(self) -> None:
        self._fraction = 1.0
        if not phases.is_pending(self.phases, PhaseName.TENSORS):
            self._advance()
        self._enter(PhaseName.WARM_UP)

    def buffer_records(self) -> tuple[DeviceBuffer, ...]:
        """The buffers the engine reported, by device and kind."""
        return tuple(
            DeviceBuffer(device=device, kind=kind, mebibytes=size) for (device, kind), size in self.buffers.items()
        )
