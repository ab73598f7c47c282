"""Guessing ahead: only when it pays, only on the head, only with a model that speaks alike."""

from dataclasses import replace

import pytest

from app.planner.plan import plan
from app.planner.speculation import Draft
from app.schema.model import ModelShape
from app.schema.plan import DeviceResources, LinkMeasure, Plan, Speculation, SpeculationKind
from app.schema.record import ModelId, NodeId
from tests.unit.planner.samples import GIB, MIB, ask, cluster, cpu, gpu, node, shape

SPEECH = {"tokenizer": "gpt2/qwen2", "vocabulary": 150_000}
BIG = shape((GIB,) * 8, parameters=16 * GIB, **SPEECH)
SMALL = Draft(ModelId("Small"), shape((50 * MIB,) * 4, parameters=400 * MIB, **SPEECH))


def fast(free: int) -> DeviceResources:
    return gpu(free).model_copy(update={"bandwidth": 400e9, "compute": 40e12, "token_seconds": 0.0})


def decided(free: int, *drafts: Draft, model: ModelShape = BIG, **wishes: object) -> Speculation | None:
    view = cluster(node("WORKSHOP", fast(free), cpu(2 * GIB), holds=True))
    found = plan(ask(**wishes), model, view, drafts)
    assert isinstance(found, Plan), found
    return found.speculation


def test_a_small_model_drafts_on_the_heads_card() -> None:
    found = decided(16 * GIB, SMALL)
    assert found is not None
    assert (found.kind, found.draft_model, found.draft_device) == (SpeculationKind.DRAFT, "Small", "CUDA0")
    # Guesses of 0.52 ms each, and a pass of 21.5 ms and 0.86 ms for each of them that yields (1 - 0.6^(m + 1)) / 0.4
    # tokens.
    guess, check, more = 200 * MIB / 400e9, 8 * GIB / 400e9, 2 * BIG.parameters / 40e12
    rates = {m: (1 - 0.6 ** (m + 1)) / 0.4 / (check + m * (guess + more)) for m in range(1, 8)}
    assert found.guesses == max(rates, key=lambda m: rates[m])
    assert found.decode == pytest.approx(rates[found.guesses])
    assert found.draft_bytes >= 200 * MIB


def test_no_room_on_the_head_means_no_draft() -> None:
    # 8.6 GiB less 512 MiB of reserve: nothing is left beside the model, and the RAM is in reserve.
    assert decided(8 * GIB + 700 * MIB, SMALL) is None


def test_a_draft_that_is_not_much_smaller_does_not_pay() -> None:
    half = Draft(ModelId("Half"), shape((GIB,) * 4, parameters=8 * GIB, **SPEECH))
    assert decided(24 * GIB, half) is None


def test_another_tokenizer_cannot_draft() -> None:
    for other in ({"tokenizer": "llama"}, {"vocabulary": 32_000}, {"tokenizer": None}):
        assert decided(16 * GIB, Draft(ModelId("Other"), SMALL.shape.model_copy(update=other))) is None


def test_the_faster_of_two_drafts_is_taken() -> None:
    tiny = Draft(ModelId("Tiny"), shape((10 * MIB,) * 4, parameters=80 * MIB, **SPEECH))
    found = decided(16 * GIB, SMALL, tiny)
    assert found is not None
    assert found.draft_model == "Tiny"


def test_repeated_text_is_guessed_without_a_model() -> None:
    found = decided(12 * GIB, repetitive=True)
    assert found is not None
    assert (found.kind, found.draft_model) == (SpeculationKind.NGRAM, None)
    assert decided(12 * GIB) is None


def test_many_conversations_fill_the_passes_anyway() -> None:
    assert decided(16 * GIB, SMALL, slots=4, repetitive=True) is None


def test_slow_links_make_guesses_worth_more() -> None:
    # Two blocks leave some 600 MiB of this card, more than the draft model takes.
    head = node("NOTEBOOK", fast(3 * GIB + 400 * MIB), holds=True)
    view = cluster(head, node("DEN", fast(16 * GIB)))

    def gain(round_trip: float) -> float:
        link = LinkMeasure(a=view.nodes[0].node, b=view.nodes[1].node, round_trip=round_trip, throughput=1e9)
        found = plan(ask(), BIG, view.model_copy(update={"links": (link,)}), (SMALL,))
        assert isinstance(found, Plan)
        assert found.prediction is not None
        assert found.speculation is not None
        assert found.speculation.draft_device == "CUDA0"
        assert found.speculation.decode is not None
        return found.speculation.decode / found.prediction.decode

    assert gain(20e-3) > gain(1e-3) > 1.5


def test_only_a_draft_on_the_heads_disk_counts() -> None:
    there, elsewhere = (replace(SMALL, holders=frozenset({NodeId(name)})) for name in ("workshop", "den"))
    assert decided(16 * GIB, there) is not None
    assert decided(16 * GIB, elsewhere) is None
