"""What each action of a run does: leases, workers, the memory check, the head."""

import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace

from app.instances.crew import Crew, WorkerLink
from app.instances.head import Head, HeadMaker, HeadPlace
from app.instances.journal import Journal
from app.instances.placement import seats
from app.instances.reconcile import Action, HeadState, Observed
from app.schema.errors import CaravanError, OutOfMemory
from app.schema.instance import InstanceStatus, LaunchRequest, PhaseName, Unit
from app.schema.model import ModelFile
from app.schema.node import NodeInfo
from app.schema.plan import Plan
from app.schema.record import InstanceId, NodeId

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

    @property
    def files(self) -> tuple[str, ...]:
        """The files of the model and of its draft model."""
        return (*self.model.parts, *(self.draft.parts if self.draft is not None else ()))


class Steps:
    """Performs actions, one at a time, and knows what they have taken: the leases and workers of `crew`, and `head`.

    `on_head_end` hears why llama-server ended by itself.
    """

    def __init__(
        self, launch: Launch, place: RunPlace, journal: Journal, on_head_end: Callable[[CaravanError], None]
    ) -> None:
        self._launch = launch
        self._place = place
        self._journal = journal
        self._on_head_end = on_head_end
        self._shortage: OutOfMemory | None = None
        self.crew = self._crew_of(launch)
        self.head: Head | None = None
        self._performers: dict[Action, Callable[[Observed], Awaitable[Observed]]] = {
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
    def files(self) -> tuple[str, ...]:
        """The files that the launch needs, as it is planned now."""
        return self._launch.files

    async def perform(self, action: Action, observed: Observed) -> Observed:
        """Perform an action; returns what is observed then. Raises CaravanError when it cannot be done."""
        return await self._performers[action](observed)

    async def end(self) -> None:
        """End llama-server at once and give everything back."""
        await self._end_head(polite=False)
        await self.crew.give_back()

    async def _lease(self, observed: Observed) -> Observed:
        self._journal.begin(PhaseName.LEASES)
        await self.crew.lease()
        return replace(observed, leased=True)

    async def _start_workers(self, observed: Observed) -> Observed:
        if self.crew.worker_count == 0:
            self._journal.skip(PhaseName.WORKERS_STARTED, "no other PC takes part")
            self._journal.skip(PhaseName.WORKERS_VERIFIED, "no other PC takes part")
            return replace(observed, workers_started=True, workers_verified=True)
        self._journal.begin(PhaseName.WORKERS_STARTED)
        await self.crew.start_workers(self._counter(PhaseName.WORKERS_STARTED))
        return replace(observed, workers_started=True)

    async def _verify_workers(self, observed: Observed) -> Observed:
        self._journal.begin(PhaseName.WORKERS_VERIFIED)
        await self.crew.verify_workers(self._counter(PhaseName.WORKERS_VERIFIED))
        return replace(observed, workers_verified=True)

    async def _check_memory(self, observed: Observed) -> Observed:
        self._journal.begin(PhaseName.MEMORY_CHECKED)
        try:
            told = await self._place.check_memory(self._head_place())
        except OutOfMemory as shortage:
            if self._shortage is not None or self._launch.request.wishes is None:
                raise
            self._shortage = shortage
            return replace(observed, too_large=True)
        if told is None:
            self._journal.skip(PhaseName.MEMORY_CHECKED, "this engine build has no tool for it")
        else:
            self._journal.note(PhaseName.MEMORY_CHECKED, told)
        return replace(observed, memory_checked=True)

    async def _plan_anew(self, observed: Observed) -> Observed:
        """Go on with another plan, which knows what the check taught. Raises the shortage when there is none."""
        assert self._shortage is not None
        found = await self._place.plan_anew(self._launch.request, self._launch.model)
        if found is None:
            raise self._shortage
        request = self._launch.request.model_copy(update={"plan": found})
        before, after = self._launch.request.plan.speculation, found.speculation
        is_same_draft = before is not None and after is not None and before.draft_model == after.draft_model
        self._launch = replace(self._launch, request=request, draft=self._launch.draft if is_same_draft else None)
        self.crew = self._crew_of(self._launch)
        self._journal.planned_anew(found, f"planned anew: {self._shortage.sentence}")
        return Observed()

    async def _start_head(self, observed: Observed) -> Observed:
        self._journal.begin(PhaseName.HEAD_STARTED)
        self.head = await self._place.make_head(self._head_place(), self._journal.status.phases)
        await self.head.start()
        return replace(observed, head=HeadState.LOADING)

    async def _await_ready(self, observed: Observed) -> Observed:
        if self.head is not None:
            await self.head.until_ready(self._journal.load)
            self._journal.ready()
        return replace(observed, head=HeadState.READY)

    async def _stop_head(self, observed: Observed) -> Observed:
        await self._end_head(polite=not observed.failed)
        return replace(observed, head=HeadState.ABSENT)

    async def _release(self, observed: Observed) -> Observed:
        await self.crew.give_back()
        return replace(observed, leased=False)

    async def _end_head(self, polite: bool) -> None:
        head, self.head = self.head, None
        if head is not None:
            await head.stop(polite)

    def _counter(self, name: PhaseName) -> Callable[[int], None]:
        total = self.crew.worker_count
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
            endpoints=self.crew.endpoints(),
            extra_arguments=self._launch.request.extra_arguments,
            on_end=self._on_head_end,
            draft_path=self._launch.draft.path if self._launch.draft is not None else None,
            worker_engines=self.crew.engines(),
        )
