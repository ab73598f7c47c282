"""A worker of the real engine is sent weights once; the next one has them, and answers the same."""

import asyncio
import os
from pathlib import Path

import pytest

from app.engine.capabilities import Prober
from app.engine.locate import Places, locate
from app.instances.engine_cache import EngineCache
from app.instances.worker import RpcWorker, WorkerPlace
from app.schema.engine import EngineBuild
from app.schema.instance import Lease
from app.schema.record import InstanceId, NodeId
from tests.link_engine import ask, llama_server
from tests.unit.engine import tiny_model

WIDTH = 1664
"""Its matrices have 10.6 and 21.1 MiB: the engine keeps what has more than 10 MiB."""

LARGE_TENSORS = 7


class Lines(list[str]):
    """Keeps the worker's output."""

    write = list.append

    def close(self) -> None:
        """Nothing is open."""


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return tiny_model.write(tmp_path / "large.gguf", layers=1, width=WIDTH)


async def answer(cache: EngineCache, build: EngineBuild, model: Path, kept: int) -> tuple[str, Lines]:
    """What a model on a worker says, once so many files are kept; and the worker's output."""
    lines = Lines()
    lease = Lease(
        id=f"lease-of-{id(lines):x}",
        instance_id=InstanceId("i"),
        head=NodeId("b" * 64),
        head_name="ATTIC",
        device="CPU",
        size_bytes=model.stat().st_size,
        epoch=1,
    )
    worker = RpcWorker(lease, WorkerPlace("WORKSHOP", build, 1, None, lambda _: lines, cache))
    try:
        await worker.start()
        port = worker.status().port
        assert port is not None
        async with llama_server(Path(build.server).parent, model, port) as client:
            said = await ask(client, "one two", 8)
        async with asyncio.timeout(60):
            while len(os.listdir(model.parent / "cache" / "weights")) < kept:
                await asyncio.sleep(0.1)
    finally:
        await worker.stop()
    return said.text, lines


async def test_the_second_load_is_sent_no_large_tensor(engine_folder: Path, model: Path) -> None:
    build = await Prober().probe(await locate(Places(setting=engine_folder), {}))
    cache = EngineCache(model.parent / "cache", free_bytes=lambda _: 1 << 40)
    first, lines = await answer(cache, build, model, LARGE_TENSORS)
    assert sum("saved to" in line for line in lines) == LARGE_TENSORS
    second, lines = await answer(cache, build, model, LARGE_TENSORS)
    assert not any("saved to" in line for line in lines)
    assert second == first
    assert os.listdir(model.parent / "cache" / "workers") == []
