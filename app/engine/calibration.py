"""How fast a device really is: the engine itself run on files of random weights for a few seconds.

llama-bench is not in every build, llama-server always is, and it is what answers later: its own times per token and
per prompt are used. The files are written for the run and removed after it.
"""

import asyncio
import contextlib
import logging
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import httpx

from app.engine.calibration_model import (
    CONTEXT,
    SHAPES,
    SHORT,
    SLIM,
    VOCABULARY,
    WIDE,
    WIDE_Q4,
    CalibrationShape,
    write_model,
)
from app.engine.commands import PLAIN_WEIGHTS, HeadSpec, head_command
from app.engine.output import BufferSize, ModelLoaded, parse_line
from app.schema.engine import EngineBuild
from app.schema.plan import CPU_DEVICE, KvType
from app.schema.speed import FEW_TOKENS, FormatSpeed
from app.system.loopback_http import loopback_client
from app.system.ports import LOOPBACK, free_port
from app.system.spawn import ProgramMissing, start_child

logger = logging.getLogger("caravan.engine.calibration")

START_SECONDS = 60.0
"""How long the engine may take to load a file: the first start of a graphics driver compiles its programs."""

REQUEST_SECONDS = 30.0

VERSION = 2
"""Of what is measured: one more when a figure is added or means something else. 1 told less of batches."""

DEADLINE_SECONDS = 240.0
"""How long a device may take in all. A quiet one takes ten to forty seconds, a third of a core a hundred or two."""

NEEDED_BYTES = 1 << 30
"""Free memory a device must have to be measured: the largest file, the driver's own and room to spare."""

ANSWER_TOKENS = 8
MOST_ANSWER_TOKENS = 512
ANSWER_SECONDS = 0.4
"""How long an answer is made, within those lengths: what lasts a moment only measures the scheduler, what lasts long is
seldom left alone by other programs."""

PROMPT_STEPS = ((32, 2.5), (128, 0.6), (512, 0.0))
"""Lengths of prompts, and how many seconds each may take for the next to be tried.

The first and the last that were tried are measured: two tell apart what a pass costs and what a token costs.
"""

MOST_REPETITIONS = 24
AGREEMENT = 1.08
"""Times count when the fastest ones agree within this factor: whatever disturbs a run makes it slower."""

ROUNDS = 40
"""Of the solution by turns; it is exact to a thousandth long before."""

PLAIN_OWNERS = frozenset({"CPU", "CPU_Mapped"})
"""What the engine calls buffers of a processor with weights as the file has them."""

LAST_WORDS_SECONDS = 5.0
"""How long the output's word that a file is loaded is waited for once `/health` says so: they come by two ways."""

_POLL_SECONDS = 0.05


class CalibrationFailed(Exception):
    """A device could not be measured. The message says why, for a log."""


@dataclass(frozen=True)
class Timing:
    """What one file took: seconds per token of an answer, tokens and seconds of its longest prompt and of a short one,
    None where the longest is the shortest, and seconds of a batch of `FEW_TOKENS`, None where nobody measured it. A
    file of which no prompts are wanted has one of 0 tokens.
    """

    token_seconds: float
    prompt_tokens: int = 0
    prompt_seconds: float = 0.0
    short_tokens: int = 0
    short_seconds: float | None = None
    few_seconds: float | None = None

    @property
    def pass_seconds(self) -> float:
        """What a prompt of one token would take, by the line through both prompts: at least what a token of an answer
        does, else at most half of the longest.

        Batches are computed another way than single tokens, so it may be twice what a token of an answer takes.
        """
        if self.short_seconds is None:
            return self.token_seconds
        each = (self.prompt_seconds - self.short_seconds) / (self.prompt_tokens - self.short_tokens)
        first = self.short_seconds - each * (self.short_tokens - 1)
        return max(min(first, self.prompt_seconds / 2), self.token_seconds)


@dataclass(frozen=True)
class Calibration:
    """The cost of a device, the terms of `DeviceSpeed`: seconds per token and per block, and speeds per format.

    `repacked` are the speeds with weights that the engine rearranged, of those formats that it does so with.
    """

    token_seconds: float
    block_seconds: float
    formats: tuple[FormatSpeed, ...]
    repacked: tuple[FormatSpeed, ...] = ()


@dataclass(frozen=True)
class CalibrationPlace:
    """Where to measure: the build, a folder for the files, and the processor's threads as instances get them."""

    build: EngineBuild
    folder: Path
    threads: int | None


async def calibrate(place: CalibrationPlace, device: str) -> Calibration:
    """Measure one device by its engine name (`CUDA0`, `CPU`); ten to forty seconds of its full load.

    The wide files are measured once more with rearranged weights where the engine rearranges them: on a processor.
    Cancelling ends the engine at once. Raises CalibrationFailed, also when something else keeps the device busy.
    """
    timings: dict[str, Timing] = {}
    repacked: dict[str, Timing] = {}
    may_repack = device == CPU_DEVICE and place.build.accepts(PLAIN_WEIGHTS)
    try:
        async with asyncio.timeout(DEADLINE_SECONDS):
            for shape in SHAPES:
                async with _file(place, device, shape) as path:
                    timings[shape.name] = await _timing(place, device, path, prompts=shape in WIDE)
                    found = await _repacked(place, path) if may_repack and shape in WIDE else None
                    repacked |= {shape.name: found} if found is not None else {}
    except TimeoutError as error:
        raise CalibrationFailed(f"{device} took longer than {DEADLINE_SECONDS:g} s") from error
    return solve(timings, repacked)


def solve(timings: Mapping[str, Timing], repacked: Mapping[str, Timing] | None = None) -> Calibration:
    """PURE: the device's terms from the times of all `SHAPES`, by their name. Raises CalibrationFailed.

    `repacked` are the times of those that were measured with rearranged weights too; a token and a block cost the same.

    A token of n blocks takes t = token + n * block + bytes / bandwidth. The wide file, where blocks are few, gives the
    bandwidth, the slim one, where they are many, the time per block, the short one the time per token. Terms that
    noise makes negative are zero. A prompt takes what a pass does, and 2 FLOP per parameter for each token after its
    first; so does a small batch, with what a token takes in place of a pass and arithmetic of its own.
    """
    wide, slim, short = (timings[each.name].token_seconds for each in (WIDE_Q4, SLIM, SHORT))
    reads = {shape: shape.described().read_bytes for shape in SHAPES}
    bandwidth, block, token = _bytes_rate(reads[WIDE_Q4], wide), 0.0, 0.0
    for _ in range(ROUNDS):
        # Each file has a little of the others' terms; every round takes out what the round before found.
        token = max(short - SHORT.blocks * block - reads[SHORT] / bandwidth, 0.0)
        block = max((slim - token - reads[SLIM] / bandwidth) / SLIM.blocks, 0.0)
        bandwidth = _bytes_rate(reads[WIDE_Q4], wide - token - WIDE_Q4.blocks * block)
    again = repacked or {}
    return Calibration(
        token_seconds=token,
        block_seconds=block,
        formats=tuple(_format(shape, timings[shape.name], token, block) for shape in WIDE),
        repacked=tuple(_format(shape, again[shape.name], token, block) for shape in WIDE if shape.name in again),
    )


def _format(shape: CalibrationShape, timing: Timing, token: float, block: float) -> FormatSpeed:
    count, beside = shape.described().read_bytes, token + shape.blocks * block
    return FormatSpeed(
        format=shape.format,
        bandwidth=_bytes_rate(count, timing.token_seconds - beside),
        compute=_compute(shape, timing),
        prompt_bandwidth=None if timing.short_seconds is None else _bytes_rate(count, timing.pass_seconds - beside),
        step_compute=_step_compute(shape, timing),
    )


def _bytes_rate(count: int, seconds: float) -> float:
    if seconds <= 0:
        raise CalibrationFailed("the times of the files contradict each other")
    return count / seconds


def _compute(shape: CalibrationShape, timing: Timing) -> float:
    """Of the tokens of a prompt after the first, which takes what a pass does, at most half of it all."""
    if timing.prompt_seconds <= 0:
        raise CalibrationFailed("a prompt took no time")
    seconds = max(timing.prompt_seconds - timing.pass_seconds, timing.prompt_seconds / 2)
    return 2.0 * shape.described().prompt_parameters * (timing.prompt_tokens - 1) / seconds


def _step_compute(shape: CalibrationShape, timing: Timing) -> float | None:
    """Of the tokens of a small batch after the first; all of them take at least a hundredth of what a token does."""
    if timing.few_seconds is None:
        return None
    seconds = max(timing.few_seconds - timing.token_seconds, timing.token_seconds / 100)
    return 2.0 * shape.described().prompt_parameters * (FEW_TOKENS - 1) / seconds


@contextlib.asynccontextmanager
async def _file(place: CalibrationPlace, device: str, shape: CalibrationShape) -> AsyncIterator[Path]:
    """The file of a shape while it is measured; what goes wrong with it or meanwhile is a CalibrationFailed."""
    path = place.folder / f"{shape.name}-{secrets.token_hex(4)}.gguf"
    try:
        await asyncio.to_thread(write_model, path, shape)
        yield path
    except (OSError, httpx.HTTPError, ProgramMissing, TimeoutError) as error:
        raise CalibrationFailed(f"{shape.name} on {device}: {type(error).__name__} {error}") from error
    finally:
        await asyncio.to_thread(_remove, path)


async def _timing(place: CalibrationPlace, device: str, path: Path, *, prompts: bool = True) -> Timing:
    async with _server(place, calibration_spec(place, device, str(path))) as (client, _):
        return await _measure(client, prompts=prompts)


async def _repacked(place: CalibrationPlace, path: Path) -> Timing | None:
    """The processor's times with weights that the engine rearranged; None where it leaves this format as it is."""
    async with _server(place, calibration_spec(place, CPU_DEVICE, str(path), repacks=True)) as (client, owners):
        return await _measure(client, prompts=True) if owners - PLAIN_OWNERS else None


def _remove(path: Path) -> None:
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        # Windows lets go of a mapped file a moment after its process; `sweep` takes it at the next start.
        logger.info("%s stays for now: %s", path.name, error)


def sweep(folder: Path) -> None:
    """Remove files that a killed run left behind (blocking)."""
    for shape in SHAPES:
        for path in folder.glob(f"{shape.name}-????????.gguf"):
            _remove(path)


@contextlib.asynccontextmanager
async def _server(place: CalibrationPlace, spec: HeadSpec) -> AsyncIterator[tuple[httpx.AsyncClient, set[str]]]:
    """llama-server, ready, and its names of the buffers with weights; it ends with the block, however that ends."""
    command = head_command(place.build, spec)
    said = _Said()
    child = await start_child(
        command.argv, on_line=lambda _, line: said.take(line), env=command.environment, with_stdin=True
    )
    headers = {"Authorization": f"Bearer {spec.api_key}"}
    try:
        base = f"http://{LOOPBACK}:{spec.port}"
        async with loopback_client(base_url=base, headers=headers, timeout=REQUEST_SECONDS) as client:
            async with asyncio.timeout(START_SECONDS):
                await _until_healthy(client, lambda: child.returncode, said.lines)
            await said.until_loaded()
            yield client, said.owners
    finally:
        await child.stop(grace=0.0)


def calibration_spec(place: CalibrationPlace, device: str, path: str, *, repacks: bool = False) -> HeadSpec:
    """A head on one device, at low priority, with a port and a key of its own.

    It computes as it does together with other PCs, unless it `repacks`: rearranges weights as it may when it is alone.
    """
    is_cpu = device == CPU_DEVICE
    return HeadSpec(
        model_path=path,
        alias="calibration",
        devices=() if is_cpu else (device,),
        rpc_endpoints=(),
        gpu_layers=0,
        tensor_split=(),
        context=CONTEXT,
        slots=1,
        kv_type=KvType.F16,
        port=free_port(),
        api_key=secrets.token_urlsafe(16),
        threads=place.threads,
        repacks=repacks,
        extra_arguments=("--prio", "-1") if place.build.accepts("--prio") else (),
    )


class _Said:
    """The engine's output: its last lines, and its names of the buffers with weights."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.owners: set[str] = set()
        self._loaded = asyncio.Event()

    def take(self, line: str) -> None:
        """Hear a line."""
        told = parse_line(line)
        if isinstance(told, BufferSize) and told.kind == "model":
            self.owners.add(told.owner)
        elif isinstance(told, ModelLoaded):
            self._loaded.set()
        self.lines.append(line)
        del self.lines[:-20]

    async def until_loaded(self) -> None:
        """Wait until it said that the file is loaded, after all buffers; in vain where a build says otherwise."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(LAST_WORDS_SECONDS):
                await self._loaded.wait()


async def _until_healthy(client: httpx.AsyncClient, returncode: Callable[[], int | None], lines: Sequence[str]) -> None:
    while returncode() is None:
        with contextlib.suppress(httpx.HTTPError):
            if (await client.get("/health")).status_code == httpx.codes.OK:
                return
        await asyncio.sleep(_POLL_SECONDS)
    raise CalibrationFailed(f"the engine ended: {' | '.join(lines[-3:])}")


async def _measure(client: httpx.AsyncClient, *, prompts: bool) -> Timing:
    """Answers, then prompts if so wished, each some times."""
    # Nobody counts the first one: the file comes into memory.
    await _complete(client, PROMPT_STEPS[0][0], 1, 0)
    first = await _token_seconds(client, ANSWER_TOKENS, 0)
    length = min(max(round(ANSWER_SECONDS / first), ANSWER_TOKENS), MOST_ANSWER_TOKENS)
    answered = Timing(await _settled(3, lambda again: _token_seconds(client, length, again)))
    return await _with_prompts(client, answered) if prompts else answered


async def _with_prompts(client: httpx.AsyncClient, answered: Timing) -> Timing:
    """Prompts of growing length until one takes long enough; the last, the first and a small batch count."""
    (least, _), tokens = PROMPT_STEPS[0], 0
    for tokens, most in PROMPT_STEPS:
        # The first prompt of a length builds the engine's graph for it.
        if (await _complete(client, tokens, 1, 0))["prompt_ms"] / 1e3 > most:
            break
    longest = await _settled(2, lambda again: _prompt_seconds(client, tokens, again))
    short = await _settled(2, lambda again: _prompt_seconds(client, least, again)) if tokens > least else None
    few = await _settled(2, lambda again: _prompt_seconds(client, FEW_TOKENS, again))
    return Timing(answered.token_seconds, tokens, longest, least, short, few)


async def _settled(needed: int, once: Callable[[int], Awaitable[float]]) -> float:
    """Repeat until the fastest `needed` times agree; the slowest of those. Raises CalibrationFailed."""
    times: list[float] = []
    for again in range(MOST_REPETITIONS):
        times = sorted((*times, await once(again)))
        if settled(times, needed):
            return times[needed - 1]
    raise CalibrationFailed(f"something else keeps the device busy: {times[0]:.2g} to {times[-1]:.2g} s")


def settled(times: Sequence[float], needed: int) -> bool:
    """PURE: whether the fastest `needed` of the sorted times agree."""
    return len(times) >= needed and times[needed - 1] <= times[0] * AGREEMENT


async def _prompt_seconds(client: httpx.AsyncClient, tokens: int, again: int) -> float:
    return (await _complete(client, tokens, 1, 1 + again))["prompt_ms"] / 1e3


async def _token_seconds(client: httpx.AsyncClient, length: int, again: int) -> float:
    timings = await _complete(client, 4, length, again)
    return timings["predicted_ms"] / 1e3 / timings["predicted_n"]


async def _complete(client: httpx.AsyncClient, prompt: int, answer: int, seed: int) -> dict[str, float]:
    """llama-server's own timings of one request: a prompt of that many tokens, an answer of so many."""
    first_word = 259
    body = {
        "prompt": [first_word + (seed * 31 + position * 7) % (VOCABULARY - first_word) for position in range(prompt)],
        "n_predict": answer,
        "ignore_eos": True,
        "cache_prompt": False,
        "temperature": 0,
    }
    answered = await client.post("/completion", json=body)
    try:
        timings: dict[str, float] = answered.raise_for_status().json()["timings"]
        if timings["prompt_n"] < prompt or timings["predicted_n"] < 1:
            raise ValueError("fewer tokens than asked for")
    except (ValueError, KeyError, TypeError) as error:
        raise CalibrationFailed(f"the engine's answer has no use: {error}") from error
    return timings
