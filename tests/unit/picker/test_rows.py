"""Verdicts and rows: made, searched, filtered, sorted; and when verdicts are asked for again."""

from dataclasses import replace

import pytest

from app.schema.errors import ErrorInfo
from app.schema.model import HeldModel
from app.schema.plan import Alternative, Plan, PlanRequest, Prediction, Refusal
from app.schema.record import ModelId
from app.ui.models import sample_cluster as cluster
from app.ui.models.pcs import Pc, is_material, pcs_of
from app.ui.models.rows import FitFilter, Row, SortBy, Wish, chosen, display_name, facts, make_rows, places, row_key
from app.ui.models.sample_cluster import LIVING_ROOM, WORKSHOP
from app.ui.models.sample_planner import planned
from app.ui.models.verdicts import Fit, Verdict, judge, shortage, unanswered
from app.ui.style.palette import Tone

HELD = cluster.few_models()
PCS = pcs_of(cluster.status())


def answer(held: HeldModel, **wishes: object) -> Plan | Refusal:
    return planned(held.model, PlanRequest.model_validate({"model_id": held.model.id, **wishes}))


def rows() -> tuple[Row, ...]:
    verdicts = {row_key(each): judge(answer(each), WORKSHOP) for each in HELD}
    return make_rows(HELD, PCS, verdicts)


def row(name: str) -> Row:
    return next(each for each in rows() if each.model_id == name)


def prediction(decode: float) -> Prediction:
    return Prediction(prompt_tokens=1000, answer_tokens=400, decode=decode, prefill=500, first_token=1, answer=20)


def plan_on(pcs: int) -> Plan:
    found = answer(HELD[0], pcs=pcs)
    assert isinstance(found, Plan)
    return found


def test_a_row_tells_everything_in_words() -> None:
    shown = row("gemma-3-12b-it-Q5_K_M")
    assert shown.name == "gemma 3 12b it"
    assert str(facts(shown)) == "12B · Q5_K_M very good · 7.9 GB · Ollama, this PC"


def test_the_verdicts_of_a_cluster() -> None:
    words = {each.name: str(each.verdict.words) for each in rows()}
    assert words["Caravan demo"] == "fits here"
    assert words["Qwen3 32B"] == "fits on 2 PCs"
    assert words["Llama 3.3 70B Instruct"] == "10.8 GB short"
    assert words["DeepSeek R1 Distill 14B"] == "cannot be read"


def test_a_plan_on_another_pc_names_it() -> None:
    plan = answer(HELD[5])
    assert isinstance(plan, Plan)
    elsewhere = judge(plan, LIVING_ROOM)
    assert (elsewhere.fit, str(elsewhere.words)) == (Fit.ELSEWHERE, "fits on WORKSHOP")


def test_more_pcs_that_are_slower_than_one_say_so() -> None:
    alone = Alternative(pcs=1, fits=True, sentence="Fits.", prediction=prediction(30))
    plan = plan_on(2).model_copy(update={"alternatives": (alone,), "prediction": prediction(20)})
    verdict = judge(plan, WORKSHOP)
    assert (verdict.fit, verdict.tone, str(verdict.words)) == (Fit.SLOWER, Tone.TIGHT, "slower than 1 PC alone")
    # Within a twentieth nobody feels a difference, and an unknown speed is no reason.
    near = alone.model_copy(update={"prediction": prediction(20.5)})
    assert judge(plan.model_copy(update={"alternatives": (near,)}), WORKSHOP).fit is Fit.SEVERAL
    unknown = alone.model_copy(update={"prediction": None})
    assert judge(plan.model_copy(update={"alternatives": (unknown,)}), WORKSHOP).fit is Fit.SEVERAL


def test_a_lowered_context_is_amber_and_told() -> None:
    note = "Qwen3-32B-Q6_K gets 2 048 tokens of context: 4 096 do not fit in the free memory."
    verdict = judge(plan_on(2).model_copy(update={"notes": (note,)}), WORKSHOP)
    assert (verdict.tone, str(verdict.sentence)) == (Tone.TIGHT, note)


def test_without_a_prediction_there_is_a_dash() -> None:
    verdict = judge(plan_on(2).model_copy(update={"prediction": None}), WORKSHOP)
    assert str(verdict.speed_words) == "-"


@pytest.mark.parametrize(
    ("code", "words"), [("engine_nowhere", "no engine"), ("head_unusable", "its PC cannot run it")]
)
def test_other_refusals_have_their_words(code: str, words: str) -> None:
    refusal = Refusal(model_id=ModelId("m"), code=code, sentence="Why.", hint="What next.")
    verdict = judge(refusal, WORKSHOP)
    assert (verdict.fit, str(verdict.words), str(verdict.sentence)) == (Fit.REFUSED, words, "Why. What next.")


def test_the_shortage_is_that_of_the_best_number_of_pcs() -> None:
    short = tuple(
        Alternative(pcs=pcs, fits=False, sentence="", short_bytes=size) for pcs, size in ((1, 9), (2, 4), (3, 6))
    )
    refusal = Refusal(model_id=ModelId("m"), code="does_not_fit", sentence="", hint="", alternatives=short)
    assert shortage(refusal) == 4
    assert shortage(refusal.model_copy(update={"alternatives": ()})) is None
    divided = refusal.model_copy(update={"alternatives": (), "needed_bytes": 10, "free_bytes": 12})
    assert shortage(divided) is None
    assert str(judge(divided, WORKSHOP).words) == "does not fit"


def test_a_question_that_failed_guesses_nothing() -> None:
    verdict = unanswered(ErrorInfo(code="node", sentence="It does not answer.", hint="Start it."))
    assert (verdict.fit, str(verdict.sentence)) == (Fit.UNKNOWN, "It does not answer. Start it.")


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("qwen 32b", ["Qwen3 32B"]),
        ("OLLAMA", ["gemma 3 12b it", "Qwen3 32B"]),
        ("living q4_k_m", ["Llama 3.3 70B Instruct"]),
        ("nothing like it", []),
    ],
)
def test_all_words_of_a_search_must_be_found(text: str, names: list[str]) -> None:
    assert [each.name for each in chosen(rows(), Wish(text=text))] == names


def test_filters() -> None:
    everything = rows()
    assert {str(each.verdict.words) for each in chosen(everything, Wish(fit=FitFilter.HERE))} == {"fits here"}
    assert {each.verdict.fit.fits for each in chosen(everything, Wish(fit=FitFilter.FITS))} == {True}
    without = chosen(everything, Wish(fit=FitFilter.NOT))
    assert {each.name for each in without} == {"Llama 3.3 70B Instruct", "DeepSeek R1 Distill 14B"}
    there = chosen(everything, Wish(place=LIVING_ROOM))
    assert all(LIVING_ROOM in each.held.holders for each in there)
    assert len(there) == 3
    assert len(chosen(everything, Wish(place="lm_studio"))) == 2


def test_what_is_still_checked_is_not_said_to_fit_or_not() -> None:
    unknown = make_rows(HELD, PCS, {})
    assert len(chosen(unknown, Wish(fit=FitFilter.FITS))) == 0
    assert [each.name for each in chosen(unknown, Wish(fit=FitFilter.NOT))] == ["DeepSeek R1 Distill 14B"]


def test_orders() -> None:
    names = [each.name for each in chosen(rows(), Wish())]
    assert names == sorted(names, key=str.casefold)
    sizes = [each.model.size_bytes for each in chosen(rows(), Wish(sort=SortBy.SIZE))]
    assert sizes == sorted(sizes, reverse=True)
    speeds = [each.verdict.speed or 0.0 for each in chosen(rows(), Wish(sort=SortBy.SPEED))]
    assert speeds == sorted(speeds, reverse=True)
    dates = [each.model.modified for each in chosen(rows(), Wish(sort=SortBy.DATE))]
    assert dates == sorted(dates, reverse=True)


def test_places_are_offered_as_they_are_held() -> None:
    offered = {key: str(words) for key, words in places(rows(), PCS)}
    assert offered[WORKSHOP] == "on WORKSHOP"
    assert offered["ollama"] == "in Ollama"
    assert "llama_cpp" not in offered


def test_a_picture_encoder_is_no_model_to_talk_to() -> None:
    file = HELD[0].model
    assert file.shape is not None
    encoder = file.model_copy(update={"shape": file.shape.model_copy(update={"is_projector": True})})
    assert make_rows([HeldModel(model=encoder, holders=(WORKSHOP,))], PCS, {}) == ()


def test_names() -> None:
    assert display_name(ModelId("Qwen3-32B-Q4_K_M")) == "Qwen3 32B"
    assert display_name(ModelId("model-Q8_0@lm studio/x")) == "model (lm studio/x)"
    assert display_name(ModelId("qwen3:32b")) == "qwen3:32b"
    assert display_name(ModelId("通义千问-Q4_K_M")) == "通义千问"
    assert display_name(ModelId(r"D:\große Dateien\my-model-Q8_0.gguf")) == "my model"
    assert display_name(ModelId("/srv/große Dateien/my.model.GGUF")) == "my.model"


def test_several_holders() -> None:
    both = HeldModel(model=HELD[2].model, holders=(LIVING_ROOM, WORKSHOP))
    assert str(make_rows([both], PCS, {})[0].place) == "Hugging Face, WORKSHOP and LIVING ROOM"


def test_a_verdict_is_kept_by_name_and_size() -> None:
    verdict = Verdict(Fit.HERE, cluster_words := row("caravan-demo").verdict.words, Tone.GOOD, cluster_words)
    twin = HELD[0].model_copy(update={"model": HELD[0].model.model_copy(update={"size_bytes": 5})})
    made = make_rows([HELD[0], twin], PCS, {row_key(HELD[0]): verdict})
    assert [each.verdict.fit for each in made] == [Fit.HERE, Fit.CHECKING]


def changed(pcs: tuple[Pc, ...], free: int) -> tuple[Pc, ...]:
    first = pcs[0].devices[0]
    devices = (first.model_copy(update={"free_bytes": first.free_bytes - free}), *pcs[0].devices[1:])
    return (replace(pcs[0], devices=devices), *pcs[1:])


def test_only_what_may_change_a_verdict_is_material() -> None:
    assert not is_material(PCS, PCS)
    assert not is_material(PCS, changed(PCS, 300 << 20))
    assert is_material(PCS, changed(PCS, 2 << 30))
    assert is_material(PCS, PCS[:-1])
    assert is_material(PCS, (replace(PCS[0], engine="b1-x"), *PCS[1:]))
    assert is_material(PCS, (replace(PCS[0], sharing=False), *PCS[1:]))
