"""Lending ends what nobody renews, counts nothing twice, and never leaves a worker behind."""

import asyncio

import pytest

from app.instances.leases import LEASE_SECONDS
from app.instances.lending import Lender, Lending
from app.schema.errors import LeaseRefused, NotAllowed, NotFound, WorkerFailed
from app.schema.event import LeasesChanged
from app.schema.instance import Lease, LeaseRequest, WorkerState, WorkerStatus
from app.schema.plan import DeviceResources
from app.schema.record import InstanceId, NodeId
from tests.turns import a_while, until


class SmallWorker:
    """A worker without a process; `problem` makes it fail to start."""

    def __init__(self, lease: Lease, problem: Exception | None = None) -> None:
        self.lease = lease
        self.problem = problem
        self.running = False

    async def start(self) -> None:
        await asyncio.sleep(0)
        if self.problem is not None:
            raise self.problem
        self.running = True

    def status(self) -> WorkerStatus:
        state = WorkerState.RUNNING if self.running else WorkerState.EXITED
        return WorkerStatus(lease_id=self.lease.id, state=state, port=1)

    async def stop(self) -> None:
        self.running = False


class Bench:
    """A lending with a clock and free bytes that the test moves."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.free = 1000
        self.sharing = True
        self.problem: Exception | None = None
        self.workers: list[SmallWorker] = []
        self.published: list[LeasesChanged] = []
        self.dismissed: list[str] = []
        lender = Lender(lambda: "WORKSHOP", lambda: self.sharing, self._measure, self._make, self)
        self.lending = Lending(lender, self.published.append, lambda: self.now)

    async def admit(self, lease: Lease, port: int) -> str | None:
        return None if lease.head_name == "WORKSHOP" else f"ticket to {port}"

    async def dismiss(self, ticket: str) -> None:
        self.dismissed.append(ticket)

    def _measure(self) -> tuple[DeviceResources, ...]:
        return (DeviceResources(device="CPU", name="cpu", total_bytes=2000, free_bytes=self.free, is_cpu=True),)

    def _make(self, lease: Lease) -> SmallWorker:
        worker = SmallWorker(lease, self.problem)
        self.workers.append(worker)
        return worker

    def offered(self) -> int:
        return self.lending.offers()[0].free_bytes


def ask(size: int = 600, head: str = "h", instance: str = "i") -> LeaseRequest:
    return LeaseRequest(
        instance_id=InstanceId(instance), head=NodeId(head), head_name=head, device="CPU", size_bytes=size, epoch=1
    )


async def test_a_running_worker_is_not_counted_twice() -> None:
    bench = Bench()
    await bench.lending.grant(ask(600))
    assert bench.offered() == 400
    bench.free = 400  # the worker has loaded its part
    assert bench.offered() == 400
    bench.free = 300  # and another program takes more
    assert bench.offered() == 300
    await bench.lending.grant(ask(300, instance="j"))
    with pytest.raises(LeaseRefused):
        await bench.lending.grant(ask(200, instance="k"))


async def test_what_is_free_is_measured_anew_when_no_lease_holds() -> None:
    bench = Bench()
    lease = await bench.lending.grant(ask(600))
    await bench.lending.release(lease.id)
    bench.free = 1500
    assert bench.offered() == 1500


async def test_what_others_give_back_while_a_lease_holds_is_on_offer() -> None:
    bench = Bench()
    bench.free = 300  # the model that was just stopped is not out of memory yet
    assert bench.offered() == 300
    await bench.lending.grant(ask(200))
    assert bench.offered() == 100
    bench.free = 1000  # now it is
    assert bench.offered() == 800
    bench.free = 800  # and the worker has loaded its part
    assert bench.offered() == 800


async def test_a_lease_nobody_renews_ends_with_its_worker() -> None:
    bench = Bench()
    lease = await bench.lending.grant(ask())
    await bench.lending.start_worker(lease.id)
    service = asyncio.create_task(bench.lending.run(period=0.001))
    bench.now += LEASE_SECONDS - 1
    bench.lending.renew(lease.id)
    await a_while()
    assert bench.workers[0].running
    bench.now += LEASE_SECONDS
    await until(lambda: not bench.workers[0].running)
    assert bench.lending.leases == ()
    with pytest.raises(NotFound, match="WORKSHOP ended this lease"):
        bench.lending.renew(lease.id)
    service.cancel()
    await asyncio.gather(service, return_exceptions=True)


async def test_a_pc_that_slept_ends_no_lease_of_its_own() -> None:
    """Its head slept as well; which of the two wakes up first is chance."""
    bench = Bench()
    own = await bench.lending.grant(ask(300, head="w"), is_own=True)
    other = await bench.lending.grant(ask(300, head="w", instance="j"), is_own=True)
    await bench.lending.start_worker(own.id)
    bench.lending.renew(own.id)
    service = asyncio.create_task(bench.lending.run(period=0.001))
    bench.now += 3600
    await a_while()
    assert bench.lending.leases == (own, other)
    assert bench.workers[0].running
    service.cancel()
    await asyncio.gather(service, return_exceptions=True)
    assert not bench.workers[0].running


async def test_the_end_of_the_service_ends_every_worker() -> None:
    bench = Bench()
    for instance in "ij":
        lease = await bench.lending.grant(ask(300, instance=instance))
        await bench.lending.start_worker(lease.id)
    service = asyncio.create_task(bench.lending.run())
    await asyncio.sleep(0)
    service.cancel()
    await asyncio.gather(service, return_exceptions=True)
    assert not any(worker.running for worker in bench.workers)
    assert bench.published[-1].leases == ()


async def test_a_worker_that_cannot_start_is_told_and_the_lease_stays() -> None:
    bench = Bench()
    bench.problem = WorkerFailed("It has no library.", "")
    lease = await bench.lending.grant(ask())
    with pytest.raises(WorkerFailed):
        await bench.lending.start_worker(lease.id)
    assert bench.lending.worker(lease.id).state is WorkerState.ABSENT


async def test_a_lease_released_while_its_worker_starts_leaves_no_worker() -> None:
    bench = Bench()
    lease = await bench.lending.grant(ask())
    starting = asyncio.create_task(bench.lending.start_worker(lease.id))
    await asyncio.sleep(0)
    await bench.lending.release(lease.id)
    with pytest.raises(NotFound):
        await starting
    assert not bench.workers[0].running


async def test_paused_sharing_refuses() -> None:
    bench = Bench()
    bench.sharing = False
    with pytest.raises(LeaseRefused, match="Sharing is paused on WORKSHOP"):
        await bench.lending.grant(ask())
    assert await bench.lending.grant(ask(), is_own=True)


class LateWorker(SmallWorker):
    """A worker whose process begins to run a while after it was asked to."""

    async def start(self) -> None:
        await asyncio.sleep(0.01)
        self.running = True


async def test_a_worker_does_not_come_up_after_its_lease_was_released() -> None:
    bench = Bench()
    late: list[LateWorker] = []

    def make(lease: Lease) -> LateWorker:
        late.append(LateWorker(lease))
        return late[-1]

    lender = Lender(lambda: "WORKSHOP", lambda: True, bench._measure, make, bench)
    lending = Lending(lender, bench.published.append)
    lease = await lending.grant(ask())
    starting = asyncio.create_task(lending.start_worker(lease.id))
    while not late:
        await asyncio.sleep(0)
    await lending.release(lease.id)
    with pytest.raises(NotFound):
        await starting
    await a_while()
    assert not late[0].running


async def test_the_head_of_a_lease_gets_a_ticket_that_ends_with_it() -> None:
    bench = Bench()
    lease = await bench.lending.grant(ask())
    worker = await bench.lending.start_worker(lease.id)
    assert worker.ticket == f"ticket to {worker.port}"
    assert bench.lending.renew(lease.id).ticket == worker.ticket
    await bench.lending.release(lease.id)
    assert bench.dismissed == [worker.ticket]


async def test_a_lease_is_its_heads_alone() -> None:
    bench = Bench()
    lease = await bench.lending.grant(ask(head="h"))
    bench.lending.check_holder(lease.id, NodeId("h"))
    with pytest.raises(NotAllowed, match="belongs to another PC"):
        bench.lending.check_holder(lease.id, NodeId("x"))
    assert bench.lending.holder("gone") is None
