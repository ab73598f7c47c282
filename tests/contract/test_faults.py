"""Everything that can go wrong on one PC: one plain sentence, a hint, an exit code not 0, nothing left running."""

import asyncio
import contextlib
import json
import os
import shutil
import signal
import socket
import sys
from collections.abc import AsyncIterator, Mapping
from pathlib import Path

import gguf
import numpy as np
import psutil
import pytest

from app.cli.demo import MODEL, gathered, until
from app.cli.demo_nodes import DemoNode
from app.cli.running import collect, follow
from app.client import NodeClient
from app.schema.errors import HeadFailed
from app.schema.instance import InstanceState, LaunchRequest
from app.schema.plan import PlanRequest
from app.schema.record import ModelId
from app.system.paths import Paths
from app.system.spawn import Finished
from tests.contract.conftest import launched, planned, stopped
from tests.contract.programs import (
    RunningNode,
    caravan,
    engine_processes,
    start_node,
    windows_lacks,
    write_wrapper,
)

NODE_SETTINGS = '{"use_known_folders": false}'


@contextlib.asynccontextmanager
async def node(folder: Path, env: Mapping[str, str] | None = None) -> AsyncIterator[RunningNode]:
    """A node in a folder with awkward characters."""
    data = folder / "Jörg 测试 🐪"
    data.mkdir()
    (data / "settings.json").write_text(NODE_SETTINGS, "utf-8")
    running = await start_node(data, env)
    try:
        yield running
    finally:
        await running.stop()


def plain(done: Finished, *words: str) -> None:
    """The command failed and said why the way a person can read it."""
    assert done.returncode not in {0, None}, done
    assert "Traceback" not in done.stderr + done.stdout
    for word in words:
        assert word in done.stderr, done


async def engine_known(data: Path) -> None:
    """Wait until the node has looked for its engine."""
    async with NodeClient(Paths.under(data)) as client, contextlib.aclosing(client.watch()) as statuses:
        async for status in statuses:
            if status.engine.build or status.engine.problem:
                return


class TestWithoutANode:
    async def test_commands_say_that_nothing_runs(self, tmp_path: Path) -> None:
        for command in (("status",), ("models",), ("plan", "x"), ("launch", "x"), ("stop",), ("chat", "--prompt", "x")):
            plain(await caravan(*command, data_dir=tmp_path), "Caravan is not running", "caravan node")

    async def test_a_folder_that_cannot_be_used(self, tmp_path: Path) -> None:
        (tmp_path / "file").write_text("in the way")
        plain(await caravan("node", data_dir=tmp_path / "file"), "cannot use its folder", "--data-dir")

    async def test_a_busy_port_names_its_owner(self, tmp_path: Path) -> None:
        with socket.create_server(("127.0.0.1", 0)) as busy:
            port = str(busy.getsockname()[1])
            plain(await caravan("node", "--api-port", port, data_dir=tmp_path), f"Port {port}", str(os.getpid()))

    async def test_an_address_that_is_none(self, tmp_path: Path) -> None:
        done = await caravan("node", "--api-port", "0", "--host", "workshop", data_dir=tmp_path)
        plain(done, "'workshop' is not an IPv4 address")


async def test_a_second_node_for_the_same_folder(tmp_path: Path) -> None:
    async with node(tmp_path) as first:
        done = await caravan("node", "--api-port", "0", data_dir=first.data_dir)
        plain(done, "already", str(first.child.pid))
        assert first.child.returncode is None


class TestEngines:
    async def test_none_where_the_setting_points(self, tmp_path: Path) -> None:
        env = {"CARAVAN_LLAMA_SERVER_PATH": str(tmp_path / "no such" / "llama-server")}
        async with node(tmp_path, env) as running:
            await engine_known(running.data_dir)
            plain(await caravan("engine", data_dir=running.data_dir), "CARAVAN_LLAMA_SERVER_PATH")
            plain(await caravan("launch", MODEL, data_dir=running.data_dir), "engine")

    @windows_lacks("there a library is missed in another way, see tests/windows/inside/test_engine.py")
    async def test_one_without_its_libraries(self, tmp_path: Path, engine_folder: Path) -> None:
        lonely = tmp_path / "lonely"
        lonely.mkdir()
        for name in ("llama-server", "ggml-rpc-server"):
            shutil.copy2(engine_folder / name, lonely / name)
        async with node(tmp_path, {"CARAVAN_LLAMA_SERVER_PATH": str(lonely / "llama-server")}) as running:
            await engine_known(running.data_dir)
            plain(await caravan("engine", data_dir=running.data_dir), "library")

    @windows_lacks("no shell scripts")
    async def test_one_without_rpc(self, tmp_path: Path, engine_folder: Path) -> None:
        alone = tmp_path / "alone"
        alone.mkdir()
        write_wrapper(alone / "llama-server", str(engine_folder / "llama-server"))
        async with node(tmp_path, {"CARAVAN_LLAMA_SERVER_PATH": str(alone / "llama-server")}) as running:
            await engine_known(running.data_dir)
            plain(await caravan("engine", data_dir=running.data_dir), "RPC")


def write_model(path: Path, architecture: str, width: int = 64) -> Path:
    """A loadable header with one tensor; enough to be planned."""
    writer = gguf.GGUFWriter(path, architecture)
    writer.add_block_count(1)
    writer.add_context_length(512)
    writer.add_embedding_length(width)
    writer.add_head_count(1)
    writer.add_feed_forward_length(width)
    for name in ("token_embd.weight", "output.weight", "blk.0.attn_q.weight"):
        writer.add_tensor(name, np.zeros((width, width), np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


async def test_files_that_are_no_models(tmp_path: Path, demo_model: Path) -> None:
    """One node, many bad files, each with its own sentence."""
    folder = tmp_path / "models with spaces 模型 🐪"
    folder.mkdir()
    whole = demo_model.read_bytes()
    cases = {
        "empty": (b"", "empty"),
        "not": (b"hello world" * 100, "not a GGUF"),
        "cut": (whole[: len(whole) // 2], "missing"),
        "head": (whole[:100], ""),
    }
    async with node(tmp_path) as running:
        for name, (content, word) in cases.items():
            path = folder / f"{name}.gguf"
            path.write_bytes(content)
            plain(await caravan("launch", str(path), data_dir=running.data_dir), f"{name}.gguf", word)
        plain(await caravan("launch", str(folder / "none.gguf"), data_dir=running.data_dir), "none.gguf")
        plain(await caravan("launch", "no-such-model", data_dir=running.data_dir), "no-such-model")
        odd = write_model(folder / "odd.gguf", "zebra")
        plain(await caravan("launch", str(odd), data_dir=running.data_dir), "zebra")
        assert engine_processes(running.child.pid) == []


async def test_a_good_model_in_an_awkward_place_runs(tmp_path: Path, demo_model: Path) -> None:
    folder = tmp_path / "models with spaces 模型 🐪"
    folder.mkdir()
    path = folder / "the demo (copy) ✓.gguf"
    shutil.copyfile(demo_model, path)
    async with node(tmp_path) as running:
        await engine_known(running.data_dir)
        done = await caravan("launch", str(path), data_dir=running.data_dir)
        assert done.returncode == 0, done
        answer = await caravan("chat", "--prompt", "What is Caravan?", data_dir=running.data_dir)
        assert "tok/s" in answer.stdout, answer
        assert (await caravan("stop", data_dir=running.data_dir)).returncode == 0
        assert engine_processes(running.child.pid) == []


async def test_every_name_on_every_console(tmp_path: Path, demo_model: Path) -> None:
    """Nothing in a name is markup, and what goes into a pipe keeps every character whatever the console's code page."""
    colon = "" if sys.platform == "win32" else ":"
    name = f"x[bold]y[no] {colon}rocket{colon} 模型"
    env = {"PYTHONIOENCODING": "cp1252"}
    async with node(tmp_path) as running:
        shutil.copyfile(demo_model, running.data_dir / "models" / f"{name}.gguf")
        done = await caravan("models", "--json", "--rescan", data_dir=running.data_dir, env=env)
        assert name in [each["id"] for each in json.loads(done.stdout)]
        done = await caravan("models", data_dir=running.data_dir, env=env)
        assert done.returncode == 0, done
        assert name in done.stdout
        for command in (("plan", "a" * 300 + ".gguf"), ("plan", "\udcff"), ("chat",)):
            done = await caravan(*command, "--json", data_dir=running.data_dir)
            assert done.returncode == 1, done
            assert json.loads(done.stdout)["error"]["sentence"]
            assert "Traceback" not in done.stderr


@windows_lacks("no sparse files: its C library writes every byte of one")
async def test_a_model_too_big_for_everything_is_refused_with_numbers(tmp_path: Path) -> None:
    """A sparse file of a terabyte: planned by its header, refused before anything starts."""
    path = tmp_path / "huge.gguf"
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_block_count(8)
    writer.add_context_length(4096)
    writer.add_embedding_length(65536)
    writer.add_head_count(64)
    writer.add_feed_forward_length(65536)
    shape = (65536, 65536)
    for name in ("token_embd", "output", *(f"blk.{i}.{part}" for i in range(8) for part in ("ffn_up", "ffn_down"))):
        writer.add_tensor_info(f"{name}.weight", shape, np.dtype(np.float32), 4 * 65536 * 65536)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_ti_data_to_file()
    writer.close()
    os.truncate(path, path.stat().st_size + 18 * 4 * 65536 * 65536 + 4096)
    async with node(tmp_path) as running:
        await engine_known(running.data_dir)
        plain(await caravan("launch", str(path), data_dir=running.data_dir), "huge", "GB short")


class TestLosses:
    """The demo model over three real nodes, and one of the processes killed."""

    async def test_a_worker_that_dies_when_the_model_is_ready(
        self, head: NodeClient, cluster: tuple[DemoNode, ...]
    ) -> None:
        status = await launched(head, 3)
        (worker,) = engine_processes(cluster[1].child.pid)
        worker.kill()
        await self._failed(head, status.id, cluster, "worker-1")

    async def test_the_head_dies(self, head: NodeClient, cluster: tuple[DemoNode, ...]) -> None:
        status = await launched(head, 3)
        (server,) = engine_processes(cluster[0].child.pid)
        server.kill()
        await self._failed(head, status.id, cluster, "head")

    async def test_a_worker_frozen_while_the_model_is_ready_is_no_reason_to_hang_a_stop(
        self, head: NodeClient, cluster: tuple[DemoNode, ...]
    ) -> None:
        status = await launched(head, 3)
        (worker,) = engine_processes(cluster[2].child.pid)
        worker.suspend()
        ended = await stopped(head, status.id)
        assert ended.state is InstanceState.STOPPED
        await until_nothing_runs(cluster)

    async def test_a_head_frozen_while_it_answers_is_ended_with_its_request(
        self, head: NodeClient, cluster: tuple[DemoNode, ...]
    ) -> None:
        status = await launched(head, 3)
        (server,) = engine_processes(cluster[0].child.pid)
        server.suspend()
        asked = asyncio.create_task(collect(head, {"messages": [{"role": "user", "content": "?"}]}, lambda _: None))
        async with asyncio.timeout(60):
            await until(
                head, lambda now: any(each.id == status.id and each.idle_since is None for each in now.instances)
            )
        ended = await stopped(head, status.id)
        assert ended.state is InstanceState.STOPPED
        await until_nothing_runs(cluster)
        with pytest.raises(HeadFailed):
            await asked

    async def test_a_failed_launch_is_one_json_value(self, head: NodeClient, cluster: tuple[DemoNode, ...]) -> None:
        extra = ("--extra", "--override-kv", "--extra", "nonsense")
        done = await caravan("launch", MODEL, *extra, "--json", data_dir=cluster[0].paths.data)
        assert done.returncode == 1
        assert json.loads(done.stdout)["error"]["sentence"]
        await until_nothing_runs(cluster)

    async def test_a_worker_killed_while_it_loads(self, head: NodeClient, cluster: tuple[DemoNode, ...]) -> None:
        instance = await head.launch(LaunchRequest(plan=await planned(head, 3)))
        async with asyncio.timeout(60):
            while not (found := engine_processes(cluster[1].child.pid)):
                await asyncio.sleep(0.002)
        found[0].kill()
        async with asyncio.timeout(60):
            ended = await follow(head, instance, lambda _: False)
        assert ended.state is InstanceState.FAILED
        assert ended.error is not None
        assert ended.error.sentence
        await until_nothing_runs(cluster)

    async def test_cancelling_at_any_moment_leaves_nothing(
        self, head: NodeClient, cluster: tuple[DemoNode, ...]
    ) -> None:
        for delay in (0.0, 0.02, 0.05, 0.1, 0.2, 0.4, 0.8):
            instance = await head.launch(LaunchRequest(plan=await planned(head, 3)))
            await asyncio.sleep(delay)
            ended = await stopped(head, instance)
            assert ended.state in {InstanceState.STOPPED, InstanceState.FAILED}
            await until_nothing_runs(cluster)
        await stopped(head, (await launched(head, 3)).id)

    async def _failed(self, head: NodeClient, instance: str, cluster: tuple[DemoNode, ...], name: str) -> None:
        async with asyncio.timeout(60):
            ended = await follow(head, instance, lambda _: False)  # type: ignore[arg-type]
        assert ended.state is InstanceState.FAILED
        assert ended.error is not None
        assert name in ended.error.sentence
        assert ended.error.hint
        await until_nothing_runs(cluster)


async def until_nothing_runs(cluster: tuple[DemoNode, ...]) -> None:
    """Wait until no llama.cpp program is left below any node: a worker ends after its lease, and soon."""
    async with asyncio.timeout(20):
        while any(engine_processes(node.child.pid) for node in cluster):
            await asyncio.sleep(0.02)


async def test_a_lost_worker_node_gives_a_plan_without_it(tmp_path: Path) -> None:
    """A node that ends is out of the next plan, with a reason, within ten seconds."""
    async with contextlib.AsyncExitStack() as stack:
        from app.cli.demo_nodes import start_cluster

        nodes = await start_cluster(stack, 2)
        client = await stack.enter_async_context(NodeClient(nodes[0].paths))
        await until(client, lambda status: gathered(status, 3))
        status = await launched(client, 3)
        psutil.Process(nodes[2].child.pid).kill()
        async with asyncio.timeout(60):
            ended = await follow(client, status.id, lambda _: False)
        assert ended.error is not None
        assert "worker-2" in ended.error.sentence
        async with asyncio.timeout(60):
            await until(client, lambda status: any(peer.reachability == "lost" for peer in status.peers))
        answer = await client.plan(PlanRequest(model_id=ModelId(MODEL), pcs=3))
        assert answer.kind == "refusal"
        assert any("worker-2" in reason.sentence for reason in answer.reasons)
        assert (await planned(client, 2)).pcs == 2


class TestDemo:
    @windows_lacks("no signals")
    @pytest.mark.parametrize("request_to_end", [signal.SIGINT, signal.SIGTERM])
    async def test_interrupted_at_any_moment_it_leaves_nothing(
        self, tmp_path: Path, request_to_end: signal.Signals
    ) -> None:
        from app.system.program import own_command
        from app.system.spawn import start_child

        lines: list[str] = []

        def keep(_: str, line: str) -> None:
            lines.append(line)

        for delay in (0.3, 1.0, 2.0, 3.5):
            env = {"TMPDIR": str(tmp_path)}
            lines.clear()
            child = await start_child(own_command("demo", "--json"), on_line=keep, env=env)
            await asyncio.sleep(delay)
            below = psutil.Process(child.pid).children(recursive=True) if child.returncode is None else []
            if child.returncode is None:
                os.kill(child.pid, request_to_end)
            async with asyncio.timeout(60):
                # A fast PC may be done before it is interrupted.
                assert await child.wait() != 0 or "matches_single" in "".join(lines)
            assert not [each for each in below if each.is_running() and each.status() != psutil.STATUS_ZOMBIE]
            assert list(tmp_path.iterdir()) == []
