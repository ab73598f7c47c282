"""A worker with and without a cache: what an old build would also save is not saved, and a missing program is named."""

import asyncio
import os
import sys
from pathlib import Path

import pytest

from app.engine.capabilities import Prober
from app.engine.locate import Candidate
from app.instances.engine_cache import EngineCache
from app.instances.worker import RpcWorker, WorkerPlace
from app.schema.engine import EngineBuild
from app.schema.errors import EngineMissing
from app.schema.instance import Lease, WorkerState
from app.schema.record import InstanceId, NodeId
from tests.fakes.fake_llama import write_programs
from tests.unit.instances.test_head import Lines

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="the fake's Windows programs are .cmd files")

LEASE = Lease(
    id="0123456789abcdef",
    instance_id=InstanceId("i"),
    head=NodeId("b" * 64),
    head_name="ATTIC",
    device="CPU",
    size_bytes=1000,
    epoch=1,
)


async def fake_build(folder: Path, **options: str) -> EngineBuild:
    server = write_programs(folder, {f"FAKE_LLAMA_{name}": value for name, value in options.items()})
    worker, fit = server.with_name("ggml-rpc-server"), server.with_name("llama-fit-params")
    return await Prober().probe(Candidate(server, worker, fit, "setting"))


def plenty(folder: Path) -> int:
    return 1 << 40


def make(build: EngineBuild, cache: EngineCache | None) -> RpcWorker:
    return RpcWorker(LEASE, WorkerPlace("WORKSHOP", build, None, None, lambda _: Lines(), cache))


def workers(folder: Path) -> list[str]:
    return os.listdir(folder / "workers") if (folder / "workers").exists() else []


@pytest.mark.parametrize(("version", "cached"), [("7.0.0", True), ("8.0.0", True), ("6.0.0", False), ("3.6.0", False)])
async def test_only_a_protocol_that_saves_nothing_but_weights_gets_a_cache(
    tmp_path: Path, version: str, cached: bool
) -> None:
    build = await fake_build(tmp_path / "engine", RPC_VERSION=version)
    cache = EngineCache(tmp_path / "cache", free_bytes=plenty)
    worker = make(build, cache)
    try:
        await worker.start()
        assert worker.status().state is WorkerState.RUNNING
        assert workers(tmp_path / "cache") == ([LEASE.id] if cached else [])
    finally:
        await worker.stop()
    assert workers(tmp_path / "cache") == []
    session = await asyncio.to_thread(cache.open, "next", build.identity, 1)
    assert (session is not None) is cached


async def test_without_a_cache_nothing_is_saved(tmp_path: Path) -> None:
    worker = make(await fake_build(tmp_path / "engine"), None)
    try:
        await worker.start()
        assert worker.status().state is WorkerState.RUNNING
    finally:
        await worker.stop()


async def test_a_worker_that_cannot_be_started_is_named_with_its_pc(tmp_path: Path) -> None:
    build = await fake_build(tmp_path / "engine")
    (tmp_path / "engine" / "ggml-rpc-server").unlink()
    worker = make(build, EngineCache(tmp_path / "cache", free_bytes=plenty))
    try:
        with pytest.raises(EngineMissing, match="ggml-rpc-server on WORKSHOP cannot be started"):
            await worker.start()
    finally:
        await worker.stop()
    assert workers(tmp_path / "cache") == []
