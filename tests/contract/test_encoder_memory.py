"""What the planner counts for a picture encoder against the buffers llama-server prints when it loads one."""

import asyncio
import shutil
from pathlib import Path

import pytest

from app.cli.demo_nodes import DemoNode
from app.client import NodeClient
from app.modelstore.gguf import read_shape
from app.planner.encoder import encoder_compute
from app.planner.memory import MEBI
from app.schema.instance import InstanceState
from app.schema.plan import CPU_DEVICE
from app.system.ports import free_port
from app.system.spawn import start_child
from tests.contract.conftest import launched, stopped
from tests.contract.programs import windows_lacks
from tests.contract.sparse_projectors import PROJECTORS

pytestmark = [
    pytest.mark.asyncio(loop_scope="module"),
    windows_lacks("no sparse files: its C library writes every byte of one"),
]

LEAST, MOST = -4, 48
"""MiB by which a prediction may be below and above what the engine reserves."""


@pytest.mark.parametrize("kind", PROJECTORS)
async def test_the_encoders_compute_buffer(kind: str, tmp_path: Path, engine_folder: Path, demo_model: Path) -> None:
    width = read_shape(demo_model).embedding_length
    assert width is not None
    projector = PROJECTORS[kind](tmp_path / "mmproj.gguf", width)
    shape = read_shape(projector)
    assert shape.encoder is not None
    assert shape.encoder.weight_bytes == shape.weight_bytes
    printed = await reserved(engine_folder, demo_model, projector)
    assert LEAST <= encoder_compute(shape.encoder) / MEBI - printed <= MOST, (kind, printed, shape.encoder)


async def test_a_launch_has_its_encoder_where_the_plan_says(
    head: NodeClient, cluster: tuple[DemoNode, ...], demo_model: Path
) -> None:
    width = read_shape(demo_model).embedding_length
    assert width is not None
    folder = cluster[0].paths.models / "seeing"
    folder.mkdir()
    shutil.copyfile(demo_model, folder / "seeing.gguf")
    projector = PROJECTORS["llava"](folder / "mmproj-F16.gguf", width)
    await head.models(rescan=True)
    status = await launched(head, 2, "seeing")
    try:
        encoder = status.plan.encoder
        assert encoder is not None
        assert (encoder.node_name, encoder.device) == ("head", CPU_DEVICE)
        assert encoder.weight_bytes == read_shape(projector).weight_bytes
        log = next(cluster[0].paths.logs.glob(f"head-{status.id}*")).read_text()
        assert "clip_ctx: CLIP using CPU backend" in log
        assert (await head.status()).instances[0].state is InstanceState.READY
    finally:
        await stopped(head, status.id)


async def reserved(folder: Path, model: Path, projector: Path) -> float:
    """MiB of the compute buffer that the engine reserves for the encoder, launched as a head launches it."""
    lines: list[str] = []
    ended = asyncio.Event()

    def take(_: str, line: str) -> None:
        lines.append(line)
        if "loaded multimodal model" in line or "exiting due to" in line:
            ended.set()

    argv = [str(folder / "llama-server"), "-m", str(model), "-mm", str(projector), "--no-mmproj-offload", "-c", "512"]
    argv += ["-np", "1", "-b", "512", "-ub", "512", "-fa", "on", "--fit", "off", "--cache-ram", "0", "-t", "1"]
    argv += ["--host", "127.0.0.1", "--port", str(free_port()), "-lv", "4"]
    child = await start_child(argv, on_line=take, env={"GGML_NO_BACKTRACE": "1"})
    try:
        async with asyncio.timeout(60):
            await ended.wait()
    finally:
        await child.stop(grace=0.0)
    told = [line for line in lines if "reserve_compute_meta" in line and "compute buffer size" in line]
    assert len(told) == 1, lines[-20:]
    return float(told[0].split("=")[1].split()[0])
