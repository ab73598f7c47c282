"""Phases move forward, keep their times, and never tell more than there is."""

from hypothesis import given
from hypothesis import strategies as st

from app.instances import phases
from app.schema.instance import PhaseName, PhaseState, Unit


def _state(found: phases.Phases, name: PhaseName) -> PhaseState:
    return next(phase.state for phase in found if phase.name is name)


def test_beginning_a_phase_ends_the_one_before_and_skips_what_never_began() -> None:
    found = phases.begin(phases.first_phases(), PhaseName.LEASES, 10.0)
    found = phases.begin(found, PhaseName.TENSORS, 12.5)
    assert _state(found, PhaseName.LEASES) is PhaseState.DONE
    assert found[0].seconds == 2.5
    assert _state(found, PhaseName.HANDSHAKE) is PhaseState.SKIPPED
    assert phases.active(found) is PhaseName.TENSORS


def test_progress_has_a_rate_and_the_time_left() -> None:
    found = phases.begin(phases.first_phases(), PhaseName.TENSORS, 0.0)
    found = phases.progress(found, PhaseName.TENSORS, 250, 1000, Unit.BYTES, 2.0)
    step = next(phase.progress for phase in found if phase.name is PhaseName.TENSORS)
    assert step is not None
    assert (step.done, step.rate, step.seconds_left) == (250, 125.0, 6.0)


def test_a_failure_marks_only_what_was_running() -> None:
    found = phases.begin(phases.begin(phases.first_phases(), PhaseName.LEASES, 0), PhaseName.WORKERS_STARTED, 1)
    found = phases.fail(found, 3.0)
    assert _state(found, PhaseName.LEASES) is PhaseState.DONE
    assert _state(found, PhaseName.WORKERS_STARTED) is PhaseState.FAILED
    assert _state(found, PhaseName.READY) is PhaseState.PENDING


@given(st.lists(st.tuples(st.integers(-5, 2000), st.floats(0, 100)), max_size=20))
def test_progress_never_goes_back_and_never_passes_its_total(steps: list[tuple[int, float]]) -> None:
    found = phases.begin(phases.first_phases(), PhaseName.TENSORS, 0.0)
    before = 0
    for done, at in steps:
        found = phases.progress(found, PhaseName.TENSORS, done, 1000, Unit.BYTES, at)
        step = next(phase.progress for phase in found if phase.name is PhaseName.TENSORS)
        assert step is not None
        assert before <= step.done <= 1000
        before = step.done


@given(st.lists(st.tuples(st.sampled_from(PhaseName), st.floats(0, 1e6)), max_size=12))
def test_at_most_one_phase_is_active(begun: list[tuple[PhaseName, float]]) -> None:
    found = phases.first_phases()
    for name, at in sorted(begun, key=lambda each: list(PhaseName).index(each[0])):
        found = phases.begin(found, name, at)
        assert sum(phase.state is PhaseState.ACTIVE for phase in found) <= 1
