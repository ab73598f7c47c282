"""What the installer makes, what an upgrade keeps, what the uninstaller leaves."""

import json
from pathlib import Path

import pytest

from app import __version__
from app.modelstore.walk import ARRIVING
from app.system.paths import Paths
from tests.windows.installed.conftest import FOLDER, OURS, Caravan, running, started, wait_until
from tests.windows.installed.traces import LOG, all_files, all_values, entry, run_entry

PEERS = 'advfirewall firewall add rule "name=Caravan peers" dir=in action=allow'
SHORTCUT = Path(r"C:\ProgramData\Microsoft\Windows\Start Menu\Programs\Caravan.lnk")


def used(data: Path) -> None:
    """A data folder as use makes it."""
    for name in ("logs/node.log", "engine/b1/llama-server.exe", "settings.json", "api-token"):
        file = data / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("{}", "utf-8")


def test_it_is_there_and_says_so(caravan: Caravan) -> None:
    assert caravan.cli("--version").stdout.strip() == __version__
    found = entry(everyone=True)
    assert found is not None
    assert (found["DisplayName"], found["DisplayVersion"]) == ("Caravan", __version__)
    assert found["InstallLocation"] == str(FOLDER)
    size = sum(path.stat().st_size for path in FOLDER.rglob("*") if path.suffix != ".pkg" or path.stem == "Caravan")
    assert isinstance(found["EstimatedSize"], int)
    assert abs(found["EstimatedSize"] * 1024 - size) < 1 << 20
    assert (FOLDER / "caravan-cli.pkg").samefile(FOLDER / "Caravan.pkg")
    assert SHORTCUT.is_file()
    assert run_entry() is None
    assert (FOLDER / "_internal" / "licenses" / "THIRD-PARTY-NOTICES.md").is_file()
    assert not list((FOLDER / "_internal" / "resources").rglob("*.py"))


def test_the_firewall_is_told_of_these_programs(caravan: Caravan) -> None:
    """By a netsh that only writes down what it is asked."""
    lines = LOG.read_text("utf-8").splitlines()
    added = [line for line in lines if " add rule " in line]
    removed = [line for line in lines if " delete rule " in line]
    assert f'"program={FOLDER}\\Caravan.exe"' in next(line for line in added if PEERS in line)
    assert lines[: len(removed)] == removed
    assert not any("remoteip=any" in line or "profile=any" in line for line in added if "action=allow" in line)
    LOG.unlink()
    caravan.uninstall()
    assert LOG.read_text("utf-8").splitlines() == removed


def test_only_for_one_user() -> None:
    caravan = Caravan(FOLDER, everyone=False)
    LOG.unlink(missing_ok=True)
    assert caravan.install("/Autostart") == 0
    assert entry(everyone=True) is None
    assert entry(everyone=False) is not None
    assert run_entry() == f'"{FOLDER}\\Caravan.exe" --hidden'
    assert not SHORTCUT.exists()
    assert Caravan(FOLDER).install() == 4
    caravan.uninstall()
    assert not LOG.exists()
    assert run_entry() is None


def test_the_usual_folder_and_one_with_other_things(tmp_path: Path) -> None:
    (tmp_path / "of the user.txt").write_text("mine", "utf-8")
    caravan = Caravan(tmp_path)
    assert caravan.install() == 0
    inner = Caravan(tmp_path / "Caravan")
    assert inner.cli("--version").returncode == 0
    inner.uninstall()
    assert [path.name for path in tmp_path.iterdir()] == ["of the user.txt"]


def test_an_upgrade_stops_it_and_keeps_what_is_the_users(caravan: Caravan) -> None:
    paths = Paths.for_user()
    paths.ensure()
    settings = json.dumps({"name": "Jörg 测试", "use_known_folders": False}).encode()
    paths.settings.write_bytes(settings)
    (paths.models / "mine.gguf").write_bytes(b"GGUF")
    stale = FOLDER / "_internal" / "of an older version.pyd"
    stale.write_bytes(b"")
    with started(caravan.program(), "node", "--api-port", "0"):
        wait_until(paths.endpoint.exists)
        assert running("Caravan.exe")
        assert caravan.install() == 0
        wait_until(lambda: running(*OURS) == [])
    assert paths.settings.read_bytes() == settings
    assert (paths.models / "mine.gguf").exists()
    assert not stale.exists()
    assert caravan.cli("--version").returncode == 0


def test_nothing_is_left() -> None:
    """Also when it runs meanwhile, starts at sign-in, and was used."""
    paths = Paths.for_user()
    files, values = all_files(), all_values()
    caravan = Caravan(FOLDER)
    assert caravan.install("/Autostart") == 0
    used(paths.data)
    paths.settings.write_text('{"use_known_folders": false}', "utf-8")
    with started(caravan.program(), "node", "--api-port", "0"):
        wait_until(paths.endpoint.exists)
        assert run_entry() is not None
        assert all_values() > values
        caravan.uninstall()
        wait_until(lambda: running(*OURS) == [])
    assert sorted(all_files() - files) == []
    assert sorted(all_values() - values) == []
    assert run_entry() is None


@pytest.mark.parametrize("purge", [False, True])
def test_models_and_chats_stay_unless_the_user_says_so(caravan: Caravan, purge: bool) -> None:
    data = Paths.for_user().data
    used(data)
    kept = (data / "models" / "mine.gguf", data / "chats.sqlite")
    for file in kept:
        file.parent.mkdir(exist_ok=True)
        file.write_bytes(b"mine")
    half = data / "models" / ARRIVING / "1" / "other.gguf.part"
    half.parent.mkdir(parents=True)
    half.write_bytes(b"half")
    caravan.uninstall(*(["/PURGE"] if purge else []))
    left = {path for path in data.rglob("*") if path.is_file()} if data.exists() else set()
    assert left == (set() if purge else set(kept))
    for file in left:
        file.unlink()
