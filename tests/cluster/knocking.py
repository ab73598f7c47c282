"""A `tests.cluster.knocker` in a host, and what it tells."""

import asyncio
import json
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from app.system.spawn import Child
from tests.cluster.bed import Host

PATIENCE = 60.0


class Knocker:
    """One running knocker."""

    def __init__(self) -> None:
        self.child: Child | None = None
        self._told: asyncio.Queue[Any] = asyncio.Queue()
        self.noise: list[str] = []

    def hear(self, stream: str, line: str) -> None:
        if stream == "stderr":
            self.noise.append(line)
        else:
            self._told.put_nowait(json.loads(line))

    async def next(self) -> Any:
        """The next thing it tells."""
        try:
            async with asyncio.timeout(PATIENCE):
                return await self._told.get()
        except TimeoutError:
            raise AssertionError(f"it told nothing: {self.noise}") from None

    async def end(self) -> Any:
        """Let it end; the last thing it tells, None when it tells nothing."""
        assert self.child is not None
        await self.child.write_line("")
        await self.child.wait()
        last = None
        while not self._told.empty():
            last = self._told.get_nowait()
        return last


@asynccontextmanager
async def knocking(host: Host, what: str, *arguments: str) -> AsyncIterator[Knocker]:
    """Start it in a host; it has ended afterwards."""
    knocker = Knocker()
    program = (sys.executable, "-m", "tests.cluster.knocker", what, *arguments)
    knocker.child = await host.start(*program, on_line=knocker.hear)
    try:
        yield knocker
    finally:
        await knocker.child.stop(grace=1.0)
