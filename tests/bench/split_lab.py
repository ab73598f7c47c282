"""A cluster of the split bench at work: hosts with their part of a core, their links, and launches over them.

While a model loads nothing is limited, so that a launch takes a moment; parts of a core, rates and delays hold from the
moment the head is ready.
"""

import asyncio
import contextlib
import json
import secrets
import sys
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

from app.engine.calibration import Calibration, CalibrationPlace, calibrate
from app.engine.commands import WorkerSpec, head_command, worker_command
from app.instances.head import HeadPlace, HeadTools, head_spec
from app.schema.engine import EngineBuild
from app.schema.plan import Plan
from app.schema.record import InstanceId
from app.system.spawn import Child, start_child
from tests.bench.split_gauge import Gauge
from tests.bench.split_groups import Group, Usage, Watch, groups
from tests.bench.split_results import Run
from tests.bench.split_shapes import ASKED, PROMPT, SAMPLE, Shape
from tests.cluster.bed import Bed, Host, open_bed

HEAD_PORT, WORKER_PORT, RELAY_PORT = 8181, 50052, 50053
WARM_UP = 8
"""Tokens of a first question, which nobody measures."""

REST = "rest"


class Voice:
    """A program that answers each line it is told with one."""

    def __init__(self) -> None:
        self.child: Child | None = None
        self._lines: asyncio.Queue[str] = asyncio.Queue()
        self._trouble: list[str] = []

    def hear(self, stream: str, line: str) -> None:
        """Take a line it said."""
        if stream == "stdout":
            self._lines.put_nowait(line)
        else:
            self._trouble.append(line)

    async def say(self, order: dict[str, Any]) -> None:
        """Tell it something it does not answer."""
        assert self.child is not None
        await self.child.write_line(json.dumps(order))

    async def next(self, deadline: float = 150.0) -> dict[str, Any]:
        """What it said next. Raises RuntimeError with its last words when it says nothing."""
        try:
            async with asyncio.timeout(deadline):
                found: dict[str, Any] = json.loads(await self._lines.get())
        except TimeoutError:
            raise RuntimeError("\n".join(self._trouble[-20:]) or "no answer") from None
        return found

    async def ask(self, order: dict[str, Any]) -> dict[str, Any]:
        """Tell it something, and its answer."""
        await self.say(order)
        return await self.next()


@contextlib.asynccontextmanager
async def _running(argv: tuple[str, ...], voice: Voice) -> AsyncIterator[Voice]:
    voice.child = await start_child(argv, on_line=voice.hear, with_stdin=True)
    try:
        yield voice
    finally:
        await voice.child.stop(grace=0.0)


class Cluster:
    """The hosts of one shape. Made by `open_cluster`."""

    def __init__(
        self, shape: Shape, bed: Bed, parts: dict[str, Group], build: EngineBuild, model: Path, gauge: Gauge
    ) -> None:
        self._shape = shape
        self._gauge = gauge
        self._bed = bed
        self._parts = parts
        self._build = build
        self._model = model
        self._relays: list[Voice] = []
        self.client = Voice()

    @property
    def _head(self) -> Host:
        return self._bed[self._shape.pcs[0].name]

    async def round_trip(self, name: str) -> float:
        """Seconds of a request to a worker's engine and back, everything limited."""
        async with self._worker(name) as endpoint, self._limited():
            return float((await self.client.ask({"worker": endpoint}))["seconds"])

    async def launch(self, split: str, found: Plan) -> Run:
        """Run a plan once with new workers."""
        key = secrets.token_hex(8)
        async with AsyncExitStack() as stack:
            endpoints = {
                index: await stack.enter_async_context(self._worker(stage.node_name))
                for index, stage in enumerate(found.stages)
                if stage.node != found.head
            }
            await stack.enter_async_context(self._serving(found, endpoints, key))
            asked = {"port": HEAD_PORT, "key": key}
            await self.client.ask(asked)
            await stack.enter_async_context(self._limited())
            await self.client.ask({**asked, "prompt": WARM_UP, "answer": 2, "seed": 0})
            return await self._run(split, {**asked, "prompt": PROMPT, "answer": SAMPLE})

    async def _run(self, split: str, order: dict[str, Any]) -> Run:
        """What else a machine does only makes an answer slower: the fastest of some counts, as in the calibration."""
        watch = Watch(list(self._parts.values()))
        told = [await self.client.ask({**order, "seed": 1 + number}) for number in range(ASKED)]
        usage = watch.usage()
        return Run(
            split=split,
            at=time.time(),
            decode=max(each["predicted_per_second"] for each in told),
            prefill=max(each["prompt_per_second"] for each in told),
            others=usage.others,
            stolen=usage.stolen,
            is_disturbed=usage.is_disturbed,
            pace=await self._gauge.look(),
        )

    @contextlib.asynccontextmanager
    async def _serving(self, found: Plan, endpoints: dict[int, str], key: str) -> AsyncIterator[None]:
        place = HeadPlace(InstanceId("x"), found, str(self._model), None, endpoints, (), lambda _: None)
        tools = HeadTools(self._head.name, self._build, 1, None, ())
        command = head_command(self._build, head_spec(place, tools, HEAD_PORT, key))
        child = await start_child(
            self._parts[self._head.name].entered(*self._head.inside(*command.argv)),
            on_line=lambda *_: None,
            env=command.environment,
            with_stdin=True,
        )
        try:
            yield
        finally:
            await child.stop(grace=0.0)

    @contextlib.asynccontextmanager
    async def _worker(self, name: str) -> AsyncIterator[str]:
        """An rpc-server in a host, behind a relay where the shape has a delay; yields its `host:port`."""
        host = self._bed[name]
        spec = WorkerSpec(device="CPU", port=WORKER_PORT, threads=1, cache_folder=None)
        command = worker_command(self._build, spec)
        argv = [host.address if part == "127.0.0.1" else part for part in command.argv]
        child = await start_child(
            self._parts[name].entered(*host.inside(*argv)), on_line=lambda *_: None, env=command.environment
        )
        try:
            async with self._relayed(host) as port:
                endpoint = f"{host.address}:{port}"
                await self.client.ask({"until": endpoint})
                yield endpoint
        finally:
            await child.stop(grace=0.0)

    @contextlib.asynccontextmanager
    async def _relayed(self, host: Host) -> AsyncIterator[int]:
        if not self._shape.delay:
            yield WORKER_PORT
            return
        addresses = (f"{host.address}:{RELAY_PORT}", f"{host.address}:{WORKER_PORT}")
        argv = host.inside(sys.executable, "-m", "tests.cluster.chaos", *addresses)
        async with _running(argv, Voice()) as relay:
            await relay.next()
            self._relays.append(relay)
            try:
                yield RELAY_PORT
            finally:
                self._relays.remove(relay)

    @contextlib.asynccontextmanager
    async def _limited(self) -> AsyncIterator[None]:
        """Parts of a core, rates and delays hold inside."""
        faults = {"delay": self._shape.delay}
        for relay in self._relays:
            await relay.say({"up": faults, "down": faults})
        for pc in self._shape.pcs:
            await self._bed[pc.name].limit(self._shape.rate)
            self._parts[pc.name].limit(True)
        try:
            yield
        finally:
            for pc in self._shape.pcs:
                self._parts[pc.name].limit(False)
                await self._bed[pc.name].unlimit()


@contextlib.asynccontextmanager
async def open_cluster(shape: Shape, build: EngineBuild, model: Path, gauge: Gauge) -> AsyncIterator[Cluster]:
    """The hosts of a shape on one LAN, and a client on the head's; everything is removed at the end."""
    async with open_bed(*(pc.name for pc in shape.pcs), tag="split") as bed:
        with groups({pc.name: pc.cores for pc in shape.pcs}, REST) as parts:
            found = Cluster(shape, bed, parts, build, model, gauge)
            inside = bed[shape.pcs[0].name].inside(sys.executable, "-m", "tests.bench.split_inside")
            async with _running(inside, found.client), _counted(parts):
                yield found


@contextlib.asynccontextmanager
async def _counted(parts: dict[str, Group]) -> AsyncIterator[None]:
    folders = [str(each.folder) for name, each in parts.items() if name != REST]
    async with _running((sys.executable, "-m", "tests.bench.split_groups", *folders), Voice()):
        yield


async def calibrated(build: EngineBuild, folder: Path, cores: float) -> tuple[Calibration, Usage]:
    """What the calibration says of a host with that part of a core, and who else used the machine meanwhile.

    Raises CalibrationFailed.
    """
    with groups({"host": cores}, REST) as parts:
        group = parts["host"]
        script = folder / f"server-{round(cores * 100)}.sh"
        script.write_text(f'#!/bin/sh\n{group.entry}\nexec "{build.server}" "$@"\n')
        script.chmod(0o755)
        limited = build.model_copy(update={"server": str(script)})
        group.limit(True)
        watch = Watch(list(parts.values()))
        async with _counted(parts):
            found = await calibrate(CalibrationPlace(limited, folder, 1), "CPU")
        return found, watch.usage()


def cores_of(shape: Shape) -> list[float]:
    """The parts of a core that hosts of a shape have."""
    return sorted({pc.cores for pc in shape.pcs}, reverse=True)
