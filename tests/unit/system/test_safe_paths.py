"""A path the engine can read, which leads to a folder that only this user may use."""

import sys
from pathlib import Path

import pytest

from app.system.safe_paths import engine_cache_folder

windows_only = pytest.mark.skipif(sys.platform != "win32", reason="code pages and short names are Windows")


def test_an_ascii_path_is_taken_as_it_is() -> None:
    folder = Path("C:/Users/Anna Smith/AppData/Local/Caravan/cache")
    assert engine_cache_folder(folder) == folder


@pytest.mark.skipif(sys.platform == "win32", reason="the answer of other systems")
def test_elsewhere_any_path_is_taken(tmp_path: Path) -> None:
    assert engine_cache_folder(tmp_path / "测试") == tmp_path / "测试"


@windows_only
def test_another_path_leads_to_the_same_folder_or_to_one_of_this_user(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PROGRAMDATA", str(tmp_path))
    folder = tmp_path / "Jörg 测试 🐪" / "cache"
    folder.mkdir(parents=True)
    found = engine_cache_folder(folder)
    assert str(found).isascii()
    (found / "tensor").write_bytes(b"kept")
    assert found.parent == tmp_path or (folder / "tensor").read_bytes() == b"kept"


@windows_only
def test_the_common_folder_is_made_once_and_is_this_users(tmp_path: Path) -> None:
    from app.system.safe_paths import common_folder

    found = common_folder(tmp_path)
    (found / "rpc").mkdir()
    assert common_folder(tmp_path) == found
    assert found.name.isascii()
    assert found.parent == tmp_path
    assert (found / "rpc").is_dir()


@windows_only
def test_a_file_in_its_place_is_refused(tmp_path: Path) -> None:
    from app.system.safe_paths import common_folder

    found = common_folder(tmp_path)
    found.rmdir()
    found.write_bytes(b"in the way")
    with pytest.raises(NotADirectoryError):
        common_folder(tmp_path)


@windows_only
def test_without_any_folder_the_given_one_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from app.system.safe_paths import short_name

    monkeypatch.setenv("PROGRAMDATA", str(tmp_path / "gone"))
    folder = tmp_path / "测试"
    folder.mkdir()
    assert engine_cache_folder(folder) in (folder, short_name(folder))
