"""An instance ends settled, whatever goes wrong on the way and at whatever moment it is stopped."""

import asyncio
import logging
import time
from collections.abc import Callable
from itertools import pairwise

import pytest

from app.engine.hello import WorkerHello
from app.instances import crew as crews
from app.instances.crew import Crew, Held
from app.instances.head import Head, HeadPlace
from app.instances.leases import LEASE_SECONDS
from app.instances.phases import Phases
from app.instances.placement import seats
from app.instances.steps import RunPlace
from app.instances.supervisor import Supervisor
from app.schema.errors import (
    CaravanError,
    NodeNotFound,
    NodeNotRunning,
    NotFound,
    OutOfMemory,
    PeerUnreachable,
    WorkerLost,
)
from app.schema.instance import (
    InstanceState,
    InstanceStatus,
    LaunchRequest,
    Lease,
    LeaseRequest,
    PhaseName,
    WorkerState,
    WorkerStatus,
)
from app.schema.model import ModelFile
from app.schema.node import NodeInfo
from app.schema.plan import Plan, PlanRequest
from app.schema.record import InstanceId, ModelId, NodeId
from tests.turns import a_while, until
from tests.unit.instances.plans import HEAD, plan


class SmallNode:
    """A node's side of the leases. `pauses` lists the calls that take until `go`, `breaks` those that raise."""

    def __init__(self) -> None:
        self.leases: set[str] = set()
        self.asked: list[str] = []
        self.pauses: set[str] = set()
        self.breaks: dict[str, Exception] = {}
        self.go = asyncio.Event()
        self.engine: str | None = None

    async def _answer(self, call: str) -> None:
        self.asked.append(call)
        await asyncio.sleep(0)
        if call in self.pauses:
            await self.go.wait()
        if call in self.breaks:
            raise self.breaks[call]

    async def lease(self, request: LeaseRequest) -> Lease:
        lease_id = f"{request.device}{len(self.asked)}"
        self.leases.add(lease_id)
        await self._answer("lease")
        return Lease(**request.model_dump(), id=lease_id)

    async def start_worker(self, lease_id: str) -> WorkerStatus:
        await self._answer("start_worker")
        return WorkerStatus(lease_id=lease_id, state=WorkerState.RUNNING, port=1, engine=self.engine)

    async def renew(self, lease_id: str) -> WorkerStatus:
        await self._answer("renew")
        if lease_id not in self.leases:
            raise NotFound("HEAD ended this lease.", "")
        return WorkerStatus(lease_id=lease_id, state=WorkerState.RUNNING, port=1)

    async def release(self, lease_id: str) -> None:
        await self._answer("release")
        self.leases.discard(lease_id)

    async def endpoint(self, worker: WorkerStatus) -> str:
        return "127.0.0.1:1"


class SmallHead(Head):
    """A llama-server without a process."""

    def __init__(self, bench: "Bench") -> None:
        self._bench = bench

    async def start(self) -> None:
        await self._bench.step("start")

    async def until_ready(self, told: Callable[..., None]) -> None:
        await self._bench.step("until_ready")

    async def stop(self, polite: bool) -> None:
        self._bench.stopped_heads.append(polite)
        await self._bench.step("stop")


ALONE = plan(plan().stages[0].model_copy(update={"last_layer": 11, "holds_output": True}))
"""Everything on the head: no worker processes, so no hello."""


class Bench:
    """A supervisor whose nodes and head are small. `breaks` names a step of the head and what it raises."""

    def __init__(self, renew_seconds: float = 0.001) -> None:
        self.node = SmallNode()
        self.renew_seconds = renew_seconds
        self.breaks: dict[str, Exception] = {}
        self.pauses: set[str] = set()
        self.go = asyncio.Event()
        self.reached: list[str] = []
        self.stopped_heads: list[bool] = []
        self.seen: list[InstanceStatus] = []
        self.short: list[CaravanError] = []
        self.instead: Plan | None = None
        self.worker_engines: list[dict[str, str]] = []
        self.supervisor = Supervisor(self._place(), lambda _: None)

    def _place(self) -> RunPlace:
        info = NodeInfo(id=HEAD, name="HEAD", version="1", started_at=0.0)
        return RunPlace(
            info,
            lambda _: self.node,
            self._make_head,
            self._check,
            self.seen.append,
            self._plan_anew,
            renew_seconds=self.renew_seconds,
        )

    async def _plan_anew(self, launch: LaunchRequest, model: ModelFile) -> Plan | None:
        await self.step("plan_anew")
        assert not self.node.leases
        return self.instead

    async def _make_head(self, place: HeadPlace, phases: Phases) -> Head:
        self.worker_engines.append(dict(place.worker_engines))
        await self.step("make_head")
        return SmallHead(self)

    async def _check(self, place: HeadPlace) -> str | None:
        self.worker_engines.append(dict(place.worker_engines))
        await self.step("check_memory")
        if self.short:
            raise self.short.pop()
        return None

    async def step(self, name: str) -> None:
        self.reached.append(name)
        await asyncio.sleep(0)
        if name in self.pauses:
            await self.go.wait()
        if name in self.breaks:
            raise self.breaks[name]

    def launch(self, wishes: PlanRequest | None = None, of: Plan = ALONE) -> InstanceId:
        model = ModelFile.model_construct(id=ModelId("tiny"), path="/tiny.gguf", size_bytes=1, projector_path=None)
        return self.supervisor.launch(LaunchRequest(plan=of, wishes=wishes), model)

    async def until(self, reached: Callable[[], bool]) -> None:
        await until(reached, 30)

    async def ended(self) -> InstanceStatus:
        await self.until(lambda: self.seen[-1].state in {InstanceState.FAILED, InstanceState.STOPPED})
        return self.seen[-1]


@pytest.mark.expects_error_logs
@pytest.mark.parametrize("step", ["check_memory", "make_head", "start", "until_ready"])
async def test_an_error_nobody_foresaw_fails_the_launch_in_plain_words(
    step: str, caplog: pytest.LogCaptureFixture
) -> None:
    bench = Bench()
    bench.breaks[step] = ValueError("embedded null byte")
    bench.launch()
    status = await bench.ended()
    assert status.state is InstanceState.FAILED
    assert status.error is not None
    assert "embedded" not in status.error.sentence
    assert "tiny" in status.error.sentence
    assert status.error.hint
    assert not bench.node.leases
    assert bench.reached.count(step) == 1
    assert [each for each in caplog.records if each.levelno == logging.ERROR and each.exc_info]


@pytest.mark.expects_error_logs
async def test_a_head_that_cannot_even_be_stopped_settles_the_instance() -> None:
    bench = Bench()
    bench.breaks["stop"] = OSError("no such device")
    instance = bench.launch()
    await bench.until(lambda: bench.seen[-1].state is InstanceState.READY)
    bench.supervisor.stop(instance)
    status = await bench.ended()
    assert status.state is InstanceState.FAILED
    assert not bench.node.leases


@pytest.mark.expects_error_logs
async def test_a_node_that_answers_renewals_in_an_unforeseen_way_counts_as_lost() -> None:
    bench = Bench()
    bench.node.breaks["renew"] = ValueError("not a status")
    bench.launch()
    status = await bench.ended()
    assert status.state is InstanceState.FAILED
    assert status.error is not None
    assert "HEAD does not answer any more" in status.error.sentence


async def test_a_head_is_told_which_engine_its_workers_are_of(monkeypatch: pytest.MonkeyPatch) -> None:
    async def greet(held: Held) -> WorkerHello:
        return WorkerHello((4, 0, 0), ())

    monkeypatch.setattr(crews, "_greet", greet)
    bench = Bench()
    bench.node.engine = "b2-0"
    bench.launch(of=plan())
    await bench.until(lambda: bench.seen[-1].state is InstanceState.READY)
    assert bench.worker_engines == [{"ATTIC": "b2-0", "BARN": "b2-0"}] * 2
    await bench.supervisor.close()


async def test_stopped_at_every_moment_it_holds_nothing() -> None:
    for steps in range(40):
        bench = Bench()
        instance = bench.launch()
        for _ in range(steps):
            await asyncio.sleep(0)
        bench.supervisor.stop(instance)
        bench.supervisor.stop(instance)
        status = await bench.ended()
        assert status.state is InstanceState.STOPPED, steps
        assert not bench.node.leases, steps
        assert ("start" in bench.reached) <= bool(bench.stopped_heads), steps
        await bench.supervisor.close()


WISHES = PlanRequest(model_id=ModelId("tiny"))
SHORT = OutOfMemory("HEAD is 0.3 GB short on CPU for 4096 tokens of context.")
SMALLER = ALONE.model_copy(update={"context": 2048})


async def test_a_plan_that_the_engine_finds_too_large_is_made_anew_once() -> None:
    bench = Bench()
    bench.short, bench.instead = [SHORT], SMALLER
    bench.launch(WISHES)
    await bench.until(lambda: bench.seen[-1].state is InstanceState.READY)
    assert bench.seen[-1].plan == SMALLER
    assert {each.id for each in bench.seen} == {bench.seen[0].id}
    assert bench.reached.count("check_memory") == 2
    assert not any(each.state is InstanceState.STOPPING for each in bench.seen)
    leases = next(phase for phase in bench.seen[-1].phases if phase.name is PhaseName.LEASES)
    assert leases.note == f"planned anew: {SHORT.sentence}"
    await bench.supervisor.close()
    assert not bench.node.leases


async def test_a_renewal_that_comes_after_the_lease_was_given_back_is_no_loss() -> None:
    bench = Bench()
    bench.short, bench.instead = [SHORT], SMALLER
    bench.pauses.add("check_memory")
    bench.node.pauses.add("renew")
    bench.launch(WISHES)
    await bench.until(lambda: "check_memory" in bench.reached and "renew" in bench.node.asked)
    bench.pauses.clear()
    bench.go.set()
    await bench.until(lambda: "plan_anew" in bench.reached)
    bench.node.go.set()
    await bench.until(lambda: bench.seen[-1].state in {InstanceState.READY, InstanceState.FAILED})
    assert bench.seen[-1].error is None
    await bench.supervisor.close()


@pytest.mark.parametrize(
    ("shortages", "instead", "wishes"), [(1, None, WISHES), (2, SMALLER, WISHES), (1, SMALLER, None)]
)
async def test_without_another_plan_the_shortage_is_told(
    shortages: int, instead: Plan | None, wishes: PlanRequest | None
) -> None:
    bench = Bench()
    bench.short, bench.instead = [SHORT] * shortages, instead
    bench.launch(wishes)
    status = await bench.ended()
    assert status.state is InstanceState.FAILED
    assert status.error is not None
    assert status.error.sentence == SHORT.sentence
    assert not bench.node.leases


async def test_stopped_at_every_moment_of_planning_anew_it_holds_nothing() -> None:
    for steps in range(60):
        bench = Bench()
        bench.short, bench.instead = [SHORT], SMALLER
        instance = bench.launch(WISHES)
        for _ in range(steps):
            await asyncio.sleep(0)
        bench.supervisor.stop(instance)
        status = await bench.ended()
        assert status.state is InstanceState.STOPPED, steps
        assert not bench.node.leases, steps
        await bench.supervisor.close()


async def test_a_lease_that_was_asked_for_when_the_launch_was_cancelled_is_given_back() -> None:
    bench = Bench()
    bench.node.pauses.add("lease")
    instance = bench.launch()
    await bench.until(lambda: "lease" in bench.node.asked)
    bench.supervisor.stop(instance)
    await a_while()
    bench.node.go.set()
    await bench.ended()
    assert not bench.node.leases


async def test_a_node_that_does_not_answer_is_not_asked_later_for_it() -> None:
    """Three misses lose it, and a person waits for that."""
    bench = Bench(renew_seconds=0.3)
    asked: list[float] = []

    async def renew(lease_id: str) -> WorkerStatus:
        asked.append(time.monotonic())
        await asyncio.sleep(0.3)
        raise PeerUnreachable("gone", "")

    bench.node.renew = renew  # type: ignore[method-assign]
    bench.launch()
    status = await bench.ended()
    assert status.error is not None
    assert "does not answer any more" in status.error.sentence
    # Answer and pause one after the other would always take 0.6 s; a busy machine makes it late now and then.
    assert min(later - earlier for earlier, later in pairwise(asked)) < 0.5


async def test_nothing_is_launched_while_the_node_ends() -> None:
    bench = Bench()
    await bench.supervisor.close()
    with pytest.raises(NodeNotRunning):
        bench.launch()


async def test_two_launches_of_one_model_are_two_instances() -> None:
    bench = Bench()
    first, second = bench.launch(), bench.launch()
    await bench.until(lambda: len(bench.supervisor.serving()) == 2)
    assert [status.id for status, _ in bench.supervisor.serving()] == [second, first]
    bench.supervisor.stop(first)
    await bench.until(lambda: len(bench.supervisor.serving()) == 1)
    await bench.supervisor.close()
    assert not bench.node.leases


async def test_the_files_of_a_model_and_its_draft_are_in_use_until_it_has_ended() -> None:
    bench = Bench()
    model, draft = (
        ModelFile(id=ModelId(name), path=parts[0], folder="/", size_bytes=1, modified=0.0, parts=parts)
        for name, parts in (("big", ("/big-1.gguf", "/big-2.gguf")), ("small", ("/small.gguf",)))
    )
    running = bench.supervisor.launch(LaunchRequest(plan=ALONE), model, draft)
    await bench.until(lambda: bool(bench.supervisor.serving()))
    assert set(bench.supervisor.files_in_use()) == {"/big-1.gguf", "/big-2.gguf", "/small.gguf"}
    assert set(bench.supervisor.files_in_use().values()) == {ALONE.model_id}
    bench.pauses.add("stop")
    bench.supervisor.stop(running)
    await bench.until(lambda: "stop" in bench.reached)
    assert bench.supervisor.files_in_use()
    bench.go.set()
    await bench.until(lambda: not bench.supervisor.files_in_use())


class TestCrew:
    """Leases on three nodes, one of which hangs."""

    def _crew(self) -> tuple[Crew, dict[NodeId, SmallNode]]:
        nodes = {stage.node: SmallNode() for stage in plan().stages}
        return Crew(seats(plan(), InstanceId("i"), "HEAD", 1), nodes.__getitem__), nodes

    async def test_a_hanging_node_keeps_no_other_from_being_renewed(self) -> None:
        crew, nodes = self._crew()
        await crew.lease()
        head, attic, barn = nodes.values()
        attic.pauses.add("renew")
        renewing = asyncio.create_task(crew.renew())
        await until(lambda: "renew" in head.asked and "renew" in barn.asked)
        attic.go.set()
        assert await renewing == []

    async def test_a_hanging_node_keeps_no_other_from_being_given_back(self) -> None:
        crew, nodes = self._crew()
        await crew.lease()
        head, attic, barn = nodes.values()
        head.pauses.add("release")
        giving = asyncio.create_task(crew.give_back())
        await until(lambda: not attic.leases and not barn.leases)
        head.go.set()
        await giving
        assert not head.leases

    async def test_a_node_that_does_not_answer_any_more_is_not_waited_for_when_the_rest_is_given_back(self) -> None:
        crew, nodes = self._crew()
        await crew.lease()
        attic = nodes[NodeId("a" * 64)]
        attic.breaks["renew"] = PeerUnreachable("gone", "")
        attic.pauses.add("release")
        await crew.renew()
        async with asyncio.timeout(LEASE_SECONDS / 2):
            await crew.give_back()

    async def test_a_head_that_stood_still_does_not_blame_the_node_that_gave_up_waiting(self) -> None:
        """A PC that slept finds its leases ended, by nodes that did nothing wrong."""
        now = 1000.0
        nodes = {stage.node: SmallNode() for stage in plan().stages}
        crew = Crew(seats(plan(), InstanceId("i"), "HEAD", 1), nodes.__getitem__, lambda: now)
        await crew.lease()
        nodes[NodeId("a" * 64)].leases.clear()
        (loss,) = await crew.renew()
        assert "ATTIC ended its part while it held layers 4 to 7" in loss.sentence
        now += 42
        (loss,) = await crew.renew()
        assert loss.sentence == "ATTIC heard nothing of HEAD for 42 s and gave up layers 4 to 7."
        # Its link may need a while after the sleep, too.
        nodes[NodeId("a" * 64)].breaks["renew"] = PeerUnreachable("gone", "")
        blamed = await crew.blame()
        assert blamed is not None
        assert blamed.sentence == loss.sentence

    async def test_a_pc_that_left_the_cluster_is_told_so_and_nothing_breaks(self) -> None:
        crew, nodes = self._crew()
        await crew.lease()
        gone = NodeNotFound("ATTIC is not part of the cluster any more.", "")
        nodes[NodeId("a" * 64)].breaks.update(renew=gone, release=gone)
        (loss,) = await crew.renew()
        assert loss.sentence == "ATTIC left the cluster while it held layers 4 to 7."
        await crew.give_back()

    async def test_the_node_that_lost_its_part_is_blamed_although_another_hangs(self) -> None:
        crew, nodes = self._crew()
        await crew.lease()
        _, _, barn = nodes.values()
        barn.breaks["renew"] = PeerUnreachable("gone", "")
        blamed = await crew.blame()
        assert isinstance(blamed, WorkerLost)
        assert "BARN" in blamed.sentence

    async def test_which_engine_each_worker_is_of_is_known_once_it_is_started(self) -> None:
        crew, nodes = self._crew()
        await crew.lease()
        assert crew.engines() == {}
        _, attic, _ = nodes.values()
        attic.engine = "b2-0"
        await crew.start_workers(lambda _: None)
        assert crew.engines() == {"ATTIC": "b2-0"}
        await crew.give_back()

    async def test_the_second_of_three_leases_refused_leaves_the_first_to_be_given_back(self) -> None:
        crew, nodes = self._crew()
        head, attic, barn = nodes.values()
        attic.breaks["lease"] = CaravanError("ATTIC already works for another.")
        attic.lease = _refuse  # type: ignore[method-assign]
        with pytest.raises(CaravanError):
            await crew.lease()
        assert crew.holds_leases
        await crew.give_back()
        assert not head.leases | barn.leases


async def _refuse(request: LeaseRequest) -> Lease:
    raise CaravanError("ATTIC already works for another.")
