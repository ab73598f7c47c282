"""What no test may leave behind: child processes, threads, asyncio tasks, files in the temporary folder, error logs.

Warnings fail through `filterwarnings`; a blocked event loop fails through blockbuster in every async test.
"""

import asyncio
import inspect
import logging
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
import pytest_asyncio
from blockbuster import blockbuster_ctx

PATIENCE = 15.0
"""Seconds for what is just ending: a busy machine takes some, what was forgotten takes longer."""

THREADS_THAT_STAY = ("asyncio_", "ThreadPoolExecutor", "AnyIO worker thread", "pytest_timeout", "waitpid-")
"""Pool threads that wait for work; they end with the interpreter or with the next use of their loop."""

CHILDREN_THAT_STAY = (r"\explorer.exe /desktop",)
"""Wine starts its desktop as a child of whichever program first wants one; it ends with the prefix."""


@pytest.fixture(autouse=True)
def _no_leftovers() -> Iterator[None]:
    threads = set(threading.enumerate())
    children = {child.pid for child in psutil.Process().children(recursive=True)}
    yield
    late = _wait_until_none(lambda: _new_children(children))
    assert not late, f"child processes left running: {late}"
    extra = _wait_until_none(lambda: _new_threads(threads))
    assert not extra, f"threads left running: {extra}"


def _new_children(before: set[int]) -> list[str]:
    found = []
    for child in psutil.Process().children(recursive=True):
        if child.pid not in before:
            try:
                found.append(" ".join(child.cmdline())[:120])
            except psutil.NoSuchProcess:
                continue
            except OSError as error:
                # Wine's words, unknown to psutil, for one that is just ending; the next look does not find it.
                found.append(f"process {child.pid}: {error}")
    return [command for command in found if not command.endswith(CHILDREN_THAT_STAY)]


def _new_threads(before: set[threading.Thread]) -> list[str]:
    extra = [thread for thread in threading.enumerate() if thread not in before and thread.is_alive()]
    return [thread.name for thread in extra if not thread.name.startswith(THREADS_THAT_STAY)]


def _wait_until_none(look: Callable[[], list[str]]) -> list[str]:
    give_up = time.monotonic() + PATIENCE
    while (found := look()) and time.monotonic() < give_up:
        time.sleep(0.02)
    return found


UNIT = Path(__file__).parent / "unit"
"""Where tests run our services in their own loop; elsewhere a loop is only a client, and nodes run `tests.guarded`."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if isinstance(item, pytest.Function) and inspect.iscoroutinefunction(inspect.unwrap(item.obj)):
            item.fixturenames[:0] = ["no_tasks_left", *(["no_blocked_loop"] if UNIT in item.path.parents else [])]


@pytest_asyncio.fixture
async def no_tasks_left() -> AsyncIterator[None]:
    before = asyncio.all_tasks()
    yield
    await asyncio.sleep(0)
    give_up = time.monotonic() + PATIENCE
    while (left := _new_tasks(before)) and time.monotonic() < give_up:
        await asyncio.sleep(0.02)
    assert not left, f"asyncio tasks left running: {left}"


def _new_tasks(before: set[asyncio.Task[Any]]) -> list[str]:
    extra = asyncio.all_tasks() - before - {asyncio.current_task()}
    return [task.get_name() for task in extra if not task.done()]


@pytest.fixture
def no_blocked_loop() -> Iterator[None]:
    """A blocking call of ours on the event loop raises where it happens."""
    with blockbuster_ctx("app") as blocker:
        # PySide6, once a test of the tray loaded it, looks at files whenever anything is imported.
        blocker.functions["os.stat"].can_block_in("shibokensupport/feature.py", "feature_imported")
        yield


@pytest.fixture(autouse=True)
def _no_stray_error_logs(request: pytest.FixtureRequest, caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """A log line of level ERROR fails the test unless it is marked `expects_error_logs`."""
    yield
    if request.node.get_closest_marker("expects_error_logs"):
        return
    records = [*caplog.get_records("setup"), *caplog.get_records("call")]
    stray = [f"{record.name}: {record.getMessage()}" for record in records if record.levelno >= logging.ERROR]
    assert not stray, f"unexpected error logs: {stray}"
