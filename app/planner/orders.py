"""The order of workers: the first stage and the one with the output layer have less room, so who they are matters."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import accumulate, chain, islice
from math import inf
from typing import NamedTuple, TypeVar

from app.planner.fastest import CLOSE_ENOUGH, Division
from app.planner.line import MOST_ACCELERATORS, Line
from app.planner.memory import Demand
from app.planner.stop import Stop

MOST_TURNS = 40
"""Orders of workers that are tried where the usual one holds less, or is slower, than any order could."""

FEW_TURNS = 3
"""So many, over the devices of a division alone, where the workers have more than a few."""

FEW_DEVICES = 6
"""Devices of workers of which each pair is tried first and last: 30 orders."""

T = TypeVar("T")

Solve = Callable[[Line], Mapping[int, Division]]
"""The fastest divisions of a line in its order, for each number of PCs that has one."""


def in_any_order(
    demand: Demand, line: Line, solve: Solve, numbers: Iterable[int], most: int = MOST_TURNS
) -> dict[int, Division]:
    """The fastest divisions over a line, whichever of its workers come first and last.

    Sought as if no worker lost room by that, which no order is faster than. Where the blocks of such a division fit
    its devices in some order, that is the answer; else the line is searched in one order after the other, until one
    comes near enough. For blocks of one size nothing but the first and the last stage makes a difference; for others
    more orders are tried on those `numbers` of PCs where nothing was found.
    """
    loose = eased(line)
    least = solve(loose)
    tidy = least if loose is line else {pcs: arranged(demand, line, division) for pcs, division in least.items()}
    found = {pcs: division for pcs, division in tidy.items() if division is not None}
    if sum(map(len, line.workers)) <= FEW_DEVICES:
        sought = {*least, *(numbers if demand.largest_block > demand.smallest_block else ())}
        _try(found, least, sought, solve, islice(turns(demand, line), most))
        return found
    for pcs, division in least.items():
        _try(found, least, {pcs}, solve, islice(turns(demand, _only(line, division)), min(most, FEW_TURNS)))
    missing = least.keys() - found.keys() if found else {*least, *numbers}
    _try(found, least, missing, solve, islice(turns(demand, line), min(most, FEW_TURNS) if found else most))
    return found


def _try(
    found: dict[int, Division],
    least: Mapping[int, Division],
    sought: Iterable[int],
    solve: Solve,
    orders: Iterable[Line],
) -> None:
    """Search a line in these orders until something near the least is found for each of the numbers sought."""
    open_numbers = set(sought)
    for order in orders:
        open_numbers = {pcs for pcs in open_numbers if not _is_near(least.get(pcs), found.get(pcs))}
        if not open_numbers:
            return
        for pcs, division in solve(order).items():
            if pcs not in found or division.seconds < found[pcs].seconds:
                found[pcs] = division


def _is_near(least: Division | None, found: Division | None) -> bool:
    return found is not None and (least is None or found.seconds <= least.seconds * (1 + CLOSE_ENOUGH / 4))


def _only(line: Line, division: Division) -> Line:
    """The line with no more devices of workers than a division uses."""
    used = {_key(stop) for stop in division.stops}
    kept = (tuple(stop for stop in worker if _key(stop) in used) for worker in line.workers)
    return line.among([worker for worker in kept if worker])


def numbers_with_room(demand: Demand, line: Line, most: int) -> list[int]:
    """The numbers of PCs up to `most`, head included, whose bytes would do for the blocks."""
    sizes = sorted((sum(stop.room.most for stop in worker) for worker in line.workers), reverse=True)
    here = accumulate(sizes, initial=_own_bytes(line))
    return [pcs for pcs, size in enumerate(here, 1) if size >= demand.prefix[-1] and pcs <= most]


def has_room(demand: Demand, line: Line) -> bool:
    """Whether the bytes of the devices the engine can drive would do for the blocks if each had its best place."""
    remote = [stop.room.most for worker in line.workers for stop in worker]
    here = [stop.room.most for stop in line.own] if line.endings is None else []
    roomiest = sorted([*remote, *here], reverse=True)[:MOST_ACCELERATORS]
    rest = _own_bytes(line) - sum(here)
    return rest + sum(roomiest) >= demand.prefix[-1]


def _own_bytes(line: Line) -> int:
    if line.endings is not None:
        return sum(stop.offer.budget for stop in line.own) + max(line.endings.ram, 0)
    leading = line.leading.room.most if line.leading is not None else 0
    return leading + sum(stop.room.most for stop in line.own)


def eased(line: Line) -> Line:
    """The line as if its workers had as much room first and last as in between, and the cheapest output layer.

    The line itself where that is so anyway.
    """
    least, workers, is_same = inf, [], True
    for worker in line.workers:
        stops = []
        for stop in worker:
            least = min(least, stop.last)
            loose = stop.at_ease if stop.last == least else replace(stop.at_ease, last=least)
            is_same = is_same and loose is stop
            stops.append(loose)
        workers.append(tuple(stops))
    return line if is_same else replace(line, workers=tuple(workers))


def turns(demand: Demand, line: Line) -> Iterator[Line]:
    """The line, then the same with each pair of its workers' devices first and last, those that lose least room ahead.

    Two devices of one worker can be both only when no other takes part.
    """
    yield line
    stops = [stop for worker in line.workers for stop in worker]
    is_led = line.leading is not None and line.endings is None
    firsts: list[Stop | None] = [None] if is_led else [*stops]
    lasts: list[Stop | None] = [None] if line.own else []
    lasts += stops if line.endings is None else []
    pairs = [(first, last) for first in firsts for last in lasts if first is not last]
    for first, last in sorted(pairs, key=lambda pair: _lost(demand, *pair)):
        workers = turned(line.workers, first, last) or _alone(line.workers, first, last)
        yield replace(line, workers=workers)


def _lost(demand: Demand, first: Stop | None, last: Stop | None) -> int:
    """Blocks of the mean size that these devices hold less because one is first and one last."""
    size = max(demand.prefix[-1] // demand.layers, 1)
    ahead = first.room.capacity // size - first.room.capacity_first // size if first is not None else 0
    behind = last.room.capacity // size - last.room.capacity_last // size if last is not None else 0
    return ahead + behind


def turned(groups: Sequence[Sequence[T]], first: T | None, last: T | None) -> tuple[tuple[T, ...], ...] | None:
    """The groups with `first` and its group ahead, `last` and its group behind; None when that cannot be.

    A group stays together: where it is one of several it cannot have both.
    """
    if len(groups) > 1 and any(_has(group, first) and _has(group, last) for group in groups):
        return None
    order = sorted(groups, key=lambda group: _has(group, last) - _has(group, first))
    return tuple(tuple(sorted(group, key=lambda each: (each is last) - (each is first))) for group in order)


def _alone(groups: Sequence[Sequence[Stop]], first: Stop | None, last: Stop | None) -> tuple[tuple[Stop, ...], ...]:
    """Only the group that has both."""
    return turned([group for group in groups if _has(group, first)], first, last) or ()


def _has(group: Sequence[T], one: T | None) -> bool:
    return any(each is one for each in group)


class _Taken(NamedTuple):
    stop: Stop
    blocks: int
    spilled: int


def arranged(demand: Demand, line: Line, division: Division) -> Division | None:
    """A division of the eased line with its workers' devices in the cheapest order that fits; None when none does."""
    real = {_key(stop): (number, stop) for number, worker in enumerate(line.workers) for stop in worker}
    ahead: list[_Taken] = []
    behind: list[_Taken] = []
    groups: dict[int, list[_Taken]] = {}
    for stop, blocks, spilled in zip(division.stops, division.counts, division.spilled, strict=True):
        number, known = real.get(_key(stop), (None, stop))
        taken = _Taken(known, blocks, spilled)
        if number is not None:
            groups.setdefault(number, []).append(taken)
        else:
            (behind if groups or known is not line.leading else ahead).append(taken)
    best, least = None, inf
    for order in _arrangements(list(groups.values()), is_led=bool(ahead), is_ended=bool(behind)):
        whole = [*ahead, *chain(*order), *behind]
        seconds = _seconds(demand, line, whole, len(ahead), len(whole) - len(behind))
        if seconds < least:
            best, least = whole, seconds
        if least <= division.seconds:
            break
    if best is None:
        return None
    stops, counts, spilled_counts = zip(*best, strict=True)
    return Division(line, stops, counts, spilled_counts, least)


def _key(stop: Stop) -> tuple[str, str]:
    return (stop.offer.node.node, stop.offer.device.device)


def _arrangements(
    groups: Sequence[Sequence[_Taken]], *, is_led: bool, is_ended: bool
) -> Iterator[Sequence[Sequence[_Taken]]]:
    """The groups as they are, then with each pair of devices first and last, as far as workers are either."""
    yield groups
    taken = list(chain(*groups))
    for first in [None] if is_led else taken:
        for last in [None] if is_ended else taken:
            order = turned(groups, first, last) if first is not last else None
            if order is not None:
                yield order


def _seconds(demand: Demand, line: Line, whole: Sequence[_Taken], begin: int, end: int) -> float:
    """Seconds of the exchanges; infinite when one of the devices of workers, `begin` to `end` - 1, has no room."""
    start, seconds, slowest = 0, whole[-1].stop.last, 0.0
    for number, (stop, blocks, spilled) in enumerate(whole):
        after = start + blocks
        if begin <= number < end and not _fits(demand, stop, start, after):
            return inf
        seconds += stop.seconds[after] - stop.seconds[start] + stop.fixed
        seconds += stop.spill[start + spilled] - stop.spill[start] if spilled else 0.0
        slowest = max(slowest, stop.prompts[after] - stop.prompts[start])
        start = after
    return seconds + line.weight * slowest


def _fits(demand: Demand, stop: Stop, start: int, end: int) -> bool:
    room, is_last = stop.room, end == demand.layers
    if start == 0:
        return room.is_enough if is_last else end <= room.from_start
    return start >= room.to_end if is_last else demand.prefix[end] - demand.prefix[start] <= room.capacity
