"""PURE: the one thing the tray says about its node: an icon, a line, and a problem that wants attention."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from app.schema.errors import ErrorInfo
from app.schema.instance import InstanceState, InstanceStatus, Phase, PhaseName, PhaseState, Unit
from app.schema.node import Status
from app.schema.record import InstanceId
from app.ui.parts.sizes import speed_text
from app.ui.states import Icon as Icon
from app.ui.states import Link as Link
from app.ui.words import Phrase, shortened, tr, verbatim

NAME_COLUMNS = 40
"""Columns a model or PC name may take in a menu line."""

SENTENCE_COLUMNS = 72

_LAUNCHING = frozenset({InstanceState.STARTING, InstanceState.STOPPING})


@dataclass(frozen=True)
class Problem:
    """What happened and what to do, in full."""

    sentence: Phrase
    hint: Phrase


@dataclass(frozen=True)
class Face:
    """What the tray shows before anything is clicked."""

    icon: Icon
    line: Phrase
    problem: Problem | None = None


Speeds = Mapping[InstanceId, float]
"""Tokens/s of the last answer of each instance that gave one here."""


def face(status: Status | None, link: Link, speeds: Speeds = MappingProxyType({})) -> Face:
    """The face for a node's status; None as long as none is known. A measured speed is told, else the predicted."""
    if link is Link.ENDING:
        return Face(Icon.WORKING_THIRD, tr("Caravan is ending"))
    if link is Link.LOST:
        return Face(Icon.NOTHING, tr("Caravan is not running"))
    if status is None or link is Link.STARTING:
        return Face(Icon.WORKING_FIRST, tr("Caravan is starting"))
    return _changing(status) or _ready(status, speeds) or _troubled(status) or _calm(status, speeds)


def problem_of(error: ErrorInfo) -> Problem:
    """An error as the tray tells it."""
    return Problem(verbatim(error.sentence), verbatim(error.hint))


def model_name(instance: InstanceStatus) -> str:
    """The instance's model, short enough for a menu."""
    return shortened(instance.model_id, NAME_COLUMNS)


def in_state(status: Status, *states: InstanceState) -> tuple[InstanceStatus, ...]:
    """The instances in one of these states, newest first."""
    found = (each for each in status.instances if each.state in states)
    return tuple(sorted(found, key=lambda each: each.created_at, reverse=True))


def pcs_word(pcs: int) -> Phrase:
    """`1 PC`, `3 PCs`."""
    return tr("1 PC") if pcs == 1 else tr("{pcs} PCs", pcs=pcs)


def _changing(status: Status) -> Face | None:
    for instance in in_state(status, *_LAUNCHING):
        model = model_name(instance)
        if instance.state is InstanceState.STOPPING:
            return Face(Icon.WORKING_THIRD, tr("Unloading {model}", model=model))
        return _launching(model, instance.phases)
    return None


def _launching(model: str, phases: Iterable[Phase]) -> Face:
    steps = {phase.name: phase for phase in phases}
    tensors, warm_up = steps.get(PhaseName.TENSORS), steps.get(PhaseName.WARM_UP)
    if warm_up is not None and warm_up.state is PhaseState.ACTIVE:
        return Face(Icon.WORKING_THIRD, tr("Warming up {model}", model=model))
    if tensors is None or tensors.state is PhaseState.PENDING:
        return Face(Icon.WORKING_FIRST, tr("Starting {model}", model=model))
    percent = percent_of(tensors)
    if percent is None:
        return Face(Icon.WORKING_SECOND, tr("Loading {model}", model=model))
    icon = (Icon.WORKING_FIRST, Icon.WORKING_SECOND, Icon.WORKING_THIRD)[min(percent // 34, 2)]
    return Face(icon, tr("Loading {model} {percent} %", model=model, percent=percent))


def percent_of(phase: Phase) -> int | None:
    """How much of the bytes of a phase are done, in whole percent rounded down; None when nothing is known."""
    step = phase.progress
    if step is None or step.unit is not Unit.BYTES or step.total <= 0:
        return None
    return min(100, max(0, step.done * 100 // step.total))


def _ready(status: Status, speeds: Speeds) -> Face | None:
    ready = in_state(status, InstanceState.READY)
    if not ready:
        return None
    if len(ready) > 1:
        return Face(Icon.READY, tr("Ready · {count} models", count=len(ready)))
    return Face(Icon.READY, _ready_words(ready[0], speeds))


def _ready_words(instance: InstanceStatus, speeds: Speeds) -> Phrase:
    pcs, model, expected = pcs_word(instance.plan.pcs), model_name(instance), instance.plan.prediction
    if (measured := speeds.get(instance.id, instance.decode)) is not None:
        return tr("Ready · {pcs} · {model} · {speed}", pcs=pcs, model=model, speed=speed_text(measured))
    if expected is None:
        return tr("Ready · {pcs} · {model}", pcs=pcs, model=model)
    return tr("Ready · {pcs} · {model} · about {speed}", pcs=pcs, model=model, speed=speed_text(expected.decode))


def _troubled(status: Status) -> Face | None:
    if (error := status.engine.problem) is not None:
        reason = shortened(error.sentence, SENTENCE_COLUMNS)
        missing = error.code == "engine_missing"
        line = tr("Engine missing: {reason}", reason=reason) if missing else tr("Engine: {reason}", reason=reason)
        return Face(Icon.ATTENTION, line, problem_of(error))
    for instance in in_state(status, InstanceState.FAILED):
        name = model_name(instance)
        line = tr("{model} stopped", model=name) if instance.ready_at else tr("{model} did not start", model=name)
        return Face(Icon.ATTENTION, line, problem_of(instance.error) if instance.error else None)
    for warning in status.warnings:
        line = verbatim(shortened(warning.sentence, SENTENCE_COLUMNS))
        return Face(Icon.ATTENTION, line, Problem(verbatim(warning.sentence), verbatim(warning.hint)))
    return None


def _calm(status: Status, speeds: Speeds) -> Face:
    if status.engine.build is None:
        return Face(Icon.WORKING_FIRST, tr("Caravan is starting"))
    for lease in status.leases:
        if lease.head != status.node.id:
            head = shortened(lease.head_name, NAME_COLUMNS)
            return Face(Icon.READY, tr("Carrying a part of {head}'s model", head=head))
    for instance in status.all_instances:
        if instance.state is InstanceState.READY:
            return Face(Icon.READY, _ready_words(instance, speeds))
    return Face(Icon.IDLE, tr("No model is running"))
