"""Deleting models: Caravan's own only, and none that is in use."""

from pathlib import Path

import pytest

from app.modelstore.catalogue import Catalogue
from app.node.library import Library
from app.node.model_remover import ModelRemover, spare_projector
from app.schema.errors import ModelInUse, ModelKept, ModelNotFound, ModelNotOurs
from app.schema.record import ModelId
from tests.unit.modelstore.sample_files import write_model, write_projector


class Place:
    """A models folder, and another program's beside it."""

    def __init__(self, folder: Path) -> None:
        self.models = folder / "models"
        self.theirs = folder / "theirs"
        self.arriving: list[Path] = []
        self.in_use: dict[str, ModelId] = {}
        folders = (self.models, self.theirs)
        self.library = Library(Catalogue(folders, folder / "cache"), folders, lambda _: None)
        self.remover = ModelRemover(self.models, self.library, lambda: self.in_use, lambda path: path in self.arriving)

    async def remove(self, name: str) -> None:
        await self.library.rescan()
        await self.remover.remove(name)


@pytest.fixture
def place(tmp_path: Path) -> Place:
    found = Place(tmp_path)
    write_model(found.models / "owner" / "M-GGUF" / "M-Q4_0.gguf")
    write_model(found.models / "owner" / "M-GGUF" / "M-Q8_0.gguf")
    write_projector(found.models / "owner" / "M-GGUF" / "mmproj-F16.gguf")
    write_model(found.theirs / "Theirs-Q4_0.gguf")
    return found


async def test_a_projector_goes_with_the_last_model_that_needs_it_and_empty_folders_go_too(place: Place) -> None:
    folder = place.models / "owner" / "M-GGUF"
    await place.remove("M-Q4_0")
    assert sorted(path.name for path in folder.iterdir()) == ["M-Q8_0.gguf", "mmproj-F16.gguf"]
    await place.remove("M-Q8_0")
    assert list(place.models.iterdir()) == []
    assert place.models.is_dir()


async def test_files_of_other_programs_are_never_touched(place: Place) -> None:
    with pytest.raises(ModelNotOurs, match="not in Caravan's own folder"):
        await place.remove("Theirs-Q4_0")
    with pytest.raises(ModelNotOurs):
        await place.remove(str(place.theirs / "Theirs-Q4_0.gguf"))
    with pytest.raises(ModelNotFound):
        await place.remove("nothing")
    assert (place.theirs / "Theirs-Q4_0.gguf").exists()


async def test_a_folder_that_only_seems_to_be_ours(place: Place) -> None:
    """The walk enters each real folder once, and the file is found by the path without links."""
    link = place.models / "linked"
    try:
        link.symlink_to(place.theirs, target_is_directory=True)
    except OSError:
        pytest.skip("this user may not make links here")
    if not (link / "Theirs-Q4_0.gguf").exists():
        pytest.skip("links to folders are made here and not followed")
    with pytest.raises(ModelKept):
        await place.remove(str(link / "Theirs-Q4_0.gguf"))
    assert (place.theirs / "Theirs-Q4_0.gguf").exists()


async def test_what_runs_is_left_also_when_its_id_changed_meanwhile(place: Place) -> None:
    """A second file of its name appears or goes at any time."""
    path = place.models / "owner" / "M-GGUF" / "M-Q4_0.gguf"
    place.in_use = {str(path): ModelId("M-Q4_0")}
    with pytest.raises(ModelInUse, match="is running: M-Q4_0"):
        await place.remove("M-Q4_0")
    write_model(place.theirs / "M-Q4_0.gguf")
    with pytest.raises(ModelInUse, match="M-Q4_0@M-GGUF is running"):
        await place.remove("M-Q4_0@M-GGUF")
    place.in_use = {str(place.theirs / "M-Q4_0.gguf"): ModelId("M-Q4_0")}
    await place.remove("M-Q4_0@M-GGUF")
    assert not path.exists()


async def test_what_is_arriving_is_left(place: Place) -> None:
    place.arriving = [place.models / "owner" / "M-GGUF" / "M-Q4_0.gguf"]
    with pytest.raises(ModelInUse, match="being downloaded"):
        await place.remove("M-Q4_0")


async def test_a_projector_that_a_download_counts_on_is_left(place: Place) -> None:
    folder = place.models / "owner" / "M-GGUF"
    place.arriving = [folder / "M-Q6_K.gguf", folder / "mmproj-F16.gguf"]
    await place.remove("M-Q4_0")
    await place.remove("M-Q8_0")
    assert [path.name for path in folder.iterdir()] == ["mmproj-F16.gguf"]


async def test_a_projector_of_several_models_is_not_spare(place: Place) -> None:
    models = await place.library.rescan()
    one = next(each for each in models if each.id == "M-Q4_0")
    assert one.projector_path is not None
    assert spare_projector(one, models) == ()
    assert spare_projector(one, (one,)) == (one.projector_path,)
