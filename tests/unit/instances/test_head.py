"""A load that stalls is given up by a clock that nobody sets; one that is whole has told all its buffers."""

import asyncio
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from app.engine.capabilities import Prober
from app.engine.locate import Candidate
from app.instances import phases
from app.instances.head import Head, HeadPlace, HeadTools
from app.instances.pulse import LEAST_SECONDS, PICTURE_SECONDS, UNKNOWN_SECONDS, Pace, has_work, pace_of
from app.schema.errors import CaravanError, LaunchStalled
from app.schema.instance import DeviceBuffer
from app.schema.plan import EncoderShare, Prediction
from app.schema.record import InstanceId
from tests.fakes.fake_llama import write_programs
from tests.unit.instances.plans import plan, stage

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="the fake's Windows programs are .cmd files")


QUICK = Pace(period=0.05, look=0.1, patience=3.0)


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


async def make_head(
    folder: Path, stall_seconds: float, on_end: Callable[[CaravanError], None] = lambda _: None, **options: str
) -> Head:
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
        on_end=on_end,
    )
    tools = HeadTools(
        "STUDY", build, None, None, (), clock=jumping().__next__, stall_seconds=stall_seconds, pace=lambda _: QUICK
    )
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


@pytest.mark.parametrize("slots", ["still", "mute"])
async def test_an_engine_that_computes_nothing_any_more_is_told(tmp_path: Path, slots: str) -> None:
    """`/health` says ok all the time."""
    ended: asyncio.Future[CaravanError] = asyncio.get_running_loop().create_future()
    head = await make_head(tmp_path, 20.0, ended.set_result, SLOTS=slots)
    await head.start()
    try:
        async with asyncio.timeout(60):
            await head.until_ready(lambda *_: None)
            told = await ended
    finally:
        await head.stop(polite=False)
    assert told.sentence == "The engine on STUDY computed nothing for 3 s: it hangs."


async def test_an_engine_without_work_is_left_alone_and_its_end_is_told_as_such(tmp_path: Path) -> None:
    ended: list[CaravanError] = []
    head = await make_head(tmp_path, 20.0, ended.append, SLOTS="idle")
    await head.start()
    try:
        async with asyncio.timeout(60):
            await head.until_ready(lambda *_: None)
        await asyncio.sleep(QUICK.patience + 1.0)
        assert not ended
        assert head.pid is not None
        psutil.Process(head.pid).kill()
        async with asyncio.timeout(60):
            while not ended:
                await asyncio.sleep(0.05)
        await asyncio.sleep(QUICK.patience + 1.0)
    finally:
        await head.stop(polite=False)
    assert len(ended) == 1
    assert "killed from outside" in ended[0].sentence


def test_the_slower_a_batch_is_told_to_be_the_longer_is_waited() -> None:
    bare = plan(stage("h", "CPU", 0, 11, output=True))
    assert pace_of(bare.model_copy(update={"prediction": None})).patience == UNKNOWN_SECONDS
    told = Prediction(prompt_tokens=1000, answer_tokens=400, decode=20, prefill=900, first_token=2, answer=22)
    fast = bare.model_copy(update={"prediction": told})
    slow = bare.model_copy(update={"prediction": told.model_copy(update={"prefill": 2.0})})
    encoder = EncoderShare(node_name="H", device="CPU", weight_bytes=1, compute_bytes=1, free_bytes=9)
    seeing = fast.model_copy(update={"encoder": encoder})
    assert [pace_of(each).patience for each in (fast, slow, seeing)] == [LEAST_SECONDS, 2560.0, PICTURE_SECONDS]


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        ('[{"is_processing": true, "n_prompt_tokens_processed": 512}]', True),
        ('[{"is_processing": false, "n_prompt_tokens_processed": 512}]', False),
        ('[{"is_processing": true, "n_decoded": 0}]', False),
        ('[{"is_processing": false}, {"is_processing": true, "n_prompt_tokens_processed": 0}]', True),
        ('{"error": {"code": 501}}', False),
        ('["idle", null]', False),
        ("no JSON", False),
        ("", False),
    ],
)
def test_only_work_that_would_be_seen_to_go_on_counts(told: str, expected: bool) -> None:
    assert has_work(told) is expected
