"""Lines in the order of what they promise, which is found out only as far as that order asks for it."""

from collections.abc import Iterable
from heapq import heapify, heappop, heappush

from app.planner.bounds import floor_of
from app.planner.floor import Floor
from app.planner.line import Line
from app.planner.memory import Demand


class Queue:
    """Lines of heads, each with the number of its head and a bound of what its divisions cost, lowest first.

    With `sharpens`, a line whose stages wait for the slowest is given out only once its floor is sharp. The lowest is
    cut until it is or another is lower, so lines that promise too little cost next to nothing. What is given out stays
    complete: a line is left behind only when a bound of its own is above what is asked for.
    """

    def __init__(self, demand: Demand, bounds: Iterable[tuple[float, int, Line]], *, sharpens: bool) -> None:
        self._demand = demand
        self._sharpens = sharpens
        numbered = list(bounds)
        self._lines = [line for _, _, line in numbered]
        self._entries = [(bound, number, place) for place, (bound, number, _) in enumerate(numbered)]
        self._floors: dict[int, Floor] = {}
        heapify(self._entries)

    def next(self, worth: float) -> tuple[int, Line] | None:
        """The line that promises most with the number of its head; None when none may take `worth` seconds or less."""
        while self._entries and self._entries[0][0] <= worth:
            bound, number, place = heappop(self._entries)
            line = self._lines[place]
            if not (self._sharpens and line.weight):
                return number, line
            if place not in self._floors:
                self._floors[place] = floor_of(self._demand, line)
            floor = self._floors[place]
            if floor.is_sharp:
                return number, line
            floor.cut()
            heappush(self._entries, (max(bound, floor.least), number, place))
        return None
