"""What is told beside a plan: the same on other numbers of PCs, and why each PC that is not used is not."""

from collections.abc import Sequence

from app.planner import sentences
from app.planner.contexts import Contexts
from app.planner.eligibility import Candidate, Offer, worker_problem
from app.planner.fastest import TIED
from app.planner.line import head_processor
from app.planner.memory import reserve_bytes
from app.planner.others import Others
from app.planner.placement import Placement
from app.planner.prediction import predict, rate, timed
from app.planner.question import Question
from app.planner.search import MOST_COMPARED, Search
from app.planner.shortage import Shortage, shortage
from app.planner.speed import Hop, pace_of
from app.schema.plan import Alternative, DeviceReason, DeviceResources, LinkMeasure, NodeReason, NodeResources
from app.schema.record import NodeId

MOST_LOOKED_AT = 8
"""Numbers of PCs on which a model that does not fit as asked is tried."""


def alternatives(
    question: Question, search: Search, contexts: Contexts, chosen: Placement | None
) -> tuple[Alternative, ...]:
    """The same question for 1, 2, ... PCs, as many as can take part, at most 4, and for the number of the plan.

    Not for fewer than the PCs that must take part make up with a head.
    `chosen` is what the plan says; without one, up to 8 are looked at.
    """
    most = min(search.most_pcs, MOST_COMPARED if chosen is not None else MOST_LOOKED_AT)
    least = min(len({head.node.node, *question.request.use}) for head in question.heads)
    numbers = sorted({*range(least, most + 1), *((len(chosen.nodes),) if chosen is not None else ())})
    others = Others(question, search)
    return tuple(_alternative(question, search, contexts, pcs, others, chosen) for pcs in numbers)


def _alternative(
    question: Question, search: Search, contexts: Contexts, pcs: int, others: Others, chosen: Placement | None
) -> Alternative:
    context = search.demand.context
    placement = chosen if chosen is not None and len(chosen.nodes) == pcs else others.on(pcs)
    if placement is not None:
        largest = contexts.as_asked(context) if placement is chosen and question.request.shares else None
        largest = largest or contexts.on(pcs, fits=context)
        prediction = predict(placement, search.demand, search.ground.work)
        speed = (prediction.throughput or prediction.decode, prediction.conversations) if prediction else (None, 1)
        used, idle = names(question, placement), not placement.head_holds
        return Alternative(
            pcs=pcs,
            fits=True,
            sentence=sentences.fits(used, context, *speed, is_idle=idle),
            prediction=prediction,
            largest_context=max(largest or 0, context),
            names=tuple(used),
            idle_head=idle,
        )
    largest = contexts.on(pcs, below=context)
    _, counted = least_short(question, search, pcs)
    told = [node.name for node, _ in counted.nodes]
    sentence = sentences.falls_short(told, context, counted.short, largest)
    return Alternative(
        pcs=pcs,
        fits=False,
        sentence=sentence,
        short_bytes=counted.short,
        largest_context=largest,
        names=tuple(told),
    )


def names(question: Question, placement: Placement) -> list[str]:
    """The names of a placement's PCs: the head, then the others best first."""
    head = placement.head
    others = [c for c in question.eligibility.kept if c.node.node in placement.nodes and c.node is not head.node]
    return [head.node.name, *(candidate.node.name for candidate in others)]


def least_short(question: Question, search: Search, pcs: int) -> tuple[Candidate, Shortage]:
    """What that many PCs lack and under which head: the least, the preferred head among equals."""
    totals = []
    for head in question.heads:
        workers = question.eligibility.workers(head)
        if len(workers) >= pcs - 1:
            totals.append((head, shortage(search.demand, head, _roomiest(workers, pcs - 1, question.request.use))))
    return min(totals, key=lambda total: total[1].needed - total[1].free)


def _roomiest(workers: Sequence[Candidate], count: int, wanted: Sequence[NodeId]) -> Sequence[Candidate]:
    """The workers that must take part, then those with most bytes on offer; in their given order."""

    def order(worker: Candidate) -> tuple[bool, int, NodeId]:
        return (worker.node.node not in wanted, -sum(offer.budget for offer in worker.offers), worker.node.node)

    most = sorted(workers, key=order)[:count]
    return [worker for worker in workers if worker in most]


def left_out(question: Question, search: Search, placement: Placement) -> tuple[NodeReason, ...]:
    """A reason for every node that is not in the placement, sorted by node id."""
    found = [reason for reason in question.eligibility.dropped if reason.node not in placement.nodes]
    for candidate in question.eligibility.kept:
        node = candidate.node
        if node.node not in placement.nodes:
            sentence = _spared(question, search, placement, candidate)
            found.append(NodeReason(node=node.node, node_name=node.name, sentence=sentence))
    return tuple(sorted(found, key=lambda reason: reason.node))


def spare_devices(search: Search, placement: Placement) -> tuple[DeviceReason, ...]:
    """A reason for every device of the placement's PCs that holds nothing, sorted by node and device."""
    used = {(offer.node.node, offer.device.device) for offer in placement.offers}
    processor = head_processor(placement.head)
    if any(placement.spilled) and processor is not None:
        used.add((processor.node.node, processor.device.device))
    if placement.head.encoder is not None:
        used.add((placement.head.node.node, placement.head.encoder.device.device))
    nodes = {node.node: node for node in (placement.head.node, *(offer.node for offer in placement.offers))}
    paces = [cost.pace for cost in placement.costs]
    # Nothing is known to be slower than a device that nobody measured.
    slowest = min(pace.bandwidth / pace.correction if pace.is_known else 0.0 for pace in paces)
    found = []
    for node in nodes.values():
        for device in (each for each in node.devices if (node.node, each.device) not in used):
            spills = node is placement.head.node and processor is not None and not device.is_cpu
            sentence = _full(search, node, device, spills) or _spare(node, device, slowest)
            reason = DeviceReason(node=node.node, node_name=node.name, device=device.device, sentence=sentence)
            found.append(reason)
    return tuple(sorted(found, key=lambda reason: (reason.node, reason.device)))


def _full(search: Search, node: NodeResources, device: DeviceResources, spills: bool) -> str | None:
    """Why a device cannot hold anything, None when it can; one that `spills` may leave experts in the head's RAM."""
    budget = device.free_bytes - reserve_bytes(device)
    if budget <= 0:
        return sentences.full_device(node, device)
    if not search.rooms.most(Offer(node, device, budget), without_experts=spills):
        return sentences.small_device(node, device, search.demand.context)
    return None


def _spare(node: NodeResources, device: DeviceResources, slowest: float) -> str:
    pace = pace_of(device)
    is_slower = pace.is_known and pace.bandwidth / pace.correction < slowest
    return sentences.spare_device(node, device, is_slower=is_slower)


def _spared(question: Question, search: Search, placement: Placement, candidate: Candidate) -> str:
    """Why a node that was kept is not used after all."""
    sentence = worker_problem(candidate, placement.head)
    if sentence is not None:
        return sentence
    if not search.rooms.blocks(candidate, processors=True):
        return sentences.no_room(candidate.node, search.demand.context)
    if question.request.shares:
        return sentences.no_share(candidate.node)
    if question.request.pcs is not None:
        return sentences.not_asked(candidate.node, question.request.pcs)
    if search.by_speed:
        return _slower(question, search, placement, candidate)
    if not search.rooms.blocks(candidate, processors=False):
        return sentences.processor_spared(candidate.node)
    return sentences.not_needed(candidate.node, names(question, placement))


def _slower(question: Question, search: Search, placement: Placement, candidate: Candidate) -> str:
    """What the best placement that makes use of a PC would cost in speed, and whether its link or its device does."""
    used = names(question, placement)
    other = search.with_node(placement, candidate)
    if other is None:
        return sentences.not_needed(candidate.node, used)
    mix = search.ground.work.mix
    now, then = timed(placement, mix), timed(other, mix)
    rates = rate(mix, now), rate(mix, then)
    if then.exchange(mix) <= now.exchange(mix) * (1 + TIED):
        if mix.slots == 1 and then.step < now.step / (1 + TIED):
            return sentences.no_time_gained(candidate.node, now.exchange(mix), then.exchange(mix))
        return sentences.no_gain(candidate.node, *rates, mix.slots)
    if then.step <= now.step:
        if mix.slots == 1:
            return sentences.slower_prompt(candidate.node, now.prompt, then.prompt)
        return sentences.slower_prompts(candidate.node, *rates, mix.slots)
    hops = [c for o, c in zip(other.offers, other.costs, strict=True) if o.node.node == candidate.node.node]
    hop, step = next((cost.hop for cost in hops if cost.hop is not None), None), sum(cost.hop_step for cost in hops)
    if other.offers[-1].node.node == candidate.node.node:
        step += hops[-1].logits_step
    if hop is not None and step >= (then.step - now.step) / 2:
        link = question.links.get(frozenset((placement.head.node.node, candidate.node.node)))
        told, is_measured = _what_slows(hop, link, step / len(hops))
        return sentences.slow_link(candidate.node, told, is_measured, rates[0] - rates[1], mix.slots)
    is_measured = all(cost.pace.is_known for cost in (*placement.costs, *hops))
    return sentences.slow_device(candidate.node, *rates, mix.slots, is_measured=is_measured)


def _what_slows(hop: Hop, link: LinkMeasure | None, step: float) -> tuple[str, bool]:
    """What makes a link slow in a step, its slower way or its round trip, and whether that was measured."""
    by_bytes = step > 2 * hop.seconds(1, 0)
    measured = link and ((link.throughput or link.back) if by_bytes else link.round_trip)
    told = sentences.throughput(min(hop.throughput, hop.back)) if by_bytes else sentences.seconds(hop.round_trip)
    return told, measured is not None
