"""How long a model takes on given devices and links: reading the prompt, writing the answer, loading.

Pure formulas; design.md, "Speed", has their derivation. Seconds, bytes, bytes/s, FLOP/s throughout.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate

from app.planner.memory import F16_BYTES, F32_BYTES, MICRO_BATCH, cell_bytes, is_sliding, padded, sliding_cells
from app.schema.model import ModelShape
from app.schema.plan import DeviceResources, KvType, LinkMeasure, PlanRequest

DEFAULT_PROMPT = 1000
DEFAULT_ANSWER = 400
"""Tokens in and out when the request names none."""

GPU_BANDWIDTH = 250e9
CPU_BANDWIDTH = 30e9
"""Bytes/s taken for a device nobody measured. Only to put devices into an order: a middle card, dual-channel RAM."""

GPU_INTENSITY = 40.0
CPU_INTENSITY = 8.0
"""FLOP per byte of bandwidth taken for a device whose compute nobody measured."""

TOKEN_SECONDS = 0.12e-3
"""Seconds a token is taken to cost on a device nobody measured, whatever the model's size: what llama-server b11434
took for a token of two tiny blocks, 1 MB in all, on one thread of a processor. A floor: no GPU was measured."""

LINK_ROUND_TRIP = 1e-3
LINK_THROUGHPUT = 117e6
"""Seconds and bytes/s taken for a link nobody measured: gigabit Ethernet."""

READ_RATE = 500e6
"""Bytes/s the head is taken to read the file at while it loads: a SATA solid-state disk."""

PROMPT_ROUND_TRIPS = 4
"""Round trips per worker and prompt beside the one per micro-batch: about ten for two workers on b11434."""

LOAD_ROUND_TRIPS = 51
"""Round trips per worker while loading: about 102 for two workers on b11434."""


@dataclass(frozen=True, slots=True)
class Mix:
    """What a typical exchange is: tokens in, tokens out, and how many such exchanges run at once."""

    prompt: int
    answer: int
    slots: int

    @property
    def batches(self) -> int:
        """Micro-batches of one prompt."""
        return -(-self.prompt // MICRO_BATCH)


def mix_of(request: PlanRequest, context: int) -> Mix:
    """The mix a request names, cut to what fits one slot of the context: at least one token each way."""
    room = max(context // request.slots, 2)
    prompt = min(request.prompt_tokens or DEFAULT_PROMPT, room - 1)
    return Mix(prompt, min(request.answer_tokens or DEFAULT_ANSWER, room - prompt), request.slots)


@dataclass(frozen=True, slots=True)
class BlockWork:
    """What one block asks of its device: bytes and FLOP of one decode step, and of one whole prompt."""

    step_bytes: float
    step_flops: float
    prompt_bytes: float
    prompt_flops: float


@dataclass(frozen=True, slots=True)
class Work:
    """What a model asks of whoever computes it, for one mix. `blocks[i]` is the kind of block i, an index into `kinds`.

    `hop_*` are bytes over the link of a remote stage, both ways: per decode step and per prompt. `logits` is what comes
    back per step when the output layer is remote; one prompt brings it back once.
    """

    mix: Mix
    kinds: tuple[BlockWork, ...]
    blocks: tuple[int, ...]
    output_bytes: float
    output_flops: float
    hop_step: float
    hop_prompt: float
    logits: float


def work_of(shape: ModelShape, mix: Mix, kv_type: KvType, tokens: int = 1) -> Work:
    """The work of a model for a mix. In the middle of the answer, the cache holds prompt + answer / 2 tokens a slot.

    `tokens` is how many of each slot one step takes: more than one when guesses are checked.

    Bytes per hop, as measured on b11434: activations both ways, and the f16 attention mask.
    """
    width, taken = (shape.embedding_length or 0) * F32_BYTES, mix.slots * tokens
    cells = padded(mix.prompt + mix.answer // 2)
    sliding = sum(is_sliding(shape, i) for i in range(shape.layers))
    masks = 2 if 0 < sliding < shape.layers else 1
    mask = sum(MICRO_BATCH * padded((i + 1) * MICRO_BATCH) for i in range(mix.batches)) * F16_BYTES * masks
    output_parameters = shape.output_bytes * _parameters_per_byte(shape)
    works = [_block_work(shape, i, mix, kv_type, cells, tokens) for i in range(shape.layers)]
    numbers = {work: number for number, work in enumerate(dict.fromkeys(works))}
    return Work(
        mix=mix,
        kinds=tuple(numbers),
        blocks=tuple(numbers[work] for work in works),
        output_bytes=float(shape.output_bytes),
        output_flops=2.0 * taken * output_parameters,
        hop_step=taken * (2.0 * width + cells * F16_BYTES * masks),
        hop_prompt=2.0 * width * mix.prompt + mask,
        logits=float((shape.vocabulary or 0) * F32_BYTES * taken),
    )


def _block_work(shape: ModelShape, i: int, mix: Mix, kv_type: KvType, cells: int, tokens: int) -> BlockWork:
    """A dense block reads all its weights once a step; of the experts only those some slot chose.

    With independent choices, a fraction 1 - (1 - used/all) ** slots of the experts is read. A prompt's micro-batch
    chooses practically all of them. A block the engine does not load asks nothing.
    """
    if i >= shape.layers - shape.idle_layers:
        return BlockWork(0.0, 0.0, 0.0, 0.0)
    weights = shape.layer_bytes[i]
    experts = shape.layer_expert_bytes[i] if i < len(shape.layer_expert_bytes) else 0
    share = min(shape.experts_used / shape.expert_count, 1.0) if shape.expert_count and shape.experts_used else 1.0
    read = weights - experts * (1.0 - share) ** (mix.slots * tokens)
    active = (weights - experts * (1.0 - share)) * _parameters_per_byte(shape)
    seen = min(cells, sliding_cells(shape, cells, 1)) if is_sliding(shape, i) else cells
    attended = min(seen, mix.prompt) if cell_bytes(shape, i, kv_type) else 0
    state = shape.recurrent_elements[i] * F32_BYTES if i < len(shape.recurrent_elements) else 0
    return BlockWork(
        step_bytes=read + mix.slots * (seen * cell_bytes(shape, i, kv_type) + 2 * state),
        step_flops=2.0 * mix.slots * tokens * active,
        prompt_bytes=float(mix.batches * weights),
        prompt_flops=2.0 * mix.prompt * active + 2.0 * mix.prompt * attended * (shape.embedding_length or 0),
    )


def _parameters_per_byte(shape: ModelShape) -> float:
    return shape.parameters / shape.weight_bytes if shape.weight_bytes else 0.0


@dataclass(frozen=True, slots=True)
class Pace:
    """How fast a device is: bytes/s, FLOP/s, seconds per pass through its stage whatever that holds, and the factor its
    times were longer by than predicted so far.
    """

    bandwidth: float
    compute: float
    token_seconds: float
    is_known: bool
    is_measured: bool
    correction: float

    def seconds(self, count: float, flops: float) -> float:
        """Time for work bound by memory or by arithmetic, whichever takes longer (the roofline model)."""
        return max(count / self.bandwidth, flops / self.compute) * self.correction

    @property
    def per_pass(self) -> float:
        """Seconds a pass through a stage there costs beside its work."""
        return self.token_seconds * self.correction


def pace_of(device: DeviceResources) -> Pace:
    """The pace of a device: measured where it is, else the stated stand-ins."""
    bandwidth = device.bandwidth or (CPU_BANDWIDTH if device.is_cpu else GPU_BANDWIDTH)
    intensity = CPU_INTENSITY if device.is_cpu else GPU_INTENSITY
    return Pace(
        bandwidth=bandwidth,
        compute=device.compute or bandwidth * intensity,
        is_known=device.bandwidth is not None,
        token_seconds=TOKEN_SECONDS if device.token_seconds is None else device.token_seconds,
        is_measured=None not in (device.bandwidth, device.compute, device.token_seconds),
        correction=device.correction or 1.0,
    )


@dataclass(frozen=True, slots=True)
class Hop:
    """The link from the head to a worker: seconds of a round trip, bytes/s, and the factor learned so far."""

    round_trip: float
    throughput: float
    is_measured: bool
    correction: float

    def seconds(self, trips: int, count: float) -> float:
        """Time for that many round trips and bytes."""
        return (trips * self.round_trip + count / self.throughput) * self.correction


def hop_of(link: LinkMeasure | None) -> Hop:
    """The hop over a link: measured where it is, else gigabit Ethernet."""
    if link is None:
        return Hop(LINK_ROUND_TRIP, LINK_THROUGHPUT, False, 1.0)
    return Hop(
        round_trip=LINK_ROUND_TRIP if link.round_trip is None else link.round_trip,
        throughput=link.throughput or LINK_THROUGHPUT,
        is_measured=link.round_trip is not None and link.throughput is not None,
        correction=link.correction or 1.0,
    )


@dataclass(frozen=True, slots=True)
class BlockTimes:
    """Seconds a device takes, hops aside; `output` is the output layer's time per step.

    `step` and `prompt` are prefix sums over blocks, one entry more than there are blocks.
    """

    pace: Pace
    step: tuple[float, ...]
    prompt: tuple[float, ...]
    output: float


def block_times(work: Work, pace: Pace) -> BlockTimes:
    """The times of a device at that pace."""
    steps = [pace.seconds(kind.step_bytes, kind.step_flops) for kind in work.kinds]
    prompts = [pace.seconds(kind.prompt_bytes, kind.prompt_flops) for kind in work.kinds]
    return BlockTimes(
        pace=pace,
        step=tuple(accumulate((steps[kind] for kind in work.blocks), initial=0.0)),
        prompt=tuple(accumulate((prompts[kind] for kind in work.blocks), initial=0.0)),
        output=pace.seconds(work.output_bytes, work.output_flops),
    )


@dataclass(frozen=True, slots=True)
class StageCost:
    """Seconds a device costs under a head. `fixed_*` are due however little it holds: its own time per pass and its
    hop, of which `hop_step` is the hop alone (`hop` is None and `hop_step` 0 on the head). `output_*` come on top for
    the device that holds the output layer.
    """

    times: BlockTimes
    hop: Hop | None
    hop_step: float
    fixed_step: float
    fixed_prompt: float
    output_step: float
    output_prompt: float

    @property
    def pace(self) -> Pace:
        """The pace of the device."""
        return self.times.pace

    @property
    def step(self) -> tuple[float, ...]:
        """Prefix sums of the blocks' seconds per decode step."""
        return self.times.step

    @property
    def prompt(self) -> tuple[float, ...]:
        """Prefix sums of the blocks' seconds per prompt."""
        return self.times.prompt


def stage_cost(work: Work, times: BlockTimes, hop: Hop | None) -> StageCost:
    """What a device costs behind that hop (None on the head)."""
    logits = hop.seconds(0, work.logits) if hop else 0.0
    hop_step = hop.seconds(1, work.hop_step) if hop else 0.0
    hop_prompt = hop.seconds(work.mix.batches + PROMPT_ROUND_TRIPS, work.hop_prompt) if hop else 0.0
    return StageCost(
        times=times,
        hop=hop,
        hop_step=hop_step,
        fixed_step=times.pace.per_pass + hop_step,
        fixed_prompt=work.mix.batches * times.pace.per_pass + hop_prompt,
        output_step=times.output + logits,
        output_prompt=times.output + logits / work.mix.slots,
    )


@dataclass(frozen=True, slots=True)
class Timing:
    """Seconds of one decode step, and of one prompt up to its first token."""

    step: float
    prompt: float

    def exchange(self, mix: Mix) -> float:
        """Seconds of all exchanges of a mix: what the planner makes small."""
        return mix.slots * self.prompt + mix.answer * self.step


def timing(costs: Sequence[StageCost], counts: Sequence[int], mix: Mix, *, pipelined: bool) -> Timing:
    """The time of a split: `counts[i]` blocks on the i-th device in layer order, the output layer on the last.

    A step passes the stages one after the other. So does a prompt, unless the engine pipelines: then all stages but the
    slowest overlap from the second micro-batch on. What goes over links is sent by one thread and overlaps nothing, and
    what a pass costs beside its work is counted in full.
    """
    ends = list(accumulate(counts, initial=0))
    ranges = list(zip(costs, ends, ends[1:], strict=False))
    step = sum(cost.step[end] - cost.step[first] + cost.fixed_step for cost, first, end in ranges)
    prompts = [cost.prompt[end] - cost.prompt[first] for cost, first, end in ranges]
    fixed = sum(cost.fixed_prompt for cost in costs)
    return Timing(
        step=step + costs[-1].output_step,
        prompt=overlapped(prompts, mix.batches if pipelined else 1) + fixed + costs[-1].output_prompt,
    )


def overlapped(stages: Sequence[float], batches: int) -> float:
    """Seconds of a pipeline of stages over equal batches; `stages[i]` is what stage i takes for all of them."""
    return sum(stages) / batches + max(stages, default=0.0) * (batches - 1) / batches


def load_seconds(local_bytes: int, remote: Sequence[tuple[Hop, int]]) -> float:
    """From launch to ready with nothing cached on the workers, which are filled one after the other.

    The head reads every byte from its disk; what goes to a worker takes the longer of reading and sending.
    """
    sent = sum(
        max(count / READ_RATE, hop.seconds(0, count)) + hop.seconds(LOAD_ROUND_TRIPS, 0.0) for hop, count in remote
    )
    return local_bytes / READ_RATE + sent
