"""The first moments of a node: whoever plans or launches right after the API answers waits, and is served."""

import asyncio
from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from app.cli.demo import MODEL
from app.client import NodeClient
from app.schema.errors import NodeNotRunning
from app.schema.instance import LaunchRequest
from app.schema.plan import Plan, PlanRequest
from app.schema.record import ModelId
from app.system.paths import Paths
from tests.contract.programs import caravan, start_node
from tests.fakes.fake_llama import write_programs

REQUEST = PlanRequest(model_id=ModelId(MODEL))


class YoungNode:
    """A node whose API answers and whose engine says nothing until `found`."""

    def __init__(self, client: NodeClient, data: Path, gate: Path) -> None:
        self.client = client
        self.data = data
        self._gate = gate

    def found(self) -> None:
        """The engine may answer now."""
        self._gate.touch()

    async def answers(self, *asked: Awaitable[Any]) -> list[Any]:
        """What was asked before the engine was known, once it is."""
        waiting = asyncio.gather(*asked)
        try:
            await asyncio.sleep(0.5)
            assert not waiting.done(), waiting
        finally:
            self.found()
            answers = await waiting
        return list(answers)


@asynccontextmanager
async def young_node(folder: Path) -> AsyncIterator[YoungNode]:
    data, gate = folder / "Jörg 测试", folder / "engine-found"
    data.mkdir(exist_ok=True)
    (data / "settings.json").write_text('{"use_known_folders": false}', "utf-8")
    programs = write_programs(folder / "engine", {"FAKE_LLAMA_VERSION_WAITS": str(gate)})
    gate.unlink(missing_ok=True)
    node = await start_node(data, {"CARAVAN_LLAMA_SERVER_PATH": str(programs)})
    try:
        async with NodeClient(Paths.under(data)) as client:
            engine = (await client.status()).engine
            assert engine.build is None
            assert engine.problem is None
            yield YoungNode(client, data, gate)
    finally:
        gate.touch()
        await node.stop()


async def test_whatever_is_asked_first_waits_and_is_done(tmp_path: Path) -> None:
    async with young_node(tmp_path) as node:
        planning = caravan("plan", MODEL, data_dir=node.data)
        plan, (loaded, _), done = await node.answers(
            node.client.plan(REQUEST), node.client.load(ModelId(MODEL)), planning
        )
        assert isinstance(plan, Plan), plan
        assert loaded
        assert done.returncode == 0, done

    # The plan of a node that has been started again since then.
    async with young_node(tmp_path) as node:
        launched = node.client.launch(LaunchRequest(plan=plan))
        assert (await node.answers(launched, caravan("launch", MODEL, data_dir=node.data)))[1].returncode == 0


async def test_a_node_that_ends_says_so_to_those_who_wait(tmp_path: Path) -> None:
    async with young_node(tmp_path) as node:
        waiting = asyncio.create_task(node.client.plan(REQUEST))
        await asyncio.sleep(0.3)
        await node.client.shut_down()
        with pytest.raises(NodeNotRunning):
            await waiting
