"""Blocking work in a thread that ends soon after its task is cancelled, and before the cancel is told."""

import asyncio
import threading
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


class Stopped(Exception):
    """The work was asked to end."""


class Stop:
    """Asked by the work at every block whether to go on."""

    def __init__(self) -> None:
        self._asked = threading.Event()

    def ask(self) -> None:
        """Ask the work to end."""
        self._asked.set()

    def check(self) -> None:
        """Raises Stopped when the work was asked to end."""
        if self._asked.is_set():
            raise Stopped


async def in_thread(work: Callable[[Stop], T]) -> T:
    """Run `work` in a thread. When cancelled, ask it to stop and wait for that: it leaves nothing half done behind."""
    stop = Stop()
    running = asyncio.ensure_future(asyncio.to_thread(work, stop))
    try:
        return await asyncio.shield(running)
    except asyncio.CancelledError:
        stop.ask()
        await asyncio.wait([running])
        if not running.cancelled():
            running.exception()
        raise
