"""What each device of a placement holds, in bytes."""

from dataclasses import dataclass
from itertools import accumulate, pairwise

from app.planner.line import compute_bytes, on_head_processor
from app.planner.memory import Demand
from app.planner.placement import Placement


@dataclass(frozen=True, slots=True)
class Holding:
    """Bytes of one stage, or of the experts in the head's RAM: weights, cache, compute buffers."""

    weights: int
    cache: int
    compute: int

    @property
    def total(self) -> int:
        """All of it."""
        return self.weights + self.cache + self.compute


def holdings(demand: Demand, placement: Placement) -> tuple[Holding, ...]:
    """What each stage holds, in layer order; experts that lie in the head's RAM are with no stage."""
    last = len(placement.offers) - 1
    tied = demand.tied_bytes if not last and on_head_processor(placement.offers[0], placement.head) else 0
    ranges = pairwise(accumulate(placement.counts, initial=0))
    buffers = _buffers(demand, placement)
    found = []
    for i, ((first, end), spilled, compute) in enumerate(zip(ranges, _spilled(placement), buffers, strict=True)):
        elsewhere = demand.experts[first + spilled] - demand.experts[first]
        output = demand.output_bytes - tied if i == last else 0
        weights = demand.weights[end] - demand.weights[first] - elsewhere + output
        found.append(Holding(weights, demand.cache[end] - demand.cache[first], compute))
    return tuple(found)


def spilled_blocks(demand: Demand, placement: Placement) -> tuple[int, ...]:
    """The blocks whose experts lie in the head's RAM."""
    firsts = accumulate(placement.counts, initial=0)
    taken = (i for first, count in zip(firsts, _spilled(placement), strict=False) for i in range(first, first + count))
    return tuple(i for i in taken if demand.experts[i + 1] > demand.experts[i])


def expert_holding(demand: Demand, placement: Placement) -> Holding | None:
    """What the experts in the head's RAM take there; None when there are none. Buffers count with a stage there."""
    blocks = spilled_blocks(demand, placement)
    if not blocks:
        return None
    led = on_head_processor(placement.offers[0], placement.head)
    weights = sum(demand.experts[i + 1] - demand.experts[i] for i in blocks)
    return Holding(weights, 0, 0 if led else demand.buffers.experts)


def _spilled(placement: Placement) -> tuple[int, ...]:
    return placement.spilled or (0,) * len(placement.offers)


def _buffers(demand: Demand, placement: Placement) -> list[int]:
    pipelined = placement.pipelined and len(placement.offers) > 1
    found = list(compute_bytes(demand, placement.head, placement.offers, pipelined=pipelined))
    first, last = 0, len(found) - 1
    for i, (count, spilled) in enumerate(zip(placement.counts, _spilled(placement), strict=True)):
        if spilled:
            whole = demand.experts[first + spilled] < demand.experts[first + count]
            found[i] = demand.buffers.spilled(first=i == 0, last=i == last, whole=whole, copied=demand.expert_copy)
        first += count
    return found
