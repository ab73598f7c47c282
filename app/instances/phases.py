"""PURE: the phases of a launch as a tuple of records, and how they move."""

from collections.abc import Callable

from app.schema.instance import Phase, PhaseName, PhaseState, Progress, Unit

Phases = tuple[Phase, ...]

SHORTEST_FOR_A_RATE = 0.1
"""Seconds before which a rate says more about the clock than about the work."""


def first_phases() -> Phases:
    """All phases, pending, in order."""
    return tuple(Phase(name=name) for name in PhaseName)


def _replace(phases: Phases, name: PhaseName, change: Callable[[Phase], Phase]) -> Phases:
    return tuple(change(phase) if phase.name is name else phase for phase in phases)


def begin(phases: Phases, name: PhaseName, at: float) -> Phases:
    """Start a phase at `at`; every earlier phase that is still active ends there, one never begun is skipped."""
    names = [phase.name for phase in phases]
    for earlier in names[: names.index(name)]:
        phases = end(phases, earlier, at)

    def start(phase: Phase) -> Phase:
        if phase.state is not PhaseState.PENDING:
            return phase
        return phase.model_copy(update={"state": PhaseState.ACTIVE, "started_at": at})

    return _replace(phases, name, start)


def end(phases: Phases, name: PhaseName, at: float) -> Phases:
    """End an active phase as done; a pending one is skipped, others stay."""

    def finish(phase: Phase) -> Phase:
        if phase.state is PhaseState.PENDING:
            return phase.model_copy(update={"state": PhaseState.SKIPPED})
        if phase.state is PhaseState.ACTIVE:
            return phase.model_copy(update={"state": PhaseState.DONE, "seconds": _since(phase, at)})
        return phase

    return _replace(phases, name, finish)


def skip(phases: Phases, name: PhaseName, note: str) -> Phases:
    """Mark a phase as not needed, with the reason."""
    return _replace(
        phases,
        name,
        lambda phase: phase.model_copy(update={"state": PhaseState.SKIPPED, "note": note, "seconds": None}),
    )


def fail(phases: Phases, at: float) -> Phases:
    """Mark the active phases as failed."""

    def turn(phase: Phase) -> Phase:
        if phase.state is not PhaseState.ACTIVE:
            return phase
        return phase.model_copy(update={"state": PhaseState.FAILED, "seconds": _since(phase, at)})

    return tuple(turn(phase) for phase in phases)


def note(phases: Phases, name: PhaseName, text: str) -> Phases:
    """Attach a sentence to a phase."""
    return _replace(phases, name, lambda phase: phase.model_copy(update={"note": text}))


def progress(phases: Phases, name: PhaseName, done: int, total: int, unit: Unit, at: float) -> Phases:
    """Record how far an active phase is, with its mean rate since it began and the time left at that rate.

    Progress never goes back and never passes its total.
    """

    def advance(phase: Phase) -> Phase:
        if phase.state is not PhaseState.ACTIVE:
            return phase
        before = phase.progress.done if phase.progress else 0
        now = min(max(done, before), total)
        rate, left = _rate(now, total, _since(phase, at))
        step = Progress(done=now, total=total, unit=unit, rate=rate, seconds_left=left)
        return phase.model_copy(update={"progress": step, "seconds": _since(phase, at)})

    return _replace(phases, name, advance)


def _rate(done: int, total: int, seconds: float) -> tuple[float | None, float | None]:
    if done <= 0 or seconds < SHORTEST_FOR_A_RATE:
        return None, None
    rate = done / seconds
    return rate, (total - done) / rate


def _since(phase: Phase, at: float) -> float:
    return max(0.0, at - phase.started_at) if phase.started_at is not None else 0.0


def active(phases: Phases) -> PhaseName | None:
    """The phase that runs now, None when none does."""
    return next((phase.name for phase in phases if phase.state is PhaseState.ACTIVE), None)


def is_pending(phases: Phases, name: PhaseName) -> bool:
    """Whether a phase has not begun."""
    return any(phase.name is name and phase.state is PhaseState.PENDING for phase in phases)
