"""The role `tunnel`: read orders from standard input, write events to standard output, end when the input ends.

Raw file descriptors and one thread each way: asyncio on Windows cannot wait for the pipes of a child, and a node that
reads slowly must not stop the pump.
"""

import asyncio
import os
import queue
import sys
import threading
from collections.abc import Callable

from pydantic import ValidationError

from app.cluster.link_process.messages import END_LINE, Event, Order
from app.cluster.link_process.process import LinkProcess
from app.cluster.link_process.security import LoadSecurity
from app.system.priority import prefer_this_process

STDIN, STDOUT = 0, 1
LINE_LIMIT = 8 << 20
"""Longest order in bytes: the list of all peers."""

_READ_BYTES = 1 << 16
_EVENTS_KEPT = 1000


def run(load: LoadSecurity) -> int:
    """Run the link process to its end; returns the exit code. `load` makes its TLS contexts."""
    prefer_this_process()
    writer = _Writer()
    try:
        asyncio.run(_serve(load, writer.put))
    finally:
        writer.close()
    return 0


async def _serve(load: LoadSecurity, tell: Callable[[Event], None]) -> None:
    orders: asyncio.Queue[Order | None] = asyncio.Queue()
    loop = asyncio.get_running_loop()
    reader = threading.Thread(target=_read, args=(loop, orders), name="orders", daemon=True)
    reader.start()
    await LinkProcess(load, tell).run(orders)


def _read(loop: asyncio.AbstractEventLoop, orders: asyncio.Queue[Order | None]) -> None:
    pending = bytearray()
    while chunk := _chunk():
        pending += chunk
        *lines, rest = bytes(pending).split(b"\n")
        pending = bytearray(rest)
        for line in lines:
            if line == END_LINE.encode("ascii"):
                loop.call_soon_threadsafe(orders.put_nowait, None)
                return
            order = _order(line)
            if order is not None:
                loop.call_soon_threadsafe(orders.put_nowait, order)
        if len(pending) > LINE_LIMIT:
            break
    loop.call_soon_threadsafe(orders.put_nowait, None)


def _chunk() -> bytes:
    try:
        return os.read(STDIN, _READ_BYTES)
    except OSError:
        return b""


def _order(line: bytes) -> Order | None:
    try:
        return Order.model_validate_json(line)
    except ValidationError as error:
        # Not the line itself: it may hold a secret.
        sys.stderr.write(f"an order is malformed: {error.error_count()} errors\n")
        return None


class _Writer:
    """Writes events in a thread of its own; when the node does not read, events are dropped and the pump goes on."""

    def __init__(self) -> None:
        self._events: queue.Queue[Event | None] = queue.Queue(_EVENTS_KEPT)
        self._thread = threading.Thread(target=self._write, name="events", daemon=True)
        self._thread.start()

    def put(self, event: Event) -> None:
        """Send an event."""
        try:
            self._events.put_nowait(event)
        except queue.Full:
            return

    def close(self) -> None:
        """Write what is left, for a second at most."""
        self.put_end()
        self._thread.join(1.0)

    def put_end(self) -> None:
        """Tell the thread to end after what is queued."""
        try:
            self._events.put_nowait(None)
        except queue.Full:
            return

    def _write(self) -> None:
        while (event := self._events.get()) is not None:
            data = event.model_dump_json().encode() + b"\n"
            try:
                while data:
                    data = data[os.write(STDOUT, data) :]
            except OSError:
                return
