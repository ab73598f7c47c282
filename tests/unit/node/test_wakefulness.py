"""The PC is kept awake exactly while it serves, and sleep is told to the peers in time."""

import asyncio
import threading
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from app.instances.leases import LEASE_SECONDS
from app.node.bus import Bus
from app.node.wakefulness import PeerCalls, Wakefulness, reason_to_stay_awake
from app.schema.download import Download, DownloadId, DownloadPhase
from app.schema.event import InstanceChanged, LeasesChanged
from app.schema.instance import InstanceState, InstanceStatus, Lease
from app.schema.node import NodeInfo, Status
from app.schema.record import InstanceId, ModelId, NodeId
from tests.unit.instances.plans import plan, stage

OWN = NodeId("a" * 64)
STATUS = Status(node=NodeInfo(id=OWN, name="STUDY", version="1", started_at=1.0))


def lease(head_name: str = "ATTIC") -> Lease:
    return Lease(
        id="1",
        instance_id=InstanceId("i"),
        head=NodeId("b" * 64),
        head_name=head_name,
        device="CPU",
        size_bytes=1,
        epoch=1,
    )


def instance(state: InstanceState) -> InstanceStatus:
    placed = plan(stage("h", "CPU", 0, 11, output=True))
    return InstanceStatus(
        id=InstanceId("i"), model_id=ModelId("tiny"), head=OWN, state=state, plan=placed, created_at=1.0
    )


def test_a_download_keeps_the_pc_awake_until_it_ends_or_pauses() -> None:
    for phase, reason in (
        (DownloadPhase.DOWNLOADING, "model is being downloaded."),
        (DownloadPhase.QUEUED, "model is being downloaded."),
        (DownloadPhase.PAUSED, None),
        (DownloadPhase.DONE, None),
    ):
        each = Download(
            id=DownloadId("a"), repository="o/n", revision="0" * 40, name="model", bytes_total=9, phase=phase
        )
        assert reason_to_stay_awake(STATUS.model_copy(update={"downloads": (each,)})) == reason


class Machine:
    """A PC that stays awake or not, with peers that take their time; what was asked is kept in order."""

    def __init__(self, goodbye_seconds: float = 0.0) -> None:
        self.asked: list[str | None] = []
        self.peers: list[str] = []
        self._goodbye_seconds = goodbye_seconds

    @property
    def is_held(self) -> bool:
        return bool(self.asked) and self.asked[-1] is not None

    async def hold(self, reason: str) -> str | None:
        self.asked.append(reason)
        return "there is no inhibitor here"

    async def release(self) -> None:
        self.asked.append(None)

    async def say_goodbye(self) -> None:
        await asyncio.sleep(self._goodbye_seconds)
        self.peers.append("goodbye")

    async def cut_all(self) -> None:
        self.peers.append("cut")

    def ask_all(self) -> None:
        self.peers.append("ask")

    def service(self, bus: Bus) -> Wakefulness:
        return Wakefulness(bus, self, PeerCalls(self.say_goodbye, self.cut_all, self.ask_all))


@asynccontextmanager
async def kept_awake(machine: Machine, bus: Bus) -> AsyncIterator[None]:
    task = asyncio.create_task(machine.service(bus).keep_awake())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def settled() -> None:
    for _ in range(10):
        await asyncio.sleep(0)


@pytest.mark.parametrize(
    ("state", "serves"),
    [
        (InstanceState.STARTING, True),
        (InstanceState.READY, True),
        (InstanceState.STOPPING, False),
        (InstanceState.STOPPED, False),
        (InstanceState.FAILED, False),
    ],
)
def test_a_model_that_runs_here_is_a_reason(state: InstanceState, serves: bool) -> None:
    found = reason_to_stay_awake(STATUS.model_copy(update={"instances": (instance(state),)}))
    assert found == ("The model tiny runs on this PC." if serves else None)


def test_a_lease_is_a_reason() -> None:
    assert reason_to_stay_awake(STATUS) is None
    found = reason_to_stay_awake(STATUS.model_copy(update={"leases": (lease(),)}))
    assert found == "This PC is part of a model of ATTIC."


async def test_it_is_awake_from_the_first_lease_to_the_last() -> None:
    machine, bus = Machine(), Bus(STATUS)
    async with kept_awake(machine, bus):
        await settled()
        assert machine.asked == []
        bus.publish(LeasesChanged(leases=(lease(),)))
        await settled()
        assert machine.is_held
        bus.publish(LeasesChanged(leases=()))
        await settled()
        assert not machine.is_held


async def test_a_system_that_refuses_is_not_asked_at_every_event() -> None:
    machine, bus = Machine(), Bus(STATUS)
    async with kept_awake(machine, bus):
        for state in (InstanceState.STARTING, InstanceState.READY):
            bus.publish(InstanceChanged(instance=instance(state)))
            await settled()
        assert [each for each in machine.asked if each is not None] == ["The model tiny runs on this PC."]


@pytest.mark.parametrize("ends", ["cancelled", "closed"])
async def test_it_may_sleep_when_the_node_ends(ends: str) -> None:
    machine, bus = Machine(), Bus(STATUS)
    async with kept_awake(machine, bus):
        bus.publish(LeasesChanged(leases=(lease(),)))
        await settled()
        assert machine.is_held
        if ends == "closed":
            bus.close()
            await settled()
            assert not machine.is_held
    assert not machine.is_held


async def slept(service: Wakefulness) -> float:
    """Seconds for which a thread of the system was kept from sleep."""
    loop, took = asyncio.get_running_loop(), 0.0

    def notice() -> None:
        nonlocal took
        began = time.monotonic()
        service.fall_asleep(loop)
        took = time.monotonic() - began

    thread = threading.Thread(target=notice)
    thread.start()
    await asyncio.to_thread(thread.join)
    return took


async def test_the_peers_are_told_before_it_sleeps() -> None:
    machine = Machine()
    await slept(machine.service(Bus(STATUS)))
    assert machine.peers == ["goodbye"]


async def test_peers_that_do_not_listen_are_not_waited_for() -> None:
    machine = Machine(goodbye_seconds=60)
    assert await slept(machine.service(Bus(STATUS))) < 30
    assert machine.peers == []
    await settled()


@pytest.mark.parametrize(("asleep", "done"), [(0.0, ["ask"]), (LEASE_SECONDS, ["cut", "ask"])])
async def test_peers_are_asked_at_once_after_sleep(asleep: float, done: list[str]) -> None:
    machine = Machine()
    machine.service(Bus(STATUS)).wake_up(asleep)
    await settled()
    assert machine.peers == done


async def test_the_watch_ends_when_cancelled() -> None:
    task = asyncio.create_task(Machine().service(Bus(STATUS)).watch_sleep())
    await settled()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
