"""`caravan demo`: the main job on this machine alone. With `--hosts` see `demo_hosts`.

A head and workers as real nodes with throw-away folders, the demo model cut over all of them, one question asked, the
answer compared with one process. Nothing is left behind.
"""

import sys
from collections.abc import Callable
from contextlib import AsyncExitStack, aclosing
from dataclasses import dataclass
from typing import Annotated, Any

import typer

from app.cli import words
from app.cli.console import Session, run, session, show_json
from app.cli.demo_hosts import Question, show_over_hosts
from app.cli.demo_nodes import DemoNode, start_cluster
from app.cli.facts import AsJson
from app.cli.running import collect, follow, launch_and_follow, phase_screen, planned, show_plan
from app.client import ChatPiece, NodeClient
from app.schema.errors import InputError, from_info
from app.schema.instance import InstanceStatus
from app.schema.node import Reachability, Status
from app.schema.plan import Plan, PlanRequest, Stage
from app.schema.record import ModelId

MODEL = ModelId("caravan-demo")
PROMPT = "What is Caravan, and how do I join a cluster?"
MAX_TOKENS = 160


@dataclass(frozen=True)
class Answer:
    """What the model said, and how fast."""

    text: str
    tokens_per_second: float | None
    instance: InstanceStatus


def demo(
    context: typer.Context,
    workers: Annotated[int, typer.Option(min=1, max=8, help="How many workers beside the head.")] = 2,
    prompt: Annotated[str, typer.Option(help="What to ask.")] = PROMPT,
    hosts: Annotated[
        int | None,
        typer.Option(min=2, max=8, help="Use so many hosts with addresses of their own (Linux, root), not --workers."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Run the demo model over several nodes on this machine, and compare it with one process."""
    to = session(context)

    async def on_hosts(count: int) -> int:
        question = Question(MODEL, prompt, MAX_TOKENS)
        found = await show_over_hosts(None if as_json else to, count, question, gathered)
        if as_json:
            show_json(found)
        return 0 if found["matches_single"] else 1

    async def work() -> int:
        if hosts is not None:
            return await on_hosts(hosts)
        async with AsyncExitStack() as stack:
            say = _silent if as_json else _teller(to)
            say(f"Starting a head and {workers} worker{'s' if workers > 1 else ''} on this machine ...")
            nodes = await start_cluster(stack, workers)
            client = await stack.enter_async_context(NodeClient(nodes[0].paths))
            found = await _show(to, client, nodes, prompt, as_json)
        if as_json:
            show_json(found)
        return 0 if found["matches_single"] else 1

    run(to, work, as_json)


def _silent(line: str) -> None:
    """Nothing is said beside the one JSON object."""


def _teller(to: Session) -> Callable[[str], None]:
    return to.say


async def _show(
    to: Session, client: NodeClient, nodes: tuple[DemoNode, ...], prompt: str, as_json: bool
) -> dict[str, Any]:
    await until(client, lambda status: gathered(status, len(nodes)))
    split = await _ask(to, client, prompt, len(nodes), as_json)
    if not as_json:
        to.say("\n\nThe same model on one process, to compare ...")
    single = await _ask(to, client, prompt, 1, quiet=True)
    matches = split.text == single.text
    if not as_json:
        _conclude(to, split, single, matches)
    status = await client.status()
    return {
        "nodes": _nodes(status, split.instance.plan),
        "plan": [_stage(stage) for stage in split.instance.plan.stages],
        "phases": [{"name": each.name, "seconds": each.seconds} for each in split.instance.phases],
        "answer": split.text,
        "tokens_per_second": split.tokens_per_second,
        "matches_single": matches,
        "single_answer": single.text,
        "single_tokens_per_second": single.tokens_per_second,
    }


async def until(client: NodeClient, reached: Callable[[Status], bool]) -> Status:
    """Watch a node until its status is as wanted."""
    async with aclosing(client.watch()) as statuses:
        async for status in statuses:
            if status.engine.problem is not None:
                raise from_info(status.engine.problem)
            if reached(status):
                return status
    raise InputError("The head ended before the demo could begin.", "Run `caravan demo` again.")


def gathered(status: Status, nodes: int) -> bool:
    """Whether the engine is found, the hardware measured, and every worker has told the same of itself."""
    told = [
        peer.report
        for peer in status.peers
        if peer.reachability is Reachability.ALIVE and peer.report and peer.report.devices and peer.report.engine.build
    ]
    own = status.engine.build is not None and status.hardware is not None and status.load is not None
    return own and len(told) == nodes - 1


async def _ask(to: Session, client: NodeClient, prompt: str, pcs: int, quiet: bool) -> Answer:
    plan = planned(await client.plan(PlanRequest(model_id=MODEL, pcs=pcs)))
    if not quiet:
        show_plan(to, plan)
    with phase_screen(to, quiet) as show:
        instance = await launch_and_follow(client, plan, show)
    if instance.error is not None:
        raise from_info(instance.error)
    if not quiet:
        to.say(f"\n> {prompt}\n")
    text, last = await collect(client, _request(prompt), _silent_piece if quiet else _print_piece)
    await client.stop(instance.id)
    ended = await follow(client, instance.id, lambda _: False)
    if ended.error is not None:
        raise from_info(ended.error)
    speed = (last.timings or {}).get("predicted_per_second")
    return Answer(text, round(speed, 1) if speed else None, instance)


def _request(prompt: str) -> dict[str, Any]:
    messages = [{"role": "user", "content": prompt}]
    return {"model": MODEL, "messages": messages, "temperature": 0, "seed": 1, "max_tokens": MAX_TOKENS}


def _silent_piece(piece: ChatPiece) -> None:
    """The answer is only wanted whole."""


def _print_piece(piece: ChatPiece) -> None:
    sys.stdout.write(piece.text)
    sys.stdout.flush()


def _conclude(to: Session, split: Answer, single: Answer, matches: bool) -> None:
    ready = split.instance.ready_at
    took = words.duration(ready - split.instance.created_at if ready else None)
    pcs = split.instance.plan.pcs
    to.say(f"{pcs} nodes: {split.tokens_per_second} tok/s, ready in {took}")
    to.say(f"1 process: {single.tokens_per_second} tok/s")
    verdict = "The answers are the same, word for word." if matches else "The answers differ."
    to.say(verdict, "bold")


def _nodes(status: Status, plan: Plan) -> list[dict[str, Any]]:
    names = {status.node.id: status.node.name}
    names.update({peer.report.node.id: peer.report.node.name for peer in status.peers if peer.report})
    return [
        {"id": node, "name": name, "role": "head" if node == plan.head else "worker"} for node, name in names.items()
    ]


def _stage(stage: Stage) -> dict[str, Any]:
    return {
        "node": stage.node_name,
        "device": stage.device,
        "first_layer": stage.first_layer,
        "last_layer": stage.last_layer,
        "bytes": stage.weight_bytes,
    }
