"""The fake engine says what the real one says, to the same parsers."""

import asyncio
import json
import sys
from pathlib import Path

import httpx
import pytest

from app.engine.capabilities import Prober
from app.engine.commands import HeadSpec, WorkerSpec, head_command, worker_command
from app.engine.hello import HelloProblem, WorkerBusy, probe_worker
from app.engine.locate import Candidate
from app.engine.output import ControlState, diagnose_head, diagnose_worker, parse_line
from app.schema import errors
from app.schema.engine import EngineBuild
from app.schema.plan import KvType
from app.system.ports import free_port
from tests.fakes.fake_llama import write_programs
from tests.unit.engine.programs import running, until_ready

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="the fake's Windows programs are .cmd files")


async def fake_build(folder: Path, **options: str) -> EngineBuild:
    server = write_programs(folder, {f"FAKE_LLAMA_{name}": value for name, value in options.items()})
    names = ("ggml-rpc-server", "llama-fit-params")
    worker, fit = (server.with_name(name) for name in names)
    (folder / "model.gguf").write_text("a model")
    return await Prober().probe(Candidate(server, worker, fit, "setting"))


def head_spec(folder: Path, endpoints: tuple[str, ...] = ()) -> HeadSpec:
    devices = tuple(f"RPC{number}" for number in range(len(endpoints)))
    return HeadSpec(
        model_path=str(folder / "model.gguf"), alias="m", devices=devices, rpc_endpoints=endpoints,
        gpu_layers=len(devices), tensor_split=(1,) * len(devices), context=512, slots=1, kv_type=KvType.F16,
        port=free_port(), api_key="key",
    )  # fmt: skip


async def until_serving(port: int) -> None:
    async with asyncio.timeout(30):
        while True:
            try:
                await probe_worker("127.0.0.1", port, 1.0)
            except HelloProblem:
                await asyncio.sleep(0.01)
            else:
                return


async def chat(port: int, **body: object) -> httpx.Response:
    async with httpx.AsyncClient(timeout=60, trust_env=False) as client:
        url = f"http://127.0.0.1:{port}/v1/chat/completions"
        return await client.post(url, json={"messages": [], **body}, headers={"Authorization": "Bearer key"})


async def test_a_model_over_two_workers(tmp_path: Path) -> None:
    build = await fake_build(tmp_path)
    ports = [free_port(), free_port()]
    workers = [
        worker_command(build, WorkerSpec(device="CPU", port=port, threads=None, cache_folder=None)) for port in ports
    ]
    async with running(workers[0]), running(workers[1]) as second:
        for port in ports:
            await until_serving(port)
        spec = head_spec(tmp_path, tuple(f"127.0.0.1:{port}" for port in ports))
        async with running(head_command(build, spec)) as head:
            await until_ready(head)
            values = [event.value for line in head.lines if isinstance(event := parse_line(line), ControlState)]
            assert values == sorted(values)
            with pytest.raises(WorkerBusy):
                await probe_worker("127.0.0.1", ports[0], 0.3)
            answer = await chat(spec.port, stream=True, max_tokens=3)
            events = [line[6:] for line in answer.text.splitlines() if line.startswith("data: ")]
            assert events[-1] == "[DONE]"
            assert json.loads(events[-2])["timings"]["predicted_n"] == 3
            await second.child.stop(grace=0)
            with pytest.raises(httpx.HTTPError):
                await chat(spec.port)
            code = await head.child.wait()
            names = {f"127.0.0.1:{ports[1]}": "Attic"}
            assert isinstance(diagnose_head(head.lines, code, "Study", names), errors.WorkerLost)


async def test_the_exit_line_ends_it_cleanly(tmp_path: Path) -> None:
    spec = head_spec(tmp_path)
    async with running(head_command(await fake_build(tmp_path), spec)) as head:
        await until_ready(head)
        async with httpx.AsyncClient(trust_env=False) as client:
            assert (await client.get(f"http://127.0.0.1:{spec.port}/health")).json() == {"status": "ok"}
            assert (await client.get(f"http://127.0.0.1:{spec.port}/v1/models")).status_code == 401
        assert await head.child.stop(grace=10, polite="cmd_router_to_child:exit") == 0


@pytest.mark.parametrize(
    ("option", "value", "kind"),
    [
        ("OOM", "1", errors.OutOfMemory),
        ("BAD_MODEL", "cut", errors.GgufTruncated),
        ("BAD_MODEL", "not_gguf", errors.NotGguf),
        ("BAD_MODEL", "architecture", errors.UnknownArchitecture),
        ("EXIT_CODE", "3", errors.HeadFailed),
    ],
)
async def test_faults_are_diagnosed_as_the_real_ones(
    tmp_path: Path, option: str, value: str, kind: type[errors.CaravanError]
) -> None:
    build = await fake_build(tmp_path, **{option: value})
    async with running(head_command(build, head_spec(tmp_path))) as head:
        code = await head.child.wait()
        assert type(diagnose_head(head.lines, code, "Study", {})) is kind


async def test_a_head_without_its_worker(tmp_path: Path) -> None:
    endpoint = f"127.0.0.1:{free_port()}"
    async with running(head_command(await fake_build(tmp_path), head_spec(tmp_path, (endpoint,)))) as head:
        error = diagnose_head(head.lines, await head.child.wait(), "Study", {endpoint: "Attic"})
        assert isinstance(error, errors.WorkerLost)
        assert "Attic" in error.sentence


async def test_a_worker_without_its_port(tmp_path: Path) -> None:
    build = await fake_build(tmp_path, RPC_PORT_TAKEN="1")
    spec = WorkerSpec(device="CPU", port=free_port(), threads=1, cache_folder=None)
    async with running(worker_command(build, spec)) as worker:
        code = await worker.child.wait()
        assert code == 0
        assert isinstance(diagnose_worker(worker.lines, code, "Attic"), errors.PortInUse)


async def test_an_old_worker_answers_the_old_way(tmp_path: Path) -> None:
    build = await fake_build(tmp_path, RPC_VERSION="3.6.0", RPC_FREE_MIB="100")
    spec = WorkerSpec(device="CPU", port=free_port(), threads=1, cache_folder=None)
    async with running(worker_command(build, spec)):
        await until_serving(spec.port)
        told = await probe_worker("127.0.0.1", spec.port, 5.0)
        assert told.version == (3, 6, 0)
        assert told.devices[0][0] == 100 << 20


async def test_an_abort_in_the_middle_of_an_answer(tmp_path: Path) -> None:
    spec = head_spec(tmp_path)
    async with running(head_command(await fake_build(tmp_path, DIE_AFTER="2"), spec)) as head:
        await until_ready(head)
        with pytest.raises(httpx.HTTPError):
            await chat(spec.port)
        error = diagnose_head(head.lines, await head.child.wait(), "Study", {"127.0.0.1:1": "Attic"})
        assert isinstance(error, errors.WorkerLost)


async def test_a_head_that_stalls_and_will_not_stop(tmp_path: Path) -> None:
    spec = head_spec(tmp_path)
    build = await fake_build(tmp_path, STALL="1", IGNORE_STOP="1")
    async with running(head_command(build, spec)) as head:
        await until_ready(head)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.5):
                await chat(spec.port)
        assert await head.child.stop(grace=0.3, polite="cmd_router_to_child:exit") == -9


async def test_a_worker_that_never_answers(tmp_path: Path) -> None:
    build = await fake_build(tmp_path, RPC_SILENT="1")
    spec = WorkerSpec(device="CPU", port=free_port(), threads=1, cache_folder=None)
    async with running(worker_command(build, spec)) as worker:
        async with asyncio.timeout(30):
            while not any("Starting RPC server" in line for line in worker.lines):
                await asyncio.sleep(0.01)
        with pytest.raises(WorkerBusy):
            await probe_worker("127.0.0.1", spec.port, 0.3)
