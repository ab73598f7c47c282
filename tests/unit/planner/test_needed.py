"""What is needed behind a device against trying every way to finish from there."""

from collections.abc import Iterator, Sequence
from itertools import chain, combinations
from math import inf
from random import Random

import pytest

from app.planner.line import Line
from app.planner.needed import Needed, chained
from app.planner.visit import Row, Visit, begun, either
from tests.unit.planner.random_clusters import random_shape, random_view
from tests.unit.planner.test_promising import lines_of


def finishes(visits: Sequence[Visit], start: int, layers: int) -> bool:
    """Whether devices in that order, each passed by or not, can take all blocks from `start` on."""
    rows = [Row([0.0 if i == start else inf for i in range(layers)], start, start)]
    for visit in visits:
        if any(visit.end(row)[1] >= 0 for row in rows):
            return True
        rows += [after for row in rows if (after := visit.extended(row, 0)) is not None]
    return False


def visits_of(random: Random, line: Line) -> tuple[list[list[Visit]], list[Visit]]:
    """Those of the workers and the head's own, sometimes at a limit that is felt."""
    dearest = max((stop.prompts[-1] for stop in line.stops()), default=1.0)
    limit = random.choice([inf, random.uniform(0.1, 1.0) * dearest])
    return [[Visit(stop, limit) for stop in worker] for worker in line.workers], [Visit(s, limit) for s in line.own]


def ways(workers: Sequence[Sequence[Visit]], own: Sequence[Visit], left: int) -> Iterator[list[Visit]]:
    """The devices that may come behind, for each choice of so many workers."""
    for chosen in combinations(workers, min(left, len(workers))):
        yield [*chain(*chosen), *own]


@pytest.mark.parametrize("seed", range(3))
def test_with_fewer_blocks_nothing_finishes(seed: int) -> None:
    random, short = Random(f"needed {seed}"), 0
    for _ in range(60):
        needs, lines = lines_of(random_shape(random), random_view(random))
        layers = needs.layers
        for workers, own in (visits_of(random, line) for line in lines if line.endings is None):
            for most in (None, *range(1, len(workers) + 1)):
                needed = Needed(workers, chained(own, layers)[0], most)
                left = len(workers) if most is None else most - 1
                for place, worker in enumerate(workers):
                    for number, (_, least) in enumerate(needed.behind(place, 1), 1):
                        for way in ways(workers[place + 1 :], own, left):
                            behind = [*worker[number:], *way]
                            assert not any(finishes(behind, start, layers) for start in range(1, min(least, layers)))
                        short += 1 < least < layers
    assert short


def test_the_cheaper_of_two_rows_spans_both() -> None:
    both = either(begun(4), Row([inf, inf, 2.0, 3.0], 2, 3))
    assert (both.values, both.first, both.last) == ([0.0, inf, 2.0, 3.0], 0, 3)
