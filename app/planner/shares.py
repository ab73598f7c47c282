"""A split the user fixed: each device with its number of blocks, in layer order."""

from collections.abc import Sequence
from itertools import accumulate, pairwise

from app.planner import sentences
from app.planner.eligibility import Candidate, Offer, worker_problem
from app.planner.line import on_head_processor
from app.planner.memory import Demand
from app.planner.placement import Placement, capacities, settled
from app.planner.question import Question
from app.planner.refusals import SHARES_UNUSABLE
from app.planner.search import Search
from app.planner.speed import timing
from app.schema.plan import Refusal, Share


def share_problem(question: Question) -> Refusal | None:
    """Why fixed shares make no plan at any context; None when they may, or when there are none."""
    if not question.request.shares:
        return None
    sentence = _unusable(question)
    if sentence is None:
        return None
    return Refusal(
        model_id=question.request.model_id,
        code=SHARES_UNUSABLE,
        sentence=sentence,
        hint="Change the shares, or let Caravan choose.",
    )


def shared(question: Question, search: Search, heads: Sequence[Candidate]) -> Placement | None:
    """The placement the shares ask for under one of these heads; None when a device has too little memory.

    `share_problem` must be None.
    """
    head = _head(question, heads)
    offers = _offers(question, _taken(question), head)
    if head is None or not _fits(search.demand, capacities(search.demand, head, offers), _taken(question)):
        return None
    counts = tuple(share.layers for share in _taken(question))
    costs = tuple(search.ground.cost(head, offer) for offer in offers)
    mix = search.ground.work.mix
    seconds = timing(costs, counts, mix, pipelined=not on_head_processor(offers[0], head)).exchange(mix)
    return settled(search.ground, Placement(head, tuple(offers), counts, costs, seconds), seconds)


def share_fits(question: Question, demand: Demand) -> bool:
    """Whether each device has the memory for its share of that demand. `share_problem` must be None."""
    shares = _taken(question)
    led = [head for head in (_head(question, heads) for heads in question.seatings) if head is not None]
    return any(_fits(demand, capacities(demand, head, _offers(question, shares, head)), shares) for head in led)


def too_full(question: Question, search: Search) -> str | None:
    """The first device that cannot hold its share, as a sentence; None when all can."""
    head, shares = _head(question, question.heads), _taken(question)
    if head is None:
        return None
    offers = _offers(question, shares, head)
    rooms = capacities(search.demand, head, offers)
    for offer, share, room, need in zip(offers, shares, rooms, _needs(search.demand, shares), strict=True):
        if need > room:
            return sentences.share_too_big(offer.node, offer.device, share.layers, need - room)
    return None


def _fits(demand: Demand, rooms: Sequence[int], shares: Sequence[Share]) -> bool:
    return all(need <= room for need, room in zip(_needs(demand, shares), rooms, strict=True))


def _needs(demand: Demand, shares: Sequence[Share]) -> list[int]:
    ends = accumulate((share.layers for share in shares), initial=0)
    return [demand.prefix[end] - demand.prefix[first] for first, end in pairwise(ends)]


def _taken(question: Question) -> tuple[Share, ...]:
    return tuple(share for share in question.request.shares if share.layers)


def _offers(question: Question, shares: Sequence[Share], head: Candidate | None = None) -> list[Offer]:
    """What the devices of these shares offer under that head; those that offer nothing are missing."""
    candidates = (*question.eligibility.kept, *((head,) if head is not None else ()))
    known = {(o.node.node, o.device.device): o for c in candidates for o in c.offers}
    return [known[share.node, share.device] for share in shares if (share.node, share.device) in known]


def _head(question: Question, heads: Sequence[Candidate]) -> Candidate | None:
    """The head under which every share's PC can work and its own processor, if used, comes first.

    One that the split is natural for is preferred: in the engine's order its processor leads, or its card ends. So the
    stages of a plan, asked for as shares, come under the head of that plan. Then one that holds blocks at all.
    """
    offers = _offers(question, _taken(question))
    able = [head for head in heads if _can_lead(question, head, offers)]
    return min(able, key=lambda head: _unlikely(head, offers), default=None)


def _can_lead(question: Question, head: Candidate, offers: Sequence[Offer]) -> bool:
    others = {offer.node.node for offer in offers if offer.node.node != head.node.node}
    able = {worker.node.node for worker in question.eligibility.workers(head)}
    return others <= able and not any(on_head_processor(offer, head) for offer in offers[1:])


def _unlikely(head: Candidate, offers: Sequence[Offer]) -> int:
    """0 where the split is as the engine orders it under that head, 1 where it holds blocks, 2 where it holds none."""
    own = [offer.node.node == head.node.node for offer in offers]
    if not any(own):
        return 2
    return 0 if own[-1] or on_head_processor(offers[0], head) else 1


def _unusable(question: Question) -> str | None:
    shares, shape = _taken(question), question.shape
    if sum(share.layers for share in shares) != shape.layers:
        return sentences.shares_off(question.request.model_id, sum(share.layers for share in shares), shape.layers)
    if len({(share.node, share.device) for share in shares}) < len(shares):
        return sentences.SHARE_TWICE
    for share in shares:
        problem = _share_unusable(question, share)
        if problem is not None:
            return problem
    head = _head(question, question.heads)
    return _no_head(question) if head is None else _not_as_asked(question, head)


def _not_as_asked(question: Question, head: Candidate) -> str | None:
    """Why the PCs of the split are not those that were asked for beside it; None when they are."""
    request, taking = question.request, {head.node.node, *(share.node for share in _taken(question))}
    for candidate in question.eligibility.kept:
        if candidate.node.node in set(request.use) - taking:
            return sentences.shares_beside(candidate.node)
    if len(taking) < request.min_pcs or len(taking) != (request.pcs or len(taking)):
        asked = request.pcs or request.min_pcs
        return sentences.shares_on(len(taking), asked, is_least=request.pcs is None)
    return None


def _share_unusable(question: Question, share: Share) -> str | None:
    dropped = next((reason for reason in question.eligibility.dropped if reason.node == share.node), None)
    if dropped is not None:
        return dropped.sentence
    candidate = next((c for c in question.eligibility.kept if c.node.node == share.node), None)
    if candidate is None:
        return sentences.SHARE_STRANGER
    if not any(device.device == share.device for device in candidate.node.devices):
        return sentences.no_such_device(candidate.node, share.device)
    return None if _offers(question, (share,)) else sentences.no_memory(candidate.node)


def _no_head(question: Question) -> str:
    head = question.heads[0]
    shared_nodes = {share.node for share in _taken(question)}
    for candidate in question.eligibility.kept:
        problem = None if candidate.node is head.node else worker_problem(candidate, head)
        if problem is not None and candidate.node.node in shared_nodes:
            return problem
    return sentences.processor_first(head.node)
