"""Measuring a device: the arithmetic on made-up devices, the files by two readers, one run of a real engine."""

import asyncio
import os
from dataclasses import replace
from pathlib import Path

import gguf
import psutil
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.engine.calibration import (
    PLAIN_OWNERS,
    Calibration,
    CalibrationFailed,
    CalibrationPlace,
    Timing,
    _file,
    _repacked,
    _server,
    _timing,
    calibrate,
    calibration_spec,
    settled,
    solve,
    sweep,
)
from app.engine.calibration_model import SHAPES, SHORT, SLIM, WIDE_Q4, CalibrationShape, write_model
from app.engine.capabilities import Prober
from app.engine.commands import head_command
from app.engine.locate import Places, locate
from app.modelstore.gguf import read_shape
from app.schema.engine import EngineBuild
from app.schema.errors import CaravanError
from app.schema.speed import FEW_TOKENS, WeightFormat

TOKEN, BLOCK = st.floats(1e-6, 1e-3), st.floats(1e-6, 3e-4)
BANDWIDTH, COMPUTE = st.floats(5e9, 2e12), st.floats(2e10, 1e14)


def timing(shape: CalibrationShape, token: float, block: float, bandwidth: float, compute: float) -> Timing:
    """What a device with those terms takes for a file."""
    file = shape.described()
    seconds = token + shape.blocks * block + file.read_bytes / bandwidth
    return Timing(seconds, 512, seconds + 2 * file.prompt_parameters * 511 / compute)


def timings(token: float, block: float, four: float, eight: float, compute: float) -> dict[str, Timing]:
    rates = {WeightFormat.Q4_K: four, WeightFormat.Q8_0: eight}
    return {each.name: timing(each, token, block, rates[each.format], compute) for each in SHAPES}


@given(TOKEN, BLOCK, BANDWIDTH, BANDWIDTH, COMPUTE)
def test_the_terms_of_a_device_are_found_again(
    token: float, block: float, four: float, eight: float, compute: float
) -> None:
    found = solve(timings(token, block, four, eight, compute))
    predicted = timings(
        found.token_seconds,
        found.block_seconds,
        found.formats[0].bandwidth,
        found.formats[1].bandwidth,
        found.formats[0].compute,
    )
    wide = timings(token, block, four, eight, compute)[WIDE_Q4.name]
    for name, measured in timings(token, block, four, eight, compute).items():
        assert predicted[name].token_seconds == pytest.approx(measured.token_seconds, rel=0.01)
        # A prompt that takes hardly longer than a token says little of arithmetic, which then counts as slower.
        tells = wide.prompt_seconds >= 2 * wide.token_seconds
        assert predicted[name].prompt_seconds > 0.99 * measured.prompt_seconds
        assert not tells or predicted[name].prompt_seconds < 1.01 * measured.prompt_seconds
    assert found.formats[0].bandwidth == pytest.approx(four, rel=0.05)


@given(TOKEN, BLOCK, BANDWIDTH, COMPUTE, st.floats(0.5, 2.0))
def test_rearranged_weights_have_a_speed_of_their_own(
    token: float, block: float, bandwidth: float, compute: float, gain: float
) -> None:
    plain = timings(token, block, bandwidth, bandwidth, compute)
    again = timings(token, block, bandwidth * gain, bandwidth * gain, compute * gain)
    found = solve(plain, {WIDE_Q4.name: again[WIDE_Q4.name]})
    assert found.formats == solve(plain).formats
    (four,) = found.repacked
    assert four.format is WeightFormat.Q4_K
    assert four.bandwidth == pytest.approx(bandwidth * gain, rel=0.05)
    assert solve(plain).repacked == ()


@given(TOKEN, BLOCK, BANDWIDTH, st.floats(2e10, 2e11), st.floats(1.0, 3.0), st.sampled_from([(128, 48), (512, 256)]))
def test_two_prompts_tell_what_a_pass_costs(
    token: float, block: float, bandwidth: float, compute: float, slower: float, lengths: tuple[int, int]
) -> None:
    """A prompt of another length than those measured takes what the terms say, however much slower a pass reads."""
    file, (longest, other) = WIDE_Q4.described(), lengths
    answered = timings(token, block, bandwidth, bandwidth, compute)
    beside = token + WIDE_Q4.blocks * block
    first = beside + slower * file.read_bytes / bandwidth

    def prompt(tokens: int) -> float:
        return first + 2 * file.prompt_parameters * (tokens - 1) / compute

    one = answered[WIDE_Q4.name].token_seconds
    answered[WIDE_Q4.name] = Timing(one, longest, prompt(longest), 32, prompt(32))
    found = solve(answered).formats[0]
    assert found.prompt_bandwidth is not None
    assert found.bandwidth == pytest.approx(bandwidth, rel=0.05)
    rest = 2 * file.prompt_parameters * (other - 1) / found.compute
    told = one - file.read_bytes / found.bandwidth + file.read_bytes / found.prompt_bandwidth + rest
    assert told == pytest.approx(prompt(other), rel=0.001)


@given(TOKEN, BLOCK, BANDWIDTH, COMPUTE, st.floats(2e10, 2e11))
def test_a_small_batch_tells_what_the_tokens_of_a_step_cost(
    token: float, block: float, bandwidth: float, compute: float, few: float
) -> None:
    file, measured = WIDE_Q4.described(), timings(token, block, bandwidth, bandwidth, compute)
    assert solve(measured).formats[0].step_compute is None
    one = measured[WIDE_Q4.name]
    more = 2 * file.prompt_parameters * (FEW_TOKENS - 1)
    measured[WIDE_Q4.name] = replace(one, few_seconds=one.token_seconds + more / few)
    found = solve(measured).formats
    # What takes hardly longer than a token counts as a hundredth of it.
    most = more / (one.token_seconds / 100)
    assert found[0].step_compute == pytest.approx(min(few, most), rel=1e-6)
    assert found[1].step_compute is None
    measured[WIDE_Q4.name] = replace(one, few_seconds=one.token_seconds / 2)
    assert solve(measured).formats[0].step_compute == pytest.approx(most)


def test_what_one_processor_took_for_prompts() -> None:
    """One thread of an Xeon: 25.8 ms for a token of the wide file, 144, 192 and 436 ms for 32, 48 and 128 tokens."""
    timing = Timing(0.0258, 128, 0.436, 32, 0.144)
    each = (timing.prompt_seconds - timing.pass_seconds) / 127
    assert timing.pass_seconds == pytest.approx(0.0497, abs=1e-4)
    assert timing.pass_seconds + 47 * each == pytest.approx(0.192, rel=0.01)
    # With what a token of an answer takes in place of a pass, the longer prompt alone says a tenth too little.
    assert 0.0258 + 47 * (0.436 - 0.0258) / 127 < 0.93 * 0.192


def test_a_pass_takes_no_less_than_a_token_and_no_more_than_half_a_prompt() -> None:
    assert Timing(0.02, 512, 1.0).pass_seconds == 0.02
    assert Timing(0.02, 512, 1.0, 32, 0.01).pass_seconds == 0.02
    assert Timing(0.02, 512, 0.1, 32, 0.09).pass_seconds == 0.05
    assert Timing(0.02, 512, 0.1, 32, 0.11).pass_seconds == 0.05


def test_noise_makes_no_term_negative() -> None:
    found = timings(1e-4, 3e-5, 30e9, 40e9, 4e11)
    found[SLIM.name] = Timing(found[SLIM.name].token_seconds / 2, 512, 1.0)
    solved = solve(found)
    assert solved.block_seconds == 0
    assert solved.token_seconds >= 0


def test_times_that_contradict_each_other_are_no_result() -> None:
    found = timings(1e-4, 3e-5, 30e9, 40e9, 4e11)
    found[SLIM.name] = Timing(found[WIDE_Q4.name].token_seconds * 10, 512, 1.0)
    with pytest.raises(CalibrationFailed):
        solve(found)


@given(st.lists(st.floats(0.9, 1.0), min_size=3, max_size=8), st.lists(st.floats(1.2, 9.0), max_size=8))
def test_times_settle_when_the_fastest_agree(quiet: list[float], disturbed: list[float]) -> None:
    fastest = sorted([each**0.3 for each in quiet])
    assert settled([*fastest, *sorted(disturbed)], 3)


def test_one_lucky_time_does_not_settle() -> None:
    assert not settled([0.8, 1.0, 1.01, 1.02], 3)
    assert not settled([1.0, 1.01], 3)


@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: shape.name)
def test_a_file_is_what_it_is_said_to_be(shape: CalibrationShape, tmp_path: Path) -> None:
    path = tmp_path / "ein Modell ü.gguf"
    write_model(path, shape)
    read, said = read_shape(path), shape.described()
    assert (read.architecture, read.layers, read.embedding_length) == ("llama", shape.blocks, shape.width)
    norms = 4 * shape.width
    matrices = sum(each - 2 * norms for each in read.layer_bytes) + read.output_bytes - norms
    assert said.read_bytes == matrices
    assert said.blocks == read.layers


def test_a_file_is_the_same_on_every_pc(tmp_path: Path) -> None:
    for name in "ab":
        write_model(tmp_path / name, SHORT)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_another_reader_sees_the_same_tensors(tmp_path: Path) -> None:
    write_model(tmp_path / "short.gguf", SHORT)
    reader = gguf.GGUFReader(tmp_path / "short.gguf")
    tensors = {each.name: each for each in reader.tensors}
    assert len(tensors) == 3 + 9 * SHORT.blocks
    assert tensors["blk.1.ffn_down.weight"].shape.tolist() == [SHORT.feed_forward, SHORT.width]
    assert tensors["blk.0.attn_norm.weight"].data.tolist() == [1.0] * SHORT.width
    weights = gguf.quants.dequantize(tensors["blk.0.attn_q.weight"].data, tensors["blk.0.attn_q.weight"].tensor_type)
    assert 0 < abs(weights).max() < 1


def test_only_own_files_are_swept(tmp_path: Path) -> None:
    for name in ("wide-q4-0123abcd.gguf", "wide-q4-mine.gguf", "speeds.json"):
        (tmp_path / name).touch()
    sweep(tmp_path)
    assert sorted(each.name for each in tmp_path.iterdir()) == ["speeds.json", "wide-q4-mine.gguf"]


def test_a_cache_that_somebody_deleted_is_made_anew(tmp_path: Path) -> None:
    path = tmp_path / "cache" / "short.gguf"
    write_model(path, SHORT)
    assert path.is_file()


def engine(flags: frozenset[str]) -> EngineBuild:
    return EngineBuild(
        server="llama-server", worker=None, source="path", build=1, commit="c", version_text="", flags=flags
    )


def test_a_processor_is_measured_alone_and_at_low_priority(tmp_path: Path) -> None:
    place = CalibrationPlace(engine(frozenset({"--prio", "-nr"})), tmp_path, threads=6)
    spec = calibration_spec(place, "CPU", "m.gguf")
    assert (spec.devices, spec.threads, spec.extra_arguments, spec.repacks) == ((), 6, ("--prio", "-1"), False)
    assert "-nr" in head_command(place.build, spec).argv
    assert "-nr" not in head_command(place.build, calibration_spec(place, "CPU", "m.gguf", repacks=True)).argv
    old = CalibrationPlace(engine(frozenset()), tmp_path, threads=None)
    bare = calibration_spec(old, "CUDA0", "m.gguf")
    assert (bare.extra_arguments, bare.devices) == ((), ("CUDA0",))
    assert "-nr" not in head_command(old.build, bare).argv


async def test_an_engine_that_is_not_there_is_told(tmp_path: Path) -> None:
    place = CalibrationPlace(engine(frozenset()).model_copy(update={"server": str(tmp_path / "no")}), tmp_path, None)
    with pytest.raises(CalibrationFailed, match="ProgramMissing"):
        await calibrate(place, "CPU")
    assert list(tmp_path.iterdir()) == []


@pytest.fixture
async def real(tmp_path: Path) -> CalibrationPlace:
    try:
        build = await Prober().probe(await locate(Places(), os.environ))
    except CaravanError as error:
        pytest.skip(f"no real engine: {error.sentence}")
    # One thread: two would wait for each other whenever another program has one of the cores.
    return CalibrationPlace(build, tmp_path, 1)


LONG = CalibrationShape("short", WeightFormat.Q4_K, 32, 256, 768, 4, 2)
"""Sixteen times the blocks of SHORT, so still quick where many tests run at once."""

MOST_TRIES = 5


def test_prompts_are_wanted_of_the_wide_files_only() -> None:
    found = timings(1e-4, 3e-5, 30e9, 40e9, 4e11)
    without = {each.name: Timing(found[each.name].token_seconds) for each in (SLIM, SHORT)}
    assert solve(found | without) == solve(found)
    with pytest.raises(CalibrationFailed, match="a prompt took no time"):
        solve(found | {WIDE_Q4.name: Timing(0.01)})


async def timed(place: CalibrationPlace, device: str, shape: CalibrationShape) -> Timing:
    async with _file(place, device, shape) as path:
        return await _timing(place, device, path)


async def test_a_real_engine_takes_longer_for_more(real: CalibrationPlace) -> None:
    found: list[tuple[Timing, Timing]] = []
    # Beside other programs a token of the short file may take as long as one of the long file, once in a while.
    while len(found) < MOST_TRIES and not any(is_shorter(*each) for each in found):
        try:
            found.append((await timed(real, "CPU", SHORT), await timed(real, "CPU", LONG)))
        except CalibrationFailed as error:
            pytest.skip(f"this machine is busy: {error}") if "busy" in str(error) else pytest.fail(str(error))
    assert is_shorter(*found[-1]), found
    assert list(real.folder.iterdir()) == []


async def test_without_prompts_only_answers_are_timed(real: CalibrationPlace) -> None:
    async with _file(real, "CPU", SHORT) as path:
        try:
            found = await _timing(real, "CPU", path, prompts=False)
        except CalibrationFailed as error:
            pytest.skip(f"this machine is busy: {error}") if "busy" in str(error) else pytest.fail(str(error))
    assert found == Timing(found.token_seconds)
    assert found.token_seconds > 0


def is_shorter(one: Timing, other: Timing) -> bool:
    """Whether tokens of answers and of prompts take less."""
    prompts = one.prompt_seconds / one.prompt_tokens < other.prompt_seconds / other.prompt_tokens
    return prompts and 0 < one.token_seconds < other.token_seconds


async def test_a_device_the_engine_does_not_have_is_told(real: CalibrationPlace) -> None:
    with pytest.raises(CalibrationFailed, match="the engine ended"):
        await timed(real, "CUDA7", SHORT)
    assert list(real.folder.iterdir()) == []


SHORT_Q8 = CalibrationShape("short", WeightFormat.Q8_0, 2, 256, 768, 4, 2)


async def test_only_what_the_engine_rearranges_is_measured_again(real: CalibrationPlace) -> None:
    """What the engine says of its buffers decides; on this processor it may rearrange one element type, or none."""
    for shape in (SHORT, SHORT_Q8):
        async with _file(real, "CPU", shape) as path:
            spec = calibration_spec(real, "CPU", str(path), repacks=True)
            async with _server(real, spec) as (_, owners):
                rearranges = bool(owners - PLAIN_OWNERS)
            async with _server(real, calibration_spec(real, "CPU", str(path))) as (_, owners):
                assert owners
                assert owners <= PLAIN_OWNERS
            if not rearranges:
                assert await _repacked(real, path) is None
    assert list(real.folder.iterdir()) == []


async def test_cancelling_leaves_no_program_and_no_file(real: CalibrationPlace) -> None:
    async def measured() -> Calibration:
        return await calibrate(real, "CPU")

    task = asyncio.create_task(measured())
    async with asyncio.timeout(30):
        while not (children := psutil.Process().children()):
            await asyncio.sleep(0.02)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    # What Wine starts beside a program, a console host or its desktop, ends later or with the last of them.
    assert not any(child.is_running() and "llama" in child.name() for child in children)
    assert list(real.folder.iterdir()) == []
