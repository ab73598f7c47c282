"""`caravan demo --hosts N`: the show on hosts of its own, and that nothing of it stays."""

import asyncio
import json
import os
import shutil
import signal
import sys
import tempfile
from pathlib import Path

import pytest

from app.schema.instance import DeviceBuffer
from app.schema.plan import Plan
from app.system.spawn import run_short, start_child
from tests.cluster.holds import check_buffers

COMMAND = (sys.executable, "-m", "app", "demo", "--hosts", "3", "--json")


def _left(pid: int) -> list[str]:
    """What a demo of that process left on this machine."""
    namespaces = [each.name for each in Path("/run/netns").glob(f"caravandemo-{pid}-*")]
    return namespaces + [str(each) for each in Path(tempfile.gettempdir()).glob("caravan-demo-*") if _is_new(each)]


BEFORE = set(Path(tempfile.gettempdir()).glob("caravan-demo-*"))


def _is_new(path: Path) -> bool:
    return path not in BEFORE


async def test_three_hosts_find_each_other_and_say_the_same(namespaces: None) -> None:
    lines: list[str] = []
    child = await start_child(COMMAND, on_line=lambda _, line: lines.append(line))
    assert await child.wait() == 0, lines
    told = json.loads("\n".join(lines))
    assert [each["address"] for each in told["hosts"]] == ["10.78.0.1", "10.78.0.2", "10.78.0.3"]
    assert {stage["node_name"] for stage in told["stages"]} == {"PC 1", "PC 2", "PC 3"}
    buffers = [DeviceBuffer.model_validate(each) for each in told["buffers"]]
    check_buffers(Plan.model_validate(told["plan"]), buffers)
    assert "Caravan" in told["answer"]
    assert told["matches_single"] is True
    assert told["tokens_per_second"] > 1
    assert not _left(child.pid)


@pytest.mark.parametrize("when", ["pc3", "node.json"])
async def test_interrupted_it_leaves_nothing(namespaces: None, when: str) -> None:
    child = await start_child(COMMAND, on_line=lambda *_: None)
    async with asyncio.timeout(60):
        while not _has_come(child.pid, when):
            await asyncio.sleep(0.02)
    os.kill(child.pid, signal.SIGINT)
    assert await child.wait() == 130
    assert not _left(child.pid)


def _has_come(pid: int, when: str) -> bool:
    if when == "pc3":
        return Path("/run/netns", f"caravandemo-{pid}-pc3").exists()
    return any((each / "pc-1" / when).exists() for each in Path(tempfile.gettempdir()).glob("caravan-demo-*"))


async def test_without_root_it_says_so(namespaces: None) -> None:
    if shutil.which("setpriv") is None:
        pytest.skip("setpriv is missing")
    nobody = ("setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups")
    done = await run_short((*nobody, *COMMAND), deadline=30, env={"HOME": "/nonexistent"})
    assert done.returncode == 1, done
    error = json.loads(done.stdout)["error"]
    assert error["sentence"] == "Making hosts with addresses of their own needs root."
    assert "caravan demo" in error["hint"]
