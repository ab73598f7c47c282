"""Following one thing: each change shown once, the end returned, a node that ends says so; what a screen shows."""

import asyncio
import io
from collections.abc import AsyncGenerator
from types import SimpleNamespace

import pytest
from rich.console import Console
from rich.text import Text

from app.cli import running
from app.cli.console import Session
from app.cli.following import begun, follow, screen
from app.schema.errors import NodeNotRunning, PeerUnreachable
from app.schema.instance import InstanceState, InstanceStatus
from app.schema.node import NodeInfo, Peer, PeerReport, Reachability, Status
from app.schema.record import NodeId
from tests.unit.node.test_idle import instance

NODE = NodeInfo(id=NodeId("0" * 64), name="WORKSHOP", version="1", started_at=0.0)


class Watched:
    """A node that tells these numbers and ends."""

    def __init__(self, *told: int) -> None:
        self._told = told

    async def watch(self) -> AsyncGenerator[Status, None]:
        for seq in self._told:
            yield Status(node=NODE, seq=seq)


async def followed(*told: int) -> tuple[int, list[int]]:
    """What is reached at 5 of what was told, and what was shown; a number above 9 is not there."""
    shown: list[int] = []
    watched: object = Watched(*told)
    reached = await follow(
        watched,  # type: ignore[arg-type]
        lambda status: status.seq if status.seq < 10 else None,
        shown.append,
        lambda seq: seq >= 5,
        "Go on.",
    )
    return reached, shown


async def test_each_change_is_shown_once_and_what_is_reached_comes_back() -> None:
    assert await followed(10, 1, 1, 11, 1, 2, 6, 7) == (6, [1, 2, 6])


async def test_a_node_that_ends_first_says_so_with_the_hint() -> None:
    with pytest.raises(NodeNotRunning) as caught:
        await followed(1, 2)
    assert (caught.value.sentence, caught.value.hint) == ("Caravan ended on this PC.", "Go on.")


class Undone(list[int]):
    """What was begun and undone again."""

    async def undo(self, started: int) -> None:
        self.append(started)


async def beginning(gate: asyncio.Event, error: NodeNotRunning | None = None) -> int:
    await gate.wait()
    if error is not None:
        raise error
    return 7


async def test_what_is_cancelled_before_the_node_answered_is_undone_once_it_has() -> None:
    gate, undone = asyncio.Event(), Undone()
    task = asyncio.create_task(begun(beginning(gate), undone.undo))
    await asyncio.sleep(0)
    task.cancel()
    await asyncio.sleep(0.05)
    assert (undone, task.done()) == ([], False)
    gate.set()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert undone == [7]


async def test_nothing_is_undone_where_nothing_was_begun_or_nobody_cancels() -> None:
    gate, undone = asyncio.Event(), Undone()
    refused = asyncio.create_task(begun(beginning(gate, NodeNotRunning("It ended.", "")), undone.undo))
    silent = asyncio.create_task(begun(beginning(asyncio.Event()), undone.undo, patience=0.05))
    await asyncio.sleep(0)
    refused.cancel()
    silent.cancel()
    gate.set()
    assert await begun(beginning(gate), undone.undo) == 7
    ended = await asyncio.gather(refused, silent, return_exceptions=True)
    assert [type(each) for each in ended] == [asyncio.CancelledError] * 2
    assert undone == []


async def test_a_model_whose_pc_is_lost_is_not_followed_for_ever() -> None:
    there = instance(state=InstanceState.STARTING)
    other = NODE.model_copy(update={"id": NodeId("1" * 64), "name": "ATTIC"})

    async def watch() -> AsyncGenerator[Status, None]:
        for state in (Reachability.ALIVE, Reachability.SUSPECT, Reachability.LOST):
            report = PeerReport(node=other, instances=(there,))
            peer = Peer(node=other.id, name="ATTIC", reachability=state, report=report)
            yield Status(node=NODE, peers=(peer,))

    shown: list[InstanceStatus] = []
    client = SimpleNamespace(watch=watch)
    with pytest.raises(PeerUnreachable, match="ATTIC does not answer"):
        await running.follow(client, there.id, lambda _: False, shown.append)  # type: ignore[arg-type]
    assert shown == [there]


@pytest.mark.parametrize(
    ("quiet", "is_terminal", "lines"), [(True, True, []), (True, False, []), (False, False, ["a", "b"])]
)
def test_without_a_terminal_lines_are_printed_and_quiet_is_quiet(
    quiet: bool, is_terminal: bool, lines: list[str]
) -> None:
    assert screened(quiet, is_terminal) == (lines, "")


def test_on_a_terminal_it_is_drawn_at_one_place() -> None:
    lines, drawn = screened(quiet=False, is_terminal=True)
    assert lines == []
    assert "drawn b" in drawn


def screened(quiet: bool, is_terminal: bool) -> tuple[list[str], str]:
    """The lines that were printed for "a" and "b", and what was written to the console."""
    written, lines = io.StringIO(), list[str]()
    out = Console(file=written, force_terminal=is_terminal, width=40)
    with screen(Session(None, out, out), quiet, lines.append, lambda each: Text(f"drawn {each}")) as show:
        show("a")
        show("b")
    return lines, written.getvalue()
