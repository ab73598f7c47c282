"""A running model is told of a faster split: with both speeds as they are known now, and only for 15 % or more."""

import asyncio
from collections.abc import Iterable

import pytest

from app.node.bus import Bus
from app.node.suggestions import Suggestions, learned, suggestion, wishes_of
from app.schema.errors import ModelNotFound
from app.schema.event import InstanceChanged
from app.schema.instance import InstanceState, InstanceStatus, LastLaunch
from app.schema.plan import Plan, PlanRequest, Prediction, Refusal, Share
from app.schema.record import InstanceId, ModelId, NodeId
from tests.unit.instances.plans import plan, stage
from tests.unit.node.test_idle import FIRST, OWN


def told(decode: float, **facts: object) -> Prediction:
    known = {"prompt_tokens": 1000, "answer_tokens": 400, "decode": decode, "prefill": 25 * decode, "first_token": 1.0}
    return Prediction.model_validate(known | {"answer": 400 / decode} | facts)


def split(decode: float, *stages: object) -> Plan:
    return plan(*stages).model_copy(update={"prediction": told(decode)})  # type: ignore[arg-type]


ALONE = split(10.0, stage("h", "CPU", 0, 11, output=True))
BOTH = (stage("h", "CPU", 0, 5), stage("b", "CUDA0", 6, 11, output=True))


def running(better: str | None = None, **facts: object) -> InstanceStatus:
    known = {"id": InstanceId("i"), "model_id": ModelId("tiny"), "head": OWN, "plan": ALONE, "created_at": 1.0}
    return InstanceStatus.model_validate({"state": InstanceState.READY, **known, "better": better} | facts)


def test_a_split_that_wins_by_15_percent_is_told_with_its_pcs() -> None:
    found = suggestion(ALONE, split(12.0, *BOTH))
    assert found == "Launched again it would answer 20 % faster, on HEAD and BARN (12.0 tok/s)."
    assert suggestion(ALONE, split(11.4, *BOTH)) is None
    assert suggestion(ALONE, split(12.0, *ALONE.stages)) is None


def test_the_same_split_is_never_suggested_whatever_memory_is_free_by_now() -> None:
    later = split(20.0, *(each.model_copy(update={"free_bytes": each.free_bytes + 1}) for each in ALONE.stages))
    assert suggestion(ALONE, later) is None
    assert suggestion(ALONE, later.model_copy(update={"repacks": False})) is not None


def test_what_was_measured_counts_and_not_what_was_predicted_once() -> None:
    slow = learned(ALONE, 1.5)
    assert slow.prediction is not None
    assert slow.prediction.decode == pytest.approx(10 / 1.5)
    assert suggestion(slow, split(9.0, *BOTH)) is not None
    assert suggestion(ALONE, split(9.0, *BOTH)) is None
    known = ALONE.model_copy(update={"prediction": told(10.0, corrected_by=1.5)})
    assert learned(known, 1.5).prediction == told(10.0, corrected_by=1.5)


def test_what_is_planned_instead_keeps_context_and_wishes_but_not_a_split_the_user_set() -> None:
    wished = PlanRequest(model_id=ModelId("tiny"), avoid=(NodeId("x"),), context=100)
    last = LastLaunch(model_id=ModelId("tiny"), wishes=wished, at=1.0)
    found = wishes_of(FIRST.model_copy(update={"last_launches": (last,)}), running())
    assert found is not None
    assert (found.context, found.avoid) == (4096, (NodeId("x"),))
    # Speeds for longer prompts than those it was launched for could not be compared with what it has.
    assert (found.prompt_tokens, found.answer_tokens) == (1000, 400)
    shares = (Share(node=OWN, device="CPU", layers=12),)
    fixed = last.model_copy(update={"wishes": wished.model_copy(update={"shares": shares})})
    assert wishes_of(FIRST.model_copy(update={"last_launches": (fixed,)}), running()) is None


class Planner:
    """Answers with what it holds, or raises it; counts the questions."""

    def __init__(self, answer: Plan | Exception) -> None:
        self.answer = answer
        self.asked = 0

    async def __call__(self, request: PlanRequest, gone: Iterable[InstanceStatus]) -> Plan | Refusal:
        assert [each.id for each in gone] == ["i"]
        self.asked += 1
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


async def looked_at(instance: InstanceStatus, planner: Planner) -> list[str | None]:
    """What is suggested in one look."""
    heard: list[str | None] = []
    looks = iter([True])

    async def sleep(_: float) -> None:
        if next(looks, None) is None:
            raise asyncio.CancelledError

    bus = Bus(FIRST)
    bus.publish(InstanceChanged(instance=instance))
    with pytest.raises(asyncio.CancelledError):
        await Suggestions(bus, planner, lambda _: 1.0, lambda _, text: heard.append(text), sleep).run()
    return heard


async def test_each_new_sentence_is_told_once_and_taken_back() -> None:
    planner = Planner(split(20.0, *BOTH))
    [sentence] = await looked_at(running(), planner)
    assert sentence is not None
    assert await looked_at(running(better=sentence), planner) == []
    assert await looked_at(running(better=sentence), Planner(ALONE)) == [None]


async def test_a_model_that_answers_or_cannot_be_planned_is_left_alone() -> None:
    planner = Planner(split(20.0, *BOTH))
    assert await looked_at(running(answering=1), planner) == []
    assert await looked_at(running(state=InstanceState.STARTING), planner) == []
    assert planner.asked == 0
    assert await looked_at(running(), Planner(ModelNotFound("gone", "Look."))) == []
