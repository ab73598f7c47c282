"""Local mouths: ports on 127.0.0.1 that lead to a peer's node or to one of its rpc-servers."""

import asyncio
import socket
from dataclasses import dataclass, field

from app.cluster.link_process.links import Link
from app.cluster.link_process.messages import OpenMouth
from app.cluster.link_process.opening import HEAD_LIMIT, NODE, Opening, bears_key
from app.cluster.link_process.outbound import DialFailed, Dialler
from app.cluster.link_process.wire import Wire, WireEnded
from app.system.ports import bind_loopback
from app.system.tcp import send_at_once

HEAD_SECONDS = 3.0
"""Deadline of the first request's head where a mouth demands a key."""

PENDING = 64
"""Local connections of one mouth that are still being dialled; more are closed."""

_END_OF_HEAD = b"\r\n\r\n"


@dataclass
class _Mouth:
    order: OpenMouth
    listener: socket.socket
    wires: set[Wire] = field(default_factory=set)
    tasks: set[asyncio.Task[None]] = field(default_factory=set)

    @property
    def opening(self) -> Opening:
        return NODE if self.order.ticket is None else Opening("rpc", self.order.ticket)


class Mouths:
    """All open mouths, by port."""

    def __init__(self, dialler: Dialler) -> None:
        self._dialler = dialler
        self._mouths: dict[int, tuple[_Mouth, asyncio.Task[None]]] = {}

    @property
    def lead_to_workers(self) -> bool:
        """Whether a model here has layers on another PC."""
        return any(mouth.order.ticket is not None for mouth, _ in self._mouths.values())

    def open(self, order: OpenMouth) -> int:
        """Open a mouth and return its port. Raises OSError when the wanted port is taken."""
        listener = bind_loopback(order.port)
        port: int = listener.getsockname()[1]
        mouth = _Mouth(order, listener)
        self._mouths[port] = (mouth, asyncio.create_task(self._accept(mouth), name=f"mouth {port}"))
        return port

    async def close(self, port: int) -> None:
        """Close a mouth and its streams; an unknown one is closed already."""
        mouth, task = self._mouths.pop(port, (None, None))
        if mouth is None or task is None:
            return
        for each in (task, *mouth.tasks):
            each.cancel()
        await asyncio.gather(task, *mouth.tasks, return_exceptions=True)
        mouth.listener.close()
        for wire in tuple(mouth.wires):
            wire.abort()

    async def close_all(self) -> None:
        """Close every mouth."""
        for port in list(self._mouths):
            await self.close(port)

    async def _accept(self, mouth: _Mouth) -> None:
        loop = asyncio.get_running_loop()
        while True:
            try:
                connection, _ = await loop.sock_accept(mouth.listener)
            except OSError:
                await asyncio.sleep(0.05)
                continue
            if len(mouth.tasks) >= PENDING:
                connection.close()
                continue
            await self._take(mouth, connection)

    async def _take(self, mouth: _Mouth, connection: socket.socket) -> None:
        wire = Wire()
        try:
            send_at_once(connection)
            await asyncio.get_running_loop().connect_accepted_socket(lambda: wire, connection)
        except OSError:
            connection.close()
            return
        mouth.wires.add(wire)
        wire.when_lost(lambda: mouth.wires.discard(wire))
        task = asyncio.create_task(self._lead(mouth, wire), name="stream through a mouth")
        mouth.tasks.add(task)
        task.add_done_callback(mouth.tasks.discard)
        wire.when_lost(task.cancel)

    async def _lead(self, mouth: _Mouth, local: Wire) -> None:
        """Dial the peer for one local connection and join the two; a local end that hangs up ends the dialling."""
        try:
            await _check_key(local, mouth.order.key)
            link, far = await self._dialler.dial(mouth.order.peer, mouth.opening)
        except (DialFailed, WireEnded, TimeoutError):
            local.finish()
            return
        except BaseException:
            local.abort()
            raise
        _join(link, local, far)


def _join(link: Link, local: Wire, far: Wire) -> None:
    local.count_into(link.sent)
    far.count_into(link.received)
    local.join(far)


async def _check_key(local: Wire, key: str | None) -> None:
    """Raises WireEnded unless the first request bears the key."""
    if key is None:
        return
    async with asyncio.timeout(HEAD_SECONDS):
        head = await local.line(_END_OF_HEAD, HEAD_LIMIT)
    if not bears_key(head, key):
        local.write(b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
        raise WireEnded
    local.unread(head)
