"""A launch in the made-up cluster, half-way and broken off."""

from app.schema.errors import ErrorInfo
from app.schema.instance import InstanceState, InstanceStatus, Phase, PhaseName, PhaseState, Progress, Unit
from app.schema.plan import Plan
from app.schema.record import InstanceId
from app.ui.models.sample_cluster import MEBI, WORKSHOP


def instance(
    state: InstanceState, plan: Plan, *, phases: tuple[Phase, ...] = (), error: ErrorInfo | None = None, at: float = 0.0
) -> InstanceStatus:
    """An instance on WORKSHOP."""
    ready_at = at + 9.4 if state is InstanceState.READY else None
    return InstanceStatus(
        id=InstanceId(f"{plan.model_id}-1"),
        model_id=plan.model_id,
        head=WORKSHOP,
        state=state,
        plan=plan,
        phases=phases,
        error=error,
        created_at=at,
        ready_at=ready_at,
    )


def loading(at: float, failed: bool = False) -> tuple[Phase, ...]:
    """The steps of a launch that has sent 3.1 of 8.4 GB; `at` is now."""
    done, pending = PhaseState.DONE, PhaseState.PENDING
    sent = Progress(done=3329 * MEBI, total=8602 * MEBI, unit=Unit.BYTES, rate=112.0 * MEBI, seconds_left=47.0)
    workers = Progress(done=1, total=1, unit=Unit.WORKERS)
    last = PhaseState.FAILED if failed else PhaseState.ACTIVE
    return (
        Phase(name=PhaseName.LEASES, state=done, seconds=0.1),
        Phase(name=PhaseName.WORKERS_STARTED, state=done, seconds=1.2, progress=workers),
        Phase(name=PhaseName.WORKERS_VERIFIED, state=done, seconds=0.3, progress=workers),
        Phase(name=PhaseName.MEMORY_CHECKED, state=done, seconds=2.1, note="the engine needs 0.2 GB less than planned"),
        Phase(name=PhaseName.HEAD_STARTED, state=done, seconds=0.4),
        Phase(name=PhaseName.HANDSHAKE, state=done, seconds=0.2),
        Phase(name=PhaseName.TENSORS, state=last, started_at=at - 30, seconds=30.0, progress=sent),
        Phase(name=PhaseName.WARM_UP, state=pending),
        Phase(name=PhaseName.READY, state=pending),
    )


FAILURE = ErrorInfo(
    code="worker_lost",
    sentence="The engine on LIVING ROOM stopped (code 0xC0000409) while loading layer 14.",
    hint="Launch it again. If it stops again, update the graphics driver there.",
)
