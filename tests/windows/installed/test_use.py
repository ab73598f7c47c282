"""The installed program at work."""

import json
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from app.system.session_window import CLASS_NAME as SESSION_WINDOW
from tests.windows.installed.conftest import OURS, Caravan, installed, running, started, wait_until
from tests.windows.on_screen import sign_out, windows

MODEL = "caravan-demo"
SECOND_START_SECONDS = 60.0
SIGN_OUT_SECONDS = 30.0


@pytest.fixture(scope="module")
def caravan() -> Iterator[Caravan]:
    """One installation for all tests here: none of them changes it."""
    with installed() as found:
        yield found


def settled(data: Path) -> Path:
    """A data folder that looks for models nowhere else."""
    data.mkdir()
    (data / "settings.json").write_text(json.dumps({"use_known_folders": False}), "utf-8")
    return data


def test_the_demo(caravan: Caravan) -> None:
    began = time.monotonic()
    done = caravan.cli("demo", "--json", deadline=400)
    assert done.returncode == 0, done
    assert json.loads(done.stdout)["matches_single"] is True
    wait_until(lambda: running(*OURS) == [])
    print(f"installed demo: {time.monotonic() - began:.0f} s")  # noqa: T201


def test_a_killed_node_leaves_no_process(caravan: Caravan, tmp_path: Path) -> None:
    data = settled(tmp_path / "Jörg 测试")
    with started(caravan.program(), "node", "--data-dir", str(data), "--api-port", "0") as node:
        wait_until((data / "node.json").exists)
        launched = caravan.cli("--data-dir", str(data), "launch", MODEL)
        assert launched.returncode == 0, launched
        below = psutil.Process(node.pid).children(recursive=True)
        assert {"llama-server.exe"} <= {each.name() for each in below}
        node.kill()
        gone_by = time.monotonic() + 10.0
        while (left := running(*OURS)) and time.monotonic() < gone_by:
            time.sleep(0.02)
        assert left == []


def test_signing_out_ends_the_node_in_order(caravan: Caravan, tmp_path: Path) -> None:
    """The messages that Windows sends to every window when the user signs out or the PC is shut down."""
    data = settled(tmp_path / "data")
    with started(caravan.program(), "node", "--data-dir", str(data), "--api-port", "0") as node:
        wait_until((data / "node.json").exists)
        wait_until(lambda: (node.pid, SESSION_WINDOW) in {(each.pid, each.title) for each in windows()})
        assert sign_out(node.pid)
        assert node.wait(SIGN_OUT_SECONDS) == 0
        assert not (data / "node.json").exists()
        wait_until(lambda: running(*OURS) == [])


def test_a_second_tray_hands_over_and_ends(caravan: Caravan, tmp_path: Path) -> None:
    data = settled(tmp_path / "data")
    with started(caravan.program(), "--data-dir", str(data)) as first:
        wait_until((data / "node.json").exists)
        second = subprocess.run([caravan.program(), "--data-dir", str(data)], timeout=SECOND_START_SECONDS, check=False)
        assert second.returncode == 0
        assert first.poll() is None


@pytest.mark.parametrize("name", ["Caravan.exe", "caravan-cli.exe"])
def test_a_wrong_command_is_told_and_never_waits(caravan: Caravan, name: str) -> None:
    done = subprocess.run([caravan.program(name), "nonsense"], capture_output=True, timeout=120, check=False)
    assert done.returncode == 2
    assert b"nonsense" in done.stderr
