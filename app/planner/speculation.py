"""Whether guessing tokens ahead pays, and with what: repeated text, or a small model that drafts for the big one.

A pass that checks m guesses costs little more than one token: the weights are read and the links crossed once. With a
chance a that a guess is right, it yields (1 - a ** (m + 1)) / (1 - a) tokens (Leviathan et al. 2023, section 3.1).
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from app.planner import sentences
from app.planner.eligibility import Offer
from app.planner.holding import expert_holding, holdings
from app.planner.memory import Demand, demand
from app.planner.placement import Placement
from app.planner.prediction import timed
from app.planner.search import Search
from app.planner.speed import block_times, pace_of, repriced, work_of
from app.schema.model import ModelShape
from app.schema.plan import PlanRequest, Speculation, SpeculationKind
from app.schema.record import ModelId, NodeId

ACCEPTANCE = 0.6
"""Chance taken for a guess of a smaller model of the same family: measured values lie between 0.5 and 0.9."""

MOST_GUESSES = 8

WORTH = 1.15
"""A draft model must promise this many times the speed: it takes memory and its acceptance is only assumed."""

REPETITIVE_GUESSES = 8
"""Guesses per pass from repeated text. Nothing is guessed where nothing repeats, so it costs nothing."""


@dataclass(frozen=True, slots=True)
class Draft:
    """A model that might draft: its id and shape, and the PCs whose disk has it and whose engine can draft.

    `holders` None means every PC.
    """

    model_id: ModelId
    shape: ModelShape
    holders: frozenset[NodeId] | None = None


def speculate(
    request: PlanRequest, shape: ModelShape, search: Search, placement: Placement, drafts: Sequence[Draft]
) -> Speculation | None:
    """The way to guess ahead that pays for this placement; None when none does or too little is known.

    Only for one conversation at a time: with more slots the passes are full anyway. A draft model is placed on the
    head, where its memory is left beside the plan; on a worker it would be slower than none.
    """
    if request.slots > 1:
        return None
    head = placement.head.node.node
    able = [each for each in drafts if _speaks_alike(shape, each) and (each.holders is None or head in each.holders)]
    found = [_drafted(request, shape, search, placement, draft) for draft in able]
    best = max((each for each in found if each), key=lambda each: (each.decode or 0.0, each.draft_model), default=None)
    if best is not None:
        return best
    if not request.repetitive:
        return None
    return Speculation(
        kind=SpeculationKind.NGRAM, guesses=REPETITIVE_GUESSES, sentence=sentences.guesses_from_the_text()
    )


def _speaks_alike(shape: ModelShape, draft: Draft) -> bool:
    """Whether two models have the same tokenizer and vocabulary, as far as their headers tell."""
    other = draft.shape
    alike = (shape.tokenizer, shape.vocabulary) == (other.tokenizer, other.vocabulary)
    return alike and shape.tokenizer is not None and not other.is_projector and other.weight_bytes < shape.weight_bytes


def _drafted(
    request: PlanRequest, shape: ModelShape, search: Search, placement: Placement, draft: Draft
) -> Speculation | None:
    """The best number of guesses with one draft model, None when that does not pay."""
    if not all(cost.pace.is_known for cost in placement.costs):
        return None
    context = search.demand.context
    needs = demand(draft.shape, context, 1, request.kv_type)
    offer, needed = _seat(needs, search.demand, placement)
    if offer is None or not offer.device.bandwidth:
        return None
    mix = search.ground.work.mix
    work = work_of(draft.shape, mix, request.kv_type)
    times = block_times(work, pace_of(offer.device))
    guess = times.step[-1] + times.output + times.pace.per_pass
    plain = timed(placement, mix).step
    rates = {m: _yield(m) / (_check(request, shape, search, placement, m) + m * guess) for m in range(1, MOST_GUESSES)}
    guesses = max(rates, key=lambda m: (rates[m], -m))
    if rates[guesses] * plain < WORTH:
        return None
    return Speculation(
        kind=SpeculationKind.DRAFT,
        guesses=guesses,
        draft_model=draft.model_id,
        draft_device=offer.device.device,
        draft_bytes=needed,
        decode=rates[guesses],
        sentence=sentences.drafts(draft.model_id, rates[guesses], 1.0 / plain),
    )


def _yield(guesses: int) -> float:
    """Tokens a pass gives on average."""
    return float((1 - ACCEPTANCE ** (guesses + 1)) / (1 - ACCEPTANCE))


def _check(request: PlanRequest, shape: ModelShape, search: Search, placement: Placement, guesses: int) -> float:
    """Seconds of a pass of the big model over so many guesses and the token before them."""
    work = work_of(shape, search.ground.work.mix, request.kv_type, tokens=guesses + 1)
    costs = tuple(repriced(cost, work) for cost in placement.costs)
    return timed(replace(placement, costs=costs), work.mix).step


def _seat(needs: Demand, taken: Demand, placement: Placement) -> tuple[Offer | None, int]:
    """The head's fastest device with room for the whole draft model beside the plan, and what it needs there."""
    head = placement.head
    seats: list[tuple[float, Offer, int]] = []
    for offer in head.usable(processors=True):
        needed = needs.placed_bytes + needs.buffers.of(first=True, last=True, pipelined=False)
        needed += needs.head_ram_bytes - needs.tied_bytes if offer.device.is_cpu else 0
        if offer.budget - _used(offer, taken, placement) >= needed:
            seats.append((pace_of(offer.device).bandwidth, offer, needed))
    best = max(seats, key=lambda seat: (seat[0], seat[1].device.device), default=None)
    return (None, 0) if best is None else best[1:]


def _used(offer: Offer, taken: Demand, placement: Placement) -> int:
    """Bytes the plan itself takes on a device of the head."""
    experts = expert_holding(taken, placement) if offer.device.is_cpu else None
    used = (taken.head_ram_bytes if offer.device.is_cpu else 0) + (experts.total if experts else 0)
    for other, held in zip(placement.offers, holdings(taken, placement), strict=True):
        if other.node.node == offer.node.node and other.device.device == offer.device.device:
            used += held.total
    return used
