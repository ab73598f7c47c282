"""Waiting that does not depend on how fast the machine is."""

import asyncio
from collections.abc import Callable

PATIENCE = 60.0
"""Seconds until something counts as never coming."""


async def a_while(turns: int = 30) -> None:
    """Let the event loop turn so often, and some time pass. A sleep alone may be one turn where the machine is busy."""
    for _ in range(turns):
        await asyncio.sleep(0.001)


async def until(reached: Callable[[], object], seconds: float = PATIENCE) -> None:
    """Wait until something is so; raises TimeoutError when it does not come within so many seconds."""
    async with asyncio.timeout(seconds):
        while not reached():
            await asyncio.sleep(0.001)
