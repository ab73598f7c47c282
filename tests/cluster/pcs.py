"""Whole PCs for tests: a real node per host, with discovery, pairing, link and engine, and a client inside the host."""

import asyncio
import contextlib
import itertools
import json
import re
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import psutil

from app.schema.errors import ErrorInfo, from_info
from app.schema.instance import InstanceState, InstanceStatus
from app.schema.node import Peer, Reachability, Status
from app.system.paths import resources_folder
from app.system.spawn import Child
from tests.cluster import holds
from tests.cluster.bed import Bed, Host, Listener

API, PEER, PAIR = 52415, 52416, 52417
MODEL = "caravan-demo"
LAUNCHES = frozenset({"launch", "launch_plan"})
PROMPT = "What is Caravan, and how do I join a cluster?"
PATIENCE = 40.0
"""Seconds until something counts as never coming: many times what it takes, on a PC that is busy with other work."""


class Pc:
    """A host with a running node. `status` is the newest the node told."""

    def __init__(self, host: Host, folder: Path, name: str) -> None:
        self.host = host
        self.folder = folder
        self.name = name
        self.node: Child | None = None
        self.lines: list[str] = []
        self.status: Status | None = None
        self.secrets: set[str] = set()
        self._remote: Child | None = None
        self._numbers = itertools.count(1)
        self._answers: dict[int, asyncio.Future[Any]] = {}
        self._speaks = asyncio.Event()
        self._news = asyncio.Event()
        self._raw = ""

    async def start(self, *options: str, env: Mapping[str, str] | None = None) -> None:
        """Start the node as a user does, and the client beside it; returns when it told its first status."""
        self.status = None
        self.folder.mkdir(parents=True, exist_ok=True)
        settings = {"name": self.name, "use_known_folders": False, "cpu_threads": 1}
        if not (self.folder / "settings.json").exists():
            (self.folder / "settings.json").write_text(json.dumps(settings), "utf-8")
        command = (
            sys.executable,
            "-m",
            "tests.guarded",
            "--data-dir",
            str(self.folder),
            "node",
            "-v",
            "--no-measure",
            *options,
        )
        self.node = await self.host.start(*command, on_line=lambda _, line: self.lines.append(line), env=env)
        watch = (sys.executable, "-m", "tests.cluster.remote", str(self.folder))
        self._remote = await self.host.start(*watch, on_line=self._hear)
        await self.until(lambda _: True, 60)

    def _hear(self, stream: str, line: str) -> None:
        if stream == "stderr":
            self.lines.append(f"remote: {line}")
            return
        words = json.loads(line)
        if "status" in words:
            self._raw = line
            self.status = Status.model_validate(words["status"])
            if self.status.invitation is not None and self.status.invitation.code is not None:
                self.secrets.add(self.status.invitation.code)
        elif "speaks" in words:
            self._speaks.set()
        elif "number" in words and (answer := self._answers.pop(words["number"], None)) is not None:
            answer.set_result(words)
        self._news.set()

    async def call(self, name: str, deadline: float = 60.0, **arguments: Any) -> Any:
        """Let the client in the host do something; raises what it raised.

        What a launch brought about is compared with its plan.
        """
        assert self._remote is not None
        number = next(self._numbers)
        answer = self._answers[number] = asyncio.get_running_loop().create_future()
        await self._remote.write_line(json.dumps({"number": number, "call": name, "with": arguments}))
        async with asyncio.timeout(deadline):
            words = await answer
        if "error" in words:
            raise from_info(ErrorInfo.model_validate(words["error"]))
        if name in LAUNCHES:
            holds.check(InstanceStatus.model_validate(words["value"]))
        return words["value"]

    async def ask(self, **arguments: Any) -> Any:
        """Ask the model that runs somewhere in the cluster, as soon as this PC has heard of it."""
        await self.until(lambda status: any(each.state is InstanceState.READY for each in status.all_instances))
        return await self.call("chat", **{"prompt": PROMPT, **arguments})

    @contextlib.asynccontextmanager
    async def answering(self, **arguments: Any) -> AsyncIterator["asyncio.Task[Any]"]:
        """An answer that has begun and is far from its end, when entered."""
        self._speaks.clear()
        asked = asyncio.create_task(self.call("chat", **{"prompt": PROMPT, "ignore_eos": True, **arguments}))
        try:
            async with asyncio.timeout(PATIENCE):
                await self._speaks.wait()
            yield asked
        finally:
            asked.cancel()
            await asyncio.gather(asked, return_exceptions=True)

    async def until(self, reached: Callable[[Status], bool], seconds: float = PATIENCE) -> float:
        """Wait until the status is as wanted; the seconds it took."""
        began = time.monotonic()
        try:
            async with asyncio.timeout(seconds):
                while self.status is None or not reached(self.status):
                    self._news.clear()
                    await self._news.wait()
        except TimeoutError:
            told = [line for line in self.lines if "INFO" not in line][-15:]
            raise AssertionError(f"{self.name} after {seconds} s: {self._in_short()}\n{told}") from None
        return time.monotonic() - began

    def _in_short(self) -> str:
        """The status without what fills pages."""
        if self.status is None:
            return "no status yet"
        shown = self.status.model_dump(mode="json", exclude={"engine", "settings", "hardware", "catalogue", "load"})
        for peer in shown["peers"]:
            peer.pop("report")
        for each in shown["instances"]:
            for name in ("plan", "phases", "buffers"):
                each.pop(name)
        return json.dumps(shown, ensure_ascii=False)

    @property
    def id(self) -> str:
        """Who this node is."""
        assert self.status is not None
        return self.status.node.id

    def peer(self, other: "Pc") -> Peer | None:
        """What this node knows of another."""
        assert self.status is not None
        return next((peer for peer in self.status.peers if peer.node == other.id), None)

    def sees(self, other: "Pc", state: Reachability = Reachability.ALIVE) -> bool:
        """Whether another node counts as alive (or as asked) here."""
        peer = self.peer(other)
        return peer is not None and peer.reachability is state

    def is_ready_with(self, others: Iterable["Pc"]) -> bool:
        """Whether a model can be planned over these: engine and devices known everywhere."""
        status = self.status
        peers = [self.peer(other) for other in others]
        return (
            status is not None
            and status.engine.build is not None
            and all(peer and peer.report and peer.report.devices and peer.report.engine.build for peer in peers)
        )

    async def joined_by(self, guest: "Pc", address: str | None = None) -> float:
        """Invite here and join there by code; the seconds from the guest's wish to the mutual link."""
        shown = await self.call("invite")
        self.secrets.add(shown["code"])
        began = time.monotonic()
        await guest.call("join", code=shown["code"], address=address)
        await guest.until(lambda status: status.join is not None and status.join.state in ("joined", "failed"))
        assert guest.status is not None
        assert guest.status.join is not None
        assert guest.status.join.state == "joined", guest.status.join
        await guest.until(lambda _: guest.sees(self))
        await self.until(lambda _: self.sees(guest))
        took = time.monotonic() - began
        await self.call("end_invitation")
        return took

    async def end(self) -> float:
        """End the node politely, as Ctrl-C does; the seconds it took. The client goes with it."""
        began = time.monotonic()
        if self.node is not None:
            assert await self.node.stop(grace=20.0) is not None
        took = time.monotonic() - began
        await self._end_remote()
        return took

    async def _end_remote(self) -> None:
        if self._remote is not None:
            await self._remote.stop(grace=5.0)

    async def cut_power(self) -> None:
        """Kill everything in the host; nothing is said to anybody."""
        await self.host.kill()

    async def programs(self, word: str) -> tuple[int, ...]:
        """The processes of this PC that have `word` as one of their arguments, or as their program's name."""
        found = []
        for pid in await self.host.pids():
            with contextlib.suppress(psutil.NoSuchProcess):
                arguments = psutil.Process(pid).cmdline()
                if word in (*arguments[1:], *(Path(each).name for each in arguments[:1])):
                    found.append(pid)
        return tuple(found)

    async def link_pid(self) -> int:
        """The link process."""
        (found,) = await self.programs("tunnel")
        return found

    def warned_of(self) -> set[str]:
        """The codes of the warnings that this node shows."""
        return {each.code for each in self.status.warnings} if self.status is not None else set()

    async def audit(self) -> None:
        """Fail when a socket waits that is not on the list of the design."""
        await self.host.audit(self._is_expected)

    def _is_expected(self, listener: Listener) -> bool:
        if listener.protocol == "udp":
            return listener.port == 5353 or listener.is_loopback
        inviting = self.status is not None and self.status.invitation is not None
        lan = {PEER, PAIR} if inviting else {PEER}
        return listener.is_loopback or (listener.port in lan and listener.address.startswith("10."))

    def check_logs(self, *words: str) -> None:
        """Fail when a log holds a code, a key, a token or something that was asked."""
        forbidden = {*self.secrets, *words, (self.folder / "api-token").read_text("ascii").strip()}
        for path in (self.folder / "logs").rglob("*"):
            if not path.is_file():
                continue
            text = path.read_text("utf-8", errors="replace")
            assert "PRIVATE KEY" not in text, path
            found = [each for each in forbidden if re.search(rf"(?<!\w){re.escape(each)}(?!\w)", text)]
            assert not found, (path, found)

    async def check(self) -> None:
        """Everything that must hold after any test: no strange listener, no secret in a log, no error."""
        await self.audit()
        self.check_logs(PROMPT)
        self.check_quiet()

    def check_quiet(self) -> None:
        """Fail when the node logged an error or printed a traceback."""
        bad = [line for line in self.lines if re.search(r"\b(ERROR|CRITICAL)\b|Traceback", line)]
        assert not bad, (self.name, bad, self.lines[-60:])


@contextlib.asynccontextmanager
async def lan_of(bed: Bed, folder: Path, *names: str) -> AsyncIterator[tuple[Pc, ...]]:
    """A node on every host of the bed, started together. At the end they are stopped, and their logs looked at."""
    chosen = names or tuple(bed.hosts)
    pcs = tuple(Pc(bed[name], folder / name, f"PC {name.upper()} 测") for name in chosen)
    try:
        await asyncio.gather(*(pc.start() for pc in pcs))
        yield pcs
        for pc in pcs:
            await pc.check()
    finally:
        await asyncio.gather(*(pc.end() for pc in pcs), return_exceptions=True)


async def as_cluster(pcs: tuple[Pc, ...]) -> None:
    """Let all join the first, and wait until everybody sees everybody and knows what it has."""
    for guest in pcs[1:]:
        await pcs[0].joined_by(guest)
    await until_all_know_all(pcs)


async def until_all_know_all(pcs: tuple[Pc, ...]) -> None:
    """Wait until everybody sees everybody and knows what it has."""
    for pc in pcs:
        others = [each for each in pcs if each is not pc]
        await pc.until(lambda _, pc=pc, others=others: all(pc.sees(each) for each in others))
        await pc.until(lambda _, pc=pc, others=others: pc.is_ready_with(others))


def over(head: Pc, worker: Pc) -> dict[str, Any]:
    """The wish for the demo model over exactly these two."""
    assert head.status is not None
    avoid = [peer.node for peer in head.status.peers if peer.node != worker.id]
    return {"model_id": MODEL, "pcs": 2, "head": head.id, "avoid": avoid}


async def launched(head: Pc, worker: Pc) -> Any:
    """The demo model, ready over these two."""
    found = await head.call("launch", **over(head, worker))
    assert found["state"] == InstanceState.READY, found["error"]
    return found


def demo_model() -> Path:
    """The demo model's file."""
    return resources_folder() / "demo_model" / "caravan-demo.gguf"
