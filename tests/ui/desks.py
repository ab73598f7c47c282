"""A desk without a node: the work of a page runs against any object that has the methods it calls."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from functools import partial
from typing import Any

from app.schema.errors import CaravanError, ErrorInfo
from app.ui.errand import Errand, Mailbox


class ScriptedErrands:
    """Stands in for the bridge. The work runs at once to its end, on a loop of its own; its callbacks come as from the
    bridge: later, on the main thread, in order. `errors` holds what no page took.
    """

    def __init__(self, client: Any) -> None:
        self.client = client
        self.mailbox = Mailbox()
        self.errors: list[ErrorInfo] = []

    def ask(
        self,
        work: Callable[[Any], Awaitable[Any]],
        on_done: Callable[[Any], None] | None = None,
        on_error: Callable[[ErrorInfo], None] | None = None,
    ) -> Errand:
        async def run(errand: Errand) -> None:
            answer = await work(self.client)
            if on_done is not None:
                errand.post(lambda: on_done(answer))

        return self._run(run, on_error)

    def stream(
        self,
        work: Callable[[Any], AsyncGenerator[Any, None]],
        on_item: Callable[[Any], None],
        on_end: Callable[[], None] | None = None,
        on_error: Callable[[ErrorInfo], None] | None = None,
    ) -> Errand:
        async def run(errand: Errand) -> None:
            async for item in work(self.client):
                errand.post(partial(on_item, item))
            if on_end is not None:
                errand.post(on_end)

        return self._run(run, on_error)

    def _run(self, run: Callable[[Errand], Awaitable[None]], on_error: Callable[[ErrorInfo], None] | None) -> Errand:
        errand = Errand(self.mailbox, on_error or self.errors.append)

        async def told() -> None:
            try:
                await run(errand)
            except CaravanError as error:
                errand.fail(error.info())

        asyncio.run(told())
        return errand
