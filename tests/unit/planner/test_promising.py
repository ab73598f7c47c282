"""Lines by what they promise: the best is never left behind, and one that promises too little is."""

from random import Random

import pytest

from app.planner.bounds import floor_of, least_seconds
from app.planner.eligibility import eligible
from app.planner.fastest import fastest
from app.planner.line import Line
from app.planner.memory import Demand
from app.planner.promising import Queue
from app.planner.question import Question
from app.schema.model import ModelShape
from app.schema.plan import ClusterView
from tests.unit.planner.random_clusters import random_shape, random_view
from tests.unit.planner.samples import ask

CONTEXT = 16384


def lines_of(model: ModelShape, view: ClusterView) -> tuple[Demand, list[Line]]:
    """The lines of every head for a prompt of many micro-batches."""
    request = ask(context=CONTEXT, prompt_tokens=12000)
    known = eligible(request, view)
    heads = tuple(known.heads(request, view.this_node))
    question = Question(request, model, known, heads, {frozenset((link.a, link.b)): link for link in view.links})
    search = question.search(CONTEXT)
    return search.demand, [line for head in heads for line in search.lines(head)]


def taken(queue: Queue, worth: float) -> list[int]:
    """The numbers of the lines that are given out."""
    found = []
    while (entry := queue.next(worth)) is not None:
        found.append(entry[0])
    return found


@pytest.mark.parametrize("seed", range(3))
def test_no_division_is_below_the_floor_and_the_best_line_is_given_out(seed: int) -> None:
    random, left = Random(f"promising {seed}"), 0
    for _ in range(100):
        needs, lines = lines_of(random_shape(random), random_view(random))
        bounds = [(least_seconds(needs, line), number, line) for number, line in enumerate(lines)]
        found = {n: best.seconds for n, line in enumerate(lines) if (best := fastest(needs, line, frozenset()))}
        for number, line in enumerate(lines):
            floor = floor_of(needs, line)
            while line.weight and not floor.is_sharp:
                floor.cut()
            assert not line.weight or floor.least <= found.get(number, floor.least) * (1 + 1e-9)
        if found:
            least = min(found.values())
            plain, sharp = (taken(Queue(needs, bounds, sharpens=each), least * (1 + 1e-9)) for each in (False, True))
            assert {number for number, seconds in found.items() if seconds == least} <= set(sharp) <= set(plain)
            left += len(sharp) < len(lines)
    assert left
