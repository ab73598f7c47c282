"""The leases of one instance and the workers behind them: taken, started, verified, renewed, given back."""

import asyncio
import contextlib
import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from app.engine.hello import HelloProblem, WorkerHello, probe_worker
from app.instances.leases import LEASE_SECONDS
from app.instances.placement import Seat, stage_label
from app.schema.errors import (
    CaravanError,
    EngineMismatch,
    ErrorInfo,
    NodeNotFound,
    OutOfMemory,
    PeerUnreachable,
    WorkerFailed,
    WorkerLost,
)
from app.schema.instance import Lease, LeaseRequest, WorkerState, WorkerStatus
from app.schema.plan import Stage
from app.schema.record import NodeId
from app.system.power import clocks

logger = logging.getLogger("caravan.instances.crew")

MISSES_TO_LOSE = 3
"""Renewals in a row without an answer after which a worker's PC counts as lost."""

LAST_WORD_SECONDS = 2.0
"""How long the release waits for a node that did not answer its last renewal: without one the lease ends by itself."""

HELLO_SECONDS = 3.0
"""Deadline of the hello to one worker."""


class WorkerLink(Protocol):
    """What an instance needs of the node that holds a seat; the own node has one too."""

    async def lease(self, request: LeaseRequest) -> Lease:
        """Ask for bytes on a device. Raises LeaseRefused or PeerUnreachable."""

    async def start_worker(self, lease_id: str) -> WorkerStatus:
        """Start the rpc-server of a lease; returns when it serves."""

    async def renew(self, lease_id: str) -> WorkerStatus:
        """Keep the lease and learn how its worker is."""

    async def release(self, lease_id: str) -> None:
        """End the lease and its worker."""

    async def endpoint(self, worker: WorkerStatus) -> str:
        """`host:port` on this PC at which the worker is reached, until its lease is released."""


@dataclass(eq=False)
class Held:
    """A lease that is held, and the worker behind it when there is one. `renewed_at` is by the clock of the crew."""

    seat: Seat
    lease: Lease
    link: WorkerLink
    renewed_at: float
    worker: WorkerStatus | None = None
    endpoint: str | None = None
    misses: int = 0


def _elapsed() -> float:
    """Seconds of a clock that counts on while this PC sleeps."""
    return clocks()[1]


class Crew:
    """Everything an instance holds on other PCs and on its own.

    `link_to` raises CaravanError for a lost node. `clock` is in seconds and counts on while this PC sleeps.
    """

    def __init__(
        self, seats: tuple[Seat, ...], link_to: Callable[[NodeId], WorkerLink], clock: Callable[[], float] = _elapsed
    ) -> None:
        self._seats = seats
        self._link_to = link_to
        self._clock = clock
        self._held: list[Held] = []
        self._asking: asyncio.Task[None] | None = None

    @property
    def holds_leases(self) -> bool:
        """Whether any lease is held or asked for, be it only a part of them."""
        return bool(self._held) or (self._asking is not None and not self._asking.done())

    @property
    def worker_count(self) -> int:
        """How many seats need a worker process."""
        return sum(seat.needs_worker for seat in self._seats)

    def endpoints(self) -> dict[int, str]:
        """Where the started workers are reached, by position of their stage."""
        return {position: held.endpoint for position, held in enumerate(self._held) if held.endpoint is not None}

    def engines(self) -> dict[str, str]:
        """The engine build that each started worker is of, by its PC's name; without those that do not tell."""
        started = ((held.seat.stage.node_name, held.worker) for held in self._held)
        return {name: worker.engine for name, worker in started if worker is not None and worker.engine is not None}

    async def lease(self) -> None:
        """Take every lease in layer order. What was taken before an error stays held until `give_back`.

        Cancelled, it leaves the open request to its answer: its node may have granted the lease already.
        """
        for seat in self._seats:
            self._asking = asyncio.create_task(self._take(seat), name="ask for a lease")
            await asyncio.shield(self._asking)

    async def _take(self, seat: Seat) -> None:
        link = self._link_to(seat.stage.node)
        self._held.append(Held(seat, await link.lease(seat.request), link, self._clock()))

    async def start_workers(self, count: Callable[[int], None]) -> None:
        """Start all workers side by side; `count` hears how many serve. Raises the first worker's error."""
        tasks = [asyncio.create_task(self._start(held), name="start a worker") for held in self._workers()]
        try:
            for done, task in enumerate(asyncio.as_completed(tasks), start=1):
                await task
                count(done)
        finally:
            for each in tasks:
                each.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _start(self, held: Held) -> None:
        held.worker = await held.link.start_worker(held.lease.id)
        held.endpoint = await held.link.endpoint(held.worker)

    async def verify_workers(self, count: Callable[[int], None]) -> None:
        """Greet every worker over the way the head will take, and compare protocol versions and free bytes.

        Raises WorkerFailed, OutOfMemory or EngineMismatch. One after the other: a worker serves one client at a time.
        """
        versions: dict[str, str] = {}
        for done, held in enumerate(self._workers(), start=1):
            hello = await _greet(held)
            versions[held.seat.stage.node_name] = ".".join(map(str, hello.version))
            count(done)
        if len(set(versions.values())) > 1:
            told = ", ".join(f"{name} speaks {version}" for name, version in versions.items())
            raise EngineMismatch(
                f"The workers' engines do not match: {told}.", "Install the same llama.cpp build on every PC."
            )

    async def renew(self) -> list[CaravanError]:
        """Renew every lease once, side by side so that none waits for a slow node; the losses noticed on the way."""
        return await self._losses(self._held, MISSES_TO_LOSE)

    async def blame(self) -> CaravanError | None:
        """Ask every worker's node once whether its part is lost; None when all are well."""
        return next(iter(await self._losses(self._workers(), 1)), None)

    async def _losses(self, asked: list[Held], enough: int) -> list[CaravanError]:
        found = await asyncio.gather(*(self._renew(held, enough) for held in asked))
        return [loss for loss in found if loss is not None]

    async def _renew(self, held: Held, enough: int) -> CaravanError | None:
        """Renew a lease; its loss, which so many misses in a row are `enough` for."""
        try:
            worker = await held.link.renew(held.lease.id)
        except CaravanError as error:
            # Given back meanwhile, its end is no loss.
            return self._refused(held, error, enough) if held in self._held else None
        except Exception:
            logger.exception("the lease on %s could not be renewed", stage_label(held.seat.stage))
            return _missed(held, enough)
        held.misses, held.renewed_at = 0, self._clock()
        if worker.state is WorkerState.EXITED and held.seat.needs_worker:
            return _lost(held, "stopped", worker.error)
        return None

    def _refused(self, held: Held, error: CaravanError, enough: int) -> CaravanError | None:
        if isinstance(error, NodeNotFound):
            return _lost(held, "left the cluster")
        is_unheard = isinstance(error, PeerUnreachable)
        silence = self._clock() - held.renewed_at
        if silence >= LEASE_SECONDS and not (is_unheard and held.misses):
            return _given_up(held, silence)
        return _missed(held, enough) if is_unheard else _lost(held, "ended its part")

    async def give_back(self) -> None:
        """End every lease and its worker. A node that cannot be reached ends the lease when nobody renews it."""
        if self._asking is not None:
            await asyncio.gather(self._asking, return_exceptions=True)
        held, self._held = self._held, []
        await asyncio.gather(*(_release(each) for each in held))

    def _workers(self) -> list[Held]:
        return [held for held in self._held if held.seat.needs_worker]


async def _release(held: Held) -> None:
    with contextlib.suppress(CaravanError, TimeoutError):
        async with asyncio.timeout(LAST_WORD_SECONDS if held.misses else LEASE_SECONDS):
            await held.link.release(held.lease.id)


async def _greet(held: Held) -> WorkerHello:
    name = held.seat.stage.node_name
    if held.endpoint is None:
        raise WorkerFailed(f"The worker on {name} did not start.", "Launch again.")
    host, _, port = held.endpoint.rpartition(":")
    try:
        hello = await probe_worker(host, int(port), HELLO_SECONDS)
    except HelloProblem as problem:
        raise WorkerFailed(
            f"The worker on {name} runs but does not answer as a worker should.", "Launch again.", problem.args
        ) from problem
    _check_room(held, hello)
    return hello


def _check_room(held: Held, hello: WorkerHello) -> None:
    stage = held.seat.stage
    free = hello.devices[0][0] if hello.devices else 0
    needed = stage.weight_bytes + stage.kv_bytes
    if free < needed:
        raise OutOfMemory(
            f"{stage.node_name} has {free / 2**30:.1f} GB free on {stage.device} now, "
            f"{needed / 2**30:.1f} GB are needed.",
            "Close programs there, or choose a smaller context or model.",
        )


def _missed(held: Held, enough: int) -> WorkerLost | None:
    held.misses += 1
    return _lost(held, "does not answer any more") if held.misses >= enough else None


def _given_up(held: Held, silence: float) -> WorkerLost:
    """The loss of a lease that nobody renewed in time: its node did nothing wrong."""
    stage, head = held.seat.stage, held.lease.head_name
    return WorkerLost(
        f"{stage.node_name} heard nothing of {head} for {silence:.0f} s and gave up {_part(stage)}.",
        f"Was {head} asleep, or the network gone? Launch again.",
        (stage_label(stage),),
    )


def _part(stage: Stage) -> str:
    if stage.layers:
        return f"layers {stage.first_layer} to {stage.last_layer}"
    return "what the model needs beside its layers"


def _lost(held: Held, what: str, cause: ErrorInfo | None = None) -> WorkerLost:
    stage = held.seat.stage
    because = f" {cause.sentence}" if cause else ""
    return WorkerLost(
        f"{stage.node_name} {what} while it held {_part(stage)}.{because}",
        f"Check {stage.node_name}, then launch again; without it the model needs another plan.",
        (stage_label(stage), *(cause.detail if cause else ())),
    )
