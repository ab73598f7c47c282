"""What a head prints, as phases and buffers; recorded order of both generations of builds."""

from app.engine.events import (
    BufferSize,
    ControlReady,
    ControlState,
    LoadDots,
    LoadingTensors,
    ModelLoaded,
    UsingDevice,
    WarmingUp,
)
from app.instances import phases
from app.instances.progress import LoadProgress
from app.schema.instance import Phase, PhaseName, PhaseState


class Ticking:
    """A clock that moves a second with every look."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        self.now += 1.0
        return self.now


def fresh() -> LoadProgress:
    first = phases.begin(phases.first_phases(), PhaseName.HEAD_STARTED, 0.0)
    return LoadProgress(1000, {"127.0.0.1:1": "ATTIC/CPU"}, Ticking(), first, Ticking())


def of(progress: LoadProgress, name: PhaseName) -> Phase:
    return next(phase for phase in progress.phases if phase.name is name)


def test_a_new_build_tells_bytes_through_its_control_channel() -> None:
    progress = fresh()
    progress.first_line()
    assert phases.active(progress.phases) is PhaseName.HANDSHAKE
    progress.take(UsingDevice("RPC0", "127.0.0.1:1"))
    progress.take(LoadingTensors())
    for value in (0.0, 0.25, 0.75):
        progress.take(ControlState("text_model", value))
    step = of(progress, PhaseName.TENSORS).progress
    assert step is not None
    assert (step.done, step.total) == (750, 1000)
    assert step.rate is not None
    progress.take(WarmingUp())
    assert of(progress, PhaseName.TENSORS).state is PhaseState.DONE
    assert phases.active(progress.phases) is PhaseName.WARM_UP
    progress.take(ControlReady())
    assert progress.devices == {"127.0.0.1:1"}


def test_an_old_build_tells_dots() -> None:
    progress = fresh()
    progress.first_line()
    progress.take(LoadingTensors())
    progress.take(LoadDots(40))
    progress.take(LoadDots(41))
    step = of(progress, PhaseName.TENSORS).progress
    assert step is not None
    assert step.done == 810
    progress.take(ModelLoaded())
    step = of(progress, PhaseName.TENSORS).progress
    assert step is not None
    assert step.done == 1000


def test_only_movement_counts_against_a_stall() -> None:
    progress = fresh()
    progress.take(ControlState("text_model", 0.5))
    moved = progress.advanced_at
    for _ in range(5):
        progress.take(ControlState("text_model", 0.5))
        progress.take(UsingDevice("RPC0", "127.0.0.1:1"))
    assert progress.advanced_at == moved
    progress.take(ControlState("text_model", 0.6))
    assert progress.advanced_at > moved


def test_buffers_are_told_by_the_pc_that_holds_them() -> None:
    progress = fresh()
    progress.take(BufferSize("RPC0", "127.0.0.1:1", "model", 7.5))
    progress.take(BufferSize("CPU_Mapped", None, "model", 0.25))
    told = [(each.device, each.kind, each.mebibytes) for each in progress.buffer_records()]
    assert told == [("ATTIC/CPU", "model", 7.5), ("CPU_Mapped", "model", 0.25)]
