"""Predicted against measured speed on clusters of unequal hosts, and the planned split against the usual ones.

Run as root on Linux, on a quiet machine: `python -m tests.bench.split [--all] [SHAPE ...]`. Each host is a network
namespace with a limited rate; its engine runs in a cgroup (version 1) with a part of one core. The planner sees what
the calibration measured in those cgroups. `--all` also tries every split of two hosts in steps of two blocks.
"""

import asyncio
import contextlib
import json
import math
import os
import statistics
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from app.cli.bench_splits import Bench, default_shares, proportional_shares
from app.engine.calibration import Calibration, CalibrationFailed, CalibrationPlace, calibrate
from app.engine.calibration_model import CalibrationShape, write_model
from app.engine.capabilities import Prober
from app.engine.commands import WorkerSpec, head_command, worker_command
from app.engine.locate import Places, locate
from app.instances.head import HeadPlace, HeadTools, head_spec
from app.modelstore.gguf import read_shape
from app.node.speeds import effective
from app.planner.plan import plan
from app.schema.engine import EngineBuild
from app.schema.model import ModelShape
from app.schema.plan import ClusterView, DeviceResources, LinkMeasure, NodeResources, Plan, PlanRequest, Share
from app.schema.record import InstanceId, ModelId, NodeId
from app.schema.speed import DeviceSpeed, WeightFormat
from app.system.spawn import run_short, start_child
from tests.bench.split_inside import ANSWER, PROMPT
from tests.cluster.bed import Bed, Host, open_bed

MODEL = CalibrationShape("bench", WeightFormat.Q4_K, 24, 1024, 2816, 16, 4)
GROUPS = Path("/sys/fs/cgroup/cpu")
PERIOD = 10_000
"""Microseconds over which a quota counts: about a token."""

PORT = 50052
CONTEXT = 1024
ROUNDS = 2
MIB = 1 << 20
RESERVE = 1090 * MIB
"""What the planner keeps back on a host of little memory, and its buffers: beside it, `room` is what decides."""


@dataclass(frozen=True)
class Pc:
    """A host: its part of a core, and how much of the model (0..1) its memory takes."""

    name: str
    cores: float
    room: float


@dataclass(frozen=True)
class Shape:
    """A cluster: its PCs, the head first, and the rate of every link in bit/s."""

    pcs: tuple[Pc, ...]
    rate: int


SHAPES = {
    "fast-head": Shape((Pc("head", 0.3, 0.7), Pc("one", 0.1, 0.9)), 10**9),
    "slow-head": Shape((Pc("head", 0.1, 0.9), Pc("one", 0.3, 0.7)), 10**9),
    "alone-is-best": Shape((Pc("head", 0.3, 1.5), Pc("one", 0.1, 1.5)), 10**9),
    "slow-link": Shape((Pc("head", 0.2, 0.6), Pc("one", 0.3, 0.8)), 10**8),
    "three": Shape((Pc("head", 0.2, 0.5), Pc("one", 0.1, 0.6), Pc("two", 0.3, 0.5)), 10**9),
    "one-too-many": Shape((Pc("head", 0.2, 0.7), Pc("one", 0.2, 0.7), Pc("two", 0.1, 0.9)), 10**9),
}
"""Small parts of a core: all hosts together leave room for what else runs here."""


@dataclass(frozen=True)
class Figures:
    """One launch: tokens/s."""

    decode: float
    prefill: float


class Laboratory:
    """The engine in cgroups, the model file, and what was calibrated so far by part of a core."""

    def __init__(self, build: EngineBuild, folder: Path) -> None:
        self.build = build
        self.folder = folder
        self.model = folder / "bench.gguf"
        self._known: dict[float, Calibration] = {}

    def entered(self, cores: float) -> str:
        """A program that enters the cgroup of that part of a core and becomes the one in its arguments.

        It must come before `ip netns exec`, which hides the cgroups.
        """
        group = GROUPS / f"caravan-split-{os.getpid()}-{round(cores * 100)}"
        group.mkdir(exist_ok=True)
        (group / "cpu.cfs_period_us").write_text(str(PERIOD))
        (group / "cpu.cfs_quota_us").write_text(str(round(PERIOD * cores)))
        path = self.folder / f"{group.name}.sh"
        path.write_text(f'#!/bin/sh\nset -e\necho $$ > {group}/cgroup.procs\nexec "$@"\n')
        path.chmod(0o755)
        return str(path)

    def limited(self, cores: float) -> EngineBuild:
        """The build with a llama-server that has that part of a core."""
        path = self.folder / f"server-{round(cores * 100)}.sh"
        path.write_text(f'#!/bin/sh\nexec {self.entered(cores)} {self.build.server} "$@"\n')
        path.chmod(0o755)
        return self.build.model_copy(update={"server": str(path)})

    async def calibrated(self, cores: float) -> Calibration:
        """What the calibration says of a host with that part of a core; tried until nothing disturbs it."""
        for _ in range(5):
            if cores not in self._known:
                try:
                    found = await calibrate(CalibrationPlace(self.limited(cores), self.folder, 1), "CPU")
                except CalibrationFailed as error:
                    sys.stdout.write(f"  {cores} of a core: {error}\n")
                else:
                    told = ", ".join(
                        f"{each.bandwidth / 1e9:.2f} GB/s {each.compute / 1e9:.0f} GFLOP/s" for each in found.formats
                    )
                    sys.stdout.write(f"  {cores} of a core: {told}, {found.block_seconds * 1e6:.0f} us per block\n")
                    self._known[cores] = found
        return self._known[cores]


@contextlib.contextmanager
def laboratory(build: EngineBuild) -> Iterator[Laboratory]:
    """Everything of it is removed at the end."""
    with tempfile.TemporaryDirectory(prefix="caravan-split-") as name:
        found = Laboratory(build, Path(name))
        write_model(found.model, MODEL)
        try:
            yield found
        finally:
            for group in GROUPS.glob(f"caravan-split-{os.getpid()}-*"):
                group.rmdir()


@contextlib.asynccontextmanager
async def worker(lab: Laboratory, host: Host, pc: Pc) -> AsyncIterator[str]:
    """An rpc-server in a host; yields its `host:port`."""
    spec = WorkerSpec(device="CPU", port=PORT, threads=1, cache_folder=None)
    command = worker_command(lab.build, spec)
    argv = [host.address if part == "127.0.0.1" else part for part in command.argv]
    inner = (lab.entered(pc.cores), *host.inside(*argv))
    child = await start_child(inner, on_line=lambda *_: None, env=command.environment)
    try:
        await asyncio.sleep(0.5)
        yield f"{host.address}:{PORT}"
    finally:
        await child.stop(grace=0.0)


async def inside(lab: Laboratory, host: Host, cores: float, order: dict[str, Any]) -> dict[str, Any]:
    """Run an order in a host. Raises RuntimeError with what it printed when it fails."""
    path = lab.folder / f"{host.name}.json"
    path.write_text(json.dumps(order))
    program = host.inside(sys.executable, "-m", "tests.bench.split_inside", str(path))
    done = await run_short((lab.entered(cores), *program), deadline=300.0)
    if done.returncode != 0:
        raise RuntimeError(done.stderr[-2000:])
    found: dict[str, Any] = json.loads(done.stdout)
    return found


async def launch(lab: Laboratory, bed: Bed, shape: Shape, found: Plan) -> Figures:
    """Run a plan once with fresh workers."""
    pcs = {pc.name: pc for pc in shape.pcs}
    async with AsyncExitStack() as stack:
        endpoints = {
            index: await stack.enter_async_context(worker(lab, bed[stage.node_name], pcs[stage.node_name]))
            for index, stage in enumerate(found.stages)
            if stage.node != found.head
        }
        head = pcs[str(found.head)]
        place = HeadPlace(InstanceId("x"), found, str(lab.model), None, endpoints, (), lambda _: None)
        tools = HeadTools(head.name, lab.build, 1, None, ())
        command = head_command(tools.build, head_spec(place, tools, 8181, "key"))
        order = {
            "argv": command.argv,
            "environment": dict(command.environment),
            "port": 8181,
            "key": "key",
            "workers": [],
        }
        told = await inside(lab, bed[head.name], head.cores, order)
    return Figures(told["decode"], told["prefill"])


async def view_of(lab: Laboratory, bed: Bed, shape: Shape, model: ModelShape) -> ClusterView:
    """The cluster as the planner sees it: calibrated hosts, connect times of their links."""
    nodes, links = [], []
    for pc in shape.pcs:
        found = await lab.calibrated(pc.cores)
        facts = {"key": pc.name, "device": "CPU", "name": pc.name, "engine": "e", "measured_at": 0.0}
        terms = {"token_seconds": found.token_seconds, "block_seconds": found.block_seconds, "formats": found.formats}
        rate = effective(DeviceSpeed.model_validate(facts | terms), model)
        free = round(pc.room * model.weight_bytes) + RESERVE
        device = DeviceResources(
            device="CPU", name=pc.name, total_bytes=free, free_bytes=free, is_cpu=True,
            bandwidth=rate[0] if rate else None, compute=rate[1] if rate else None,
            token_seconds=found.token_seconds,
        )  # fmt: skip
        nodes.append(
            NodeResources(
                node=NodeId(pc.name), name=pc.name, holds_model=pc is shape.pcs[0], engine_build="e", devices=(device,)
            )
        )
        if pc is not shape.pcs[0]:
            async with worker(lab, bed[pc.name], pc) as endpoint:
                told = await inside(lab, bed[shape.pcs[0].name], 1.0, {"workers": [endpoint]})
            trip = told["round_trips"][endpoint]
            links.append(LinkMeasure(a=nodes[0].node, b=NodeId(pc.name), round_trip=trip, throughput=shape.rate / 8))
    return ClusterView(this_node=nodes[0].node, nodes=tuple(nodes), links=tuple(links))


def candidates(view: ClusterView, model: ModelShape, every: bool) -> dict[str, Plan]:
    """The splits to run by name; those that do not fit are left out."""
    head = view.this_node
    request = PlanRequest(
        model_id=ModelId("bench"), context=CONTEXT, head=head, prompt_tokens=PROMPT, answer_tokens=ANSWER
    )
    benches = [Bench(node.node, node.name, node.devices) for node in view.nodes]
    wanted: dict[str, tuple[Share, ...]] = {
        "planned": (),
        "llama.cpp default": default_shares(benches, head, model.layers),
        "memory-proportional": proportional_shares(benches, head, model.layers),
    }
    if every and len(benches) == 2:
        other = benches[1].node
        for own in range(0, model.layers + 1, 2):
            counts = ((head, own), (other, model.layers - own))
            wanted[f"{own} on the head"] = tuple(
                Share(node=node, device="CPU", layers=count) for node, count in counts if count
            )
    answers = {
        name: plan(request.model_copy(update={"shares": shares}), model, view) for name, shares in wanted.items()
    }
    return {name: answer for name, answer in answers.items() if isinstance(answer, Plan)}


async def measure(lab: Laboratory, name: str, shape: Shape, every: bool) -> dict[str, float]:
    """Run one cluster; prints a line per split and returns the planned one's gain over each of the usual ones."""
    model = read_shape(lab.model)
    async with open_bed(*(pc.name for pc in shape.pcs)) as bed:
        for pc in shape.pcs:
            await bed[pc.name].limit(shape.rate)
        plans = candidates(await view_of(lab, bed, shape, model), model, every)
        runs: dict[str, list[Figures]] = {each: [] for each in plans}
        for _ in range(ROUNDS):
            for each, found in plans.items():
                runs[each].append(await launch(lab, bed, shape, found))
    seconds = {each: _exchange(found) for each, found in runs.items()}
    for each, found in plans.items():
        sys.stdout.write(f"  {name}: {each}: {_line(found, runs[each])}\n")
    sys.stdout.flush()
    best = min(seconds.values())
    sys.stdout.write(f"  {name}: planned is {best / seconds['planned']:.2f} of the best one tried\n")
    return {
        each: seconds[each] / seconds["planned"]
        for each in seconds
        if each in ("llama.cpp default", "memory-proportional")
    }


def _exchange(runs: list[Figures]) -> float:
    prefill = statistics.median(each.prefill for each in runs)
    decode = statistics.median(each.decode for each in runs)
    return PROMPT / prefill + ANSWER / decode


def _line(found: Plan, runs: list[Figures]) -> str:
    decode, prefill = (statistics.median(getattr(each, name) for each in runs) for name in ("decode", "prefill"))
    held = " ".join(f"{stage.node_name}:{stage.layers}" for stage in found.stages)
    told = found.prediction
    ratios = (
        f"predicted over measured {told.decode / decode:.2f} and {told.prefill / prefill:.2f}"
        if told
        else "no prediction"
    )
    return f"{held}  decode {decode:.1f} tok/s, prompt {prefill:.0f} tok/s, {ratios}"


async def main(arguments: list[str]) -> None:
    """All shapes, or those named."""
    every, names = "--all" in arguments, [each for each in arguments if each in SHAPES] or list(SHAPES)
    build = await Prober().probe(await locate(Places(), os.environ))
    gains: dict[str, list[float]] = {}
    with laboratory(build) as lab:
        for name in names:
            for other, value in (await measure(lab, name, SHAPES[name], every)).items():
                gains.setdefault(other, []).append(value)
    for other, values in gains.items():
        mean = math.exp(statistics.fmean(math.log(each) for each in values))
        sys.stdout.write(f"planned against {other}: {mean:.2f} times as fast (geometric mean of {len(values)})\n")


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1:]))
