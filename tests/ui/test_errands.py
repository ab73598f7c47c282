"""Questions and streams across the bridge: which callbacks come, on which thread, and what cancelling does."""

import asyncio
import sys
import threading
from collections.abc import AsyncGenerator, Iterator

import pytest
from PySide6.QtWidgets import QApplication

from app.client import NodeClient
from app.schema.errors import ErrorInfo, InputError
from app.schema.node import Status
from app.schema.settings import Settings
from app.system.paths import Paths
from app.ui.bridge import Bridge
from app.ui.desk import Desk
from app.ui.errand import Mailbox
from app.ui.face import Link
from app.ui.keeper import change_sharing
from tests.ui import small_node
from tests.ui.conftest import Until
from tests.ui.samples import status


class Taken:
    """What the callbacks brought."""

    def __init__(self) -> None:
        self.items: list[object] = []
        self.errors: list[ErrorInfo] = []
        self.ends = 0
        self.threads: set[str] = set()

    def item(self, what: object) -> None:
        self.items.append(what)
        self.threads.add(threading.current_thread().name)

    def error(self, error: ErrorInfo) -> None:
        self.errors.append(error)
        self.threads.add(threading.current_thread().name)

    def end(self) -> None:
        self.ends += 1


@pytest.fixture
def bridge(application: QApplication, paths: Paths, until: Until) -> Iterator[Bridge]:
    command = [sys.executable, "-m", small_node.__name__, "--data-dir", str(paths.data)]
    made = Bridge(paths, command, retry=0.05)
    statuses: list[Status] = []
    made.status_changed.connect(statuses.append)
    made.start()
    until(lambda: statuses)
    yield made
    made.stop()


async def read_status(client: NodeClient) -> Status:
    return await client.status()


async def refuse(client: NodeClient) -> Status:
    raise InputError("No.", "Ask for something else.")


async def break_down(client: NodeClient) -> Status:
    raise KeyError("a fault of ours")


def test_an_answer_comes_once_on_the_main_thread(bridge: Bridge, until: Until) -> None:
    taken = Taken()
    bridge.ask(read_status, taken.item, taken.error)
    until(lambda: taken.items)
    assert isinstance(taken.items[0], Status)
    assert (len(taken.items), taken.errors, taken.threads) == (1, [], {"MainThread"})


def test_an_error_comes_instead_of_the_answer(bridge: Bridge, until: Until) -> None:
    taken = Taken()
    bridge.ask(refuse, taken.item, taken.error)
    until(lambda: taken.errors)
    assert (taken.errors[0].sentence, taken.items, taken.threads) == ("No.", [], {"MainThread"})


@pytest.mark.expects_error_logs
def test_a_fault_of_ours_is_told_in_a_sentence(bridge: Bridge, until: Until) -> None:
    taken = Taken()
    bridge.ask(break_down, taken.item, taken.error)
    until(lambda: taken.errors)
    assert taken.errors[0].sentence == "Something went wrong inside Caravan."


def test_an_error_that_nobody_takes_is_the_bridges(bridge: Bridge, until: Until) -> None:
    taken = Taken()
    bridge.failed.connect(taken.error)
    bridge.ask(refuse)
    until(lambda: taken.errors)


def test_a_stream_keeps_its_order_and_ends_once(bridge: Bridge, until: Until) -> None:
    async def count(client: NodeClient) -> AsyncGenerator[int, None]:
        for number in range(2000):
            yield number

    taken = Taken()
    bridge.stream(count, taken.item, taken.end, taken.error)
    until(lambda: taken.ends)
    assert taken.items == list(range(2000))
    assert (taken.ends, taken.errors, taken.threads) == (1, [], {"MainThread"})


def test_a_stream_that_breaks_ends_with_its_error(bridge: Bridge, until: Until) -> None:
    async def count(client: NodeClient) -> AsyncGenerator[int, None]:
        yield 1
        raise InputError("Enough.")

    taken = Taken()
    bridge.stream(count, taken.item, taken.end, taken.error)
    until(lambda: taken.errors)
    assert (taken.items, taken.ends) == ([1], 0)


def test_a_cancelled_stream_is_closed_and_says_nothing_more(bridge: Bridge, until: Until) -> None:
    closed = threading.Event()

    async def count(client: NodeClient) -> AsyncGenerator[int, None]:
        try:
            number = 0
            while True:
                yield number
                number += 1
                await asyncio.sleep(0.001)
        finally:
            closed.set()

    taken = Taken()
    handle = bridge.stream(count, taken.item, taken.end, taken.error)
    until(lambda: len(taken.items) > 3)
    handle.cancel()
    seen = len(taken.items)
    until(closed.is_set)
    handle.cancel()
    QApplication.processEvents()
    assert (len(taken.items), taken.ends, taken.errors, handle.is_open) == (seen, 0, [], False)


def test_what_is_cancelled_at_once_never_begins(bridge: Bridge, until: Until) -> None:
    taken, after = Taken(), Taken()
    bridge.ask(read_status, taken.item, taken.error).cancel()
    bridge.ask(read_status, after.item, after.error)
    until(lambda: after.items)
    assert (taken.items, taken.errors) == ([], [])


def test_after_the_end_nothing_comes_and_nothing_breaks(bridge: Bridge) -> None:
    taken = Taken()
    bridge.stop()
    handle = bridge.ask(read_status, taken.item, taken.error)
    handle.cancel()
    QApplication.processEvents()
    assert (taken.items, taken.errors) == ([], [])


def test_many_calls_leave_room_for_other_events(application: QApplication, until: Until) -> None:
    mailbox, turns, seen = Mailbox(), [], []

    def slow(number: int) -> None:
        seen.append(number)
        end = threading.Event()
        end.wait(0.002)

    for number in range(40):
        mailbox.post(lambda number=number: slow(number))
    other = Mailbox()
    other.post(lambda: turns.append(len(seen)))
    until(lambda: len(seen) == 40)
    assert seen == list(range(40))
    assert turns[0] < 40


def test_a_call_that_fails_does_not_stop_the_next(application: QApplication, until: Until) -> None:
    mailbox, seen = Mailbox(), []
    before, sys.excepthook = sys.excepthook, lambda *_: seen.append("told")
    mailbox.post(lambda: 1 / 0)
    mailbox.post(lambda: seen.append("next"))
    until(lambda: "next" in seen)
    sys.excepthook = before
    assert seen == ["told", "next"]


class Sharing:
    """A node's settings."""

    def __init__(self) -> None:
        self.now = Settings(name="ATTIC")

    async def settings(self) -> Settings:
        return self.now

    async def change_settings(self, settings: Settings) -> Settings:
        self.now = settings
        return settings


async def test_sharing_is_paused_and_goes_on_and_nothing_else_changes() -> None:
    node = Sharing()
    await change_sharing(node)  # type: ignore[arg-type]
    assert node.now == Settings(name="ATTIC", sharing=False)
    await change_sharing(node)  # type: ignore[arg-type]
    assert node.now == Settings(name="ATTIC")


class NoErrands:
    ask = stream = None


def test_a_storm_of_statuses_is_told_calmly_and_ends_with_the_last(
    application: QApplication, paths: Paths, until: Until
) -> None:
    desk = Desk(NoErrands(), paths)  # type: ignore[arg-type]
    heard: list[Status] = []
    desk.status_changed.connect(heard.append)
    for seq in range(300):
        desk.take_status(status(seq=seq))
    assert [each.seq for each in heard] == [0]
    assert desk.status is not None
    assert desk.status.seq == 299
    until(lambda: len(heard) == 2)
    assert heard[1].seq == 299


def test_a_lost_node_takes_its_status_with_it(application: QApplication, paths: Paths) -> None:
    desk = Desk(NoErrands(), paths)  # type: ignore[arg-type]
    told: list[Link] = []
    desk.link_changed.connect(lambda: told.append(desk.link))
    desk.take_link(Link.FOUND, "http://127.0.0.1:1")
    desk.take_status(status())
    desk.take_link(Link.LOST)
    assert (desk.status, desk.api_url, told) == (None, None, [Link.FOUND, Link.LOST])
