"""A model given by its path lies outside every folder and is still one model, with its family beside it."""

import asyncio
from pathlib import Path

import pytest

from app.modelstore.catalogue import Catalogue, read_model, read_siblings
from app.node.library import Library
from app.schema.errors import ModelNotFound
from tests.unit.modelstore.sample_files import write_model, write_projector


def test_a_file_that_is_not_there_is_said_plainly(tmp_path: Path) -> None:
    with pytest.raises(ModelNotFound, match="There is no file"):
        read_model(tmp_path / "none.gguf")


def test_a_folder_is_not_told_to_be_missing(tmp_path: Path) -> None:
    with pytest.raises(ModelNotFound, match="is a folder"):
        read_model(tmp_path)


def test_a_file_that_is_no_model_keeps_its_problem(tmp_path: Path) -> None:
    path = tmp_path / "模型 🐪.gguf"
    path.write_bytes(b"")
    model = read_model(path)
    assert model.id == "模型 🐪"
    assert model.path == str(path)
    assert model.shape is None
    assert model.problem is not None


def test_beside_it_lie_the_others_of_its_family_and_no_more(tmp_path: Path) -> None:
    own, other = tmp_path / "Tale 8B-Q8_0.gguf", tmp_path / "Tale 8B-Q4_0.gguf"
    for path in (own, other, tmp_path / "Story-8B-Q4_0.gguf", tmp_path / "below" / "Tale 8B-Q2_K.gguf"):
        write_model(path)
    (tmp_path / "Tale 8B-Q5_0.gguf").write_bytes(b"broken")
    found = read_siblings(read_model(own))
    assert [(each.id, each.problem is None) for each in found] == [("Tale 8B-Q4_0", True), ("Tale 8B-Q5_0", False)]
    assert found[0].path == str(other)


def test_a_folder_that_is_gone_has_nothing_beside_it(tmp_path: Path) -> None:
    path = tmp_path / "gone" / "Tale-Q8_0.gguf"
    write_model(path)
    model = read_model(path)
    path.unlink()
    path.parent.rmdir()
    assert read_siblings(model) == ()


def test_it_sees_by_the_projector_beside_it_as_a_listed_model_does(tmp_path: Path) -> None:
    model, projector = tmp_path / "Tale-4B-Q8_0.gguf", tmp_path / "mmproj-BF16.gguf"
    write_model(model)
    write_projector(projector)
    (tmp_path / "mmproj-F16.gguf").write_bytes(b"broken")
    (listed,) = (each for each in Catalogue((tmp_path,), tmp_path / "cache").scan() if each.path == str(model))
    assert read_model(model) == listed
    assert listed.projector_path == str(projector)
    alone = read_model(projector)
    assert (alone.projector_path, alone.shape is not None and alone.shape.is_projector) == (None, True)


def test_a_projector_that_may_be_another_models_or_cannot_be_read_is_not_taken(tmp_path: Path) -> None:
    models = write_model(tmp_path / "a" / "Tale-4B-Q8_0.gguf"), write_model(tmp_path / "b" / "Tale-4B-Q8_0.gguf")
    write_model(tmp_path / "a" / "Story-8B-Q8_0.gguf")
    write_projector(tmp_path / "a" / "mmproj-F16.gguf")
    (tmp_path / "b" / "mmproj-F16.gguf").write_bytes(b"broken")
    assert [read_model(each).projector_path for each in models] == [None, None]


async def test_only_a_model_that_was_given_by_its_path_has_siblings(tmp_path: Path) -> None:
    listed, outside = tmp_path / "models", tmp_path / "外"
    for folder in (listed, outside):
        write_model(folder / f"{folder.name}-Q8_0.gguf")
        write_model(folder / f"{folder.name}-Q4_0.gguf")
    library = Library(Catalogue((listed,), tmp_path / "cache"), (listed,), lambda _: None)
    await library.rescan()
    assert await asyncio.to_thread(library.siblings, await library.find("models-Q8_0")) == ()
    opened = await library.find(str(outside / "外-Q8_0.gguf"))
    assert [each.id for each in await asyncio.to_thread(library.siblings, opened)] == ["外-Q4_0"]
    stranger = opened.model_copy(update={"path": "elsewhere"})
    assert await asyncio.to_thread(library.siblings, stranger) == ()


async def test_a_model_that_was_given_by_its_path_is_read_anew_when_its_file_is_another(tmp_path: Path) -> None:
    file = write_model(tmp_path / "Mine-Q4_0.gguf")
    library = Library(Catalogue((), tmp_path / "cache"), (), lambda _: None)
    await library.rescan()
    first = await library.find(str(file))
    assert await library.find(first.id) is first
    file.write_bytes(file.read_bytes() + bytes(1000))
    again = await library.find(first.id)
    assert (again.id, again.size_bytes) == (first.id, first.size_bytes + 1000)
    file.unlink()
    with pytest.raises(ModelNotFound, match="There is no file"):
        await library.find(first.id)
