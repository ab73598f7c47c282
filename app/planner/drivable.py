"""How many devices the engine drives: what of a line it can use, and what a division uses."""

from collections.abc import Sequence
from dataclasses import replace

from app.planner.fastest import Division
from app.planner.line import MOST_ACCELERATORS, Line
from app.planner.stop import Stop


def accelerators(division: Division) -> int:
    """Devices of a division that the engine drives beside the head's processor."""
    return sum(stop is not division.line.leading for stop in division.stops)


def roomiest(line: Line) -> Line:
    """The line with the accelerators that offer most, as many as the engine drives."""
    stops = [stop for stop in line.stops() if stop is not line.leading]
    kept = {id(stop) for stop in sorted(stops, key=_by_room)[:MOST_ACCELERATORS]}

    def chosen(group: Sequence[Stop]) -> tuple[Stop, ...]:
        return tuple(stop for stop in group if id(stop) in kept)

    workers, own = tuple(chosen(worker) for worker in line.workers if chosen(worker)), chosen(line.own)
    endings = replace(line.endings, cards=own) if line.endings is not None and own else None
    return replace(line, workers=workers, own=own, endings=endings)


def _by_room(stop: Stop) -> tuple[int, str, str]:
    return (-stop.offer.budget, stop.offer.node.node, stop.offer.device.device)
