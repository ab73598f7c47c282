"""When the throughput to a peer is measured: one link at a time, and never while a model or a copy uses one."""

import asyncio
import random
from collections.abc import Callable

from app.cluster.link_process.bulk import Receiver, Sender
from app.cluster.link_process.messages import Refused
from app.cluster.link_process.opening import BULK
from app.cluster.link_process.outbound import DialFailed, Dialler
from app.cluster.link_process.wire import Wire
from app.schema.record import NodeId

ALL_SECONDS = 30.0
"""Deadline of a measurement with all its waiting for others."""

WAIT_SECONDS = 1.0, 3.0
"""Two PCs that want to measure each other at once both step back for a time in between."""

BUSY_BYTES = 1 << 20
"""What nodes tell each other in a few seconds is less; more is a copy of a file, or a long answer."""


class Turn:
    """This PC's part in measurements: one at a time, in or out, none while `in_use` says that the link is needed."""

    def __init__(self, in_use: Callable[[], bool]) -> None:
        self._in_use = in_use
        self._taken = False
        self._wire: Wire | None = None
        self._interrupted = False

    def take(self) -> Refused | None:
        """Begin; says why not. Who began calls `end`."""
        if self._in_use():
            return Refused.IN_USE
        if self._taken:
            return Refused.MEASURING
        self._taken, self._interrupted = True, False
        return None

    def end(self) -> None:
        """The measurement ended."""
        self._taken, self._wire = False, None

    def interrupt(self) -> None:
        """A model needs the link: what is measured ends now."""
        self._interrupted = True
        if self._wire is not None:
            self._wire.abort()

    def receive(self, wire: Wire) -> None:
        """Let a peer measure its way to here on this stream; `take` came before."""
        self._wire = wire
        wire.when_lost(self.end)
        Receiver(wire)

    async def send(self, wire: Wire) -> float:
        """Bytes/s over this stream; `take` came before. Raises DialFailed."""
        self._wire = wire
        try:
            if self._interrupted:
                raise DialFailed(Refused.IN_USE)
            return await Sender(wire).rate()
        except DialFailed as failure:
            raise DialFailed(Refused.IN_USE if self._interrupted else str(failure)) from None
        finally:
            wire.abort()


class Traffic:
    """What passes over all links, by their totals so far, looked at every few seconds."""

    def __init__(self, total: Callable[[], int]) -> None:
        self._total = total
        self._before = self._last = total()

    def look(self) -> None:
        """Some seconds passed."""
        self._before, self._last = self._last, self._total()

    @property
    def is_heavy(self) -> bool:
        """Whether much passed since the look before the last."""
        return self._total() - self._before > BUSY_BYTES


async def throughput(dialler: Dialler, node: NodeId, turn: Turn) -> float:
    """Bytes/s from this PC to a peer. Raises DialFailed, with a text of `Refused` when either end takes no part."""
    try:
        async with asyncio.timeout(ALL_SECONDS):
            while True:
                try:
                    return await _in_turn(dialler, node, turn)
                except DialFailed as failure:
                    if str(failure) != Refused.MEASURING:
                        raise
                await asyncio.sleep(random.uniform(*WAIT_SECONDS))
    except TimeoutError:
        raise DialFailed(Refused.MEASURING) from None


async def _in_turn(dialler: Dialler, node: NodeId, turn: Turn) -> float:
    refused = turn.take()
    if refused is not None:
        raise DialFailed(refused)
    try:
        _, wire = await dialler.dial(node, BULK)
        return await turn.send(wire)
    finally:
        turn.end()
