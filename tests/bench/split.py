"""Predicted against measured speed on clusters of unequal hosts, and the planned split against the usual ones.

Run as root on Linux, on a quiet machine:

    python -m tests.bench.split FOLDER SHAPE... [--seconds N] [--anew]   run clusters; again for more runs of the same
    python -m tests.bench.split FOLDER report             the report of all shapes that ran, as Markdown

Each host is a network namespace with a limited rate; its engine runs in a cgroup (version 1) with a part of one core.
A cluster first measures each part of a core that its hosts have, once, as a PC measures itself: that is what the
planner sees. Then every split that fits is tried, the planned one again between the others: a split counts by its time
relative to the planned ones next to it. In the report, ratios in parentheses have the machine's own change since the
calibration taken out, as an engine that nothing limits tells it.
"""

import argparse
import asyncio
import itertools
import os
import platform
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from app.cli.bench_splits import Bench, default_shares, proportional_shares
from app.engine.calibration import CalibrationFailed
from app.engine.calibration_model import write_model
from app.engine.capabilities import Prober
from app.engine.locate import Places, locate
from app.modelstore.gguf import read_shape
from app.node.speeds import rates_told, with_measured
from app.planner.plan import plan
from app.schema.engine import EngineBuild
from app.schema.model import ModelShape
from app.schema.plan import (
    CPU_DEVICE,
    ClusterView,
    DeviceResources,
    LinkMeasure,
    NodeResources,
    Plan,
    PlanRequest,
    Share,
)
from app.schema.record import ModelId, NodeId
from app.schema.speed import DeviceSpeed
from app.system.files import write_atomically
from tests.bench.split_gauge import Gauge, open_gauge
from tests.bench.split_groups import why_not
from tests.bench.split_lab import Cluster, calibrated, cores_of, open_cluster
from tests.bench.split_results import DEFAULT, ENOUGH, PLANNED, PROPORTIONAL, Found, Run, Told, markdown
from tests.bench.split_shapes import ANSWER, CONTEXT, MODEL, PROMPT, SHAPES, Pc, Shape

MIB = 1 << 20
RESERVE = 1024 * MIB
"""What the planner keeps back on a host of up to 10 GiB."""

BUFFERS = 24 * MIB
"""Buffers and cache beside the weights of a stage of this model: with them, `room` is what decides."""

SECONDS = 230.0
PROMISING = 8
CONTENDERS = 4
BESIDE = 4
"""Runs of other splits between two of the planned one."""

TRIES = 4


def say(line: str) -> None:
    """A line to whoever waits."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def machine() -> str:
    """What this ran on, for a report."""
    names = [line for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")]
    name = names[0].partition(":")[2].strip() if names else platform.processor()
    return f"{name}, {os.cpu_count()} cores, Linux {platform.release()}"


async def speeds_of(build: EngineBuild, folder: Path, shape: Shape) -> dict[str, DeviceSpeed]:
    """Measure every part of a core that hosts of a shape have. Raises CalibrationFailed when one cannot be measured."""
    return {str(cores): await speed_of(build, folder, cores) for cores in cores_of(shape)}


async def speed_of(build: EngineBuild, folder: Path, cores: float, tries: int = TRIES) -> DeviceSpeed:
    """What that part of a core does. Raises CalibrationFailed when something else keeps the machine busy."""
    began = time.monotonic()
    try:
        found, usage = await calibrated(build, folder, cores)
    except CalibrationFailed as error:
        say(f"  {cores} of a core: {error}")
        if tries < 2:
            raise
        return await speed_of(build, folder, cores, tries - 1)
    rates = ", ".join(f"{each.format} {rates_told(each)}" for each in found.formats)
    rates += "".join(f", {each.format} rearranged {rates_told(each)}" for each in found.repacked)
    say(f"  {cores} of a core: {rates}, others {usage.others:.2f}, {time.monotonic() - began:.0f} s")
    return DeviceSpeed(
        key=str(cores),
        device=CPU_DEVICE,
        name="host",
        engine="e",
        measured_at=time.time(),
        token_seconds=found.token_seconds,
        block_seconds=found.block_seconds,
        formats=found.formats,
        repacked=found.repacked,
    )


def device_of(pc: Pc, speed: DeviceSpeed, model: ModelShape) -> DeviceResources:
    """A host's processor as the planner sees it."""
    free = round(pc.room * model.weight_bytes) + RESERVE + BUFFERS
    host = DeviceResources(device=CPU_DEVICE, name=pc.name, total_bytes=free, free_bytes=free, is_cpu=True)
    return with_measured(host, speed, model)


def view_of(shape: Shape, model: ModelShape, speeds: dict[str, DeviceSpeed], trips: dict[str, float]) -> ClusterView:
    """The cluster as the planner sees it: calibrated hosts and measured round trips."""
    nodes = [
        NodeResources(
            node=NodeId(pc.name),
            name=pc.name,
            holds_model=pc is shape.pcs[0],
            engine_build="e",
            devices=(device_of(pc, speeds[str(pc.cores)], model),),
        )
        for pc in shape.pcs
    ]
    links = [
        LinkMeasure(a=nodes[0].node, b=NodeId(name), round_trip=trip, throughput=shape.rate / 8)
        for name, trip in trips.items()
    ]
    return ClusterView(this_node=nodes[0].node, nodes=tuple(nodes), links=tuple(links))


class Splits:
    """The plans of one cluster, by a short label."""

    def __init__(self, shape: Shape, view: ClusterView, model: ModelShape) -> None:
        self._shape = shape
        self._view = view
        self._model = model
        self._request = PlanRequest(
            model_id=ModelId("bench"),
            context=CONTEXT,
            head=view.this_node,
            prompt_tokens=PROMPT,
            answer_tokens=ANSWER,
        )
        self.plans: dict[str, Plan] = {}
        self.names = {PLANNED: self._add(())}
        for name, shares in self._usual().items():
            self.names[name] = self._add(shares)

    def _add(self, shares: tuple[Share, ...]) -> str | None:
        """The label of that split; None when it does not fit."""
        answer = plan(self._request.model_copy(update={"shares": shares}), self._model, self._view)
        if not isinstance(answer, Plan):
            return None
        label = " ".join(f"{stage.node_name}:{stage.layers}" for stage in answer.stages)
        self.plans.setdefault(label, answer)
        return label

    def _usual(self) -> dict[str, tuple[Share, ...]]:
        """By the memory the shape gives each host, without what the planner keeps back: against a model this small a
        reserve of a gigabyte would make all hosts look alike.
        """
        rooms = {pc.name: round(pc.room * self._model.weight_bytes) for pc in self._shape.pcs}
        benches = [
            Bench(
                node.node,
                node.name,
                tuple(
                    each.model_copy(update={"total_bytes": rooms[node.name], "free_bytes": rooms[node.name]})
                    for each in node.devices
                ),
            )
            for node in self._view.nodes
        ]
        head, layers = self._view.this_node, self._model.layers
        return {
            DEFAULT: default_shares(benches, head, layers),
            PROPORTIONAL: proportional_shares(benches, head, layers),
        }

    def all(self, step: int) -> Iterator[str]:
        """The label of every split that fits, in steps of so many blocks, the workers in either order."""
        layers, (head, *workers) = self._model.layers, [pc.name for pc in self._shape.pcs]
        for order in itertools.permutations(workers):
            for own in range(0, layers + 1, step):
                for first in range(0, layers - own + 1, step) if len(order) > 1 else (layers - own,):
                    counts = ((head, own), (order[0], first), (order[-1], layers - own - first))
                    label = self.of(dict(counts), [head, *order])
                    if label is not None:
                        yield label

    def beside(self, label: str) -> Iterator[str]:
        """The splits that differ by one block between two hosts, and by the order of the workers."""
        counts = {name: int(count) for name, _, count in (each.partition(":") for each in label.split())}
        order = [self._shape.pcs[0].name, *(name for name in counts if name != self._shape.pcs[0].name)]
        order += [pc.name for pc in self._shape.pcs if pc.name not in order]
        for giver, taker in itertools.permutations(order, 2):
            moved = {**{name: counts.get(name, 0) for name in order}}
            moved[giver] -= 1
            moved[taker] += 1
            if moved[giver] >= 0 and (found := self.of(moved, order)):
                yield found
        if len(counts) > 2 and (found := self.of(counts, [order[0], *reversed(order[1:])])):
            yield found

    def known(self, label: str) -> bool:
        """Whether that split, run earlier, still fits; it is planned anew."""
        counts = {name: int(count) for name, _, count in (each.partition(":") for each in label.split())}
        return self.of(counts, list(counts)) is not None

    def of(self, counts: dict[str, int], order: list[str]) -> str | None:
        """The label of a split; None when it does not fit."""
        shares = tuple(
            Share(node=NodeId(name), device=CPU_DEVICE, layers=counts[name]) for name in order if counts.get(name)
        )
        return self._add(shares)


def next_splits(found: Found, splits: Splits, step: int) -> list[str]:
    """What to run next beside the planned split: what never ran, then what may be the best or has a name.

    The most promising of what never ran come first; when `PROMISING` splits ran, those that may be the best are run
    again before the rest.
    """
    counted = {label: len(found.of(label)) for label in splits.plans}
    named = [label for label in found.names.values() if label is not None and label != found.planned]
    never = [label for label in dict.fromkeys([*named, *splits.all(step)]) if not counted.get(label)]
    never.sort(key=lambda label: (label not in named, _told(splits.plans[label]).seconds))
    if never and (never[0] in named or found.tried < PROMISING):
        return never
    ran = sorted((label for label in counted if counted[label] and label != found.planned), key=found.relative)
    close = [label for each in [found.planned, *ran[:1]] for label in splits.beside(each)]
    fresh = [label for label in dict.fromkeys(close) if not counted.get(label) and label != found.planned]
    few = [label for label in dict.fromkeys([*ran[:CONTENDERS], *named]) if counted[label] < ENOUGH]
    return fresh or few or never


async def measure(cluster: Cluster, found: Found, splits: Splits, path: Path, until: float, step: int) -> Found:
    """Run splits until the time is up or nothing is left to know; what is found is kept after every launch."""

    async def once(label: str) -> None:
        nonlocal found
        began, run = time.monotonic(), await cluster.launch(label, splits.plans[label])
        found = found.model_copy(
            update={"runs": (*found.runs, run), "told": {**found.told, label: _told(splits.plans[label])}}
        )
        write_atomically(path, found.model_dump_json(indent=1).encode())
        say(f"  {_line(found, label, run)}, {time.monotonic() - began:.1f} s")

    while time.monotonic() < until:
        await once(found.planned)
        todo = next_splits(found, splits, step)[:BESIDE]
        for label in todo:
            if time.monotonic() < until:
                await once(label)
        if not todo and len(found.of(found.planned)) >= 2 * ENOUGH:
            break
    return found


def _told(answer: Plan) -> Told:
    assert answer.prediction is not None
    return Told(decode=answer.prediction.decode, prefill=answer.prediction.prefill)


def _line(found: Found, label: str, last: Run) -> str:
    told, pace = found.told[label], last.pace
    noise = f"others {last.others:.2f}, stolen {last.stolen:.2f}"
    if pace is not None and found.pace is not None:
        noise += f", machine {pace.decode / found.pace.decode:.2f} {pace.prefill / found.pace.prefill:.2f}"
    return (
        f"{label}: answer {last.decode:.2f} tok/s ({told.decode / last.decode:.2f}), "
        f"prompt {last.prefill:.1f} ({told.prefill / last.prefill:.2f}), {noise}"
    )


async def run_shape(build: EngineBuild, model_path: Path, name: str, gauge: Gauge, options: argparse.Namespace) -> None:
    """Run one cluster for its time; goes on where the last run of it ended."""
    folder, shape = model_path.parent, SHAPES[name]
    path = folder / f"{name}.json"
    model = read_shape(model_path)
    old = None if options.anew or not path.exists() else Found.model_validate_json(path.read_bytes())
    say(f"{name}: {shape.about}")
    before = await gauge.look()
    speeds = await speeds_of(build, folder, shape) if old is None else old.speeds
    pace = before.between(await gauge.look()) if old is None else old.pace
    until = time.monotonic() + options.seconds
    async with open_cluster(shape, build, model_path, gauge) as cluster:
        measured = {pc.name: await cluster.round_trip(pc.name) for pc in shape.pcs[1:]} if old is None else {}
        trips = measured if old is None else old.round_trips
        splits = Splits(shape, view_of(shape, model, speeds, trips), model)
        names = {each: label for each, label in splits.names.items() if label is not None}
        found = Found(
            shape=name, about=shape.about, machine=machine(), names=names, told={}, round_trips=trips,
            speeds=speeds, pace=pace, runs=old.runs if old is not None else (),
        )  # fmt: skip
        # What was run before is judged by the planner of now.
        ran = {run.split for run in found.runs}
        found = found.model_copy(
            update={"told": {label: _told(splits.plans[label]) for label in ran if splits.known(label)}}
        )
        say(f"  {names}, round trips { ({pc: f'{trip * 1e3:.2f} ms' for pc, trip in trips.items()}) }")
        step = options.step or (1 if len(shape.pcs) < 3 else 2)
        found = await measure(cluster, found, splits, path, until, step)
    say(markdown([found]))


def report(folder: Path) -> str:
    """All shapes that ran."""
    paths = [folder / f"{name}.json" for name in SHAPES]
    return markdown([Found.model_validate_json(path.read_bytes()) for path in paths if path.exists()])


async def main() -> None:
    """What the command line says."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("what", nargs="+", choices=["report", *SHAPES])
    parser.add_argument("--seconds", type=float, default=SECONDS)
    parser.add_argument("--step", type=int, default=0, help="blocks from one tried split to the next")
    parser.add_argument("--anew", action="store_true", help="forget earlier runs of the shape")
    options = parser.parse_args()
    if options.what == ["report"]:
        say(report(options.folder))
        return
    if (reason := why_not()) is not None:
        parser.error(reason)
    options.folder.mkdir(parents=True, exist_ok=True)
    build = await Prober().probe(await locate(Places(), os.environ))
    model = options.folder / "bench.gguf"
    if not model.exists():
        write_model(model, MODEL)
    async with open_gauge(build, model) as gauge:
        for name in options.what:
            await run_shape(build, model, name, gauge, options)


if __name__ == "__main__":
    asyncio.run(main())
