"""After a refusal for memory: the largest smaller quantization of the same model that fits is named."""

from app.node.smaller import quantizations_below, with_smaller
from app.planner.plan import plan
from app.schema.model import ModelFile, ModelShape
from app.schema.plan import Plan, PlanRequest, Refusal
from app.schema.record import ModelId
from tests.unit.planner.samples import GIB, ask, cluster, gpu, node, shape

FACTS = {"embedding_length": 64, "vocabulary": 1000}
VIEW = cluster(node("WORKSHOP", gpu(7 * GIB), holds=True))


def model(name: str, gibs: float, blocks: int = 8, **facts: object) -> ModelFile:
    found = shape((int(gibs * GIB / blocks),) * blocks, **FACTS | facts)
    size = found.weight_bytes
    return ModelFile(id=ModelId(name), path=name, folder="", size_bytes=size, modified=0.0, parts=(name,), shape=found)


BIG = model("Tale-8B-Q8_0", 9)
SIX, FIVE, FOUR = model("Tale-8B-Q6_K", 7), model("tale-8b-Q5_K_M", 6), model("Tale-8B-Q4_K_M", 5)


def planned(request: PlanRequest, _: ModelFile, known: ModelShape) -> Plan | Refusal:
    return plan(request, known, VIEW)


def refused(request: PlanRequest, of: ModelFile = BIG) -> Refusal:
    assert of.shape is not None
    found = plan(request, of.shape, VIEW)
    assert isinstance(found, Refusal)
    return found


def hint(*known: ModelFile, **wishes: object) -> str:
    request = ask(model_id=BIG.id, **wishes)
    return with_smaller(refused(request), request, BIG, known, planned).hint


def test_the_largest_that_fits_is_named_first() -> None:
    told = hint(FOUR, SIX, BIG, FIVE)
    assert told.endswith(" tale-8b-Q5_K_M (6 GB) fits on 1 PC with 4 096 tokens of context.")
    assert told.startswith(refused(ask()).hint)


def test_it_fits_with_the_context_that_was_asked_for() -> None:
    assert "with 8 192 tokens" in hint(FOUR, context=8192)


def test_another_model_is_no_smaller_quantization() -> None:
    others = (
        model("Tale-8B-Q4_K_M", 5, architecture="other"),
        model("Tale-8B-Q4_K_M", 5, blocks=10),
        model("Tale-8B-Q4_K_M", 5, embedding_length=32),
        model("Story-8B-Q4_K_M", 5),
        model("Tale-8B-F16", 16),
    )
    assert quantizations_below(BIG, others) == []
    assert hint(*others) == refused(ask()).hint


def test_without_one_that_fits_the_refusal_stays() -> None:
    assert hint(SIX) == refused(ask()).hint


def test_a_refusal_for_another_reason_stays() -> None:
    request = ask(model_id=BIG.id, pcs=3)
    refusal = refused(request)
    assert with_smaller(refusal, request, BIG, (FOUR,), planned) == refusal


def test_a_name_with_its_folder_is_the_same_model() -> None:
    named = FOUR.model_copy(update={"id": ModelId("Tale-8B-Q4_K_M@backup")})
    assert [other.id for other, _ in quantizations_below(BIG, (named,))] == [named.id]
