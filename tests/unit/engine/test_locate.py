import asyncio
import json
import os
import sys
from pathlib import Path

import pytest

from app.engine.locate import (
    OLD_SERVER_VARIABLE,
    OLD_WORKER_VARIABLE,
    SERVER_VARIABLE,
    Places,
    candidates,
    first,
    locate,
    restore_links,
)
from app.schema.errors import EngineMissing


def engine(folder: Path, worker: str = "ggml-rpc-server", suffix: str = "") -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name in ("llama-server", worker, "llama-fit-params"):
        (folder / f"{name}{suffix}").write_text("")
    return folder / f"llama-server{suffix}"


@pytest.mark.parametrize("worker", ["ggml-rpc-server", "rpc-server"])
def test_both_worker_names_are_known(tmp_path: Path, worker: str) -> None:
    engine(tmp_path, worker)
    found = first(Places(bundled=tmp_path), {}, windows=False)
    assert found.worker == tmp_path / worker
    assert found.source == "bundled"


def test_windows_programs_end_in_exe(tmp_path: Path) -> None:
    server = engine(tmp_path / "Programme für alle", "rpc-server", ".exe")
    found = first(Places(installed=server.parent), {}, windows=True)
    assert found.server == server
    assert found.worker == server.parent / "rpc-server.exe"


def test_the_order(tmp_path: Path) -> None:
    suffix = ".exe" if sys.platform == "win32" else ""
    names = ("bundled", "installed", "package", "path")
    folders = {name: engine(tmp_path / name, suffix=suffix).parent for name in names}
    places = Places(bundled=folders["bundled"], installed=folders["installed"], package=folders["package"])
    found = candidates(places, {"PATH": os.pathsep.join(("/nowhere", str(folders["path"])))})
    assert [each.source for each in found] == ["bundled", "installed", "package", "path"]


def test_a_setting_is_the_only_candidate(tmp_path: Path) -> None:
    server = engine(tmp_path / "mine")
    places = Places(setting=server, bundled=engine(tmp_path / "bundled").parent)
    assert [each.server for each in candidates(places, {SERVER_VARIABLE: "/other"}, windows=False)] == [server]
    assert first(Places(setting=server.parent), {}, windows=False).server == server


def test_variables_and_the_older_name(tmp_path: Path) -> None:
    server, older = engine(tmp_path / "new"), engine(tmp_path / "old")
    environment = {SERVER_VARIABLE: str(server), OLD_SERVER_VARIABLE: str(older)}
    assert first(Places(), environment, windows=False).server == server
    found = first(Places(), {OLD_SERVER_VARIABLE: f'"{older}"'}, windows=False)
    assert found.server == older
    assert found.source == "setting"
    assert SERVER_VARIABLE in found.notices[0]


@pytest.mark.parametrize("variable", [SERVER_VARIABLE, OLD_SERVER_VARIABLE, OLD_WORKER_VARIABLE])
def test_a_variable_that_names_nothing_is_an_error(tmp_path: Path, variable: str) -> None:
    places = Places(bundled=engine(tmp_path).parent)
    with pytest.raises(EngineMissing, match=variable):
        candidates(places, {variable: str(tmp_path / "gone")}, windows=False)


def test_a_setting_that_names_nothing_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(EngineMissing, match="setting"):
        candidates(Places(setting=tmp_path), {}, windows=False)


def test_the_older_worker_variable(tmp_path: Path) -> None:
    engine(tmp_path / "engine")
    worker = tmp_path / "elsewhere"
    worker.write_text("")
    found = first(Places(bundled=tmp_path / "engine"), {OLD_WORKER_VARIABLE: str(worker)}, windows=False)
    assert found.worker == worker
    assert len(found.notices) == 1


def test_nothing_at_all_says_what_to_do() -> None:
    with pytest.raises(EngineMissing) as caught:
        candidates(Places(), {"PATH": ""}, windows=False)
    assert SERVER_VARIABLE in caught.value.hint


def test_the_current_folder_is_not_searched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(engine(tmp_path).parent)
    with pytest.raises(EngineMissing):
        candidates(Places(), {"PATH": ".:bin"}, windows=False)


def test_windows_names_its_path_variable_differently(tmp_path: Path) -> None:
    server = engine(tmp_path, suffix=".exe")
    found = first(Places(), {"Path": f'C:\\nowhere;"{tmp_path}"'}, windows=True)
    assert found.server == server


def test_an_engine_in_a_folder_below(tmp_path: Path) -> None:
    server = engine(tmp_path / "build" / "bin")
    assert first(Places(installed=tmp_path), {}, windows=False).server == server


@pytest.mark.skipif(sys.platform == "win32", reason="links need a privilege on Windows, and its wheels carry none")
async def test_library_links_of_the_package_are_restored(tmp_path: Path) -> None:
    folder = engine(tmp_path / "package" / "bin").parent
    (folder / "libllama.so.0.6.0").write_text("library")
    listed = {"libllama.so.0": "libllama.so.0.6.0", "../escape": "libllama.so.0.6.0", "bad": "../../etc/passwd", "x": 3}
    (folder / "_symlinks.json").write_text(json.dumps(listed))
    found = await locate(Places(package=folder.parent), {"PATH": ""})
    assert found.source == "package"
    assert (folder / "libllama.so.0").read_text() == "library"
    assert not (folder.parent / "escape").exists()
    assert not (folder / "bad").is_symlink()
    await asyncio.to_thread(restore_links, folder)
    assert (folder / "libllama.so.0").is_symlink()


@pytest.mark.parametrize("text", ["", "[]", "{", '{"a": null}'])
def test_a_damaged_list_of_links_is_ignored(tmp_path: Path, text: str) -> None:
    (tmp_path / "_symlinks.json").write_text(text)
    restore_links(tmp_path)
    assert [file.name for file in tmp_path.iterdir()] == ["_symlinks.json"]
