"""The end of the session: asked once, waited for, never longer than Windows grants."""

import asyncio
import signal
import sys
import threading
import time

import pytest

from app.system.signals import SessionEnd, on_end_request


@pytest.mark.parametrize("event", SessionEnd.EVENTS)
def test_the_handler_returns_when_the_node_has_ended(event: int) -> None:
    asked = threading.Event()
    session_end = SessionEnd(asked.set, patience=60)
    answers: list[bool] = []
    windows = threading.Thread(target=lambda: answers.append(session_end.handle(event)))
    windows.start()
    assert asked.wait(10)
    assert answers == []
    session_end.finished.set()
    windows.join(10)
    assert answers == [True]


def test_a_node_that_does_not_end_is_not_waited_for_too_long() -> None:
    begun = time.monotonic()
    assert SessionEnd(lambda: None, patience=0.05).handle(5)
    assert time.monotonic() - begun < 30


@pytest.mark.parametrize("event", [0, 1, 7])
def test_other_events_are_passed_on(event: int) -> None:
    session_end = SessionEnd(lambda: pytest.fail("not asked"), patience=60)
    assert not session_end.handle(event)


async def test_a_signal_asks_for_the_end_on_the_loop() -> None:
    ended = asyncio.Event()
    before = signal.getsignal(signal.SIGINT)
    with on_end_request(asyncio.get_running_loop(), ended.set):
        signal.raise_signal(signal.SIGINT)
        async with asyncio.timeout(30):
            await ended.wait()
    assert signal.getsignal(signal.SIGINT) is before


@pytest.mark.skipif(sys.platform == "win32", reason="SIGTERM is POSIX")
async def test_termination_asks_too() -> None:
    ended = asyncio.Event()
    with on_end_request(asyncio.get_running_loop(), ended.set):
        signal.raise_signal(signal.SIGTERM)
        async with asyncio.timeout(30):
            await ended.wait()
