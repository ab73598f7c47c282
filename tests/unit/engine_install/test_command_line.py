"""`caravan engine install` as a user runs it: a node, a release site, Ctrl-C in the middle, and again."""

import asyncio
import json
import signal
import sys
from pathlib import Path

import psutil
import pytest

from app.system.paths import Paths
from app.system.program import own_command
from app.system.spawn import start_child
from tests.contract.programs import caravan, start_node
from tests.fakes.release_site import ReleaseSite, make_tar, programs

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="the fake engine's programs are shell scripts")

CPU = "llama-b11434-bin-ubuntu-x64.tar.gz"


async def interrupted(*arguments: str, data_dir: Path, site: ReleaseSite, at: str) -> tuple[int, list[str]]:
    """Run a command, press Ctrl-C when it has printed `at` and bytes are there; returns its exit code and lines.

    The site sends next to nothing from then on: what a busy machine is slow to end must not be whole before.
    """
    lines: list[str] = []
    seen = asyncio.Event()

    def take(_: str, line: str) -> None:
        lines.append(line)
        if at in line:
            seen.set()

    child = await start_child(own_command("--data-dir", str(data_dir), *arguments), on_line=take)
    async with asyncio.timeout(120):
        await seen.wait()
        while not any(part.stat().st_size for part in (data_dir / "cache" / "engine").glob("*.part")):
            await asyncio.sleep(0.02)
        site.manner.pause = 60.0
        psutil.Process(child.pid).send_signal(signal.SIGINT)
        return await child.wait(), lines


def keep_weights(data_dir: Path) -> Path:
    """What a worker on this PC was sent once."""
    kept = Paths.under(data_dir).kept_weights / "weights" / f"{'0' * 16}.4"
    kept.parent.mkdir(parents=True)
    kept.write_bytes(b"kept")
    return kept


async def test_install_cancel_and_install_again(tmp_path: Path) -> None:
    data_dir = tmp_path / "Jürgens Daten"
    kept = await asyncio.to_thread(keep_weights, data_dir)
    data = make_tar(programs())
    async with ReleaseSite("b11434", {CPU: data + bytes(300_000)}).serving() as site:
        site.files |= {CPU.replace("x64", "arm64"): site.files[CPU]}
        site.manner.pause = 0.2
        node = await start_node(data_dir, {"CARAVAN_RELEASE_MIRROR": site.address})
        try:
            install = ("engine", "install", "--backend", "cpu")
            code, lines = await interrupted(*install, data_dir=data_dir, site=site, at="downloading")
            assert code == 130, lines
            assert "Cancelled" in lines[-1]
            assert list((data_dir / "engine").iterdir()) == []
            site.manner.pause = 0.0
            done = await caravan(*install, "--json", data_dir=data_dir)
            assert done.returncode == 0, done
            assert json.loads(done.stdout)["phase"] == "done"
            assert await asyncio.to_thread(kept.read_bytes) == b"kept"
            assert site.downloads()[-1].headers["range"].startswith("bytes=")
            shown = json.loads((await caravan("engine", "--json", data_dir=data_dir)).stdout)
            assert shown["build"]["source"] == "installed"
            refused = await caravan("engine", "install", "--build", "b5", data_dir=data_dir)
            assert refused.returncode == 1
            assert "no llama.cpp build b5" in refused.stderr
        finally:
            assert await node.stop() == 0
