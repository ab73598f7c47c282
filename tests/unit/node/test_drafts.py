"""Who may draft: models that can be read, on PCs whose engine can."""

from app.engine.commands import SPECULATION
from app.node.corrections import after_run
from app.node.forecast import drafts_on
from app.schema.engine import EngineBuild
from app.schema.errors import InputError
from app.schema.model import ModelFile
from app.schema.plan import Prediction, Speculation, SpeculationKind
from app.schema.record import ModelId, NodeId
from app.schema.speed import CorrectionBook
from tests.unit.engine import recorded
from tests.unit.instances.plans import plan
from tests.unit.node.test_corrections import run_at
from tests.unit.planner.samples import shape

NEW, OLD = recorded.build("b11434"), recorded.build("b7827")
HERE, THERE = NodeId("here"), NodeId("there")


def model(name: str, **facts: object) -> ModelFile:
    known = {"path": name, "folder": "", "size_bytes": 10, "modified": 0.0, "parts": (name,), "shape": shape((10,))}
    return ModelFile.model_validate({"id": ModelId(name), **known, **facts})


def held(*disks: tuple[NodeId, EngineBuild | None, tuple[ModelFile, ...]]) -> dict[str, frozenset[NodeId] | None]:
    return {each.model_id: each.holders for each in drafts_on(disks)}


def test_a_model_drafts_where_it_lies_and_the_engine_can() -> None:
    small, other = model("small"), model("other")
    assert held((HERE, NEW, (small,)), (THERE, NEW, (small, other))) == {
        "small": frozenset({HERE, THERE}),
        "other": frozenset({THERE}),
    }
    assert held((HERE, OLD, (small,)), (THERE, None, (small,))) == {}


def test_a_file_that_cannot_be_read_drafts_nothing() -> None:
    broken = model("broken", problem=InputError("It is cut off.", "Download it again.").info())
    assert held((HERE, NEW, (broken, model("bare", shape=None)))) == {}


def test_the_kinds_of_a_build_are_among_its_flags() -> None:
    assert {f"{SPECULATION}ngram-mod", f"{SPECULATION}draft-simple", f"{SPECULATION}none"} <= NEW.flags
    assert not any(flag.startswith(SPECULATION) for flag in OLD.flags)


def test_an_answer_that_was_guessed_teaches_nothing_of_the_devices() -> None:
    told = Prediction(prompt_tokens=1000, answer_tokens=400, decode=20, prefill=500, first_token=2, answer=22)
    guess = Speculation(kind=SpeculationKind.NGRAM, guesses=8, sentence="Text that repeats is guessed ahead.")
    plain = plan().model_copy(update={"prediction": told})
    assert after_run(CorrectionBook(), plain, run_at(60, 500), now=1.0).corrections
    guessed = after_run(CorrectionBook(), plain.model_copy(update={"speculation": guess}), run_at(60, 500), now=1.0)
    assert guessed.corrections == ()
    assert guessed.mix.runs == 1
