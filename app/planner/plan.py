"""`plan`: where a model's layers go over the PCs of a cluster, or why they cannot."""

from collections.abc import Sequence
from dataclasses import dataclass

from app.planner import sentences
from app.planner.eligibility import Candidate, Eligibility, eligible, worker_problem
from app.planner.memory import CELL_STEP, Demand, demand, head_ram_bytes, reserve_bytes
from app.planner.refusals import DOES_NOT_FIT, reasons, unplannable
from app.planner.search import Placement, Search, compute_bytes, on_head_processor
from app.planner.shortage import Shortage, shortage
from app.schema.model import ModelShape
from app.schema.plan import Alternative, ClusterView, NodeReason, Plan, PlanRequest, Refusal, Role, Stage

DEFAULT_CONTEXT = 4096
"""Tokens of context when the user names none, unless the model was trained for fewer."""

SMALLEST_CONTEXT = 512
"""The planner never goes below this by itself."""

MOST_ALTERNATIVES = 8


@dataclass(frozen=True, slots=True)
class Question:
    """A request with the nodes sorted: what every step of planning needs. `heads` is not empty."""

    request: PlanRequest
    shape: ModelShape
    eligibility: Eligibility
    heads: tuple[Candidate, ...]

    def search(self, context: int) -> Search:
        """A search at a context of that many tokens."""
        needs = demand(self.shape, context, self.request.slots, self.request.kv_type)
        return Search(needs, self.eligibility, self.heads)

    def numbers(self, search: Search) -> Sequence[int]:
        """The numbers of PCs the request allows, fewest first."""
        if self.request.pcs is not None:
            return (self.request.pcs,)
        return range(self.request.min_pcs, search.most_pcs + 1)


def plan(request: PlanRequest, shape: ModelShape, cluster: ClusterView) -> Plan | Refusal:
    """The fewest PCs that hold the model, this PC as head where possible; or a refusal with numbers and a next step.

    Pure and deterministic: the order of `cluster.nodes` does not matter. Never raises for a valid request. An asked
    context is never shrunk; without one, `default_context` is lowered to the largest that fits (`context_note` of
    `sentences` says so). Refusal codes: `app.planner.refusals`.
    """
    eligibility = eligible(request, cluster)
    heads = eligibility.heads(request, cluster.this_node)
    refusal = unplannable(request, shape, cluster, eligibility, heads)
    if refusal is not None:
        return refusal
    question = Question(request, shape, eligibility, heads)
    context = request.context or default_context(shape)
    search = question.search(context)
    placement = search.fewest(question.numbers(search))
    if placement is not None:
        return _plan(question, search, placement)
    largest = largest_context(question, context)
    if largest is not None and request.context is None:
        search = question.search(largest)
        placement = search.fewest(question.numbers(search))
        if placement is not None:
            return _plan(question, search, placement)
    return _refusal(question, search, largest)


def default_context(shape: ModelShape) -> int:
    """Tokens of context when none is asked for."""
    return min(shape.context_length or DEFAULT_CONTEXT, DEFAULT_CONTEXT)


def largest_context(question: Question, below: int) -> int | None:
    """The largest multiple of 256 tokens, at least 512 and less than `below`, that fits; None when none does."""
    low, high = SMALLEST_CONTEXT // CELL_STEP, (below - 1) // CELL_STEP
    found: int | None = None
    while low <= high:
        middle = (low + high) // 2
        search = question.search(middle * CELL_STEP)
        if search.fewest(question.numbers(search)) is not None:
            found, low = middle * CELL_STEP, middle + 1
        else:
            high = middle - 1
    return found


def stages(needs: Demand, placement: Placement) -> tuple[Stage, ...]:
    """The stages of a placement in layer order, with their predicted bytes."""
    head, offers = placement.head, placement.offers
    first, found = 0, []
    computes = compute_bytes(needs, head, offers)
    for i, (offer, count, compute) in enumerate(zip(offers, placement.counts, computes, strict=True)):
        end, holds_output = first + count, i == len(offers) - 1
        stage = Stage(
            node=offer.node.node,
            node_name=offer.node.name,
            device=offer.device.device,
            role=Role.HEAD if offer.node.node == head.node.node else Role.WORKER,
            first_layer=first,
            last_layer=end - 1,
            holds_output=holds_output,
            weight_bytes=needs.weights[end] - needs.weights[first] + (needs.output_bytes if holds_output else 0),
            kv_bytes=needs.cache[end] - needs.cache[first],
            compute_bytes=compute,
            free_bytes=offer.device.free_bytes,
        )
        found.append(stage)
        first = end
    return tuple(found)


def tensor_split(placement: Placement) -> tuple[int, ...]:
    """The engine's `-ts`: layer counts of the stages beside the head's processor, output layer with the last."""
    paired = zip(placement.offers, placement.counts, strict=True)
    counts = [count for offer, count in paired if not on_head_processor(offer, placement.head)]
    return (*counts[:-1], counts[-1] + 1) if counts else ()


def _plan(question: Question, search: Search, placement: Placement) -> Plan:
    request, counts = question.request, tensor_split(placement)
    return Plan(
        model_id=request.model_id,
        architecture=question.shape.architecture,
        layers=question.shape.layers,
        context=search.demand.context,
        slots=request.slots,
        kv_type=request.kv_type,
        head=placement.head.node.node,
        stages=stages(search.demand, placement),
        gpu_layers=sum(counts),
        tensor_split=counts,
        reserve_bytes=sum(reserve_bytes(offer.device) for offer in placement.offers),
        head_ram_bytes=head_ram_bytes(question.shape),
        left_out=_left_out(question, search, placement),
        alternatives=_alternatives(question, search),
        notes=_notes(question, search),
    )


def _notes(question: Question, search: Search) -> tuple[str, ...]:
    if question.request.context is not None:
        return ()
    default = default_context(question.shape)
    note = sentences.context_note(question.request.model_id, search.demand.context, default)
    return (note,) if note else ()


def _left_out(question: Question, search: Search, placement: Placement) -> tuple[NodeReason, ...]:
    """A reason for every node that is not in the placement, sorted by node id."""
    used = {candidate.node.node for candidate in placement.nodes}
    found = [reason for reason in question.eligibility.dropped if reason.node not in used]
    for candidate in question.eligibility.kept:
        node = candidate.node
        if node.node not in used:
            sentence = _spared(question, search, placement, candidate)
            found.append(NodeReason(node=node.node, node_name=node.name, sentence=sentence))
    return tuple(sorted(found, key=lambda reason: reason.node))


def _spared(question: Question, search: Search, placement: Placement, candidate: Candidate) -> str:
    """Why a node that was kept is not used after all."""
    sentence = worker_problem(candidate, placement.head)
    if sentence is not None:
        return sentence
    if not search.room(candidate, processors=True):
        return sentences.no_room(candidate.node, search.demand.context)
    if not search.room(candidate, processors=False):
        return sentences.processor_spared(candidate.node)
    if question.request.pcs is not None:
        return sentences.not_asked(candidate.node, question.request.pcs)
    return sentences.not_needed(candidate.node, [used.node.name for used in placement.nodes])


def _alternatives(question: Question, search: Search) -> tuple[Alternative, ...]:
    """The same question for 1, 2, ... PCs, at most 8, as many as can take part."""
    return tuple(_alternative(question, search, pcs) for pcs in range(1, min(search.most_pcs, MOST_ALTERNATIVES) + 1))


def _alternative(question: Question, search: Search, pcs: int) -> Alternative:
    context, placement = search.demand.context, search.fewest((pcs,))
    if placement is not None:
        names = [candidate.node.name for candidate in placement.nodes]
        return Alternative(pcs=pcs, fits=True, sentence=sentences.fits(names, context))
    _, counted = _counted(question, search, pcs)
    names = [node.name for node, _ in counted.nodes]
    sentence = sentences.falls_short(names, context, counted.short)
    return Alternative(pcs=pcs, fits=False, sentence=sentence, short_bytes=counted.short)


def _counted(question: Question, search: Search, pcs: int) -> tuple[Candidate, Shortage]:
    """What that many PCs lack and under which head: the least, the preferred head among equals."""
    totals = []
    for head in question.heads:
        workers = question.eligibility.workers(head)
        if len(workers) >= pcs - 1:
            totals.append((head, shortage(search.demand, head, _roomiest(workers, pcs - 1))))
    return min(totals, key=lambda total: total[1].needed - total[1].free)


def _roomiest(workers: Sequence[Candidate], count: int) -> Sequence[Candidate]:
    """The workers with most bytes on offer, in their given order."""
    most = sorted(workers, key=lambda w: (-sum(offer.budget for offer in w.offers), w.node.node))[:count]
    return [worker for worker in workers if worker in most]


def _refusal(question: Question, search: Search, largest: int | None) -> Refusal:
    request, alternatives = question.request, _alternatives(question, search)
    head, counted = _counted(question, search, request.pcs or search.most_pcs)
    memories = [sentences.memory(node, devices) for node, devices in counted.nodes]
    fitting = next((alternative.pcs for alternative in alternatives if alternative.fits), None)
    return Refusal(
        model_id=request.model_id,
        code=DOES_NOT_FIT,
        sentence=sentences.does_not_fit(
            request.model_id, counted.needed, counted.short, search.demand.context, memories
        ),
        hint=sentences.memory_hint(largest, fitting),
        needed_bytes=counted.needed,
        free_bytes=counted.free,
        largest_context=largest,
        reasons=reasons(question.eligibility, head),
        alternatives=alternatives,
    )
