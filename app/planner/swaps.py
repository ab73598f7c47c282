"""Other orders of the workers of a placement: where blocks differ in size, which ranges fit a device depends on it."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from itertools import combinations
from typing import TypeVar

from app.planner.fastest import Division
from app.planner.line import Line
from app.planner.stop import Stop

MOST_EFFORT = 3000
"""Blocks times devices times orders that are looked at: with 128 blocks on four devices, five orders."""

GAIN = 0.0025
"""By more than this part another order has to be faster."""

T = TypeVar("T")

Workers = tuple[tuple[Stop, ...], ...]

Solve = Callable[[Line, float], Division | None]
"""The fastest division of a line in its order, as far as it may take that many seconds."""


def climbed(line: Line, layers: int, seconds: float, solve: Solve) -> Division | None:
    """A division in less than so many seconds, with the workers of the line in another order; None when none is found.

    Of the orders with two workers swapped, or two devices of one, the fastest is taken, and so on until none is faster.
    No round is begun that `MOST_EFFORT` does not allow in full: none at all for many blocks on many devices. There each
    device holds many blocks, and what is lost at the ends of ranges is little.
    """
    best: Division | None = None
    left = MOST_EFFORT // max(layers * sum(map(len, line.workers)), 1)
    while True:
        orders, faster = list(_swapped(line.workers)), None
        left -= len(orders)
        for workers in orders if left >= 0 else ():
            found = solve(replace(line, workers=workers), seconds)
            if found is not None and found.seconds < seconds * (1 - GAIN):
                seconds, best, faster = found.seconds, found, workers
        if faster is None:
            return best
        line = replace(line, workers=faster)


def _swapped(workers: Workers) -> Iterator[Workers]:
    """The orders with two workers swapped, then those with two devices of one."""
    for one, other in combinations(range(len(workers)), 2):
        yield _swap(workers, one, other)
    for number, worker in enumerate(workers):
        for one, other in combinations(range(len(worker)), 2):
            yield (*workers[:number], _swap(worker, one, other), *workers[number + 1 :])


def _swap(items: Sequence[T], one: int, other: int) -> tuple[T, ...]:
    swapped = list(items)
    swapped[one], swapped[other] = items[other], items[one]
    return tuple(swapped)
