"""The pointer to the engine in use, and what a crash at any moment leaves."""

import json
from pathlib import Path

import pytest

from app.engine import installed
from app.engine.installed import Label, begin, discard, installed_folder, read_label, switch
from app.schema.engine import EngineBackend

LABEL = Label(tag="b1", backend=EngineBackend.CPU)


def put(engine: Path, name: str, *in_use: Path) -> Path:
    new = begin(engine, name, LABEL)
    (new / "llama-server").write_text(name)
    return switch(engine, new, in_use)


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_nothing_is_installed_at_first(tmp_path: Path) -> None:
    assert installed_folder(tmp_path) is None
    assert installed_folder(tmp_path / "missing") is None


def test_the_last_good_one_stays_and_older_ones_go(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    for name in ("b1-cpu", "b2-cpu", "b3-cpu"):
        assert put(tmp_path, name) == tmp_path / name
        assert installed_folder(tmp_path) == tmp_path / name
    assert names(tmp_path) == ["b2-cpu", "b3-cpu", "current.json", "mine"]


@pytest.mark.parametrize("named", ["b1-cpu", "b1-cpu/llama-server"])
def test_one_that_a_setting_names_stays(tmp_path: Path, named: str) -> None:
    for name in ("b1-cpu", "b2-cpu", "b3-cpu", "b1-cpu"):
        put(tmp_path, name, tmp_path / named)
    assert names(tmp_path) == ["b1-cpu", "b1-cpu-2", "b3-cpu", "current.json"]
    assert (tmp_path / "b1-cpu" / "llama-server").read_text() == "b1-cpu"


def test_unpacked_but_not_switched_changes_nothing(tmp_path: Path) -> None:
    put(tmp_path, "b1-cpu")
    begin(tmp_path, "b2-cpu", LABEL)
    assert installed_folder(tmp_path) == tmp_path / "b1-cpu"
    put(tmp_path, "b2-cpu")
    assert names(tmp_path) == ["b1-cpu", "b2-cpu", "current.json"]


def test_renamed_but_not_pointed_to_is_replaced_next_time(tmp_path: Path) -> None:
    put(tmp_path, "b1-cpu")
    begin(tmp_path, "b2-cpu", LABEL).rename(tmp_path / "b2-cpu")
    assert installed_folder(tmp_path) == tmp_path / "b1-cpu"
    assert put(tmp_path, "b2-cpu") == tmp_path / "b2-cpu"
    assert (tmp_path / "b2-cpu" / "llama-server").exists()


def test_the_same_build_again_goes_beside_the_one_in_use(tmp_path: Path) -> None:
    put(tmp_path, "b1-cpu")
    assert put(tmp_path, "b1-cpu") == tmp_path / "b1-cpu-2"
    assert put(tmp_path, "b1-cpu") == tmp_path / "b1-cpu"
    assert names(tmp_path) == ["b1-cpu", "b1-cpu-2", "current.json"]


def test_a_folder_that_is_not_ours_is_never_touched(tmp_path: Path) -> None:
    (tmp_path / "b1-cpu").mkdir()
    (tmp_path / "b1-cpu" / "mine").write_text("mine")
    assert put(tmp_path, "b1-cpu") == tmp_path / "b1-cpu-2"
    assert (tmp_path / "b1-cpu" / "mine").read_text() == "mine"


def test_a_current_one_that_is_gone_gives_the_one_before(tmp_path: Path) -> None:
    put(tmp_path, "b1-cpu")
    discard(put(tmp_path, "b2-cpu"))
    assert installed_folder(tmp_path) == tmp_path / "b1-cpu"


@pytest.mark.parametrize(
    "pointer",
    ["", "{", "[]", "{}", '{"folder": "../outside"}', '{"folder": ".."}', '{"folder": ""}', '{"folder": "x/y"}'],
)
def test_a_damaged_pointer_points_nowhere(tmp_path: Path, pointer: str) -> None:
    engine = tmp_path / "engine"
    for folder in (tmp_path / "outside", engine / "x" / "y"):
        folder.mkdir(parents=True)
    (engine / "current.json").write_text(pointer)
    assert installed_folder(engine) is None


def test_a_pointer_that_cannot_be_written_leaves_the_old_one(tmp_path: Path) -> None:
    put(tmp_path, "b1-cpu")
    new = begin(tmp_path, "b2-cpu", LABEL)
    (tmp_path / "current.json").unlink()
    (tmp_path / "current.json").mkdir()
    with pytest.raises(installed.DiskUnusable, match="cannot be put into"):
        switch(tmp_path, new)
    (tmp_path / "current.json").rmdir()
    assert (tmp_path / "b1-cpu").is_dir()


def test_a_label_tells_what_a_folder_holds(tmp_path: Path) -> None:
    folder = put(tmp_path, "b1-cpu")
    assert read_label(folder) == LABEL
    assert json.loads((folder / "caravan-engine.json").read_text())["tag"] == "b1"
    assert read_label(tmp_path) is None
