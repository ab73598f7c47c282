"""One instance on its head node: an owner that performs what `reconcile` decides, one action at a time.

The run loop is the only writer of what is observed. A stop request or a loss noticed by the watch task interrupts the
action that is running; what that action had taken is known to `steps`, so winding down gives it back.
"""

import asyncio
import contextlib
import logging
from collections.abc import Iterator
from dataclasses import replace

from app.instances import phases
from app.instances.head import Head
from app.instances.journal import Journal
from app.instances.reconcile import Action, HeadState, Observed, next_action
from app.instances.steps import Launch, RunPlace, Steps
from app.schema.errors import CaravanError
from app.schema.instance import InstanceState, InstanceStatus

logger = logging.getLogger("caravan.instances.run")


class InstanceRun:
    """The life of one instance from launch to its end. `run` returns when everything is given back."""

    def __init__(self, launch: Launch, place: RunPlace) -> None:
        self._launch = launch
        self._place = place
        plan = launch.request.plan
        self._observed = Observed()
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
        self._steps = Steps(launch, place, self._journal, self._lose_head)

    @property
    def status(self) -> InstanceStatus:
        """The instance as everybody sees it."""
        return self._journal.status

    @property
    def head(self) -> Head | None:
        """The running llama-server, None before it starts and after it ended."""
        return self._steps.head

    @property
    def files(self) -> tuple[str, ...]:
        """The files of the models that it runs."""
        return self._steps.files

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
            await asyncio.shield(self._steps.end())
        self._journal.settle()

    async def _decide(self) -> Action | None:
        self._interrupted.clear()
        if self._losses and not self._observed.failed:
            # A head that dies rarely knows which worker left it; the workers' own nodes do.
            blamed = await self._steps.crew.blame() if self._head_died else None
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
        if self._steps.head is not None and head is HeadState.ABSENT:
            head = HeadState.LOADING
        return replace(self._observed, holds_leases=self._steps.crew.holds_leases, head=head)

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
            self._observed = await self._steps.perform(action, self._observed)
        except CaravanError as error:
            self._losses.append(error)
        except Exception:
            logger.exception("instance %s: %s broke", self._launch.instance_id, action)
            told = f"{self._launch.request.plan.model_id} cannot go on: something went wrong inside Caravan."
            self._losses.append(CaravanError(told, "See `caravan logs` for what, then launch again."))

    async def _watch(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            # From beginning to beginning: a late answer must not make a lost worker's discovery later still.
            next_round = loop.time() + self._place.renew_seconds
            for loss in await self._steps.crew.renew():
                self._lose(loss)
            await asyncio.sleep(max(0.0, next_round - loop.time()))

    def _lose_head(self, error: CaravanError) -> None:
        self._head_died = True
        self._lose(error)

    def _lose(self, error: CaravanError) -> None:
        if self._wanted:
            self._losses.append(error)
            self._interrupted.set()
