"""What no division of a line goes below, at a glance: which heads and devices are worth looking at."""

from dataclasses import replace
from math import inf

from app.planner.floor import Floor, Source, filled
from app.planner.line import Line
from app.planner.memory import Demand
from app.planner.stop import Stop


def least_seconds(demand: Demand, line: Line) -> float:
    """A bound that no division of a line goes below, at a glance; infinite when the memory cannot suffice.

    Each device is filled to its budget, the cheapest byte first, and what it costs to use it at all is spread over its
    bytes (the linear relaxation of the fixed-charge problem). A processor that leads holds a block.
    """
    return Bound(demand, line).least


def floor_of(demand: Demand, line: Line) -> Floor:
    """What no division of a line whose stages wait for the slowest goes below; for pipelined lines alone."""
    sources = [Source(stop.per_byte, stop.fixed, stop.room.most, stop.prompt_per_byte) for stop in line.stops()]
    last = min((stop.last for stop in line.stops()), default=0.0)
    return Floor(sources, float(demand.prefix[-1]), due=last, weight=line.weight, low=lowest_wait(line))


def narrowed(demand: Demand, line: Line, worth: float, most: int | None = None) -> Line:
    """The line without those devices of workers that no division of at most `worth` seconds on `most` PCs uses."""
    if worth == inf:
        return line
    return without_useless(line, Bound(demand, line, most), worth)


def without_useless(line: Line, bound: "Bound", worth: float) -> Line:
    """The line without those devices of workers with which, by that bound, nothing is done in `worth` seconds."""
    kept = (tuple(stop for stop in worker if bound.with_stop(stop) <= worth) for worker in line.workers)
    return replace(line, workers=tuple(worker for worker in kept if worker))


class Bound:
    """What no division of a line on at most so many PCs goes below.

    A price on every worker, and back for as many as are allowed, makes PCs with little room dear (Lagrange): any price
    gives a bound, and of a few the one that gives the highest is taken. With `low` and `high`, the slowest stage's
    prompt takes between so many seconds, which no device exceeds either.
    """

    def __init__(
        self, demand: Demand, line: Line, most: int | None = None, low: float = 0.0, high: float = inf
    ) -> None:
        self._line = line
        self._high = high
        self._whole = float(demand.prefix[-1])
        self._smallest = float(demand.smallest_block)
        self._due = _spared(line, low)
        self._tolls: dict[int, float] = {}
        self._back = 0.0
        self.least = self._settle()
        if most is not None and most <= len(line.workers):
            self._charge(most - 1)

    def with_stop(self, stop: Stop) -> float:
        """The bound when that stop holds at least the smallest block: its own cost in full, and the bytes of that."""
        others = [price for key, price in self._prices.items() if key != id(stop)]
        rest = filled(sorted([*others, (stop.per_byte, self._budget(stop))]), self._whole - self._smallest)
        own = stop.fixed + self._tolls.get(id(stop), 0.0) + self._smallest * stop.per_byte
        return own + rest + self._due - self._back

    def _settle(self) -> float:
        self._prices = {id(stop): self._price(stop) for stop in self._line.stops()}
        if self._line.endings is not None:
            self._prices[0] = self._line.endings.price
        led = self._line.leading if self._line.endings is None else None
        if led is not None:
            return self.with_stop(led)
        return filled(sorted(self._prices.values()), self._whole) + self._due - self._back

    def _budget(self, stop: Stop) -> float:
        """Bytes a stop can have: what is free, and what it gets done in time."""
        budget = float(
            stop.offer.budget if self._line.endings is not None and stop.cost.hop is None else stop.room.most
        )
        return (
            budget if self._high == inf or not stop.prompt_per_byte else min(budget, self._high / stop.prompt_per_byte)
        )

    def _price(self, stop: Stop) -> tuple[float, float]:
        """(seconds per byte, bytes) of a stop, what it costs to use it at all spread over what it can have."""
        budget = self._budget(stop)
        fixed, spread = stop.fixed + self._tolls.get(id(stop), 0.0), min(budget, self._whole)
        return (stop.per_byte + (fixed / spread if spread else 0.0), budget)

    def _charge(self, workers: int) -> None:
        if not 0.0 < self.least < inf:
            return
        best, plain = 0.0, self.least
        for toll in (plain * part / 64 for part in (1, 2, 4, 8, 16, 32, 64, 128)):
            self._set(toll, workers)
            found = self._settle()
            if found <= self.least:
                break
            best, self.least = toll, found
        self._set(best, workers)
        self.least = self._settle()

    def _set(self, toll: float, workers: int) -> None:
        self._back = toll * workers
        self._tolls = {id(stop): toll / len(worker) for worker in self._line.workers for stop in worker}


def _spared(line: Line, low: float) -> float:
    """What is due in every division: the cheapest output layer, and the wait for the slowest stage, at least `low`."""
    least = min((stop.last for stop in line.stops()), default=0.0)
    return least + (line.weight * max(lowest_wait(line), low) if line.weight else 0.0)


def lowest_wait(line: Line) -> float:
    """No division has a slowest stage below this: all devices share the prompt perfectly."""
    whole = [stop.prompts[-1] for stop in line.stops()]
    return 1.0 / sum(1.0 / seconds for seconds in whole) if whole and all(whole) else 0.0
