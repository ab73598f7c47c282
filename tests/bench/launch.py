"""How long the demo model takes from launch to ready, on one process and over three nodes, in turn in one run."""

import asyncio
import statistics
from contextlib import AsyncExitStack

from app.cli.demo import MODEL, gathered, until
from app.cli.demo_nodes import start_cluster
from app.cli.running import follow, launch_and_follow
from app.client import NodeClient
from app.schema.plan import Plan, PlanRequest

ROUNDS = 5


async def ready_seconds(client: NodeClient, pcs: int) -> float:
    """Seconds from the launch request to ready, by the node's own clock."""
    plan = await client.plan(PlanRequest(model_id=MODEL, pcs=pcs))
    assert isinstance(plan, Plan), plan
    status = await launch_and_follow(client, plan, lambda _: None)
    assert status.ready_at is not None, status.error
    await client.stop(status.id)
    await follow(client, status.id, lambda _: False)
    return status.ready_at - status.created_at


async def _measure() -> dict[str, float]:
    async with AsyncExitStack() as stack:
        nodes = await start_cluster(stack, 2)
        client = await stack.enter_async_context(NodeClient(nodes[0].paths))
        await until(client, lambda status: gathered(status, len(nodes)))
        times: dict[int, list[float]] = {1: [], 3: []}
        for _ in range(ROUNDS):
            for pcs, found in times.items():
                found.append(await ready_seconds(client, pcs))
    return {
        "launch to ready, 1 process, median s": statistics.median(times[1]),
        "launch to ready, 3 nodes, median s": statistics.median(times[3]),
    }


def measure() -> dict[str, float]:
    """Median seconds over five launches each."""
    return asyncio.run(_measure())
