"""Where files lie, and what is said when a folder cannot be used."""

import stat
import sys
from pathlib import Path

import pytest

from app.schema.errors import DataFolderUnusable
from app.system.paths import Paths, resources_folder


def files_of(paths: Paths) -> list[Path]:
    return [paths.settings, paths.api_token, paths.endpoint, paths.lock, paths.trust, *paths.folders()]


def test_everything_lies_below_a_given_folder(tmp_path: Path) -> None:
    root = tmp_path / "my data ü"
    paths = Paths.under(root)
    found = files_of(paths)
    assert all(path.is_relative_to(root) for path in found)
    assert len(set(found)) == len(found)
    assert not root.exists()


def test_relative_folder_becomes_absolute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert Paths.under(Path("here")).data == tmp_path / "here"


def test_user_folders_carry_our_name() -> None:
    paths = Paths.for_user()
    assert all("Caravan" in path.parts for path in files_of(paths))
    assert all(path.is_absolute() for path in files_of(paths))


def test_ensure_creates_private_folders_and_leaves_nothing_else(tmp_path: Path) -> None:
    paths = Paths.under(tmp_path / "new" / "data")
    paths.ensure()
    paths.ensure()
    assert {path for path in paths.data.rglob("*") if path.is_file()} == set()
    for folder in paths.folders():
        assert folder.is_dir()
        assert sys.platform == "win32" or stat.S_IMODE(folder.stat().st_mode) == 0o700


@pytest.mark.parametrize("blocked", ["", "logs", "cache", "models", "engine", "run"])
def test_file_in_the_way_is_named(tmp_path: Path, blocked: str) -> None:
    root = tmp_path / "data"
    (root / blocked).parent.mkdir(parents=True, exist_ok=True)
    (root / blocked).write_text("in the way")
    with pytest.raises(DataFolderUnusable) as caught:
        Paths.under(root).ensure()
    assert str(root / blocked) in caught.value.sentence
    assert "a file stands where a folder should be" in caught.value.sentence
    assert "--data-dir" in caught.value.hint


def test_folder_below_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(DataFolderUnusable, match="a file stands where a folder should be"):
        Paths.under(tmp_path / "file" / "data").ensure()


@pytest.mark.skipif(sys.platform != "linux", reason="/proc takes no folders, not even root's")
def test_file_system_that_takes_nothing() -> None:
    with pytest.raises(DataFolderUnusable, match=r"Caravan cannot use its folder /proc/caravan: .+\."):
        Paths.under(Path("/proc/caravan")).ensure()


def test_resources_lie_beside_the_code() -> None:
    assert resources_folder() == Path(__file__).parents[3] / "resources"


def test_resources_of_a_frozen_build(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "_MEIPASS", str(tmp_path), raising=False)
    assert resources_folder() == tmp_path / "resources"
