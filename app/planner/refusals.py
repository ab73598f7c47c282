"""Refusals that need no search: the file is no model, nobody can be the head, too few PCs."""

from collections.abc import Sequence

from app.planner import sentences
from app.planner.eligibility import Candidate, Eligibility, worker_problem
from app.planner.encoder import encoder_compute
from app.planner.line import MOST_PCS
from app.schema.model import ModelShape
from app.schema.plan import ClusterView, NodeReason, PlanRequest, Refusal

NOT_A_MODEL = "not_a_model"
CONTEXT_TOO_LONG = "context_too_long"
MODEL_NOWHERE = "model_nowhere"
ENGINE_NOWHERE = "engine_nowhere"
HEAD_UNUSABLE = "head_unusable"
TOO_FEW_PCS = "too_few_pcs"
TOO_MANY_PCS = "too_many_pcs"
DOES_NOT_FIT = "does_not_fit"
SHARES_UNUSABLE = "shares_unusable"
WANTED_UNUSABLE = "wanted_unusable"


def unplannable(
    request: PlanRequest, shape: ModelShape, cluster: ClusterView, eligibility: Eligibility, heads: Sequence[Candidate]
) -> Refusal | None:
    """The refusal that follows from the question alone; None when a search makes sense."""
    return (
        _not_a_model(request, shape)
        or _context_too_long(request, shape)
        or _no_head(request, cluster, eligibility, heads)
        or _wanted(request, cluster, eligibility, heads)
        or _too_many_wanted(request, eligibility, heads)
        or _too_few(request, eligibility, heads)
    )


def no_room_for_encoder(request: PlanRequest, able: Sequence[Candidate], heads: Sequence[Candidate]) -> Refusal | None:
    """The refusal when no PC that could be the head has room for the picture encoder; None when one of them has."""
    if heads:
        return None
    encoder, _, head = min((_encoder_bytes(each), number, each) for number, each in enumerate(able))
    memories = [sentences.memory(each.node, each.node.devices) for each in able]
    return Refusal(
        model_id=request.model_id,
        code=DOES_NOT_FIT,
        sentence=sentences.no_room_for_encoder(request.model_id, encoder, memories),
        hint="Close programs that use memory there. Or move the encoder's file away: then it runs without pictures.",
        needed_bytes=encoder,
        free_bytes=max((device.free_bytes for device in head.node.devices), default=0),
    )


def _encoder_bytes(head: Candidate) -> int:
    shape = head.node.encoder
    return 0 if shape is None else shape.weight_bytes + encoder_compute(shape)


def reasons(eligibility: Eligibility, head: Candidate | None) -> tuple[NodeReason, ...]:
    """Why each node that cannot take part under this head is out, sorted by node id."""
    found = list(eligibility.dropped)
    for candidate in eligibility.kept:
        can_work = head is not None and candidate.node is not head.node
        sentence = worker_problem(candidate, head) if head is not None and can_work else None
        if sentence is not None:
            node = candidate.node
            found.append(NodeReason(node=node.node, node_name=node.name, sentence=sentence))
    return tuple(sorted(found, key=lambda reason: reason.node))


def _not_a_model(request: PlanRequest, shape: ModelShape) -> Refusal | None:
    if shape.is_projector:
        sentence = f"{request.model_id} is a picture encoder, not a model."
        hint = "Choose the model it belongs to; Caravan loads the encoder with it."
    elif not shape.layers:
        sentence, hint = f"{request.model_id} has no layers to place.", "Choose another file."
    else:
        return None
    return Refusal(model_id=request.model_id, code=NOT_A_MODEL, sentence=sentence, hint=hint)


def _context_too_long(request: PlanRequest, shape: ModelShape) -> Refusal | None:
    """More tokens than training covered, for every slot: the engine would load it and answer nonsense."""
    trained = shape.context_length
    if request.context is None or trained is None or request.context <= trained * request.slots:
        return None
    known, asked = sentences.number(trained), sentences.number(request.context)
    several = "" if request.slots == 1 else f" for {request.slots} conversations together"
    return Refusal(
        model_id=request.model_id,
        code=CONTEXT_TOO_LONG,
        sentence=f"{request.model_id} was trained for {known} tokens of context; {asked} were asked for{several}.",
        hint=f"Ask for {sentences.number(trained * request.slots)} or fewer.",
    )


def _no_head(
    request: PlanRequest, cluster: ClusterView, eligibility: Eligibility, heads: Sequence[Candidate]
) -> Refusal | None:
    if heads:
        return None
    if all(node.engine_build is None for node in cluster.nodes):
        code, sentence = ENGINE_NOWHERE, "No PC of the cluster has a llama.cpp engine."
        hint = "Install the engine on this PC."
    elif not any(node.holds_model for node in cluster.nodes):
        code, sentence = MODEL_NOWHERE, f"No PC of the cluster holds {request.model_id}."
        hint = "Download it, or add the folder it lies in."
    else:
        code, sentence, hint = HEAD_UNUSABLE, _head_sentence(request, cluster, eligibility), _head_hint(request)
    return Refusal(
        model_id=request.model_id, code=code, sentence=sentence, hint=hint, reasons=reasons(eligibility, None)
    )


def _head_sentence(request: PlanRequest, cluster: ClusterView, eligibility: Eligibility) -> str:
    """Why the head asked for, or every PC that holds the model, cannot run it."""
    why = {reason.node: reason.sentence for reason in eligibility.dropped}
    if request.head is None:
        told = [why[node.node] for node in sorted(cluster.nodes, key=lambda n: n.node) if node.holds_model]
        return f"No PC that holds {request.model_id} can run it. {' '.join(told)}"
    asked = next((node for node in cluster.nodes if node.node == request.head), None)
    if asked is None:
        return f"The PC asked to run {request.model_id} is not in the cluster."
    return why.get(asked.node, f"{asked.name} does not hold {request.model_id}.")


def _head_hint(request: PlanRequest) -> str:
    if request.head is None:
        return "Solve that, or copy the model to another PC."
    return "Choose another PC to run it, or let Caravan choose."


def _wanted(
    request: PlanRequest, cluster: ClusterView, eligibility: Eligibility, heads: Sequence[Candidate]
) -> Refusal | None:
    """A PC that must take part but cannot, under any head."""
    able = [{head.node.node, *(worker.node.node for worker in eligibility.workers(head))} for head in heads]
    if any(set(request.use) <= together for together in able):
        return None
    names = {node.node: node.name for node in cluster.nodes}
    told = {reason.node: reason.sentence for head in heads[:1] for reason in reasons(eligibility, head)}
    lacking = [node for node in request.use if node not in able[0]] or list(request.use)
    said = [told.get(node, sentences.cannot_join(names.get(node))) for node in lacking]
    return Refusal(
        model_id=request.model_id,
        code=WANTED_UNUSABLE,
        sentence=" ".join(dict.fromkeys(said)),
        hint="Solve that, or plan without it.",
        reasons=reasons(eligibility, heads[0]),
    )


def _too_many_wanted(request: PlanRequest, eligibility: Eligibility, heads: Sequence[Candidate]) -> Refusal | None:
    """More PCs that must take part, their head with them, than were asked for."""
    head = min(heads, key=lambda each: len({each.node.node, *request.use}))
    together = {head.node.node, *request.use}
    if request.pcs is None or len(together) <= request.pcs:
        return None
    names = [each.node.name for each in eligibility.kept if each.node.node in together]
    return Refusal(
        model_id=request.model_id,
        code=WANTED_UNUSABLE,
        sentence=sentences.too_many_wanted(request.pcs, head.node, names),
        hint=f"Ask for {sentences.pcs(len(together))}, or let Caravan choose who takes part.",
    )


def _too_few(request: PlanRequest, eligibility: Eligibility, heads: Sequence[Candidate]) -> Refusal | None:
    asked = request.pcs or request.min_pcs
    available = [1 + len(eligibility.workers(head)) for head in heads]
    if asked > MOST_PCS:
        return Refusal(
            model_id=request.model_id,
            code=TOO_MANY_PCS,
            sentence=f"{sentences.pcs(asked)} were asked for; llama.cpp works on at most {MOST_PCS} together.",
            hint=f"{_at_most(min(max(available), MOST_PCS))}.",
        )
    if asked <= max(available):
        return None
    head = heads[available.index(max(available))]
    out = reasons(eligibility, head)
    names = [head.node.name, *(worker.node.name for worker in eligibility.workers(head))]
    told = " ".join(reason.sentence for reason in out)
    return Refusal(
        model_id=request.model_id,
        code=TOO_FEW_PCS,
        sentence=f"{sentences.pcs(asked)} were asked for; {max(available)} can take part: "
        f"{sentences.listed(names, len(names))}. {told}".strip(),
        hint=f"{_at_most(max(available))}, or add a PC.",
        reasons=out,
    )


def _at_most(count: int) -> str:
    return "Ask for 1 PC" if count == 1 else f"Ask for {sentences.pcs(count)} or fewer"
