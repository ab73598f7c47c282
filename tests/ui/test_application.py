"""The tray program from outside: exit codes, plain sentences, a polite end."""

import asyncio
import queue
import sys
from pathlib import Path

import pytest

from app.system.paths import Paths
from app.system.single_instance import claim, instance_name
from app.system.spawn import Finished, run_short, start_child
from app.ui.application import NO_DESKTOP, SHOW, has_desktop
from app.ui.commands import node_command
from tests.ui import tray_program
from tests.ui.conftest import is_complaint

MAIN = "import sys; from app.ui.application import main; sys.exit(main(sys.argv[1:]))"
OFFSCREEN = {"QT_QPA_PLATFORM": "offscreen"}
WITHOUT_DISPLAY = {"QT_QPA_PLATFORM": "", "DISPLAY": "", "WAYLAND_DISPLAY": ""}


async def tray(paths: Paths, env: dict[str, str]) -> Finished:
    return await run_short([sys.executable, "-c", MAIN, "--data-dir", str(paths.data)], deadline=120, env=env)


async def test_a_second_start_shows_the_first_and_ends(paths: Paths) -> None:
    await asyncio.to_thread(paths.ensure)
    heard: queue.Queue[str] = queue.Queue()
    held = await asyncio.to_thread(claim, instance_name(paths.data))
    assert held is not None
    with held:
        held.listen(heard.put)
        ended = await tray(paths, OFFSCREEN)
        told = await asyncio.to_thread(heard.get, timeout=60)
    assert (ended.returncode, ended.stderr.strip(), told) == (0, "", SHOW)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows always has a desktop")
async def test_a_session_without_a_desktop_is_told(paths: Paths) -> None:
    ended = await tray(paths, WITHOUT_DISPLAY)
    assert (ended.returncode, ended.stderr.strip()) == (1, NO_DESKTOP)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no polite signal for another process")
@pytest.mark.parametrize("home", [[], [tray_program.WITHOUT_TRAY]], ids=["tray", "window only"])
async def test_a_polite_request_ends_program_and_node(paths: Paths, home: list[str]) -> None:
    said: list[str] = []
    command = [sys.executable, "-m", tray_program.__name__, str(paths.data), *home]
    child = await start_child(command, on_line=lambda _, line: said.append(line), env=OFFSCREEN)
    try:
        async with asyncio.timeout(60):
            while not await asyncio.to_thread(paths.endpoint.exists):
                await asyncio.sleep(0.02)
    finally:
        code = await child.stop(grace=30)
    assert (code, [line for line in said if is_complaint(line)]) == (0, [])
    assert not await asyncio.to_thread(paths.endpoint.exists)


@pytest.mark.parametrize(
    ("platform", "environment", "expected"),
    [
        ("win32", {}, True),
        ("linux", {}, False),
        ("linux", {"DISPLAY": ""}, False),
        ("linux", {"DISPLAY": ":0"}, True),
        ("linux", {"WAYLAND_DISPLAY": "wayland-0"}, True),
    ],
)
def test_has_desktop(platform: str, environment: dict[str, str], expected: bool) -> None:
    assert has_desktop(platform, environment) is expected


def test_the_node_gets_the_folder_whole(tmp_path: Path) -> None:
    assert node_command(tmp_path / "a b")[-3:] == ["node", "--data-dir", str(tmp_path / "a b")]
    assert node_command(None)[-1] == "node"
