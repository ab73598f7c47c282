"""Stays with one data folder's node: finds it or starts it, follows its status, passes commands on. No Qt here."""

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from contextlib import AsyncExitStack, aclosing, suppress
from dataclasses import dataclass

from app.client import NodeClient
from app.schema.errors import CaravanError, ErrorInfo, NodeError, NodeNotRunning
from app.schema.node import Status
from app.schema.record import InstanceId, ModelId
from app.system.paths import Paths
from app.system.spawn import Child, ProgramMissing, start_child

RETRY_SECONDS = 3.0
"""Pause before a lost node is looked for again."""

START_SECONDS = 60.0
"""How long a node may take until it answers; a cold disk makes the first start slow."""

END_SECONDS = 35.0
"""How long a node may take to end: its own deadline, and a little."""

_LOOK_SECONDS = 10.0
_POLL_SECONDS = 0.1
_SILENT_END_SECONDS = 3.0
"""How long a node that does not answer, because it is starting or ending, may go on."""

_KILL_GRACE = 2.0
_LINES_KEPT = 40
_CHILD_ENVIRONMENT = {"COLUMNS": "1000", "PYTHONIOENCODING": "utf-8"}
"""A sentence of the node stays on one line."""

_EXIT_TOLD = 1
"""The node's exit code after it has told a person why."""

_log = logging.getLogger("caravan.ui")

Work = Callable[[NodeClient], Awaitable[None]]


@dataclass(frozen=True)
class Attachment:
    """The node that was found. `is_ours` says that we started it and end it."""

    api_url: str
    is_ours: bool


@dataclass(frozen=True)
class Audience:
    """Who is told what happens. Every call is made on the keeper's loop and must not block."""

    starting: Callable[[], None]
    attached: Callable[[Attachment], None]
    status: Callable[[Status], None]
    lost: Callable[[], None]
    failed: Callable[[ErrorInfo], None]


@dataclass(frozen=True)
class _Seen:
    """What a look found: a client of a node to stay with, or that the one there is just ending."""

    client: NodeClient | None = None
    is_ending: bool = False


class Keeper:
    """One `run` from start to end. `command` is the argument list that starts a node of this data folder.

    A node that ran already is left alone; one that we started ends with us. It is started once; after a loss we only
    look for it, until `start_node` is asked for.
    """

    def __init__(self, paths: Paths, command: Sequence[str], audience: Audience, retry: float = RETRY_SECONDS) -> None:
        self._paths = paths
        self._command = command
        self._audience = audience
        self._retry = retry
        self._ended = asyncio.Event()
        self._start_wanted = asyncio.Event()
        self._child: Child | None = None
        self._lines: deque[str] = deque(maxlen=_LINES_KEPT)
        self._work: set[asyncio.Task[None]] = set()

    async def run(self) -> None:
        """Follow the node until `end`; returns when nothing of ours is left."""
        following = asyncio.create_task(self._follow(), name="follow the node")
        ended = asyncio.create_task(self._ended.wait(), name="end of the keeper")
        try:
            await asyncio.wait((following, ended), return_when=asyncio.FIRST_COMPLETED)
        finally:
            tasks = (following, ended, *self._work)
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await self._end_own_node()
        if not following.cancelled():
            following.result()

    def end(self) -> None:
        """Let `run` return."""
        self._ended.set()

    def start_node(self) -> None:
        """Start a node if none answers."""
        self._start_wanted.set()

    def do(self, work: Work) -> None:
        """Do something with the node; an error is told to the audience."""
        self.run_errand(self._told(work, self._audience.failed))

    def run_errand(self, errand: Coroutine[None, None, None]) -> asyncio.Task[None]:
        """Run something beside the rest; it is cancelled when the keeper ends."""
        task = asyncio.create_task(errand, name="errand to the node")
        self._work.add(task)
        task.add_done_callback(self._work.discard)
        return task

    async def errand(self, work: Work, failed: Callable[[ErrorInfo], None]) -> None:
        """Do something with the node; whatever goes wrong is told to `failed`, once, in words for a person."""
        try:
            await self._told(work, failed)
        except Exception:  # noqa: BLE001  whatever it is, the person must be told and not wait for ever
            _log.exception("An errand broke")
            failed(CaravanError("Something went wrong inside Caravan.", "Try again; the logs tell more.").info())

    async def _told(self, work: Work, failed: Callable[[ErrorInfo], None]) -> None:
        try:
            async with await asyncio.to_thread(NodeClient, self._paths) as client:
                await work(client)
        except NodeNotRunning:
            failed(NodeNotRunning("Caravan is not running on this PC.", "Choose Start Caravan, then try again.").info())
        except (CaravanError, ValueError) as error:
            failed(_told(error))

    async def _follow(self) -> None:
        self._start_wanted.set()
        while True:
            seen = await self._look()
            client = seen.client
            if client is None and not seen.is_ending and self._start_wanted.is_set():
                client = await self._start()
            has_lived = not seen.is_ending
            if client is not None:
                async with client:
                    has_lived = await self._watch(client)
            if has_lived:
                self._start_wanted.clear()
            else:
                # The wish for a node is still to be fulfilled when this one has made room.
                await asyncio.sleep(_POLL_SECONDS)
            await self._mourn()
            self._audience.lost()
            with suppress(TimeoutError):
                await asyncio.wait_for(self._start_wanted.wait(), self._retry)

    async def _look(self) -> _Seen:
        """Whether this folder's node answers; the caller closes the client."""
        try:
            client = await asyncio.to_thread(NodeClient, self._paths)
        except NodeNotRunning:
            return _Seen()
        async with AsyncExitStack() as stack:
            await stack.enter_async_context(client)
            # A stale address may lead to a stranger, who answers anything or nothing.
            with suppress(CaravanError, ValueError, TimeoutError):
                async with asyncio.timeout(_LOOK_SECONDS):
                    status = await client.status()
                if status.node.id == client.endpoint.node:
                    if status.ending:
                        return _Seen(is_ending=True)
                    stack.pop_all()
                    return _Seen(client)
        return _Seen()

    async def _watch(self, client: NodeClient) -> bool:
        """Tell what the node tells until it is lost or ends; returns whether it was more than just ending."""
        has_lived = False
        is_ours = self._child is not None and self._child.returncode is None
        try:
            async with aclosing(client.watch()) as statuses:
                async for status in statuses:
                    if status.ending:
                        break
                    if not has_lived:
                        self._audience.attached(Attachment(client.endpoint.api_url, is_ours))
                    has_lived = True
                    self._audience.status(status)
        except (CaravanError, ValueError) as error:
            _log.info("The node is lost: %s", error)
        return has_lived

    async def _start(self) -> NodeClient | None:
        self._audience.starting()
        await self._end_own_node()
        self._lines.clear()
        try:
            self._child = await start_child(
                self._command, on_line=lambda _, line: self._lines.append(line), env=_CHILD_ENVIRONMENT
            )
        except ProgramMissing as error:
            self._audience.failed(NodeError("Caravan's own program file is missing.", "Install it again.").info())
            _log.warning("The node cannot be started: %s", error)
            return None
        return await self._await_answer(self._child)

    async def _await_answer(self, child: Child) -> NodeClient | None:
        for _ in range(int(START_SECONDS / _POLL_SECONDS)):
            # In this order: a child that ended because another node has the folder leaves one that answers.
            has_ended = child.returncode is not None
            if (client := (await self._look()).client) is not None:
                return client
            if has_ended:
                return None
            await asyncio.sleep(_POLL_SECONDS)
        self._audience.failed(start_failure(f"Caravan did not start within {START_SECONDS:.0f} s.", "", self._lines))
        return None

    async def _mourn(self) -> None:
        """Say why our node ended, if it has and should not have."""
        if self._child is None or self._child.returncode is None:
            return
        code = await self._child.wait()
        self._child = None
        if code != 0:
            self._audience.failed(node_end(code, self._lines))

    async def _end_own_node(self) -> None:
        """End the node that we started: politely, then by tree."""
        child, self._child = self._child, None
        if child is None:
            return
        try:
            if child.returncode is None:
                patience = END_SECONDS if await self._asked_to_end() else _SILENT_END_SECONDS
                async with asyncio.timeout(patience):
                    await child.wait()
        except TimeoutError:
            _log.warning("The node did not end in time and is killed")
        finally:
            await child.stop(grace=_KILL_GRACE)

    async def _asked_to_end(self) -> bool:
        seen = await self._look()
        if seen.client is None:
            return seen.is_ending
        async with seen.client as client:
            with suppress(CaravanError, ValueError):
                await client.shut_down()
        return True


def launch(model: ModelId) -> Work:
    """Work that launches a model as it ran last; raises PlacementRefused with the planner's own sentence."""

    async def work(client: NodeClient) -> None:
        await client.load(model)

    return work


def unload(instance: InstanceId) -> Work:
    """Work that stops an instance, or cancels its launch."""

    async def work(client: NodeClient) -> None:
        await client.stop(instance)

    return work


async def change_sharing(client: NodeClient) -> None:
    """Work that pauses sharing this PC, or goes on with it."""
    settings = await client.settings()
    await client.change_settings(settings.model_copy(update={"sharing": not settings.sharing}))


def _told(error: CaravanError | ValueError) -> ErrorInfo:
    if isinstance(error, CaravanError):
        return error.info()
    return NodeError("Caravan's answer cannot be read.", "Is another version of it running?", (str(error),)).info()


def node_end(code: int, lines: Sequence[str]) -> ErrorInfo:
    """Why a node ended: the sentence and the hint that it printed, or its exit code."""
    said = [line.strip() for line in lines if line.strip()]
    if code == _EXIT_TOLD and said and not said[0].startswith("Traceback"):
        return start_failure(said[0], said[1] if len(said) > 1 else "", lines)
    return start_failure(f"Caravan on this PC stopped unexpectedly (code {code}).", "", lines)


def start_failure(sentence: str, hint: str, lines: Sequence[str]) -> ErrorInfo:
    """The error of a node that does not run; what it printed is the detail."""
    return NodeError(
        sentence, hint or "Choose Start Caravan to try again; the logs folder tells more.", tuple(lines)
    ).info()
