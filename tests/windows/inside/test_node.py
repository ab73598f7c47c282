"""Real nodes on Windows: what a person is told, and that nothing of llama.cpp outlives its node."""

import asyncio
import contextlib
import getpass
import json
import os
import shutil
import socket
import tempfile
import time
from pathlib import Path

import psutil
import pytest

from app.cli.demo import MODEL
from app.client import NodeClient
from app.system.paths import Paths, resources_folder
from tests.contract.programs import RunningNode, caravan, caravan_json, start_node

ENGINES = ("llama-", "ggml-")


@contextlib.asynccontextmanager
async def node(data_dir: Path):  # type: ignore[no-untyped-def]
    running = await start_node(data_dir)
    try:
        async with NodeClient(Paths.under(data_dir)) as client, contextlib.aclosing(client.watch()) as statuses:
            async for status in statuses:
                if status.engine.build or status.engine.problem:
                    break
        yield running
    finally:
        await running.stop()


def engine_processes(node_pid: int) -> list[psutil.Process]:
    """The llama.cpp programs below a node; Wine keeps its console hosts a little longer."""
    below = psutil.Process(node_pid).children(recursive=True)
    return [each for each in below if _is_engine(each)]


def _is_engine(process: psutil.Process) -> bool:
    try:
        return process.name().startswith(ENGINES)
    except (psutil.NoSuchProcess, OSError):
        # The second is Wine's word, unknown to psutil, for one that is just ending.
        return False


async def launched(running: RunningNode, model: str = MODEL) -> list[psutil.Process]:
    done = await caravan("launch", model, data_dir=running.data_dir, deadline=200)
    assert done.returncode == 0, done
    found = engine_processes(running.child.pid)
    assert found
    return found


def left(processes: list[psutil.Process]) -> list[int]:
    """Which of these still run some seconds later."""
    gone_by = time.monotonic() + 10.0
    while (alive := [each.pid for each in processes if each.is_running()]) and time.monotonic() < gone_by:
        time.sleep(0.02)
    return alive


async def test_a_model_answers_from_a_folder_with_an_awkward_name(data_dir: Path, tmp_path: Path) -> None:
    folder = tmp_path / "models with spaces 模型 🐪"
    folder.mkdir()
    model = folder / "the demo (copy) ✓.gguf"
    shutil.copyfile(resources_folder() / "demo_model" / "caravan-demo.gguf", model)
    async with node(data_dir) as running:
        await launched(running, str(model))
        answer = await caravan("chat", "--prompt", "What is Caravan?", data_dir=data_dir, deadline=200)
        assert "tok/s" in answer.stdout, answer
        assert (await caravan("stop", data_dir=data_dir)).returncode == 0
        assert left(engine_processes(running.child.pid)) == []


async def test_a_killed_node_takes_llama_along(data_dir: Path) -> None:
    """TerminateProcess runs no code of ours: only the Job Object can do this."""
    async with node(data_dir) as running:
        engines = await launched(running)
        psutil.Process(running.child.pid).kill()
        assert left(engines) == []


async def test_shutdown_leaves_nothing(data_dir: Path) -> None:
    async with node(data_dir) as running:
        engines = await launched(running)
        async with NodeClient(Paths.under(data_dir)) as client:
            await client.shut_down()
        async with asyncio.timeout(60):
            assert await running.child.wait() == 0
        assert left(engines) == []
        assert not (data_dir / "node.json").exists()
        shutil.rmtree(data_dir)


async def test_a_second_node_for_the_same_folder(data_dir: Path) -> None:
    async with node(data_dir) as first:
        done = await caravan("node", "--api-port", "0", data_dir=data_dir)
        assert done.returncode == 1, done
        assert "already" in done.stderr
        assert str(first.child.pid) in done.stderr
        assert "Traceback" not in done.stderr
        assert first.child.returncode is None


async def test_a_busy_port(data_dir: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as busy:
        port = str(busy.getsockname()[1])
        done = await caravan("node", "--api-port", port, data_dir=data_dir)
    assert done.returncode == 1, done
    assert f"Port {port}" in done.stderr
    assert str(os.getpid()) in done.stderr


@pytest.mark.timeout(300)
async def test_the_demo(data_dir: Path) -> None:
    """Three nodes, one model over all of them: the same words as from one process."""
    began = time.monotonic()
    done = await caravan("demo", "--json", data_dir=data_dir, deadline=280)
    assert done.returncode == 0, done
    found = json.loads(done.stdout)
    assert found["matches_single"] is True
    assert len(found["nodes"]) == 3
    phases = {each["name"]: each["seconds"] for each in found["phases"]}
    figures = {name: found[name] for name in ("tokens_per_second", "single_tokens_per_second")}
    assert list(Path(tempfile.gettempdir()).glob("caravan-demo-*")) == []
    assert left([each for each in psutil.process_iter() if _is_engine(each)]) == []
    print(f"demo: {time.monotonic() - began:.0f} s, {figures}, {phases}")  # noqa: T201


async def test_facts_for_programs_are_utf8(data_dir: Path) -> None:
    async with node(data_dir):
        found = await caravan_json("status", data_dir=data_dir)
    assert found["node"]["name"] == data_dir.name


def test_the_users_own_folders_may_have_an_awkward_name() -> None:
    paths = Paths.for_user()
    paths.ensure()
    assert getpass.getuser() in paths.data.parts
    assert paths.data.is_dir()
