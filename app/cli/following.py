"""Following one thing of the node until it is as wanted, and what shows it on the way."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from contextlib import aclosing, contextmanager, suppress
from typing import Any, TypeVar

from rich.console import RenderableType
from rich.live import Live
from rich.text import Text

from app.cli.console import Session
from app.client import NodeClient
from app.schema.errors import CaravanError, NodeNotRunning
from app.schema.node import Status

Found = TypeVar("Found")

START_AGAIN = "Start it again with `caravan node`."

ANSWER_SECONDS = 10.0
"""How long the node's answer to a request is waited for by who was told to end meanwhile."""


async def begun(
    request: Coroutine[Any, Any, Found],
    undo: Callable[[Found], Awaitable[object]],
    patience: float = ANSWER_SECONDS,
) -> Found:
    """The node's answer to a request that starts something.

    When we are cancelled before it is here, it is waited for and what it started is undone: nobody follows that.
    """
    asking = asyncio.create_task(request, name="request that starts something")
    try:
        return await asyncio.shield(asking)
    except asyncio.CancelledError:
        with suppress(CaravanError, TimeoutError):
            async with asyncio.timeout(patience):
                await undo(await asking)
        raise


async def follow(
    client: NodeClient,
    part: Callable[[Status], Found | None],
    show: Callable[[Found], None],
    reached: Callable[[Found], bool],
    hint: str = START_AGAIN,
) -> Found:
    """Watch a part of the status, show each change of it, and return it once it is as wanted; None is not there yet.

    Raises what `part` raises, and NodeNotRunning with this hint when the node ends first.
    """
    last: Found | None = None
    async with aclosing(client.watch()) as statuses:
        async for status in statuses:
            found = part(status)
            if found is None or found == last:
                continue
            last = found
            show(found)
            if reached(found):
                return found
    raise node_ended(hint)


def node_ended(hint: str = START_AGAIN) -> NodeNotRunning:
    """The error for a node that ends while it is watched."""
    return NodeNotRunning("Caravan ended on this PC.", hint)


@contextmanager
def screen(
    to: Session,
    quiet: bool,
    print_lines: Callable[[Found], None],
    drawn: Callable[[Found], RenderableType],
    stays: bool = False,
) -> Iterator[Callable[[Found], None]]:
    """What shows the changes: `drawn` anew at one place of a terminal, where the last may stay; lines elsewhere."""
    if quiet:
        yield lambda _: None
    elif not to.out.is_terminal:
        yield print_lines
    else:
        with Live(console=to.out, refresh_per_second=8, transient=not stays) as live:
            yield lambda found: live.update(drawn(found))


def one_line(text: str) -> Text:
    """A text that a narrow terminal cuts instead of folding."""
    return Text(text, no_wrap=True, overflow="ellipsis")
