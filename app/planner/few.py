"""The choices of a few workers, each with a bound, so that only those that promise most are searched."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain, combinations
from math import comb, inf

from app.planner.floor import filled
from app.planner.line import Line
from app.planner.memory import Demand
from app.planner.stop import Stop
from app.schema.record import NodeId

MOST_CHOICES = 600
"""Choices of workers that are weighed one by one."""

Price = tuple[float, float]
"""Seconds per byte, and bytes."""


@dataclass(frozen=True, slots=True)
class _Part:
    """What some devices add to a bound: seconds due in any case, prices, the cheapest output layer, and what of a
    prompt they do in a second.
    """

    due: float
    prices: Sequence[Price]
    last: float
    pace: float


def hopeful(
    demand: Demand, line: Line, required: frozenset[NodeId], numbers: Sequence[int], worth: float
) -> Line | None:
    """The line with the workers of those choices for these numbers of PCs that may take `worth` seconds or less.

    None where there is no such choice, the line itself where there are too many to look at. The bound is that of
    `least_seconds`; of each worker that is chosen the cheapest device is due in full.
    """
    if sum(comb(len(line.workers), pcs - 1) for pcs in numbers) > MOST_CHOICES:
        return line
    parts = [_worker(demand, worker) for worker in line.workers]
    nodes = [worker[0].offer.node.node for worker in line.workers]
    missing = required - {line.head.node.node}
    kept, is_any = set[int](), False
    for pcs in numbers:
        here = _here(demand, line, alone=pcs == 1)
        for chosen in combinations(range(len(parts)), pcs - 1):
            if is_any and kept.issuperset(chosen):
                continue
            bound = _bound(demand, line, [here, *(parts[i] for i in chosen)])
            if bound <= worth and missing <= {nodes[i] for i in chosen}:
                kept.update(chosen)
                is_any = True
    return line.among([worker for i, worker in enumerate(line.workers) if i in kept]) if is_any else None


def _bound(demand: Demand, line: Line, parts: Sequence[_Part]) -> float:
    prices = sorted(chain(*(part.prices for part in parts)))
    seconds = filled(prices, float(demand.prefix[-1])) + sum(part.due for part in parts)
    pace = sum(part.pace for part in parts) if line.weight else 0.0
    return seconds + min(part.last for part in parts) + (line.weight / pace if 0.0 < pace < inf else 0.0)


def _here(demand: Demand, line: Line, *, alone: bool) -> _Part:
    """The head's devices. A processor that leads holds a block; with experts in RAM it leads only without workers."""
    stops, leading = list(line.own), line.leading
    prices = [_price(demand, stop, 0.0, _budget(line, stop)) for stop in stops]
    due = 0.0
    if line.endings is not None:
        prices.append(line.endings.price)
    if leading is not None and (alone or line.endings is None):
        due = leading.fixed if line.endings is None else 0.0
        prices.append(_price(demand, leading, due, _budget(line, leading)))
        stops.append(leading)
    return _Part(due, prices, min((stop.last for stop in stops), default=inf), _pace(stops))


def _budget(line: Line, stop: Stop) -> int:
    return stop.offer.budget if line.endings is not None else stop.room.most


def _worker(demand: Demand, stops: Sequence[Stop]) -> _Part:
    due = min(stop.fixed for stop in stops)
    prices = [_price(demand, stop, due, stop.room.most) for stop in stops]
    return _Part(due, prices, min(stop.last for stop in stops), _pace(stops))


def _price(demand: Demand, stop: Stop, due: float, budget: int) -> Price:
    """What it costs to use a device, beyond what is due anyway, is spread over what it can have."""
    spread = min(budget, demand.prefix[-1])
    return (stop.per_byte + ((stop.fixed - due) / spread if spread > 0 else 0.0), float(budget))


def _pace(stops: Sequence[Stop]) -> float:
    return sum(1.0 / stop.prompts[-1] if stop.prompts[-1] else inf for stop in stops)
