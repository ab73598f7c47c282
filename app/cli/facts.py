"""Commands that print facts: status, models, engine, logs."""

import asyncio
import time
from typing import Annotated

import typer
from rich.table import Table

from app.cli import words
from app.cli.console import Session, run, session, show_json
from app.schema.download import ACTIVE_PHASES
from app.schema.engine import INSTALL_ENDS, EngineStatus
from app.schema.errors import NodeNotRunning, from_info
from app.schema.instance import InstanceState, InstanceStatus
from app.schema.model import ModelFile
from app.schema.node import PeerReport, Status
from app.system.logs import log_names, named_tail

FOLLOWED_LINES = 500
"""Lines of a log that are compared with those seen half a second before."""

AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON value.")]


def status(context: typer.Context, as_json: AsJson = False) -> None:
    """What this PC and its cluster are doing."""
    to = session(context)

    async def work() -> None:
        async with to.client() as client:
            found = await client.status()
        show_json(found) if as_json else _show_status(to, found)

    run(to, work, as_json)


def _show_status(to: Session, found: Status) -> None:
    engine = found.engine.build.identity if found.engine.build else "none"
    models = f"{found.catalogue.models} model" + ("" if found.catalogue.models == 1 else "s")
    to.say(f"{found.node.name} - engine {engine} - {models}", "bold")
    if found.engine.problem:
        to.say(f"! {found.engine.problem.sentence} {found.engine.problem.hint}")
    for warning in found.warnings:
        to.say(f"! {warning.sentence} {warning.hint}")
    for name, report, state in _pcs(found):
        to.say(f"  {name}: {_resources(report)} - {state}")
    if not found.all_instances:
        to.say("No model is running. Start one with `caravan launch MODEL`.")
    for instance in found.all_instances:
        to.say(_instance_line(instance, found.unloads_at(instance)))
    for each in found.downloads:
        if each.phase in ACTIVE_PHASES:
            to.say(words.download(each))


def _pcs(found: Status) -> list[tuple[str, PeerReport, str]]:
    own = PeerReport(node=found.node, hardware=found.hardware, load=found.load, engine=found.engine)
    peers = [(peer.report.node.name, peer.report, str(peer.reachability)) for peer in found.peers if peer.report]
    return [(found.node.name, own, "this PC"), *peers]


def _resources(report: PeerReport) -> str:
    if report.hardware is None or report.load is None:
        return "not measured yet"
    gpus = [f"{each.name} {words.size(each.total_bytes)}" for each in report.hardware.accelerators]
    free, total = report.load.ram_free_bytes, report.hardware.ram_bytes
    return ", ".join([*gpus, f"{words.size(free)} of {words.size(total)} RAM free"])


def _instance_line(instance: InstanceStatus, unloads_at: float | None) -> str:
    pcs = " + ".join(dict.fromkeys(stage.node_name for stage in instance.plan.stages))
    line = f"{instance.id}  {instance.model_id} on {pcs}: {instance.state}"
    if instance.state is InstanceState.READY and (speed := words.speed(instance)):
        line = f"{line}, {speed}"
    if unloads_at is not None:
        return f"{line} - idle, unloads in {words.duration(max(0.0, unloads_at - time.time()))}"
    told = instance.error.sentence if instance.error else instance.ended_because or instance.better
    return f"{line} - {told}" if told else line


def models(context: typer.Context, as_json: bool, rescan: bool) -> None:
    """The GGUF models on this PC."""
    to = session(context)

    async def work() -> None:
        async with to.client() as client:
            found = await client.models(rescan)
        show_json(found) if as_json else _show_models(to, found)

    run(to, work, as_json)


def _show_models(to: Session, found: tuple[ModelFile, ...]) -> None:
    if not found:
        to.say("No models yet. Put a .gguf file into the models folder, or add a folder in the settings.")
        return
    table = Table(box=None, pad_edge=False)
    for name in ("model", "quantization", "layers", "context", "size", "folder"):
        table.add_column(name, justify="right" if name in {"layers", "context", "size"} else "left", overflow="fold")
    for model in found:
        shape = model.shape
        quantization = shape.quantization or "-" if shape else "cannot be read"
        layers = str(shape.layers) if shape else "-"
        context = words.number(shape.context_length) if shape else "-"
        table.add_row(model.id, quantization, layers, context, words.size(model.size_bytes), model.folder)
    to.out.print(table)
    for model in found:
        if model.problem:
            to.say(f"! {model.problem.sentence} {model.problem.hint}")


def engine(context: typer.Context, as_json: AsJson = False) -> None:
    """The llama.cpp build this PC uses."""
    to = session(context)

    async def work() -> int:
        async with to.client() as client:
            status = await client.status()
        found = status.engine
        if status.engine_install and status.engine_install.phase not in INSTALL_ENDS and not as_json:
            to.say(f"Being installed: {words.install(status.engine_install)}")
        show_json(found) if as_json else _show_engine(to, found)
        return 0 if found.build else 1

    run(to, work, as_json)


def _show_engine(to: Session, found: EngineStatus) -> None:
    for notice in found.notices:
        to.say(f"! {notice}")
    if found.problem is not None:
        raise from_info(found.problem)
    if found.build is None:
        to.say("The engine is still being looked for.")
        return
    build = found.build
    to.say(f"llama.cpp {build.identity} ({build.source})")
    to.say(f"  server  {build.server}\n  worker  {build.worker or 'none'}")
    for device in build.devices:
        to.say(f"  {device.name}: {device.description}, {words.size(device.total_bytes)}")
    if not build.devices:
        to.say("  no GPU: this PC works with its processor")


def logs(
    context: typer.Context,
    name: Annotated[str, typer.Argument(help="Which log; see --list.")] = "caravan",
    lines: Annotated[int, typer.Option("--lines", "-n", min=1, max=10_000)] = 50,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Keep printing until Ctrl-C.")] = False,
    list_names: Annotated[bool, typer.Option("--list", help="Print the names of the logs.")] = False,
    as_json: AsJson = False,
) -> None:
    """The log of this node or of one of its models; what it wrote last when it does not run."""
    to = session(context)

    async def work() -> None:
        seen, names = await _read_log(to, name, max(lines, FOLLOWED_LINES))
        found = seen[-lines:]
        if as_json:
            show_json({"name": name, "names": names, "lines": found})
            return
        for line in names if list_names else found:
            to.say(line)
        while follow:
            await asyncio.sleep(0.5)
            newer, _ = await _read_log(to, name, max(lines, FOLLOWED_LINES))
            for line in _after(seen, newer):
                to.say(line)
            seen = newer

    run(to, work, as_json)


async def _read_log(to: Session, name: str, lines: int) -> tuple[list[str], list[str]]:
    """The end of a log and the names of all, from their files when no node runs: why it ended is told there.

    Raises NodeNotRunning where none ever ran.
    """
    try:
        async with to.client() as client:
            return await client.logs(name, lines)
    except NodeNotRunning:
        names = await asyncio.to_thread(log_names, to.paths.logs)
        if not names:
            raise
        return await asyncio.to_thread(named_tail, to.paths.logs, name, lines), list(names)


def _after(seen: list[str], now: list[str]) -> list[str]:
    """The lines of `now` that follow the last lines of `seen`."""
    for overlap in range(min(len(seen), len(now)), 0, -1):
        if seen[-overlap:] == now[:overlap]:
            return now[overlap:]
    last = seen[-1:]
    return now[now.index(last[0]) + 1 :] if last and last[0] in now else now
