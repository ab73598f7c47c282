"""The figures of the reasons are those of the plan, for one conversation and for several."""

from collections import Counter
from random import Random

import pytest

from app.planner import sentences
from app.planner.plan import plan
from app.schema.plan import LinkMeasure, Plan, Preference
from app.schema.record import NodeId
from tests.unit.planner.random_clusters import random_shape, random_view
from tests.unit.planner.samples import GIB, MIB, ask, cluster, cpu, gpu, node, shape

SEVERAL = "all 3 conversations together"


def kinds(wishes: dict[str, object]) -> Counter[str]:
    """What reasons for speed there were over many random clusters; each that tells a speed tells the plan's own."""
    found: Counter[str] = Counter()
    for seed in range(400):
        random = Random(seed)
        answer = plan(ask(**wishes), random_shape(random), random_view(random))
        if not isinstance(answer, Plan) or answer.prediction is None:
            continue
        figure = answer.prediction.throughput or answer.prediction.decode
        shown = {sentences.speed(figure), f"{figure:.2f} tokens/s"}
        for said in (reason.sentence for reason in answer.left_out if "tokens/s" in reason.sentence):
            found["several" if SEVERAL in said else "one"] += 1
            told = said.rpartition(", not ")[2] if ", not " in said else said.rpartition("without it ")[2]
            figures = {told.removeprefix("at ").partition(",")[0].rstrip(".")}
            if "would cost" in said:
                found["cost"] += 1
            else:
                assert figures <= shown, (said, shown)
    return found


@pytest.mark.parametrize("slots", [1, 3])
def test_the_rate_without_a_pc_is_the_rate_of_the_plan(slots: int) -> None:
    found = kinds({"context": 2048, "slots": slots})
    assert found["several" if slots > 1 else "one"] > 20
    assert found["one" if slots > 1 else "several"] == 0


def test_one_conversation_that_is_to_be_fast_is_told_as_one() -> None:
    found = kinds({"context": 2048, "slots": 3, "prefer": Preference.ANSWER})
    assert found["one"] > 20
    assert found["several"] == 0


def test_logits_of_an_output_layer_elsewhere_are_what_the_link_costs() -> None:
    own = cpu(24 * GIB).model_copy(update={"bandwidth": 40e9, "compute": 1e12, "token_seconds": 0.0})
    card = gpu(24 * GIB).model_copy(update={"bandwidth": 900e9, "compute": 50e12, "token_seconds": 0.0})
    view = cluster(node("DESK", own, holds=True), node("ATTIC", card))
    wireless = LinkMeasure(a=view.nodes[0].node, b=view.nodes[1].node, round_trip=1e-3, throughput=3e6, back=3e6)
    model = shape((200 * MIB,) * 4, embedding_length=1024, vocabulary=150000)
    found = plan(ask(), model, view.model_copy(update={"links": (wireless,)}))
    assert isinstance(found, Plan)
    [reason] = found.left_out
    assert reason.sentence.startswith("ATTIC is left out: its link (24 Mbit/s) would cost"), reason.sentence


def test_a_card_too_small_for_one_layer_is_not_told_to_be_needless() -> None:
    desk = node("DESK", gpu(1500 * MIB, 2 * GIB), cpu(40 * GIB, 64 * GIB), holds=True)
    found = plan(ask(), shape((2 * GIB,) * 8), cluster(desk))
    assert isinstance(found, Plan)
    [reason] = found.spare_devices
    assert reason.sentence == (
        "CUDA0 of DESK holds nothing: 1.4 GB of its memory is free, which with the reserve taken off does not hold one "
        "layer with 4 096 tokens of context."
    )
    small = plan(ask(), shape((200 * MIB,) * 8), cluster(desk))
    assert isinstance(small, Plan)
    assert all("does not hold one layer" not in each.sentence for each in small.spare_devices)


def test_a_pc_that_nobody_measured_is_not_said_to_be_slower() -> None:
    card = gpu(24 * GIB).model_copy(update={"bandwidth": 900e9, "compute": 50e12, "token_seconds": 0.0})
    ram = cpu(40 * GIB).model_copy(update={"bandwidth": 40e9, "compute": 1e12, "token_seconds": 0.0})
    near = LinkMeasure(a=NodeId("desk"), b=NodeId("attic"), round_trip=1e-5, throughput=1e9, back=1e9)
    told = []
    for other in (cpu(40 * GIB), ram):
        view = cluster(node("DESK", card, holds=True), node("ATTIC", other)).model_copy(update={"links": (near,)})
        found = plan(ask(), shape((GIB,) * 8), view)
        assert isinstance(found, Plan)
        told.append(found.left_out[0].sentence.partition(". ")[0])
    assert told == [
        "ATTIC is left out: it is taken as slower than the others, not measured",
        "ATTIC is left out: it is slower than the others",
    ]


def test_no_device_is_said_to_be_slower_than_one_that_nobody_measured() -> None:
    ram = cpu(40 * GIB).model_copy(update={"bandwidth": 40e9, "compute": 1e12, "token_seconds": 0.0})
    for bandwidth, ending in ((None, "it is not needed."), (900e9, "it is slower than the devices in use.")):
        card = gpu(24 * GIB).model_copy(update={"bandwidth": bandwidth})
        found = plan(ask(), shape((GIB,) * 8), cluster(node("DESK", card, ram, holds=True)))
        assert isinstance(found, Plan)
        assert found.spare_devices[0].sentence.endswith(ending)
