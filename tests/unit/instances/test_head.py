"""A load that stalls is given up by a clock that nobody sets; one that is whole has told all its buffers."""

import asyncio
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.engine.capabilities import Prober
from app.engine.locate import Candidate
from app.instances import phases
from app.instances.head import Head, HeadPlace, HeadTools
from app.schema.errors import LaunchStalled
from app.schema.instance import DeviceBuffer
from app.schema.record import InstanceId
from tests.fakes.fake_llama import write_programs
from tests.unit.instances.plans import plan, stage

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="the fake's Windows programs are .cmd files")


class Lines(list[str]):
    """Keeps lines."""

    write = list.append

    def close(self) -> None:
        """Nothing is open."""


def jumping() -> Iterator[float]:
    """A time of day that somebody sets an hour ahead at every look."""
    now = 0.0
    while True:
        yield (now := now + 3600.0)


async def make_head(folder: Path, stall_seconds: float, **options: str) -> Head:
    server = write_programs(folder, {f"FAKE_LLAMA_{name}": value for name, value in options.items()})
    names = ("ggml-rpc-server", "llama-fit-params")
    worker, fit = (server.with_name(name) for name in names)
    (folder / "model.gguf").write_text("a model")
    build = await Prober().probe(Candidate(server, worker, fit, "setting"))
    place = HeadPlace(
        instance_id=InstanceId("i"),
        plan=plan(stage("h", "CPU", 0, 11, output=True)).model_copy(update={"gpu_layers": 0, "tensor_split": ()}),
        model_path=str(folder / "model.gguf"),
        projector_path=None,
        endpoints={},
        extra_arguments=(),
        on_end=lambda _: None,
    )
    tools = HeadTools("STUDY", build, None, None, (), clock=jumping().__next__, stall_seconds=stall_seconds)
    return Head(place, tools, phases.first_phases(), Lines())


async def test_a_load_that_moves_nothing_has_stalled(tmp_path: Path) -> None:
    head = await make_head(tmp_path, 0.5, LOAD_STALL="1")
    await head.start()
    try:
        async with asyncio.timeout(60):
            with pytest.raises(LaunchStalled, match="STUDY loaded tiny"):
                await head.until_ready(lambda *_: None)
    finally:
        await head.stop(polite=False)


async def test_a_clock_that_jumps_is_no_stall(tmp_path: Path) -> None:
    head = await make_head(tmp_path, 20.0, LOAD_SECONDS="0.5")
    await head.start()
    try:
        async with asyncio.timeout(60):
            await head.until_ready(lambda *_: None)
    finally:
        await head.stop(polite=False)


async def test_a_head_is_not_ready_before_its_output_told_every_buffer(tmp_path: Path) -> None:
    """`/health` and the output come by two ways, and a busy machine may read the first first."""
    head = await make_head(tmp_path, 20.0, LATE_WORDS="0.5")
    await head.start()
    told: list[tuple[DeviceBuffer, ...]] = []
    try:
        async with asyncio.timeout(60):
            await head.until_ready(lambda _, buffers: told.append(buffers))
    finally:
        await head.stop(polite=False)
    assert [(each.device, each.kind) for each in told[-1]] == [("CPU", "model")]
