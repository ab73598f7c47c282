"""PURE: after a refusal for lack of memory, the smaller quantization of the same model that would do."""

from collections.abc import Callable, Iterable

from app.modelstore.naming import model_family
from app.planner.plan import default_context
from app.planner.refusals import DOES_NOT_FIT
from app.planner.sentences import number, pcs, size
from app.schema.model import ModelFile, ModelShape
from app.schema.plan import Plan, PlanRequest, Refusal

MOST_TRIED = 6
"""Smaller files that are tried, the largest first: each costs a plan."""

PlanFor = Callable[[PlanRequest, ModelFile, ModelShape], Plan | Refusal]


def with_smaller(
    refusal: Refusal,
    request: PlanRequest,
    model: ModelFile,
    known: Iterable[ModelFile],
    plan_for: PlanFor,
) -> Refusal:
    """The refusal with the largest smaller quantization in its hint that fits with the same context, if one is known.

    `known` are the models of all PCs. Refusals for other reasons, and of splits the user fixed, stay as they are.
    """
    if refusal.code != DOES_NOT_FIT or request.shares or model.shape is None:
        return refusal
    context = request.context or default_context(model.shape)
    for other, shape in quantizations_below(model, known)[:MOST_TRIED]:
        asked = request.model_copy(update={"model_id": other.id, "context": context})
        found = plan_for(asked, other, shape)
        if isinstance(found, Plan):
            # Last, because the hint speaks of the refused model as "it".
            hint = _told(other, shape, found)
            return refusal.model_copy(update={"hint": f"{refusal.hint} {hint}"})
    return refusal


def quantizations_below(model: ModelFile, known: Iterable[ModelFile]) -> list[tuple[ModelFile, ModelShape]]:
    """The smaller files of the same model, largest first: same architecture, blocks, width and bare name."""
    wanted = _kind(model)
    found = {
        (other.id, other.size_bytes): (other, other.shape)
        for other in known
        if other.shape is not None
        and other.problem is None
        and _kind(other) == wanted
        and model.shape is not None
        and other.shape.weight_bytes < model.shape.weight_bytes
    }
    return sorted(found.values(), key=lambda pair: (-pair[1].weight_bytes, pair[0].id))


def _kind(model: ModelFile) -> tuple[object, ...]:
    """What the quantizations of one model have in common; an id's `@folder` does not count."""
    shape = model.shape
    if shape is None:
        return (None, model.path)
    return (
        shape.architecture,
        shape.layers,
        shape.embedding_length,
        shape.vocabulary,
        model_family(model.id.partition("@")[0]),
    )


def _told(model: ModelFile, shape: ModelShape, found: Plan) -> str:
    where = f"on {pcs(found.pcs)} with {number(found.context)} tokens of context"
    return f"{model.id} ({size(shape.weight_bytes, up=True)}) fits {where}."
