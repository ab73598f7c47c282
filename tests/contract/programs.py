"""Run the command line as a program, the way a user does, and look at what is left behind."""

import asyncio
import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import psutil
import pytest

from app.system.program import own_command
from app.system.spawn import Child, Finished, run_short, start_child


async def caravan(
    *arguments: str, data_dir: Path, env: Mapping[str, str] | None = None, deadline: float = 240.0
) -> Finished:
    """One command to its end."""
    return await run_short(own_command("--data-dir", str(data_dir), *arguments), deadline=deadline, env=env)


async def caravan_json(*arguments: str, data_dir: Path) -> Any:
    """What a command prints with `--json`; its exit code must be 0."""
    done = await caravan(*arguments, "--json", data_dir=data_dir)
    assert done.returncode == 0, done
    return json.loads(done.stdout)


class RunningNode:
    """A node started by a test, its lines kept."""

    def __init__(self, child: Child, lines: list[str], data_dir: Path) -> None:
        self.child = child
        self.lines = lines
        self.data_dir = data_dir

    async def listening(self) -> None:
        """Wait until it has written where it listens."""
        async with asyncio.timeout(180):
            while not (self.data_dir / "node.json").exists():
                assert self.child.returncode is None, self.lines
                await asyncio.sleep(0.02)

    async def stop(self) -> int:
        """End it as Ctrl-C does; returns its exit code."""
        return await self.child.stop(grace=20.0)


async def start_node(data_dir: Path, env: Mapping[str, str] | None = None, *options: str) -> RunningNode:
    """A node on any free port."""
    lines: list[str] = []
    here = ("--api-port", "0", "--host", "127.0.0.1", "--peer-port", "0", "--pair-port", "0", "--no-measure")
    command = own_command("--data-dir", str(data_dir), "node", *here, "-v", *options)
    child = await start_child(command, on_line=lambda _, line: lines.append(line), env=env)
    node = RunningNode(child, lines, data_dir)
    try:
        await node.listening()
    except BaseException:
        await node.stop()
        raise
    return node


def engine_processes(node_pid: int) -> list[psutil.Process]:
    """The llama.cpp programs below a node."""
    found = psutil.Process(node_pid).children(recursive=True)
    return [each for each in found if _is_engine(each)]


def _is_engine(process: psutil.Process) -> bool:
    try:
        # Windows gives a hidden program a console host, which is called with `--server`.
        return process.name() != "conhost.exe" and any("server" in part for part in process.cmdline()[:2])
    except (psutil.NoSuchProcess, OSError):
        # It has just ended; Wine says so in words that psutil does not know.
        return False


def windows_lacks(what: str) -> pytest.MarkDecorator:
    """Marks a test that Windows cannot run, with what is missing there."""
    return pytest.mark.skipif(sys.platform == "win32", reason=f"Windows: {what}")


def write_wrapper(path: Path, *command: str) -> Path:
    """A small program that runs another; for engines that a test makes up."""
    quoted = " ".join(f"'{part}'" for part in command)
    path.write_text(f'#!/bin/sh\nexec {quoted} "$@"\n', "utf-8")
    path.chmod(0o755)
    return path


PYTHON = sys.executable
