"""What the engine says beyond the plan is kept, the most of it, and only for that file and that build."""

import asyncio
from pathlib import Path

import pytest

from app.node.excesses import LEAST, MODELS_KEPT, Excesses, after_projection, beyond_of
from app.schema.memory import MemoryBook, MemoryExcess
from app.schema.model import ModelFile
from app.schema.record import ModelId

MIB = 1 << 20


def excess(beyond: int, model: str = "tiny", size: int = 10, build: str = "b1") -> MemoryExcess:
    return MemoryExcess(model_id=ModelId(model), model_bytes=size, build=build, beyond_bytes=beyond)


def file(size: int = 10) -> ModelFile:
    return ModelFile(id=ModelId("tiny"), path="/tiny", folder="/", size_bytes=size, modified=0, parts=())


def test_the_largest_counts_and_rounding_does_not() -> None:
    book = after_projection(MemoryBook(), excess(LEAST - 1))
    assert book == MemoryBook()
    for beyond in (20 * MIB, 300 * MIB, 100 * MIB):
        book = after_projection(book, excess(beyond))
    assert [each.beyond_bytes for each in book.excesses] == [300 * MIB]


def test_another_file_or_build_is_another_matter() -> None:
    known = (excess(20 * MIB), excess(30 * MIB, build="b2"), excess(40 * MIB, size=11), excess(50 * MIB, model="big"))
    assert beyond_of(known, file(), {"b1"}) == 20 * MIB
    assert beyond_of(known, file(), {"b1", "b2", None}) == 30 * MIB
    assert beyond_of(known, file(), {"b3"}) == 0


def test_the_oldest_are_forgotten() -> None:
    book = MemoryBook()
    for number in range(MODELS_KEPT + 1):
        found = excess(20 * MIB, model=f"m{number}")
        book = after_projection(book, found.model_copy(update={"changed_at": float(number)}))
    assert len(book.excesses) == MODELS_KEPT
    assert "m0" not in {each.model_id for each in book.excesses}


async def test_it_outlives_the_node(tmp_path: Path) -> None:
    path = tmp_path / "memory.json"
    store = await asyncio.to_thread(Excesses, path, lambda: 5.0)
    await store.observe(excess(20 * MIB))
    assert (await asyncio.to_thread(Excesses, path)).current == (
        excess(20 * MIB).model_copy(update={"changed_at": 5.0}),
    )


def test_a_damaged_file_is_begun_anew(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "memory.json"
    path.write_text('{"excesses": [{"model_id": 3}]}')
    assert Excesses(path).current == ()
    assert "begun anew" in caplog.text
