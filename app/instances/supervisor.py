"""The service that runs this node's instances: launch and stop only edit what is wanted, each run does the rest."""

import asyncio
import contextlib
import logging
import secrets
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from app.instances.head import Head
from app.instances.run import InstanceRun
from app.instances.steps import Launch, RunPlace
from app.schema.errors import InstanceNotFound, ModelBusy, NodeNotRunning
from app.schema.instance import InstanceState, InstanceStatus, LaunchRequest
from app.schema.model import ModelFile
from app.schema.record import InstanceId, ModelId

logger = logging.getLogger("caravan.instances.supervisor")

ENDED_KEPT = 20
"""Ended instances that are still shown, so that people can read why."""


_LIVE = (InstanceState.STARTING, InstanceState.READY)


@dataclass
class _Entry:
    run: InstanceRun
    task: asyncio.Task[None]


class Supervisor:
    """The only owner of this node's instance runs."""

    def __init__(self, place: RunPlace, forget: Callable[[InstanceId], None]) -> None:
        self._place = place
        self._forget = forget
        self._entries: dict[InstanceId, _Entry] = {}
        self._epoch = 0
        self._closing = False

    def launch(self, request: LaunchRequest, model: ModelFile, draft: ModelFile | None = None) -> InstanceId:
        """Want an instance of a plan, `draft` its draft model; its outcome is told by its status.

        A request that shares gets the one that starts or runs already. Raises NodeNotRunning when the node ends.
        """
        if self._closing:
            raise NodeNotRunning("Caravan is ending on this PC.", "Start it again with `caravan node`.")
        if request.share and (running := self._running(request.plan.model_id)) is not None:
            return running
        self._epoch += 1
        instance_id = InstanceId(secrets.token_hex(4))
        run = InstanceRun(Launch(instance_id, request, model, self._epoch, draft), self._place)
        task = asyncio.create_task(run.run(), name=f"instance {instance_id}")
        task.add_done_callback(_report)
        self._entries[instance_id] = _Entry(run, task)
        self._prune()
        return instance_id

    def stop(self, instance_id: InstanceId, because: str | None = None) -> None:
        """Want an instance no longer; `because` says why Caravan itself does not. Raises InstanceNotFound."""
        self._entry(instance_id).run.stop(because)

    def unload_idle(self, instance_id: InstanceId, because: str) -> None:
        """Want an instance no longer that works on nothing. Raises InstanceNotFound, ModelBusy."""
        status = self._entry(instance_id).run.status
        if status.idle_since is None or status.state is not InstanceState.READY:
            raise ModelBusy(f"{status.model_id} is being used.", "Try again when it has answered.")
        self.stop(instance_id, because)

    @contextlib.contextmanager
    def used(self, instance_id: InstanceId) -> Iterator[None]:
        """An instance works on a request as long as this is entered. Raises InstanceNotFound."""
        with self._entry(instance_id).run.used():
            yield

    def status(self, instance_id: InstanceId) -> InstanceStatus:
        """An instance of this node. Raises InstanceNotFound."""
        return self._entry(instance_id).run.status

    def serving(self) -> tuple[tuple[InstanceStatus, Head], ...]:
        """The instances that answer now, newest first, each with its head."""
        running = ((entry.run.status, entry.run.head) for entry in reversed(self._entries.values()))
        return tuple((status, head) for status, head in running if head and status.state is InstanceState.READY)

    def files_in_use(self) -> dict[str, ModelId]:
        """The files that instances need which have not ended, each with the model that runs."""
        runs = [entry.run for entry in self._entries.values() if not entry.task.done()]
        return {file: run.status.model_id for run in runs for file in run.files}

    def answered(self, instance_id: InstanceId, decode: float | None, prefill: float | None) -> None:
        """An answer of an instance was measured, in tokens/s; one that is gone by now is passed over."""
        entry = self._entries.get(instance_id)
        if entry is not None:
            entry.run.answered(decode, prefill)

    def suggested(self, instance_id: InstanceId, sentence: str | None) -> None:
        """Another split would be faster for an instance by now, or none; one that is gone is passed over."""
        entry = self._entries.get(instance_id)
        if entry is not None:
            entry.run.suggested(sentence)

    async def close(self) -> None:
        """Stop every instance and wait until nothing is held; none is launched from now on."""
        self._closing = True
        for entry in self._entries.values():
            entry.run.stop()
        await asyncio.gather(*(entry.task for entry in self._entries.values()), return_exceptions=True)

    def _running(self, model: ModelId) -> InstanceId | None:
        runs = ((name, entry.run.status) for name, entry in reversed(self._entries.items()))
        return next((name for name, status in runs if status.model_id == model and status.state in _LIVE), None)

    def _entry(self, instance_id: InstanceId) -> _Entry:
        try:
            return self._entries[instance_id]
        except KeyError:
            raise InstanceNotFound(
                f"There is no instance {instance_id} on this PC.", "See `caravan status` for those that run."
            ) from None

    def _prune(self) -> None:
        ended = [key for key, entry in self._entries.items() if entry.task.done()]
        for key in ended[: max(0, len(ended) - ENDED_KEPT)]:
            del self._entries[key]
            self._forget(key)


def _report(task: asyncio.Task[None]) -> None:
    if not task.cancelled() and (error := task.exception()) is not None:
        logger.error("%s broke", task.get_name(), exc_info=error)
