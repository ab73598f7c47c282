"""PURE: an instance as the launch view shows it: steps with their own time and state, an end, a comparison."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce

from app.schema.errors import ErrorInfo
from app.schema.instance import InstanceState, InstanceStatus, Phase, PhaseName, PhaseState, Progress, Unit
from app.schema.node import Status
from app.schema.plan import Plan
from app.schema.record import InstanceId
from app.ui.models import figures
from app.ui.parts.sizes import count_text
from app.ui.words import Phrase, shortened, tr, verbatim

_PC_COLUMNS = 24

_FIRST = {
    PhaseName.LEASES: tr("Reserve memory"),
    PhaseName.WORKERS_STARTED: tr("Start workers"),
    PhaseName.WORKERS_VERIFIED: tr("Check workers"),
    PhaseName.MEMORY_CHECKED: tr("Check memory"),
    PhaseName.HEAD_STARTED: tr("Start the engine"),
    PhaseName.HANDSHAKE: tr("Connect the workers"),
    PhaseName.TENSORS: tr("Load weights"),
    PhaseName.WARM_UP: tr("Warm up"),
    PhaseName.READY: tr("Ready"),
}

_ONLY_TOGETHER = frozenset({PhaseName.WORKERS_STARTED, PhaseName.WORKERS_VERIFIED, PhaseName.HANDSHAKE})
"""Steps that mean nothing on one PC."""


@dataclass(frozen=True)
class Step:
    """One line of a launch. `part` is how far it is (0..1), None when it has no measure."""

    name: PhaseName
    words: Phrase
    state: PhaseState
    detail: Phrase | None
    seconds: float | None
    part: float | None


def steps(instance: InstanceStatus, now: float) -> tuple[Step, ...]:
    """The steps that matter for this plan and state, at `now` (seconds since the epoch)."""
    alone = instance.plan.pcs == 1
    has_failed = instance.state is InstanceState.FAILED
    shown = [each for each in instance.phases if not (alone and each.name in _ONLY_TOGETHER)]
    # What never began says nothing of why it failed.
    kept = [each for each in shown if not (has_failed and each.state is PhaseState.PENDING)]
    return tuple(_step(each, instance.plan, now) for each in kept)


def title(instance: InstanceStatus, name: str) -> Phrase:
    """What happens to the model."""
    shown = shortened(name, 48)
    return {
        InstanceState.STARTING: tr("Launching {model}", model=shown),
        InstanceState.READY: tr("{model} is ready", model=shown),
        InstanceState.STOPPING: tr("Unloading {model}", model=shown),
        InstanceState.STOPPED: tr("{model} is unloaded", model=shown),
        InstanceState.FAILED: _failed(instance, shown),
    }[instance.state]


def subtitle(instance: InstanceStatus) -> Phrase:
    """Where it runs, and how long the launch took."""
    names = where(instance.plan)
    context = count_text(instance.plan.context)
    if instance.ready_at is not None and instance.state is InstanceState.READY:
        took = figures.duration(instance.ready_at - instance.created_at)
        return tr("Ready in {took} on {pcs}, {context} tokens of context", took=took, pcs=names, context=context)
    return tr("on {pcs}, {context} tokens of context", pcs=names, context=context)


def left(unloads_at: float | None, now: float) -> Phrase | None:
    """`unloads in 12 min`; None when it stays."""
    if unloads_at is None:
        return None
    seconds = max(0, math.ceil(unloads_at - now))
    if seconds < 90:
        return tr("unloads in {count} s", count=seconds)
    return tr("unloads in {count} min", count=math.ceil(seconds / 60))


def where(plan: Plan) -> str:
    """The PCs of a plan in layer order: `LIVING ROOM + WORKSHOP`."""
    return " + ".join(dict.fromkeys(shortened(stage.node_name, _PC_COLUMNS) for stage in plan.stages))


def expectation(instance: InstanceStatus, measured: float | None = None) -> Phrase | None:
    """What was predicted, and beside it what was measured: the last answer's tokens/s, the launch's seconds; and what
    another split would be.

    None when nothing is known.
    """
    last = None if measured is None else tr("The last answer came with {speed}.", speed=figures.speed(measured))
    better = None if instance.better is None else tr("{sentence}", sentence=instance.better)
    parts = [part for part in (last, _predicted(instance), better) if part is not None]
    return reduce(lambda one, other: tr("{one} {other}", one=one, other=other), parts) if parts else None


def _predicted(instance: InstanceStatus) -> Phrase | None:
    told = instance.plan.prediction
    if told is None:
        return None
    words = tr(
        "Predicted: {speed}, first word {first} after {tokens} tokens in.",
        speed=figures.speed(told.decode, told.is_measured),
        first=figures.duration(told.first_token),
        tokens=count_text(told.prompt_tokens),
    )
    if told.load is None or instance.ready_at is None:
        return words
    took = figures.duration(instance.ready_at - instance.created_at)
    return tr("{words} Ready after {took}, {load} predicted.", words=words, took=took, load=figures.duration(told.load))


def running(status: Status) -> tuple[InstanceStatus, ...]:
    """Every model that starts, runs or ends in the cluster, oldest first.

    Of those that failed on this PC the last try of each model, unless a later one of it lives.
    """
    live = {each.id: each for each in status.all_instances if each.state not in _GONE}
    failed = [each for each in status.instances if each.state is InstanceState.FAILED]
    last = {each.model_id: each for each in sorted((*failed, *live.values()), key=_age)}
    shown = (each for each in failed if last[each.model_id] is each)
    return tuple(sorted((*live.values(), *shown), key=_age))


def _age(instance: InstanceStatus) -> tuple[float, InstanceId]:
    return instance.created_at, instance.id


_GONE = frozenset({InstanceState.STOPPED, InstanceState.FAILED})


def log_name(instance: InstanceStatus) -> str:
    """The log of the instance's llama-server, as the node that runs it names it."""
    return f"head-{instance.id}"


def diagnostics(instance: InstanceStatus, lines: Sequence[str]) -> str:
    """What helps somebody else to understand a failure: error, plan, steps, last lines. No prompt is in any of it."""
    plan, error = instance.plan, instance.error
    told = [error.code, error.sentence, error.hint, *error.detail] if error else []
    stages = [
        f"{stage.node_name} {stage.device}: {stage.layers} layers, {figures.size(stage.total_bytes)}"
        f" of {figures.size(stage.free_bytes)} free"
        for stage in plan.stages
    ]
    done = [_phase_line(each) for each in instance.phases]
    head = [f"model {instance.model_id}", f"context {plan.context}, {plan.slots} slots, KV {plan.kv_type}"]
    parts = (("Caravan launch", head), ("error", told), ("plan", stages), ("steps", done), ("log", lines))
    return "\n\n".join("\n".join([f"[{name}]", *text]) for name, text in parts if text)


def last_lines(error: ErrorInfo | None, lines: Sequence[str]) -> tuple[str, ...]:
    """The log's end; what the error itself brought along where there is no log."""
    return tuple(lines) or (error.detail if error else ())


def _failed(instance: InstanceStatus, name: str) -> Phrase:
    return tr("{model} stopped", model=name) if instance.ready_at else tr("{model} did not start", model=name)


def _phase_line(phase: Phase) -> str:
    took = f" {figures.duration(phase.seconds)}" if phase.seconds is not None else ""
    return f"{phase.name}: {phase.state}{took}{f' - {phase.note}' if phase.note else ''}"


def _step(phase: Phase, plan: Plan, now: float) -> Step:
    return Step(
        name=phase.name,
        words=_words(phase, plan),
        state=phase.state,
        detail=_detail(phase),
        seconds=_seconds(phase, now),
        part=_part(phase.progress) if phase.state is PhaseState.ACTIVE else None,
    )


def _words(phase: Phase, plan: Plan) -> Phrase:
    if phase.name is PhaseName.TENSORS and plan.pcs > 1:
        return tr("Load weights to {pcs}", pcs=where(plan))
    return _FIRST[phase.name]


def _seconds(phase: Phase, now: float) -> float | None:
    if phase.state is PhaseState.ACTIVE and phase.started_at is not None:
        return max(0.0, now - phase.started_at)
    return phase.seconds


def _detail(phase: Phase) -> Phrase | None:
    step = phase.progress
    if step is None:
        return verbatim(phase.note) if phase.note else None
    if phase.state is PhaseState.ACTIVE:
        return _progress(step)
    # Bytes that were all loaded are told by the tick; where a launch broke off, the number says how far it came.
    return _counted(step) if step.unit is Unit.WORKERS or phase.state is PhaseState.FAILED else None


def _counted(step: Progress) -> Phrase:
    if step.unit is Unit.WORKERS:
        return tr("{done} of {total}", done=step.done, total=step.total)
    return tr("{done} of {total}", done=figures.size(step.done), total=figures.size(step.total))


def _progress(step: Progress) -> Phrase:
    words = _counted(step)
    if step.unit is Unit.WORKERS or step.rate is None:
        return words
    words = tr("{so_far}, {rate}/s", so_far=words, rate=figures.size(round(step.rate)))
    if not step.seconds_left:
        return words
    return tr("{so_far}, {left} left", so_far=words, left=figures.duration(step.seconds_left))


def _part(step: Progress | None) -> float | None:
    if step is None or step.total <= 0 or step.unit is not Unit.BYTES:
        return None
    return min(max(step.done / step.total, 0.0), 1.0)
