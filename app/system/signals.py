"""Ctrl-C and the system's polite request to end, as one call on the event loop."""

import asyncio
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

if sys.platform == "win32":
    _WANTED = (signal.SIGINT, signal.SIGBREAK)
else:
    _WANTED = (signal.SIGINT, signal.SIGTERM)


@contextmanager
def on_end_request(loop: asyncio.AbstractEventLoop, end: Callable[[], None]) -> Iterator[None]:
    """Call `end` on the loop whenever the user or the system asks this process to end."""
    before = {each: signal.signal(each, lambda *_: loop.call_soon_threadsafe(end)) for each in _WANTED}
    try:
        yield
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)


@contextmanager
def cancelled_by_termination(task: "asyncio.Task[object]") -> Iterator[None]:
    """Cancel `task` once when the system asks this process to end (SIGTERM); Windows has no such request."""
    if sys.platform == "win32":
        yield
        return
    loop = task.get_loop()
    loop.add_signal_handler(signal.SIGTERM, task.cancel)
    try:
        yield
    finally:
        loop.remove_signal_handler(signal.SIGTERM)
