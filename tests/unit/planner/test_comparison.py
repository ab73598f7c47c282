"""A row of the comparison is what a person gets who then asks for that number of PCs."""

from collections.abc import Iterator
from random import Random

import pytest

from app.planner.fastest import TIED
from app.planner.plan import plan
from app.schema.plan import Alternative, ClusterView, LinkMeasure, Plan, PlanRequest, Prediction, Refusal, Share
from app.schema.record import NodeId
from tests.unit.planner.random_clusters import random_shape, random_view
from tests.unit.planner.samples import GIB, ask, cluster, gpu, node, shape

Row = tuple[Plan | Refusal, Alternative, Plan | Refusal]

WAIT = 0.05
"""The slowest stage of a prompt of several micro-batches is made small for the plan alone."""


def rows(request: PlanRequest, count: int) -> Iterator[Row]:
    """Of many random clusters: the answer, a row of it, and the answer when its number is asked for."""
    for seed in range(count):
        random = Random(seed)
        model, view = random_shape(random), random_view(random)
        answer = plan(request, model, view)
        for row in answer.alternatives:
            asked = request.model_copy(update={"pcs": row.pcs, "min_pcs": 1})
            yield answer, row, plan(asked, model, view)


def is_idle(found: Plan) -> bool:
    return found.head not in {stage.node for stage in found.stages}


def seconds(found: Prediction) -> float:
    """What is made small: the time of one exchange; of several conversations that of a token of all."""
    return found.answer if found.throughput is None else 1.0 / found.throughput


@pytest.mark.parametrize(
    ("wishes", "slower"),
    [
        ({"prompt_tokens": 400, "answer_tokens": 300}, TIED),
        ({"prompt_tokens": 400, "answer_tokens": 300, "slots": 3}, TIED),
        ({"prompt_tokens": 400, "answer_tokens": 300, "pcs": 2}, TIED),
        ({"prompt_tokens": 400, "answer_tokens": 300, "min_pcs": 2}, TIED),
        ({}, WAIT),
    ],
)
def test_each_row_is_what_asking_for_its_number_gives(wishes: dict[str, object], slower: float) -> None:
    seen = {True: 0, False: 0}
    for answer, row, asked in rows(ask(context=2048, **wishes), 80):
        assert row.fits == isinstance(asked, Plan), (row, asked)
        if isinstance(asked, Refusal) or (isinstance(answer, Plan) and answer.pcs == row.pcs):
            continue
        assert row.idle_head == is_idle(asked), (row, asked.notes)
        if row.prediction is None or asked.prediction is None:
            assert row.prediction == asked.prediction
            assert row.names[0] == asked.head_name
        else:
            assert seconds(row.prediction) <= seconds(asked.prediction) * (1 + slower), (row, asked.prediction)
        seen[row.idle_head] += 1
    assert seen[False] > 10, seen


def test_the_row_of_the_plan_is_the_plan() -> None:
    idle = 0
    for answer, row, _ in rows(ask(context=2048), 80):
        if isinstance(answer, Plan) and answer.pcs == row.pcs:
            assert row.prediction == answer.prediction
            assert row.idle_head == is_idle(answer)
            assert ("which only runs it" in row.sentence) == row.idle_head
            idle += row.idle_head
    assert idle > 0


def test_a_row_says_that_its_head_holds_nothing() -> None:
    fast = gpu(24 * GIB).model_copy(update={"bandwidth": 900e9, "compute": 50e12, "token_seconds": 0.0})
    slow = gpu(6 * GIB).model_copy(update={"bandwidth": 100e9, "compute": 5e12, "token_seconds": 0.0})
    view: ClusterView = cluster(node("DESK", slow, holds=True), node("ATTIC", fast))
    linked = view.model_copy(
        update={"links": (LinkMeasure(a=view.nodes[0].node, b=view.nodes[1].node, round_trip=1e-4, throughput=1e9),)}
    )
    found = plan(ask(), shape((GIB,) * 8), linked)
    assert isinstance(found, Plan)
    row = found.alternatives[1]
    assert (row.names, row.idle_head) == (("DESK", "ATTIC"), True)
    assert row.sentence.startswith(
        "Fits on DESK and ATTIC with 4 096 tokens of context and no layers on DESK, which only runs it: "
    )


def test_no_row_has_fewer_pcs_than_must_take_part() -> None:
    view = cluster(node("DESK", gpu(24 * GIB), holds=True), node("ATTIC", gpu(24 * GIB)), node("DEN", gpu(24 * GIB)))
    found = plan(ask(use=("den",)), shape((GIB,) * 8), view)
    assert [each.pcs for each in found.alternatives] == [2, 3]
    own = plan(ask(use=("desk",)), shape((GIB,) * 8), view)
    assert [each.pcs for each in own.alternatives] == [1, 2, 3]


def test_a_split_that_does_not_fit_is_told_what_to_change() -> None:
    view = cluster(node("DESK", gpu(6 * GIB), gpu(6 * GIB, device="CUDA1"), holds=True))
    fixed = (Share(node=NodeId("desk"), device="CUDA0", layers=8),)
    found = plan(ask(shares=fixed), shape((GIB,) * 8), view)
    assert isinstance(found, Refusal)
    assert found.hint == "Give that device fewer layers. Without a split of your own it fits on 1 PC."
