"""A model on a processor alone, with weights rearranged and as the file has them, as the plan chose: by the engine's
own word where the weights are, and whether the plan's bytes hold.
"""

import os
import secrets
from pathlib import Path

import httpx
import pytest

from app.engine.calibration_model import CalibrationShape, write_model
from app.engine.capabilities import Prober
from app.engine.commands import fit_command, head_command
from app.engine.fit import measure
from app.engine.locate import Places, locate
from app.engine.output import BufferSize, ModelLoaded, parse_line
from app.instances.head import HeadPlace, HeadTools, head_spec
from app.modelstore.gguf import read_shape
from app.planner.plan import plan
from app.schema.engine import EngineBuild
from app.schema.plan import ClusterView, NodeResources, Plan
from app.schema.record import InstanceId, NodeId
from app.schema.speed import WeightFormat
from app.system.loopback_http import loopback_client
from app.system.ports import LOOPBACK, free_port
from app.system.spawn import start_child
from tests.contract.test_guessing import until_healthy
from tests.turns import until
from tests.unit.planner.samples import GIB, ask, cpu

MIB = 1 << 20
SHAPE = CalibrationShape("alone", WeightFormat.Q4_K, 6, 1024, 2816, 16, 4, vocabulary=8192)
PLAIN, REARRANGED = {"CPU", "CPU_Mapped"}, "CPU_REPACK"


@pytest.fixture
async def build(engine_folder: Path) -> EngineBuild:
    found = await Prober().probe(await locate(Places(setting=engine_folder), os.environ))
    if not found.accepts("-nr"):
        pytest.skip("this build rearranges nothing")
    return found


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("models with spaces ü") / "alone.gguf"
    write_model(path, SHAPE)
    return path


def planned(model: Path, gain: float | None) -> Plan:
    """The plan of a processor that is so many times as fast at prompts with rearranged weights."""
    facts: dict[str, float] = {"bandwidth": 10e9, "compute": 1e11, "token_seconds": 1e-4}
    if gain is not None:
        facts |= {"repacked_bandwidth": 10e9, "repacked_compute": 1e11 * gain}
    processor = cpu(4 * GIB).model_copy(update=facts)
    pc = NodeResources(node=NodeId("a"), name="A", holds_model=True, engine_build="e", devices=(processor,))
    found = plan(ask(context=512), read_shape(model), ClusterView(this_node=pc.node, nodes=(pc,)))
    assert isinstance(found, Plan), found
    return found


def placed(build: EngineBuild, model: Path, found: Plan) -> tuple[HeadPlace, HeadTools]:
    place = HeadPlace(InstanceId("i"), found, str(model), None, {}, (), lambda _: None)
    return place, HeadTools("A", build, 1, None, ())


async def buffers(build: EngineBuild, model: Path, found: Plan) -> list[BufferSize]:
    """What the engine says it made when it runs the plan."""
    lines: list[str] = []
    place, tools = placed(build, model, found)
    spec = head_spec(place, tools, free_port(), secrets.token_hex(8))
    command = head_command(build, spec)
    assert ("-nr" in command.argv) is not found.repacks
    child = await start_child(
        command.argv, on_line=lambda _, line: lines.append(line), env=command.environment, with_stdin=True
    )
    try:
        base, headers = f"http://{LOOPBACK}:{spec.port}", {"Authorization": f"Bearer {spec.api_key}"}
        async with loopback_client(base_url=base, headers=headers, timeout=httpx.Timeout(60.0)) as client:
            await until_healthy(client)
        # The output comes by another way than `/health`.
        await until(lambda: any(isinstance(parse_line(line), ModelLoaded) for line in lines))
    finally:
        await child.stop(grace=0.0)
    return [event for event in map(parse_line, lines) if isinstance(event, BufferSize)]


@pytest.mark.parametrize("gain", [0.7, 1.5, None])
async def test_a_plan_alone_leaves_its_weights_where_that_is_faster(
    build: EngineBuild, model: Path, gain: float | None
) -> None:
    found = planned(model, gain)
    assert found.repacks is (gain is None or gain > 1)
    told = await buffers(build, model, found)
    weights = {each.owner: each.mebibytes for each in told if each.kind == "model"}
    if not found.repacks:
        assert set(weights) <= PLAIN
    elif REARRANGED not in weights:
        pytest.skip("this processor's engine rearranges nothing")
    # Beside rearranged weights the file's pages of the same may be dropped; the embedding table is read where it is.
    (stage,) = found.stages
    table = found.head_ram_bytes / MIB
    held = weights[REARRANGED] + table if REARRANGED in weights else sum(weights.values())
    assert abs(held - (stage.weight_bytes / MIB + table)) <= 1.0, weights
    cache = sum(each.mebibytes for each in told if each.kind == "KV")
    assert abs(cache - stage.kv_bytes / MIB) <= 0.1
    assert 0 < sum(each.mebibytes for each in told if each.kind == "compute") <= stage.compute_bytes / MIB


@pytest.mark.parametrize("gain", [0.7, 1.5])
async def test_the_memory_check_counts_rearranged_weights_too(build: EngineBuild, model: Path, gain: float) -> None:
    found = planned(model, gain)
    place, tools = placed(build, model, found)
    command = fit_command(build, head_spec(place, tools, 1, ""))
    if command is None:
        pytest.skip("this build projects no memory")
    memory = (await measure(command, "A", {}))["Host"]
    assert abs(memory.model - (found.stages[0].weight_bytes + found.head_ram_bytes) / MIB) <= 1.0
