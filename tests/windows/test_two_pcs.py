"""Two Windows PCs on one LAN, Caravan installed on both: each a Wine of its own in a network namespace of its own.

They find each other by mDNS, pair by code, and run one model over both with the engine that came with the installer.
The clients that order them are Linux programs in the same namespaces.
"""

import asyncio
import contextlib
import json
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path, PureWindowsPath

import psutil
import pytest

pytest.importorskip("fcntl", reason="the rig runs on Linux")

from tests.cluster.bed import Bed, Host, open_bed, why_not
from tests.cluster.pcs import MODEL, PROMPT, Pc
from tests.windows.in_wine import PROGRAM, install, wanted_rig
from tests.windows.places import Places
from tests.windows.wine import Setting, prefix_folder, windows_command

START_SECONDS = 240.0
OURS = ("Caravan.exe", "llama-server.exe", "ggml-rpc-server.exe")
"""The Windows programs of a PC that are ours, and not Wine's own."""


class WindowsPc(Pc):
    """A PC whose node and engine are Windows programs. Its data lies in `folder`, which they see as `Z:\\out\\data`."""

    def __init__(self, host: Host, folder: Path, rig: Places, prefix: Path) -> None:
        super().__init__(host, folder / "data", f"PC {host.name.upper()} 测")
        self._rig = rig
        self._prefix = prefix

    async def begin(self) -> None:
        """Start the node in Wine and the client beside it; returns when it told its first status."""
        self.folder.mkdir()
        settings = {"name": self.name, "use_known_folders": False, "cpu_threads": 1}
        (self.folder / "settings.json").write_text(json.dumps(settings), "utf-8")
        setting = Setting(writable=self.folder.parent, folder="/out")
        node = [PROGRAM, "node", "--data-dir", "Z:\\out\\data", "-v", "--no-measure"]
        wine = windows_command(self._rig, node, setting, self._prefix)
        self.node = await self.host.start(*wine, on_line=lambda _, line: self.lines.append(line))
        client = (sys.executable, "-m", "tests.cluster.remote", str(self.folder))
        self._remote = await self.host.start(*client, on_line=self._hear)
        await self.until(lambda _: True, START_SECONDS)

    async def windows_programs(self) -> dict[int, list[str]]:
        """What runs on this PC of ours, as argument lists by (Linux) process id."""
        found = {}
        for pid in await self.host.pids():
            with contextlib.suppress(psutil.NoSuchProcess):
                argv = psutil.Process(pid).cmdline()
                if argv and PureWindowsPath(argv[0]).name in OURS:
                    found[pid] = argv
        return found

    async def kill_node(self) -> float:
        """End the node's process without a word to it; the seconds until nothing that it started runs any more."""
        programs = await self.windows_programs()
        (node,) = [pid for pid, argv in programs.items() if "node" in argv]
        psutil.Process(node).kill()
        began = time.monotonic()
        async with asyncio.timeout(30):
            while await self.windows_programs():
                await asyncio.sleep(0.02)
        return time.monotonic() - began


@contextlib.asynccontextmanager
async def windows_pcs(bed: Bed, rig: Places, folder: Path, setup: Path) -> AsyncIterator[list[WindowsPc]]:
    """A Windows PC on every host of the bed, the installed program's node running. At the end they are ended."""
    async with contextlib.AsyncExitStack() as stack:
        pcs = []
        for host in bed.hosts.values():
            own = folder / host.name
            own.mkdir()
            prefix = stack.enter_context(prefix_folder(rig, None))
            await asyncio.to_thread(install, rig, setup, Setting(), prefix)
            pcs.append(WindowsPc(host, own, rig, prefix))
            stack.push_async_callback(pcs[-1].end)
        await asyncio.gather(*(pc.begin() for pc in pcs))
        yield pcs


async def answer(head: Pc, pcs: int) -> str:
    """What the demo model says over so many PCs."""
    running = await head.call("launch", model_id=MODEL, pcs=pcs, head=head.id)
    assert running["state"] == "ready", running["error"]
    assert len({stage["node"] for stage in running["plan"]["stages"]}) == pcs
    said = await head.call("chat", prompt=PROMPT)
    assert await head.call("stop", instance=running["id"]) == "stopped"
    return str(said["text"])


@pytest.mark.timeout(900)
async def test_two_installed_caravans_pair_by_code_and_run_one_model(setup: Path, tmp_path: Path) -> None:
    rig = wanted_rig()
    assert why_not() is None
    began = time.monotonic()
    async with open_bed("a", "b", tag="win") as bed, windows_pcs(bed, rig, tmp_path, setup) as (a, b):
        started = time.monotonic() - began
        await a.until(lambda status: any(b.host.address in each.addresses for each in status.seen))
        joined = await a.joined_by(b)
        await a.until(lambda _: a.is_ready_with([b]))
        together, alone = await answer(a, 2), await answer(a, 1)
        assert together == alone
        assert len(together) > 40
        for pc in (a, b):
            await pc.check()
        await a.call("launch", model_id=MODEL, pcs=2, head=a.id)
        running = {PureWindowsPath(argv[0]).name for argv in (await b.windows_programs()).values()}
        assert "ggml-rpc-server.exe" in running
        left = await b.kill_node()
        await a.until(lambda _: not a.sees(b))
        sys.stdout.write(
            f"two PCs: installed and started {started:.0f} s, joined {joined:.1f} s, gone {left:.2f} s after the kill\n"
        )
        assert left < 10
