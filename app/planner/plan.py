"""`plan`: where a model's layers go over the PCs of a cluster, or why they cannot."""

from collections.abc import Sequence

from app.planner import sentences
from app.planner.comparison import alternatives, least_short, left_out, spare_devices
from app.planner.contexts import Contexts
from app.planner.eligibility import eligible
from app.planner.holding import expert_holding, holdings, spilled_blocks
from app.planner.line import head_processor, on_head_processor
from app.planner.loading import kept_bytes
from app.planner.memory import Demand, head_ram_bytes, reserve_bytes
from app.planner.placement import Placement
from app.planner.prediction import predict
from app.planner.question import Question
from app.planner.refusals import DOES_NOT_FIT, no_room_for_encoder, reasons, unplannable
from app.planner.search import Search
from app.planner.shares import share_problem, shared, too_full
from app.planner.speculation import Draft, speculate
from app.schema.model import ModelShape
from app.schema.plan import (
    Alternative,
    ClusterView,
    DeviceResources,
    EncoderShare,
    ExpertShare,
    Plan,
    PlanRequest,
    Refusal,
    Role,
    Stage,
)

DEFAULT_CONTEXT = 4096
"""Tokens of context when the user names none, unless the model was trained for fewer."""


def plan(request: PlanRequest, shape: ModelShape, cluster: ClusterView, drafts: Sequence[Draft] = ()) -> Plan | Refusal:
    """The fastest placement, ties of 2 % going to fewer PCs; or a refusal with numbers and a next step.

    With no device measured: the fewest PCs that hold the model, this PC as head where possible. Pure and deterministic:
    the order of `cluster.nodes` does not matter. Never raises for a valid request. An asked context is never shrunk;
    without one, `default_context` is lowered to the largest that fits (`context_note` of `sentences` says so). Refusal
    codes: `app.planner.refusals`. `drafts` are models that may draft for it where the head has them.
    """
    eligibility = eligible(request, cluster)
    able = eligibility.heads(request, cluster.this_node)
    heads = tuple(head for head in (each.leading() for each in able) if head is not None)
    links = {frozenset((link.a, link.b)): link for link in cluster.links}
    refusal = (
        unplannable(request, shape, cluster, eligibility, able)
        or no_room_for_encoder(request, able, heads)
        or unplannable(request, shape, cluster, eligibility, heads)
    )
    if refusal is not None:
        return refusal
    question = Question(request, shape, eligibility, heads, links, cluster.beyond_bytes)
    refusal = share_problem(question)
    if refusal is not None:
        return refusal
    context = request.context or default_context(shape)
    search, placement = _placed(question, context)
    contexts = Contexts(question, search)
    if placement is not None:
        return _plan(question, search, contexts, placement, drafts)
    largest = contexts.as_asked(below=context)
    if largest is not None and request.context is None:
        lower, placement = _placed(question, largest)
        if placement is not None:
            return _plan(question, lower, contexts, placement, drafts)
    return _refusal(question, search, contexts, largest)


def default_context(shape: ModelShape) -> int:
    """Tokens of context when none is asked for."""
    return min(shape.context_length or DEFAULT_CONTEXT, DEFAULT_CONTEXT)


def stages(needs: Demand, placement: Placement) -> tuple[Stage, ...]:
    """The stages of a placement in layer order, with their predicted bytes."""
    head, offers = placement.head, placement.offers
    first, found = 0, []
    held = zip(offers, placement.counts, holdings(needs, placement), strict=True)
    for i, (offer, count, holding) in enumerate(held):
        end = first + count
        own = offer.node.node == head.node.node
        stage = Stage(
            node=offer.node.node,
            node_name=offer.node.name,
            device=offer.device.device,
            role=Role.HEAD if own else Role.WORKER,
            first_layer=first,
            last_layer=end - 1,
            holds_output=i == len(offers) - 1,
            weight_bytes=holding.weights,
            kv_bytes=holding.cache,
            compute_bytes=holding.compute,
            free_bytes=offer.device.free_bytes,
            kept_bytes=0 if own else kept_bytes(needs, offer, first, end, output=i == len(offers) - 1),
        )
        found.append(stage)
        first = end
    return tuple(found)


def expert_share(needs: Demand, placement: Placement) -> ExpertShare | None:
    """The experts that lie in the head's RAM, None when all are with their blocks."""
    held, processor = expert_holding(needs, placement), head_processor(placement.head)
    if held is None or processor is None:
        return None
    return ExpertShare(
        layers=spilled_blocks(needs, placement),
        weight_bytes=held.weights,
        compute_bytes=held.compute,
        free_bytes=processor.device.free_bytes,
    )


def encoder_share(placement: Placement) -> EncoderShare | None:
    """The picture encoder on a device of the head, None when the model has none."""
    found = placement.head.encoder
    if found is None:
        return None
    return EncoderShare(
        node_name=placement.head.node.name,
        device=found.device.device,
        weight_bytes=found.weights,
        compute_bytes=found.compute,
        free_bytes=found.device.free_bytes,
    )


def tensor_split(placement: Placement) -> tuple[int, ...]:
    """The engine's `-ts`: layer counts of the stages beside the head's processor, output layer with the last."""
    paired = zip(placement.offers, placement.counts, strict=True)
    counts = [count for offer, count in paired if not on_head_processor(offer, placement.head)]
    return (*counts[:-1], counts[-1] + 1) if counts else ()


def repacks(search: Search, placement: Placement) -> bool:
    """Whether the engine may rearrange weights as it does of itself: unless a processor is alone and faster without."""
    first = placement.offers[0]
    alone = len(placement.offers) == 1 and on_head_processor(first, placement.head)
    return placement.repacks or not alone or search.ground.repacked(first) is None


def _placed(question: Question, context: int) -> tuple[Search, Placement | None]:
    return _shared(question, context) if question.request.shares else question.placed(context)


def _shared(question: Question, context: int) -> tuple[Search, Placement | None]:
    search = question.search(context)
    placements = (shared(question, search, heads) for heads in question.seatings)
    return search, next((found for found in placements if found is not None), None)


def _plan(
    question: Question, search: Search, contexts: Contexts, placement: Placement, drafts: Sequence[Draft]
) -> Plan:
    request, counts = question.request, tensor_split(placement)
    compared = alternatives(question, search, contexts, placement)
    largest = _largest(question, search, contexts, compared)
    return Plan(
        model_id=request.model_id,
        architecture=question.shape.architecture,
        layers=question.shape.layers,
        context=search.demand.context,
        slots=request.slots,
        kv_type=request.kv_type,
        head=placement.head.node.node,
        head_name=placement.head.node.name,
        stages=stages(search.demand, placement),
        gpu_layers=sum(counts),
        tensor_split=counts,
        reserve_bytes=sum(map(reserve_bytes, _used(placement))),
        head_ram_bytes=head_ram_bytes(question.shape),
        beyond_bytes=question.beyond,
        experts=expert_share(search.demand, placement),
        encoder=encoder_share(placement),
        repacks=repacks(search, placement),
        left_out=left_out(question, search, placement),
        spare_devices=spare_devices(search, placement),
        alternatives=compared,
        largest_context=largest,
        largest_context_in_place=_in_place(search, contexts, placement, largest),
        prediction=predict(placement, search.demand, search.ground.work),
        speculation=speculate(request, question.shape, search, placement, drafts),
        notes=_notes(question, search, placement),
    )


def _largest(question: Question, search: Search, contexts: Contexts, compared: Sequence[Alternative]) -> int:
    """The largest context as asked: no smaller than what fits on a number of PCs that was allowed."""
    context, allowed = search.demand.context, question.numbers(search)
    known = [each.largest_context or 0 for each in compared if each.pcs in allowed and not question.request.shares]
    return max(contexts.as_asked(fits=max(context, *known, 0)) or 0, context)


def _in_place(search: Search, contexts: Contexts, placement: Placement, largest: int) -> int:
    context = search.demand.context
    return max(contexts.in_place(placement, fits=context, below=largest + 1) or 0, context)


def _used(placement: Placement) -> list[DeviceResources]:
    """The devices of a placement, those of the head that only hold experts or the picture encoder included."""
    head, found = placement.head, [offer.device for offer in placement.offers]
    own = {offer.device.device for offer in placement.offers if offer.node is head.node}
    processor = head_processor(head)
    beside = [processor.device] if any(placement.spilled) and processor is not None else []
    beside += [head.encoder.device] if head.encoder is not None else []
    return found + list({each.device: each for each in beside if each.device not in own}.values())


def _notes(question: Question, search: Search, placement: Placement) -> tuple[str, ...]:
    request, default = question.request, default_context(question.shape)
    asked = request.context is not None
    shrunk = None if asked else sentences.context_note(request.model_id, search.demand.context, default)
    return tuple(note for note in (shrunk, _idle_head(request, placement), _slow_pictures(placement)) if note)


def _slow_pictures(placement: Placement) -> str | None:
    """What to say when a head with cards has no room on them for its picture encoder."""
    encoder = placement.head.encoder
    in_ram = encoder is not None and encoder.device.is_cpu and placement.head.has_gpu
    return sentences.encoder_in_ram(placement.head.node) if in_ram else None


def _idle_head(request: PlanRequest, placement: Placement) -> str | None:
    """What to say when fewer PCs share the blocks than were asked for, because the head holds none."""
    holding = {offer.node.node for offer in placement.offers}
    if request.shares or len(holding) >= (request.pcs or request.min_pcs):
        return None
    return sentences.idle_head(placement.head.node, len(holding))


def _memory_hint(request: PlanRequest, largest: int | None, fitting: int | None) -> str:
    if request.shares and fitting is not None:
        return sentences.without_shares(fitting)
    return sentences.memory_hint(largest, fitting, request.pcs)


def _refusal(question: Question, search: Search, contexts: Contexts, largest: int | None) -> Refusal:
    request, compared = question.request, alternatives(question, search, contexts, None)
    pcs = request.pcs or search.most_pcs
    head, counted = least_short(question, search, pcs)
    memories = [sentences.memory(node, devices) for node, devices in counted.nodes]
    told = (request.model_id, counted.needed, counted.short, search.demand.context, memories, counted.encoder)
    numbers = sentences.does_not_fit(*told)
    fitting: Sequence[int] = [alternative.pcs for alternative in compared if alternative.fits]
    return Refusal(
        model_id=request.model_id,
        code=DOES_NOT_FIT,
        sentence=(too_full(question, search) if request.shares else None) or numbers,
        hint=_memory_hint(request, largest, fitting[0] if fitting else None),
        needed_bytes=counted.needed,
        free_bytes=counted.free,
        largest_context=largest,
        reasons=reasons(question.eligibility, head),
        alternatives=compared,
    )
