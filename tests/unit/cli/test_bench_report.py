"""What a bench tells, from samples whose figures are known."""

from pathlib import Path

import pytest

from app.cli.bench_command import Wish, add_split, candidates, prompt, report_folder
from app.cli.bench_report import (
    BenchReport,
    BenchSettings,
    LinkFacts,
    PcFacts,
    Sample,
    SplitResult,
    gain,
    gains,
    markdown,
)
from app.schema.errors import InputError, PlacementRefused
from app.schema.model import ModelFile
from app.schema.plan import NodeReason, Plan, PlanRequest, Prediction, Refusal
from app.schema.record import ModelId
from tests.unit.instances.plans import HEAD, plan, stage
from tests.unit.node.test_speeds import status

TOLD = Prediction(prompt_tokens=500, answer_tokens=100, decode=18.0, prefill=400.0, first_token=1.0, answer=7.0)


def sample(decode: float, prefill: float = 500.0) -> Sample:
    return Sample(
        prompt_tokens=500, answer_tokens=100, prompt_speed=prefill, decode_speed=decode, first_token=1.1, load=3.0
    )


def other_plan() -> Plan:
    return plan(stage("h", "CPU", 0, 9), stage("a", "CPU", 10, 11, output=True))


def report(*splits: SplitResult) -> BenchReport:
    return BenchReport(
        began_at=0.0,
        date="2026-11-21 01:00 UTC",
        command="caravan bench tiny --runs 3",
        settings=BenchSettings(model="tiny", runs=3, prompt_tokens=500, answer_tokens=100, context=4096, kv_type="f16"),
        model_file=ModelFile(id=ModelId("tiny"), path="", folder="", size_bytes=10, modified=0.0, parts=()),
        pcs=(PcFacts(node=HEAD, name="a|b", operating_system="o", processor="p", ram_bytes=1, caravan="1"),),
        links=(LinkFacts(pc="ATTIC", round_trip=0.0005, back=24e6),),
        splits=splits,
    )


PLANNED = SplitResult(
    names=("planned",),
    plan=plan().model_copy(update={"prediction": TOLD}),
    samples=(sample(20.0), sample(22.0), sample(15.0)),
)
SLOWER = SplitResult(names=("llama.cpp default",), plan=other_plan(), samples=(sample(10.0, 250.0),))


def test_the_gain_is_of_the_whole_exchange_at_median_speeds() -> None:
    found = report(PLANNED, SLOWER)
    assert gain(found, "planned", "llama.cpp default") == pytest.approx((500 / 250 + 100 / 10) / (500 / 500 + 100 / 20))
    assert [name for name, _ in gains(found)] == ["planned against llama.cpp default"]


def test_several_gains_have_a_geometric_mean() -> None:
    third = SLOWER.model_copy(update={"names": ("memory-proportional",), "samples": (sample(20.0, 500.0),)})
    found = dict(gains(report(PLANNED, SLOWER, third)))
    assert found["geometric mean"] == pytest.approx(found["planned against llama.cpp default"] ** 0.5)


def test_what_was_not_measured_has_no_gain() -> None:
    failed = SplitResult(names=("llama.cpp default",), problem="attic is 3 GB short.")
    found = report(PLANNED, failed)
    assert gains(found) == ()
    assert "Not measured: attic is 3 GB short." in markdown(found)


def test_people_read_medians_spread_and_the_prediction() -> None:
    text = markdown(report(PLANNED, SLOWER))
    assert "| answer, tok/s | 20.00 (15.00 to 22.00) | 18.00 | 0.90 |" in text
    assert "| load, s | 3.00 (3.00 to 3.00) | - | - |" in text
    assert "| ATTIC | 0.50 | not measured | 24.00 |" in text
    assert "`caravan bench tiny --runs 3`" in text
    assert "| a/b |" in text


def test_what_came_out_is_told_first() -> None:
    first = markdown(report(PLANNED, SLOWER)).partition("## PCs")[0]
    assert "| planned | HEAD 4 + ATTIC 4 + BARN 4 | 20.00 | 500.0 | 1.100 | 3.00 | 6.00 |" in first
    assert "| llama.cpp default | HEAD 10 + ATTIC 2 | 10.00 | 250.0 | 1.100 | 3.00 | 12.00 |" in first
    assert "- planned against llama.cpp default: 2.00 times as fast" in first


def test_who_is_left_out_is_told_of_the_plan_only() -> None:
    reason = NodeReason(node=HEAD, node_name="ATTIC", sentence="ATTIC is left out: too slow.")
    placed = [each.plan.model_copy(update={"left_out": (reason,)}) for each in (PLANNED, SLOWER) if each.plan]
    splits = [each.model_copy(update={"plan": one}) for each, one in zip((PLANNED, SLOWER), placed, strict=True)]
    assert markdown(report(*splits)).count("- ATTIC is left out: too slow.") == 1


def test_a_missing_prediction_is_explained() -> None:
    assert "No speed was predicted" in markdown(report(SLOWER))
    assert "No speed was predicted" not in markdown(report(PLANNED))


def test_the_json_is_the_whole_report() -> None:
    found = report(PLANNED, SLOWER)
    assert BenchReport.model_validate_json(found.model_dump_json()) == found


def test_on_one_pc_one_split_has_all_names() -> None:
    found = add_split([PLANNED], "llama.cpp default", plan())
    assert [each.names for each in found] == [("planned", "llama.cpp default")]
    text = markdown(report(*found))
    assert "All splits are the same here" in text
    assert "times as fast" not in text


def test_a_split_that_does_not_fit_says_so() -> None:
    refusal = Refusal(model_id=ModelId("tiny"), code="c", sentence="ATTIC is 3 GB short.", hint="")
    found = add_split([PLANNED], "memory-proportional", refusal)
    assert found[1] == SplitResult(names=("memory-proportional",), problem="ATTIC is 3 GB short.")


def test_a_prompt_is_as_long_as_asked_and_never_the_same() -> None:
    texts = [prompt(200, seed) for seed in range(100)]
    assert {len(text.split()) for text in texts} == {200}
    assert len(set(texts)) == 100
    assert prompt(200, 7) == texts[7]


def test_the_folder_of_a_report_is_tried_before_anything_is_measured(tmp_path: Path) -> None:
    assert report_folder(tmp_path / "new" / "Büro").is_dir()
    assert not list((tmp_path / "new" / "Büro").iterdir())
    (tmp_path / "file").write_text("x")
    with pytest.raises(InputError) as refused:
        report_folder(tmp_path / "file")
    assert "cannot be written" in refused.value.sentence
    assert "--out" in refused.value.hint


class Planner:
    """The client of a node that plans with at most so many tokens of context, 4 096 where none are asked for."""

    def __init__(self, most: int) -> None:
        self._most = most

    async def plan(self, request: PlanRequest) -> Plan | Refusal:
        context = request.context or min(4096, self._most)
        if context > self._most:
            return Refusal(model_id=request.model_id, code="context_too_long", sentence="Too long.", hint="Less.")
        return plan().model_copy(update={"context": context})


async def context_of_bench(most: int, context: int | None, prompt_tokens: int) -> int:
    wish = Wish("tiny", context, 1, prompt_tokens, 128)
    found = await candidates(Planner(most), wish, status())  # type: ignore[arg-type]
    assert found[0].plan is not None
    return found[0].plan.context


async def test_the_context_holds_question_and_answer() -> None:
    assert await context_of_bench(1 << 15, None, 512) == 4096
    assert await context_of_bench(1 << 15, None, 8000) == 8000 + 128 + 2000 + 64
    # No room for more words than were meant, but for those.
    assert await context_of_bench(1024, None, 880) == 1024
    assert await context_of_bench(1 << 15, 640, 512) == 640
    with pytest.raises(PlacementRefused):
        await context_of_bench(1024, None, 8000)
    with pytest.raises(InputError) as error:
        await context_of_bench(1 << 15, 256, 512)
    assert error.value.sentence == "512 tokens in and 128 out do not fit in 256 tokens of context."
