"""The same facts, asked of a real llama.cpp. Skipped where none is installed."""

import asyncio
import os
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path

import pytest

from app.engine.capabilities import Prober
from app.engine.commands import Command, HeadSpec, WorkerSpec, fit_command, head_command, worker_command
from app.engine.fit import measure
from app.engine.hello import HelloProblem, probe_worker
from app.engine.locate import Places, locate
from app.engine.output import BufferSize, Failure, LayerAssigned, OutputEvent, parse_line
from app.schema.engine import EngineBuild
from app.schema.errors import CaravanError
from app.schema.plan import KvType
from app.system.ports import free_port
from tests.unit.engine import tiny_model
from tests.unit.engine.programs import running, until_ready

LAYERS = 12


@pytest.fixture
async def build() -> EngineBuild:
    try:
        return await Prober().probe(await locate(Places(), os.environ))
    except CaravanError as error:
        pytest.skip(f"no real engine: {error.sentence}")


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_model.write(tmp_path_factory.mktemp("models with spaces ü") / "tiny.gguf", LAYERS)


async def start_workers(stack: AsyncExitStack, build: EngineBuild, count: int) -> tuple[str, ...]:
    ports = [free_port() for _ in range(count)]
    for port in ports:
        spec = WorkerSpec(device="CPU", port=port, threads=1, cache_folder=None)
        await stack.enter_async_context(running(worker_command(build, spec)))
    for port in ports:
        await until_serving(port)
    return tuple(f"127.0.0.1:{port}" for port in ports)


async def until_serving(port: int) -> None:
    async with asyncio.timeout(30):
        while True:
            try:
                hello = await probe_worker("127.0.0.1", port, 2.0)
            except HelloProblem:
                await asyncio.sleep(0.02)
            else:
                assert hello.devices[0][1] > 0
                return


def debug(command: Command, build: EngineBuild) -> Command:
    """The same command, one log level higher: the engine then tells where each layer goes."""
    argv = list(command.argv)
    level = argv.index("-lv") + 1
    argv[level] = str(int(argv[level]) + 1)
    return replace(command, argv=tuple(argv))


async def loaded(command: Command) -> list[OutputEvent]:
    """Start, wait until ready, end politely; everything it said."""
    async with running(command) as program:
        await until_ready(program)
        await program.child.stop(grace=10, polite="cmd_router_to_child:exit")
        return [event for line in program.lines if (event := parse_line(line)) is not None]


def spec(model: Path, endpoints: tuple[str, ...], gpu_layers: int, split: tuple[int, ...]) -> HeadSpec:
    return HeadSpec(
        model_path=str(model), alias="tiny ü", devices=tuple(f"RPC{number}" for number in range(len(endpoints))),
        rpc_endpoints=endpoints, gpu_layers=gpu_layers, tensor_split=split, context=512, slots=1, kv_type=KvType.F16,
        port=free_port(), api_key="key", threads=1,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("gpu_layers", "split"),
    [
        (LAYERS + 1, (5, 8)),
        (LAYERS + 1, (1, 12)),
        (9, (4, 5)),
        (LAYERS + 1, (12, 1)),
    ],
    ids=["5-8", "1-12", "head share 4, then 4-5", "only the output on the last"],
)
async def test_layers_land_where_the_plan_puts_them(
    build: EngineBuild, model: Path, gpu_layers: int, split: tuple[int, int]
) -> None:
    async with AsyncExitStack() as stack:
        endpoints = await start_workers(stack, build, 2)
        wanted = spec(model, endpoints, gpu_layers, split)
        check = fit_command(build, wanted)
        projected = await measure(check, "Study", {}) if check is not None else None
        events = await loaded(debug(head_command(build, wanted), build))
    assert not [event for event in events if isinstance(event, Failure)]
    devices = {event.layer: event.device for event in events if isinstance(event, LayerAssigned)}
    planned = ["CPU"] * (LAYERS + 1 - gpu_layers) + ["RPC0"] * split[0] + ["RPC1"] * split[1]
    assert [devices[layer] for layer in range(LAYERS + 1)] == planned
    weights = {
        event.endpoint: event.mebibytes for event in events if isinstance(event, BufferSize) if event.kind == "model"
    }
    assert set(endpoints) <= set(weights)
    if projected is not None:
        for number, endpoint in enumerate(endpoints):
            assert abs(projected[f"RPC{number}"].model - weights[endpoint]) <= 1


@pytest.mark.parametrize("slots", [1, 2])
async def test_the_processor_alone(build: EngineBuild, model: Path, slots: int) -> None:
    wanted = replace(spec(model, (), 0, ()), slots=slots)
    events = await loaded(debug(head_command(build, wanted), build))
    assert {event.device for event in events if isinstance(event, LayerAssigned)} == {"CPU"}
    (cache,) = [event for event in events if isinstance(event, BufferSize) and event.kind == "KV"]
    # 2 (K and V) * 12 layers * 128 wide * 512 cells * 2 bytes, however many slots share them.
    assert cache.mebibytes == 3.0
