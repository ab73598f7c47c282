"""Tasks with an owner and an end."""

import asyncio
import logging
from collections.abc import Coroutine
from typing import Any, TypeVar

from app.schema.errors import CaravanError

logger = logging.getLogger("caravan.membership")

T = TypeVar("T")


class OwnedTasks:
    """The tasks that one service has under way. What breaks in one is logged; `close` ends them all."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[Any]] = set()

    def start(self, work: Coroutine[Any, Any, T], name: str) -> asyncio.Task[T]:
        """Run `work` as a task. It may be awaited, and need not be."""
        task = asyncio.create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._ended)
        return task

    async def close(self) -> None:
        """Cancel every task and wait until all have ended."""
        while tasks := tuple(self._tasks):
            for task in tasks:
                task.cancel()
            # `gather` of tasks that are all done does not let the loop go on, so `_ended` may not have had its turn.
            await asyncio.gather(*tasks, return_exceptions=True)
            self._tasks.difference_update(tasks)

    def _ended(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            told = isinstance(error, CaravanError)
            logger.log(logging.DEBUG if told else logging.ERROR, "%s ended", task.get_name(), exc_info=error)


async def to_the_end(task: asyncio.Task[T]) -> T:
    """Wait for a task that must not be broken off half done: a cancellation that comes meanwhile is too late."""
    while not task.done():
        try:
            await asyncio.shield(task)
        except asyncio.CancelledError:
            current = asyncio.current_task()
            if task.cancelled() or current is None:
                raise
            current.uncancel()
    return task.result()
