"""One instance on its head node: an owner that performs what `reconcile` decides, one action at a time.

The run loop is the only writer of what is observed. A stop request or a loss noticed by the watch task interrupts the
action that is running; what that action had taken is known to the crew, so winding down gives it back.
"""

import asyncio
import contextlib
import logging
import time
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, replace

from app.instances import phases
from app.instances.crew import Crew, WorkerLink
from app.instances.head import Head, HeadMaker, HeadPlace
from app.instances.journal import Journal
from app.instances.placement import seats
from app.instances.reconcile import Action, HeadState, Observed, next_action
from app.schema.errors import CaravanError, OutOfMemory
from app.schema.instance import InstanceState, InstanceStatus, LaunchRequest, PhaseName, Unit
from app.schema.model import ModelFile
from app.schema.node import NodeInfo
from app.schema.plan import Plan
from app.schema.record import InstanceId, NodeId

logger = logging.getLogger("caravan.instances.run")

RENEW_SECONDS = 2.0
"""Time between two renewals of the leases, which are also the heartbeat of the workers."""


@dataclass(frozen=True)
class RunPlace:
    """What a run needs of its node. `link_to` raises CaravanError for a node that is not reachable.

    `plan_anew` is another plan under this head for a launch whose plan did not fit, None when there is none.
    """

    node: NodeInfo
    link_to: Callable[[NodeId], WorkerLink]
    make_head: HeadMaker
    check_memory: Callable[[HeadPlace], Awaitable[str | None]]
    publish: Callable[[InstanceStatus], None]
    plan_anew: Callable[[LaunchRequest, ModelFile], Awaitable[Plan | None]]
    clock: Callable[[], float] = time.time
    renew_seconds: float = RENEW_SECONDS


@dataclass(frozen=True)
class Launch:
    """What is to run: the request, the file on this node, the draft model's, and the epoch of this head."""

    instance_id: InstanceId
    request: LaunchRequest
    model: ModelFile
    epoch: int
    draft: ModelFile | None = None


class InstanceRun:
    """The life of one instance from launch to its end. `run` returns when everything is given back."""

    def __init__(self, launch: Launch, place: RunPlace) -> None:
        self._launch = launch
        self._place = place
        plan = launch.request.plan
        self._crew = self._crew_of(launch)
        self._shortage: OutOfMemory | None = None
        self._observed = Observed()
        self._head: Head | None = None
        self._wanted = True
        self._interrupted = asyncio.Event()
        self._losses: list[CaravanError] = []
        self._head_died = False
        first = InstanceStatus(
            id=launch.instance_id,
            model_id=plan.model_id,
            head=plan.head,
            state=InstanceState.STARTING,
            plan=plan,
            phases=phases.first_phases(),
            created_at=place.clock(),
        )
        self._journal = Journal(first, place.publish, place.clock)
        self._performers: dict[Action, Callable[[], Awaitable[Observed]]] = {
            Action.LEASE: self._lease,
            Action.START_WORKERS: self._start_workers,
            Action.VERIFY_WORKERS: self._verify_workers,
            Action.CHECK_MEMORY: self._check_memory,
            Action.PLAN_ANEW: self._plan_anew,
            Action.START_HEAD: self._start_head,
            Action.AWAIT_READY: self._await_ready,
            Action.STOP_HEAD: self._stop_head,
            Action.RELEASE: self._release,
        }

    @property
    def status(self) -> InstanceStatus:
        """The instance as everybody sees it."""
        return self._journal.status

    @property
    def head(self) -> Head | None:
        """The running llama-server, None before it starts and after it ended."""
        return self._head

    def stop(self, because: str | None = None) -> None:
        """Ask for the end of the instance; `run` returns when it is reached. `because`: Caravan itself wants it."""
        if self._wanted:
            self._journal.unwanted(because)
        self._wanted = False
        self._interrupted.set()

    @contextlib.contextmanager
    def used(self) -> Iterator[None]:
        """A request is worked on as long as this is entered."""
        self._journal.asked()
        try:
            yield
        finally:
            self._journal.done()

    def answered(self, decode: float | None, prefill: float | None) -> None:
        """An answer of the head was measured, in tokens/s."""
        self._journal.answered(decode, prefill)

    def suggested(self, sentence: str | None) -> None:
        """Another split would be faster by now, as that sentence says; or none would."""
        self._journal.suggested(sentence)

    async def run(self) -> None:
        """Perform what reconcile decides until the instance has ended and holds nothing."""
        watch = asyncio.create_task(self._watch(), name=f"watch of {self._launch.instance_id}")
        try:
            while (action := await self._decide()) is not Action.SETTLE:
                await self._step(action)
        finally:
            watch.cancel()
            await asyncio.gather(watch, return_exceptions=True)
            await asyncio.shield(self._end())
        self._journal.settle()

    async def _decide(self) -> Action | None:
        self._interrupted.clear()
        if self._losses and not self._observed.failed:
            # A head that dies rarely knows which worker left it; the workers' own nodes do.
            blamed = await self._crew.blame() if self._head_died else None
            error = blamed or self._losses[0]
            logger.warning("instance %s failed: %s", self._launch.instance_id, error.sentence)
            self._observed = replace(self._observed, failed=True)
            self._journal.fail(error)
        action = next_action(self._wanted, self._seen())
        if action is Action.STOP_HEAD or (action is Action.RELEASE and not self._observed.too_large):
            self._journal.winding_down()
        return action

    def _seen(self) -> Observed:
        """What is observed, with what an interrupted action left behind."""
        head = self._observed.head
        if self._head is not None and head is HeadState.ABSENT:
            head = HeadState.LOADING
        return replace(self._observed, holds_leases=self._crew.holds_leases, head=head)

    async def _step(self, action: Action | None) -> None:
        if action in (Action.STOP_HEAD, Action.RELEASE):
            await self._perform(action)
            return
        tasks: set[asyncio.Task[object]] = {asyncio.create_task(self._interrupted.wait(), name="interruption")}
        if action is not None:
            tasks.add(asyncio.create_task(self._perform(action), name=str(action)))
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _perform(self, action: Action) -> None:
        try:
            self._observed = await self._performers[action]()
        except CaravanError as error:
            self._losses.append(error)
        except Exception:
            logger.exception("instance %s: %s broke", self._launch.instance_id, action)
            told = f"{self._launch.request.plan.model_id} cannot go on: something went wrong inside Caravan."
            self._losses.append(CaravanError(told, "See `caravan logs` for what, then launch again."))

    async def _lease(self) -> Observed:
        self._journal.begin(PhaseName.LEASES)
        await self._crew.lease()
        return replace(self._observed, leased=True)

    async def _start_workers(self) -> Observed:
        if self._crew.worker_count == 0:
            self._journal.skip(PhaseName.WORKERS_STARTED, "no other PC takes part")
            self._journal.skip(PhaseName.WORKERS_VERIFIED, "no other PC takes part")
            return replace(self._observed, workers_started=True, workers_verified=True)
        self._journal.begin(PhaseName.WORKERS_STARTED)
        await self._crew.start_workers(self._counter(PhaseName.WORKERS_STARTED))
        return replace(self._observed, workers_started=True)

    async def _verify_workers(self) -> Observed:
        self._journal.begin(PhaseName.WORKERS_VERIFIED)
        await self._crew.verify_workers(self._counter(PhaseName.WORKERS_VERIFIED))
        return replace(self._observed, workers_verified=True)

    async def _check_memory(self) -> Observed:
        self._journal.begin(PhaseName.MEMORY_CHECKED)
        try:
            told = await self._place.check_memory(self._head_place())
        except OutOfMemory as shortage:
            if self._shortage is not None or self._launch.request.wishes is None:
                raise
            self._shortage = shortage
            return replace(self._observed, too_large=True)
        if told is None:
            self._journal.skip(PhaseName.MEMORY_CHECKED, "this engine build has no tool for it")
        else:
            self._journal.note(PhaseName.MEMORY_CHECKED, told)
        return replace(self._observed, memory_checked=True)

    async def _plan_anew(self) -> Observed:
        """Go on with another plan, which knows what the check taught. Raises the shortage when there is none."""
        assert self._shortage is not None
        found = await self._place.plan_anew(self._launch.request, self._launch.model)
        if found is None:
            raise self._shortage
        request = self._launch.request.model_copy(update={"plan": found})
        before, after = self._launch.request.plan.speculation, found.speculation
        is_same_draft = before is not None and after is not None and before.draft_model == after.draft_model
        self._launch = replace(self._launch, request=request, draft=self._launch.draft if is_same_draft else None)
        self._crew = self._crew_of(self._launch)
        self._journal.planned_anew(found, f"planned anew: {self._shortage.sentence}")
        return Observed()

    async def _start_head(self) -> Observed:
        self._journal.begin(PhaseName.HEAD_STARTED)
        self._head = await self._place.make_head(self._head_place(), self._journal.status.phases)
        await self._head.start()
        return replace(self._observed, head=HeadState.LOADING)

    async def _await_ready(self) -> Observed:
        if self._head is not None:
            await self._head.until_ready(self._journal.load)
            self._journal.ready()
        return replace(self._observed, head=HeadState.READY)

    async def _stop_head(self) -> Observed:
        await self._end_head(polite=not self._observed.failed)
        return replace(self._observed, head=HeadState.ABSENT)

    async def _release(self) -> Observed:
        await self._crew.give_back()
        return replace(self._observed, leased=False)

    async def _end(self) -> None:
        await self._end_head(polite=False)
        await self._crew.give_back()

    async def _end_head(self, polite: bool) -> None:
        head, self._head = self._head, None
        if head is not None:
            await head.stop(polite)

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(self._place.renew_seconds)
            for loss in await self._crew.renew():
                self._lose(loss)

    def _lose_head(self, error: CaravanError) -> None:
        self._head_died = True
        self._lose(error)

    def _lose(self, error: CaravanError) -> None:
        if self._wanted:
            self._losses.append(error)
            self._interrupted.set()

    def _counter(self, name: PhaseName) -> Callable[[int], None]:
        total = self._crew.worker_count
        self._journal.count(name, 0, total, Unit.WORKERS)
        return lambda done: self._journal.count(name, done, total, Unit.WORKERS)

    def _crew_of(self, launch: Launch) -> Crew:
        plan = launch.request.plan
        placed = seats(plan, launch.instance_id, self._place.node.name, launch.epoch, launch.model)
        return Crew(placed, self._place.link_to)

    def _head_place(self) -> HeadPlace:
        return HeadPlace(
            instance_id=self._launch.instance_id,
            plan=self._launch.request.plan,
            model_path=self._launch.model.path,
            model_bytes=self._launch.model.size_bytes,
            projector_path=self._launch.model.projector_path,
            endpoints=self._crew.endpoints(),
            extra_arguments=self._launch.request.extra_arguments,
            on_end=self._lose_head,
            draft_path=self._launch.draft.path if self._launch.draft is not None else None,
        )
