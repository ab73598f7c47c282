"""`caravan demo --hosts N`: the whole way of a user, on hosts with addresses of their own.

Nodes find each other by real discovery, join by code, and carry one model. Everything is done by our own command line
inside the hosts, as people do it there.
"""

import asyncio
import json
import os
import time
from collections.abc import Callable, Iterator
from contextlib import AsyncExitStack, contextmanager, nullcontext
from dataclasses import dataclass
from typing import Any

from app.cli import words
from app.cli.console import Session
from app.cli.demo_lan import DemoHost, demo_lan
from app.cli.running import show_plan
from app.schema.errors import ErrorInfo, NodeError, from_info
from app.schema.instance import InstanceStatus
from app.schema.node import Status
from app.schema.settings import Settings
from app.system.files import write_atomically
from app.system.paths import Paths
from app.system.spawn import Child, ProgramTimedOut, run_short, start_child

STOP_SECONDS = 15.0
WAIT_SECONDS = 60.0
"""Deadline of what must come by itself: a node that starts, a neighbour that is seen."""

COMMAND_SECONDS = 120.0
POLL_SECONDS = 0.1


@dataclass(frozen=True)
class Question:
    """What is asked of which model, and how long the answer may be in tokens."""

    model: str
    prompt: str
    max_tokens: int


@dataclass(frozen=True)
class Told:
    """One answer of the model on so many PCs."""

    instance: InstanceStatus
    text: str
    tokens_per_second: float | None


class Hosts:
    """The running nodes, and what our command line says in them."""

    def __init__(self, hosts: tuple[DemoHost, ...], gathered: Callable[[Status, int], bool]) -> None:
        self._hosts = hosts
        self._gathered = gathered

    async def start(self, stack: AsyncExitStack) -> None:
        """Start a node in every host; `stack` ends them."""
        threads = max(1, (os.cpu_count() or 1) // len(self._hosts))
        nodes = []
        for host in self._hosts:
            paths = Paths.under(host.folder)
            paths.ensure()
            settings = Settings(name=host.name, use_known_folders=False, cpu_threads=threads)
            write_atomically(paths.settings, settings.model_dump_json().encode())
            lines: list[str] = []
            child = await start_child(host.caravan("node", "--no-measure"), on_line=_hearer(lines))
            stack.push_async_callback(child.stop, grace=STOP_SECONDS)
            nodes.append((host, child, lines))
        await asyncio.gather(*(_started(*node) for node in nodes))

    async def see_each_other(self) -> None:
        """Wait until every host sees all others on the network."""
        for host in self._hosts:
            await self._until(host, lambda status: len(status.seen) >= len(self._hosts) - 1, "sees too few PCs")

    async def join(self, guest: DemoHost) -> str:
        """Show a code on the first host and type it on another; returns the code."""
        code: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        inviting = await start_child(self._hosts[0].caravan("invite", "--json"), on_line=_code_hearer(code))
        try:
            async with asyncio.timeout(WAIT_SECONDS):
                shown = await code
            await ask(guest, "join", "--code", shown)
            await inviting.wait()
        finally:
            await inviting.stop(grace=STOP_SECONDS)
        return shown

    async def know_each_other(self) -> None:
        """Wait until the first host knows what every other has."""
        await self._until(
            self._hosts[0], lambda status: self._gathered(status, len(self._hosts)), "does not know what all PCs have"
        )

    async def tell(self, question: Question, pcs: int) -> Told:
        """Launch on so many PCs, ask, and stop."""
        first = self._hosts[0]
        started = await ask(first, "launch", question.model, "--pcs", str(pcs))
        instance = InstanceStatus.model_validate(started)
        if instance.error is not None:
            raise from_info(instance.error)
        limits = ("--temperature", "0", "--max-tokens", str(question.max_tokens))
        answer = await ask(first, "chat", "--prompt", question.prompt, *limits)
        await ask(first, "stop", instance.id)
        speed = (answer["timings"] or {}).get("predicted_per_second")
        return Told(instance, answer["answer"], round(speed, 1) if speed else None)

    async def _until(self, host: DemoHost, reached: Callable[[Status], bool], problem: str) -> None:
        give_up = time.monotonic() + WAIT_SECONDS
        while time.monotonic() < give_up:
            status = Status.model_validate(await ask(host, "status"))
            if status.engine.problem is not None:
                raise from_info(status.engine.problem)
            if reached(status):
                return
            await asyncio.sleep(POLL_SECONDS)
        raise NodeError(f"{host.name} of the demo {problem} after {WAIT_SECONDS:.0f} s.", "Run it again.")


async def ask(host: DemoHost, *arguments: str) -> Any:
    """What a command says with `--json` in a host. Raises the error that it says."""
    try:
        done = await run_short(host.caravan(*arguments, "--json"), deadline=COMMAND_SECONDS)
        told = json.loads(done.stdout)
    except (ValueError, ProgramTimedOut) as error:
        raise NodeError(f"`caravan {arguments[0]}` on {host.name} of the demo gave no answer.", "") from error
    if isinstance(told, dict) and set(told) == {"error"}:
        raise from_info(ErrorInfo.model_validate(told["error"]))
    return told


async def _started(host: DemoHost, node: Child, lines: list[str]) -> None:
    give_up = time.monotonic() + WAIT_SECONDS
    while not Paths.under(host.folder).endpoint.exists():
        if node.returncode is not None or time.monotonic() > give_up:
            raise NodeError(f"The node of {host.name} did not start.", "", tuple(lines[-10:]))
        await asyncio.sleep(POLL_SECONDS / 2)


def _hearer(lines: list[str]) -> Callable[[str, str], None]:
    return lambda _, line: lines.append(line)


def _code_hearer(code: asyncio.Future[str]) -> Callable[[str, str], None]:
    """Hears what `invite --json` prints: one JSON object over several lines, the code in it."""

    def hear(stream: str, line: str) -> None:
        name, _, value = line.strip().rstrip(",").partition(": ")
        if stream == "stdout" and name == '"code"' and value != "null" and not code.done():
            code.set_result(json.loads(value))

    return hear


@contextmanager
def _step(to: Session | None, text: str) -> Iterator[None]:
    """A line for people about something that takes a while, with the time it took."""
    if to is None:
        yield
        return
    began = time.monotonic()
    with to.out.status(text) if to.out.is_terminal else nullcontext():
        yield
    to.say(f"✓ {text}  {words.duration(time.monotonic() - began)}")


async def show_over_hosts(
    to: Session | None, count: int, question: Question, gathered: Callable[[Status, int], bool]
) -> dict[str, Any]:
    """The show; `to` None says nothing. Returns its facts. Everything is removed when it ends, however it does."""
    async with AsyncExitStack() as stack:
        with _step(to, f"{count} hosts with addresses of their own"):
            lan = await stack.enter_async_context(demo_lan(count))
        hosts = Hosts(lan, gathered)
        with _step(to, "a node on each"):
            await hosts.start(stack)
        with _step(to, "all see each other on the network"):
            await hosts.see_each_other()
        for guest in lan[1:]:
            with _step(to, f"{guest.name} at {guest.address} joins with a code"):
                await hosts.join(guest)
        with _step(to, f"{lan[0].name} knows what each has"):
            await hosts.know_each_other()
        split, single = await _compare(to, hosts, question, count)
    return {
        "hosts": [{"name": host.name, "address": host.address} for host in lan],
        "plan": split.instance.plan.model_dump(mode="json"),
        "stages": [stage.model_dump(mode="json") for stage in split.instance.plan.stages],
        "buffers": [buffer.model_dump(mode="json") for buffer in split.instance.buffers],
        "answer": split.text,
        "tokens_per_second": split.tokens_per_second,
        "matches_single": split.text == single.text,
        "single_answer": single.text,
        "single_tokens_per_second": single.tokens_per_second,
    }


async def _compare(to: Session | None, hosts: Hosts, question: Question, count: int) -> tuple[Told, Told]:
    with _step(to, f"{question.model} over {count} PCs: launched, asked, stopped"):
        split = await hosts.tell(question, count)
    if to is not None:
        show_plan(to, split.instance.plan)
        to.say(f"\n> {question.prompt}\n\n{split.text}\n")
    with _step(to, "the same with one process"):
        single = await hosts.tell(question, 1)
    if to is not None:
        to.say(f"{count} PCs: {split.tokens_per_second} tok/s, 1 process: {single.tokens_per_second} tok/s")
        same = split.text == single.text
        to.say("The answers are the same, word for word." if same else "The answers differ.", "bold")
    return split, single
