"""What this node lends: leases on its devices, and the rpc-server that serves each. The only writer of both.

A head renews its leases with every heartbeat; a lease nobody renews ends, and its rpc-server with it. So a head that
vanishes leaves nothing running here.
"""

import asyncio
import logging
import math
import secrets
import time
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any, Protocol

from app.instances.leases import LeaseBook
from app.schema.errors import CaravanError, LeaseRefused, NotAllowed, NotFound
from app.schema.event import LeasesChanged
from app.schema.instance import Lease, LeaseRequest, WorkerState, WorkerStatus
from app.schema.model import ModelPart
from app.schema.plan import DeviceResources
from app.schema.record import NodeId

logger = logging.getLogger("caravan.instances.lending")


class Worker(Protocol):
    """A running rpc-server."""

    def start(self) -> Coroutine[Any, Any, None]:
        """Start it and return when it serves. Raises CaravanError when it cannot."""

    def status(self) -> WorkerStatus:
        """How it is now."""

    async def stop(self) -> None:
        """End it; safe to call at any time."""


class Gate(Protocol):
    """Lets the head of a lease reach the worker behind it through the peer link, and nobody else."""

    async def admit(self, lease: Lease, port: int) -> str | None:
        """A ticket for the head to reach that local port; None for this node's own, which needs none."""

    async def dismiss(self, ticket: str) -> None:
        """End a ticket and what it opened."""


@dataclass
class _Started:
    worker: Worker
    starting: asyncio.Task[None]
    ticket: str | None = None


@dataclass(frozen=True)
class Lender:
    """What lending needs to know of its node. `kept` is what its workers have on its disk, None for nothing."""

    name: Callable[[], str]
    sharing: Callable[[], bool]
    measure: Callable[[], tuple[DeviceResources, ...]]
    make_worker: Callable[[Lease], Worker]
    gate: Gate
    kept: Callable[[], tuple[ModelPart, ...] | None] = lambda: None


class Lending:
    """Grants, renews and ends leases, and starts and stops the workers behind them."""

    def __init__(
        self, lender: Lender, publish: Callable[[LeasesChanged], None], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._lender = lender
        self._publish = publish
        self._clock = clock
        self._book = LeaseBook()
        self._workers: dict[str, _Started] = {}
        self._idle_free: dict[str, int] = {}

    @property
    def leases(self) -> tuple[Lease, ...]:
        """The leases that hold now."""
        return self._book.leases

    @property
    def kept(self) -> tuple[ModelPart, ...] | None:
        """The parts of models that a worker here need not be sent whole; None when nothing is kept here."""
        return self._lender.kept()

    def offers(self) -> tuple[DeviceResources, ...]:
        """The devices with the bytes that may still be promised.

        While leases hold, what was free before them less what they promise is the limit, because a running worker
        already occupies its part; what other programs took meanwhile lowers it further. When more is free than before,
        others gave something back, and that is the new limit.
        """
        return tuple(
            device.model_copy(update={"free_bytes": max(0, self._left(device))}) for device in self._lender.measure()
        )

    def _left(self, device: DeviceResources) -> int:
        promised = self._book.leased_bytes(device.device)
        known = self._idle_free.get(device.device, 0) if self._book.leases else 0
        before = self._idle_free[device.device] = max(known, device.free_bytes)
        return min(before - promised, device.free_bytes)

    async def grant(self, request: LeaseRequest, is_own: bool = False) -> Lease:
        """Promise bytes on a device to a head; paused sharing stops all but `is_own`. Raises LeaseRefused.

        A lease of this node's `is_own` head does not end by time: whatever keeps one from renewing stops the other too.
        """
        name = self._lender.name()
        if not is_own and not self._lender.sharing():
            raise LeaseRefused(f"Sharing is paused on {name}.", f"Switch it on again on {name}, or plan without it.")
        free = {each.device: each.free_bytes + self._book.leased_bytes(each.device) for each in self.offers()}
        before = {lease.id for lease in self.leases}
        now = math.inf if is_own else self._clock()
        self._book, lease = self._book.grant(request, secrets.token_hex(8), free, name, now)
        self._announce()
        for superseded in before - {each.id for each in self.leases}:
            await self._stop_worker(superseded)
        logger.info("granted %d bytes on %s to %s", lease.size_bytes, lease.device, lease.head_name)
        return lease

    async def start_worker(self, lease_id: str) -> WorkerStatus:
        """Start the rpc-server of a lease and return when it serves. Raises NotFound, or why it cannot start."""
        lease = self._lease(lease_id)
        await self._stop_worker(lease_id)
        worker = self._lender.make_worker(lease)
        started = _Started(worker, asyncio.create_task(worker.start(), name=f"start of the worker of {lease_id}"))
        self._workers[lease_id] = started
        try:
            await asyncio.wait({started.starting})
            # Cancelled is one whose lease was released meanwhile.
            if not started.starting.cancelled():
                started.starting.result()
                await self._admit(lease, started)
        except BaseException:
            # By now the lease may have ended, or its worker may be a newer one.
            if self._workers.get(lease_id) is started:
                del self._workers[lease_id]
            await self._end(lease_id, started)
            raise
        return self.worker(lease_id)

    async def _admit(self, lease: Lease, started: _Started) -> None:
        port = started.worker.status().port
        if port is not None:
            started.ticket = await self._lender.gate.admit(lease, port)
        if self._workers.get(lease.id) is not started:
            raise NotFound(f"{self._lender.name()} ended this lease.", "Launch the model again.")

    def worker(self, lease_id: str) -> WorkerStatus:
        """How the worker of a lease is. Raises NotFound when the lease ended."""
        self._lease(lease_id)
        started = self._workers.get(lease_id)
        if started is None:
            return WorkerStatus(lease_id=lease_id, state=WorkerState.ABSENT)
        return started.worker.status().model_copy(update={"ticket": started.ticket})

    def renew(self, lease_id: str) -> WorkerStatus:
        """Keep a lease alive and tell how its worker is. Raises NotFound when it ended."""
        status = self.worker(lease_id)
        self._book = self._book.renew(lease_id, self._clock())
        return status

    async def release(self, lease_id: str) -> None:
        """End a lease and its worker; one that ended already is no error."""
        if self._book.find(lease_id) is not None:
            self._book = self._book.release(lease_id)
            self._announce()
        await self._stop_worker(lease_id)

    async def run(self, period: float = 1.0) -> None:
        """End leases nobody renews, until cancelled; then end all."""
        try:
            while True:
                await asyncio.sleep(period)
                for lease in self._book.expired(self._clock()):
                    logger.warning("lease of %s on %s was not renewed and ends", lease.head_name, lease.device)
                    await self.release(lease.id)
        finally:
            await asyncio.shield(self.close())

    async def close(self) -> None:
        """End every lease and every worker."""
        for lease in self._book.leases:
            await self.release(lease.id)
        for lease_id in tuple(self._workers):
            await self._stop_worker(lease_id)

    def holder(self, lease_id: str) -> NodeId | None:
        """The head that holds a lease, None when it ended."""
        lease = self._book.find(lease_id)
        return lease.head if lease is not None else None

    def check_holder(self, lease_id: str, head: NodeId) -> None:
        """Raises NotAllowed unless that head holds the lease; NotFound when it ended."""
        if self._lease(lease_id).head != head:
            raise NotAllowed(f"This lease on {self._lender.name()} belongs to another PC.", "Launch the model again.")

    def _lease(self, lease_id: str) -> Lease:
        lease = self._book.find(lease_id)
        if lease is None:
            raise NotFound(f"{self._lender.name()} ended this lease.", "Launch the model again.")
        return lease

    async def _stop_worker(self, lease_id: str) -> None:
        started = self._workers.pop(lease_id, None)
        if started is not None:
            await self._end(lease_id, started)

    async def _end(self, lease_id: str, started: _Started) -> None:
        # A start that goes on would bring up a process after the answer that all is ended.
        started.starting.cancel()
        await asyncio.gather(started.starting, return_exceptions=True)
        try:
            if started.ticket is not None:
                await self._lender.gate.dismiss(started.ticket)
        except CaravanError as error:
            logger.warning("the way to the worker of lease %s could not be closed: %s", lease_id, error.sentence)
        try:
            await started.worker.stop()
        except Exception:
            logger.exception("the worker of lease %s did not stop cleanly", lease_id)

    def _announce(self) -> None:
        self._publish(LeasesChanged(leases=self._book.leases))
