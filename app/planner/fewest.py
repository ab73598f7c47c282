"""The split where nobody measured any device: on the fewest PCs, devices sharing in proportion to their memory."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from math import inf

from app.planner.eligibility import Candidate
from app.planner.line import Line
from app.planner.memory import Demand
from app.planner.numbers import Wish, best_by_number
from app.planner.placement import Placement, capacities
from app.planner.rooms import Rooms
from app.planner.split import split
from app.schema.record import NodeId


class Fewest:
    """Placements on as few PCs as can be, then under the first head; processors beside GPUs only count when nothing
    else fits.

    `lines` gives the lines of a head, with the processors beside GPUs or without. Up to `most` PCs take part.
    """

    def __init__(
        self,
        demand: Demand,
        rooms: Rooms,
        lines: Callable[[Candidate, bool], Sequence[Line]],
        wish: Wish,
        most: int,
    ) -> None:
        self._demand = demand
        self._rooms = rooms
        self._lines = lines
        self._wish = wish
        self._most = most
        self._found: dict[tuple[NodeId, bool], dict[int, Placement]] = {}

    def on(self, numbers: Sequence[int], heads: Sequence[Candidate]) -> Placement | None:
        """The placement on the first of these numbers of PCs that holds all; None when nothing fits."""
        for processors in (False, True):
            for pcs in numbers:
                for head in heads:
                    if self._rooms.may_hold(head, pcs, processors=processors):
                        found = self._least(head, processors).get(pcs)
                        if found is not None:
                            return self._even(found)
        return None

    def _least(self, head: Candidate, processors: bool) -> dict[int, Placement]:
        """The fastest placement under a head for each number of PCs, by the stand-ins for what nobody measured."""
        key = (head.node.node, processors)
        if key not in self._found:
            lines = self._lines(head, processors)
            self._found[key] = best_by_number(self._demand, lines, self._wish, self._most, inf)
        return self._found[key]

    def _even(self, placement: Placement) -> Placement:
        """The same devices, sharing in proportion to what they offer; beside a GPU a processor takes what is left."""
        offers = placement.offers
        if any(placement.spilled):
            return placement
        with_gpu = any(not offer.device.is_cpu for offer in offers)
        weights = [0 if with_gpu and offer.device.is_cpu else offer.budget for offer in offers]
        counts = split(self._demand, capacities(self._demand, placement.head, offers), weights)
        return placement if counts is None else replace(placement, counts=counts)
