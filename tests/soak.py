"""`python -m tests.soak --minutes 10`: launch and stop over and over on a real cluster, and count what is left behind.

Half of the launches are cancelled at a random moment. After each round no llama.cpp program may run; at the end the
nodes must hold as many file descriptors as after the first rounds, and the temporary folder no more files.
"""

import argparse
import asyncio
import contextlib
import random
import sys
import tempfile
import time
from contextlib import AsyncExitStack
from pathlib import Path

import psutil

from app.cli.demo import MODEL, gathered, until
from app.cli.demo_nodes import DemoNode, start_cluster
from app.cli.running import follow, launch_and_follow
from app.client import NodeClient
from app.schema.instance import InstanceState, LaunchRequest
from app.schema.options import TUNNEL_ROLE
from app.schema.plan import Plan, PlanRequest

SETTLING_ROUNDS = 5
"""Rounds until pools and caches have their size."""

LEAST_ROUNDS = 10
"""Rounds that are made whatever time they take."""

MOST_MORE_DESCRIPTORS = 4
"""Connections that are kept alive come and go; a leak of one per launch passes this within minutes."""


async def one_round(client: NodeClient, seed: random.Random) -> None:
    """Launch over one, two or three nodes; let it become ready and ask, or cancel it on the way."""
    plan = await client.plan(PlanRequest(model_id=MODEL, pcs=seed.randint(1, 3)))
    assert isinstance(plan, Plan), plan
    if seed.random() < 0.5:
        instance = await client.launch(LaunchRequest(plan=plan))
        await asyncio.sleep(seed.random() * 1.5)
    else:
        status = await launch_and_follow(client, plan, lambda _: None)
        assert status.state is InstanceState.READY, status.error
        instance = status.id
    await client.stop(instance)
    await follow(client, instance, lambda _: False)


def held(nodes: tuple[DemoNode, ...]) -> list[tuple[int, int]]:
    """File descriptors and threads of each node."""
    processes = [psutil.Process(node.child.pid) for node in nodes]
    return [(process.num_fds(), process.num_threads()) for process in processes]


def engines(nodes: tuple[DemoNode, ...]) -> list[str]:
    """The command lines of llama.cpp programs below the nodes."""
    found = []
    for child in (child for node in nodes for child in psutil.Process(node.child.pid).children(recursive=True)):
        with contextlib.suppress(psutil.NoSuchProcess):
            line = child.cmdline()
            if TUNNEL_ROLE not in line:
                found.append(" ".join(line)[:120])
    return found


async def left_running(nodes: tuple[DemoNode, ...]) -> list[str]:
    """What still runs when ten seconds have passed: a program that was killed is seen until its node has taken note."""
    for _ in range(500):
        if not (found := engines(nodes)):
            return []
        await asyncio.sleep(0.02)
    return found


async def more_held(nodes: tuple[DemoNode, ...], settled: list[tuple[int, int]]) -> list[int]:
    """File descriptors that each node holds more than it did; what is just being closed has ten seconds for it."""
    for _ in range(100):
        more = [now[0] - then[0] for now, then in zip(held(nodes), settled, strict=True)]
        if max(more) <= MOST_MORE_DESCRIPTORS:
            break
        await asyncio.sleep(0.1)
    return more


async def soak(minutes: float) -> int:
    """Run rounds for that long, at least some; returns their number. Raises AssertionError when something is left."""
    seed = random.Random(1)
    before = set(Path(tempfile.gettempdir()).iterdir())
    async with AsyncExitStack() as stack:
        nodes = await start_cluster(stack, 2)
        client = await stack.enter_async_context(NodeClient(nodes[0].paths))
        await until(client, lambda status: gathered(status, len(nodes)))
        rounds, settled, give_up = 0, held(nodes), time.monotonic() + minutes * 60
        while time.monotonic() < give_up or rounds < LEAST_ROUNDS:
            await one_round(client, seed)
            assert not (left := await left_running(nodes)), f"left running after round {rounds}: {left}"
            rounds += 1
            if rounds == SETTLING_ROUNDS:
                settled = held(nodes)
        more = await more_held(nodes, settled)
        assert max(more) <= MOST_MORE_DESCRIPTORS, f"file descriptors more than at first, by node: {more}"
        folders = [node.paths.run for node in nodes]
        assert not [file for folder in folders for file in folder.iterdir()], "files left in a run folder"
    extra = {path for path in Path(tempfile.gettempdir()).iterdir() if path.name.startswith("caravan")} - before
    assert not extra, f"left in the temporary folder: {extra}"
    return rounds


def main() -> None:
    """Soak and print how many rounds went well."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=10.0)
    rounds = asyncio.run(soak(parser.parse_args().minutes))
    sys.stdout.write(f"{rounds} rounds, nothing left behind\n")


if __name__ == "__main__":
    main()
