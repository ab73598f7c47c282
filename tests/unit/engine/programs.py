"""Programs of an engine, started by the command lines that Caravan makes."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from app.engine.commands import Command
from app.engine.output import ControlReady, parse_line
from app.system.spawn import Child, start_child


@dataclass
class Running:
    """A program and what it printed."""

    child: Child
    lines: list[str]


@asynccontextmanager
async def running(command: Command) -> AsyncIterator[Running]:
    """A program that is killed at the end."""
    lines: list[str] = []
    child = await start_child(
        command.argv,
        on_line=lambda _, text: lines.append(text),
        env=command.environment,
        with_stdin=command.stdin_control,
    )
    try:
        yield Running(child, lines)
    finally:
        await child.stop(grace=0)


async def until_ready(head: Running) -> None:
    """Wait until llama-server says on its control channel that it is ready; fails when it ends before."""
    async with asyncio.timeout(60):
        while not any(isinstance(parse_line(line), ControlReady) for line in head.lines):
            assert head.child.returncode is None, head.lines[-20:]
            await asyncio.sleep(0.01)
