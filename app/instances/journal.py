"""The public record of one instance: its status, changed step by step and published with each change."""

from collections.abc import Callable

from app.instances import phases
from app.schema.errors import CaravanError, LaunchCancelled
from app.schema.instance import DeviceBuffer, InstanceState, InstanceStatus, PhaseName, Unit
from app.schema.plan import Plan


class Journal:
    """The only writer of one `InstanceStatus`. `clock` gives seconds since the epoch."""

    def __init__(
        self, first: InstanceStatus, publish: Callable[[InstanceStatus], None], clock: Callable[[], float]
    ) -> None:
        self._status = first
        self._publish = publish
        self._clock = clock
        publish(first)

    @property
    def status(self) -> InstanceStatus:
        """The instance as everybody sees it."""
        return self._status

    def begin(self, name: PhaseName) -> None:
        """A phase begins; the one before it is done."""
        self._update(phases=phases.begin(self._status.phases, name, self._clock()))

    def skip(self, name: PhaseName, why: str) -> None:
        """A phase is not needed."""
        self._update(phases=phases.skip(self._status.phases, name, why))

    def note(self, name: PhaseName, text: str) -> None:
        """A phase has something to tell."""
        self._update(phases=phases.note(self._status.phases, name, text))

    def planned_anew(self, plan: Plan, why: str) -> None:
        """The launch begins again with another plan."""
        self._update(plan=plan, phases=phases.note(phases.first_phases(), PhaseName.LEASES, why))

    def count(self, name: PhaseName, done: int, total: int, unit: Unit) -> None:
        """A phase has come so far."""
        self._update(phases=phases.progress(self._status.phases, name, done, total, unit, self._clock()))

    def load(self, moved: phases.Phases, buffers: tuple[DeviceBuffer, ...]) -> None:
        """The head tells how its loading goes."""
        if (moved, buffers) != (self._status.phases, self._status.buffers):
            self._update(phases=moved, buffers=buffers)

    def ready(self) -> None:
        """The instance answers."""
        self.begin(PhaseName.READY)
        at = self._clock()
        ended = phases.end(self._status.phases, PhaseName.READY, at)
        self._update(phases=ended, state=InstanceState.READY, ready_at=at, idle_since=at)

    def asked(self) -> None:
        """A request came in."""
        self._update(answering=self._status.answering + 1, idle_since=None)

    def done(self) -> None:
        """A request has ended, answered or not."""
        left = self._status.answering - 1
        self._update(answering=left, idle_since=None if left else self._clock())

    def answered(self, decode: float | None, prefill: float | None) -> None:
        """An answer was measured, in tokens/s."""
        if decode is not None and self._status.state is InstanceState.READY:
            self._update(decode=decode, prefill=prefill)

    def suggested(self, sentence: str | None) -> None:
        """Another split would be faster by now, as that sentence says; or none would."""
        if self._status.state is InstanceState.READY:
            self._update(better=sentence)

    def winding_down(self) -> None:
        """The instance is being stopped."""
        if self._status.state is not InstanceState.STOPPING:
            self._update(state=InstanceState.STOPPING)

    def unwanted(self, because: str | None) -> None:
        """It is to be ended, as Caravan itself wants for that reason, or as somebody asked: it takes nothing new."""
        if self._status.state in (InstanceState.STARTING, InstanceState.READY):
            self._update(state=InstanceState.STOPPING, ended_because=because)

    def fail(self, error: CaravanError) -> None:
        """Something went wrong; the first error is the one that is told."""
        if self._status.error is None:
            self._update(phases=phases.fail(self._status.phases, self._clock()), error=error.info())

    def settle(self) -> None:
        """The instance has ended and holds nothing."""
        failed = self._status.error is not None
        if not failed and self._status.ready_at is None:
            self.fail(LaunchCancelled("The launch was cancelled.", "Nothing is left running."))
        self._update(state=InstanceState.FAILED if failed else InstanceState.STOPPED)

    def _update(self, **changes: object) -> None:
        self._status = self._status.model_copy(update=changes)
        self._publish(self._status)
