"""How long a model takes on given devices and links: reading the prompt, writing the answer.

Pure formulas; design.md, "Speed", has their derivation. Seconds, bytes, bytes/s, FLOP/s throughout.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate

from app.planner.memory import F16_BYTES, F32_BYTES, MICRO_BATCH, cell_bytes, is_sliding, padded, sliding_cells
from app.schema.model import ModelShape
from app.schema.plan import DeviceResources, KvType, LinkMeasure, PlanRequest, Preference
from app.schema.record import NodeId
from app.schema.speed import FEW_TOKENS

DEFAULT_PROMPT = 1000
DEFAULT_ANSWER = 400
"""Tokens in and out when the request names none."""

GPU_BANDWIDTH = 250e9
CPU_BANDWIDTH = 30e9
"""Bytes/s taken for a device nobody measured. Only to put devices into an order: a middle card, dual-channel RAM."""

SLOWEST = 1e3
"""Bytes/s and FLOP/s below which a figure is taken for a mistake."""

GPU_INTENSITY = 40.0
CPU_INTENSITY = 8.0
"""FLOP per byte of bandwidth taken for a device whose compute nobody measured."""

TOKEN_SECONDS = 0.12e-3
"""Seconds a token is taken to cost on a device nobody measured, whatever the model's size: what llama-server b11434
took for a token of two tiny blocks, 1 MB in all, on one thread of a processor. A floor: no GPU was measured."""

SPILL_SECONDS = 50e-6
"""Seconds taken for a block to change from the card to the processor and back, each pass, where its experts are in RAM.
A stand-in: no GPU was at hand to measure it."""

LINK_ROUND_TRIP = 1e-3
LINK_THROUGHPUT = 117e6
"""Seconds and bytes/s taken for a link nobody measured: gigabit Ethernet."""

PROMPT_ROUND_TRIPS = 4
"""Round trips per worker and prompt beside the one per micro-batch: about ten for two workers on b11434."""


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
    """The mix a request names, made smaller in proportion where one slot of the context does not hold it: at least one
    token each way.

    All slots answer at once, unless one answer is to be fast.
    """
    room = max(context // request.slots, 2)
    prompt, answer = request.prompt_tokens or DEFAULT_PROMPT, request.answer_tokens or DEFAULT_ANSWER
    if prompt + answer > room:
        prompt = min(max(prompt * room // (prompt + answer), 1), room - 1)
        answer = room - prompt
    return Mix(prompt, answer, 1 if request.prefer is Preference.ANSWER else request.slots)


@dataclass(frozen=True, slots=True)
class BlockWork:
    """What one block, or part of one, asks of its device: bytes and FLOP of a decode step, and of a whole prompt.

    FLOP are those of the tokens after the first of each pass: what the first costs is in the time of the bytes.
    `few_flops` are those of a step's first `FEW_TOKENS`, all of `step_flops` where it has no more.
    `experts` is the part of it that its experts ask, None where it has none.
    """

    step_bytes: float
    few_flops: float
    step_flops: float
    prompt_bytes: float
    prompt_flops: float
    experts: "BlockWork | None" = None

    @property
    def without_experts(self) -> "BlockWork":
        """What is left when another device computes the experts."""
        part = self.experts
        if part is None:
            return self
        return BlockWork(
            step_bytes=self.step_bytes - part.step_bytes,
            few_flops=self.few_flops - part.few_flops,
            step_flops=self.step_flops - part.step_flops,
            prompt_bytes=self.prompt_bytes - part.prompt_bytes,
            prompt_flops=self.prompt_flops - part.prompt_flops,
        )


@dataclass(frozen=True, slots=True)
class Work:
    """What a model asks of whoever computes it, for one mix. `blocks[i]` is the kind of block i, an index into `kinds`.

    `hop_*` are bytes over the link of a remote stage, there and back: per decode step and per prompt. `logits` is what
    comes back per step when the output layer is remote; one prompt brings it back once. `spared_flops` are those that a
    prompt leaves out of its last block, whose device has the output layer: design.md, "A pass of a prompt".
    """

    mix: Mix
    kinds: tuple[BlockWork, ...]
    blocks: tuple[int, ...]
    output: BlockWork
    spared_flops: float
    hop_step: tuple[float, float]
    hop_prompt: tuple[float, float]
    logits: float


def work_of(shape: ModelShape, mix: Mix, kv_type: KvType, tokens: int = 1) -> Work:
    """The work of a model for a mix. In the middle of the answer, the cache holds prompt + answer / 2 tokens a slot.

    `tokens` is how many of each slot one step takes: more than one when guesses are checked.

    Bytes per hop, as measured on b11434: activations both ways, and the f16 attention mask to the worker.
    """
    width, taken = (shape.embedding_length or 0) * F32_BYTES, mix.slots * tokens
    cells = padded(mix.prompt + mix.answer // 2)
    sliding = sum(is_sliding(shape, i) for i in range(shape.layers))
    masks = 2 if 0 < sliding < shape.layers else 1
    mask = sum(MICRO_BATCH * padded((i + 1) * MICRO_BATCH) for i in range(mix.batches)) * F16_BYTES * masks
    per_byte = shape.parameters / shape.weight_bytes if shape.weight_bytes else 0.0
    works = [_block_work(shape, i, mix, kv_type, cells, tokens, per_byte) for i in range(shape.layers)]
    numbers = {work: number for number, work in enumerate(dict.fromkeys(works))}
    return Work(
        mix=mix,
        kinds=tuple(numbers),
        blocks=tuple(numbers[work] for work in works),
        output=_output_work(shape, taken, per_byte),
        spared_flops=_spared_flops(shape, mix, per_byte),
        hop_step=(float(taken * (width + cells * F16_BYTES * masks)), float(taken * width)),
        hop_prompt=(float(width * mix.prompt + mask), float(width * mix.prompt)),
        logits=float((shape.vocabulary or 0) * F32_BYTES * taken),
    )


def _block_work(
    shape: ModelShape, i: int, mix: Mix, kv_type: KvType, cells: int, tokens: int, per_byte: float
) -> BlockWork:
    """A dense block reads all its weights once a step; of the experts only those some slot chose.

    With independent choices, a fraction 1 - (1 - used/all) ** slots of the experts is read. A prompt's micro-batch
    chooses practically all of them. A block the engine does not load asks nothing.
    """
    if i >= shape.layers - shape.idle_layers:
        return BlockWork(0.0, 0.0, 0.0, 0.0, 0.0)
    weights, experts, share = shape.layer_bytes[i], _expert_bytes(shape, i), _used_share(shape)
    taken, later = mix.slots * tokens, mix.prompt - mix.batches
    unread = experts * (1.0 - share) ** taken
    active, used = (weights - experts * (1.0 - share)) * per_byte, experts * share * per_byte
    seen = min(cells, sliding_cells(shape, cells, 1)) if is_sliding(shape, i) else cells
    attended = min(seen, mix.prompt) if cell_bytes(shape, i, kv_type) else 0
    state = shape.recurrent_elements[i] * F32_BYTES if i < len(shape.recurrent_elements) else 0
    return BlockWork(
        step_bytes=weights - unread + mix.slots * (seen * cell_bytes(shape, i, kv_type) + 2 * state),
        few_flops=_few(taken) * active,
        step_flops=2.0 * (taken - 1) * active,
        prompt_bytes=float(mix.batches * weights),
        prompt_flops=2.0 * later * active + 2.0 * mix.prompt * attended * (shape.embedding_length or 0),
        experts=BlockWork(
            step_bytes=experts - unread,
            few_flops=_few(taken) * used,
            step_flops=2.0 * (taken - 1) * used,
            prompt_bytes=float(mix.batches * experts),
            prompt_flops=2.0 * later * used,
        )
        if experts
        else None,
    )


def _output_work(shape: ModelShape, taken: int, per_byte: float) -> BlockWork:
    """Of a step of so many tokens, each of which wants its output; of a prompt only the last does."""
    size, active = float(shape.output_bytes), shape.output_bytes * per_byte
    return BlockWork(size, _few(taken) * active, 2.0 * (taken - 1) * active, size, 0.0)


def _spared_flops(shape: ModelShape, mix: Mix, per_byte: float) -> float:
    """FLOP of the last block's feed-forward for a prompt's tokens after the first of each pass: nobody wants their
    output, so llama.cpp leaves it out (`inp_out_ids`). Nothing where idle blocks lie behind that block.
    """
    if not shape.layers or shape.idle_layers:
        return 0.0
    last = shape.layers - 1
    size = min(shape.last_feed_forward_bytes, shape.layer_bytes[last])
    idle_experts = min(_expert_bytes(shape, last), size) * (1.0 - _used_share(shape))
    return 2.0 * (mix.prompt - mix.batches) * (size - idle_experts) * per_byte


def _expert_bytes(shape: ModelShape, i: int) -> int:
    return min(shape.layer_expert_bytes[i] if i < len(shape.layer_expert_bytes) else 0, shape.layer_bytes[i])


def _used_share(shape: ModelShape) -> float:
    """The part of the experts that one token uses."""
    return min(shape.experts_used / shape.expert_count, 1.0) if shape.expert_count and shape.experts_used else 1.0


def _few(taken: int) -> float:
    """FLOP per parameter of a step's first few tokens after its first."""
    return 2.0 * (min(taken, FEW_TOKENS) - 1)


@dataclass(frozen=True, slots=True)
class Pace:
    """How fast a device is: bytes/s and FLOP/s of a step of a few tokens and of a prompt's passes, seconds per pass
    through its stage whatever that holds, and the factor its times were longer by than predicted so far.
    """

    bandwidth: float
    step_compute: float
    prompt_bandwidth: float
    compute: float
    token_seconds: float
    is_known: bool
    is_measured: bool
    correction: float

    def step(self, work: BlockWork) -> float:
        """Time of a block, or part of one, for a decode step: that of a few tokens counted from a single one, of more
        no less than that, nor than a prompt of so many takes.
        """
        few = work.step_bytes / self.bandwidth + work.few_flops / self.step_compute
        if work.step_flops <= work.few_flops:
            return few * self.correction
        return max(few, work.step_bytes / self.prompt_bandwidth + work.step_flops / self.compute) * self.correction

    def prompt(self, work: BlockWork) -> float:
        """The same for a whole prompt."""
        return (work.prompt_bytes / self.prompt_bandwidth + work.prompt_flops / self.compute) * self.correction

    @property
    def per_pass(self) -> float:
        """Seconds a pass through a stage there costs beside its work."""
        return self.token_seconds * self.correction


def pace_of(device: DeviceResources) -> Pace:
    """The pace of a device: measured where it is, else the stated stand-ins."""
    bandwidth = max(device.bandwidth or (CPU_BANDWIDTH if device.is_cpu else GPU_BANDWIDTH), SLOWEST)
    compute = max(device.compute or bandwidth * (CPU_INTENSITY if device.is_cpu else GPU_INTENSITY), SLOWEST)
    return Pace(
        bandwidth=bandwidth,
        step_compute=max(device.step_compute or compute, SLOWEST),
        prompt_bandwidth=max(device.prompt_bandwidth or bandwidth, SLOWEST),
        compute=compute,
        is_known=device.bandwidth is not None,
        token_seconds=TOKEN_SECONDS if device.token_seconds is None else device.token_seconds,
        is_measured=None not in (device.bandwidth, device.compute, device.token_seconds),
        correction=device.correction or 1.0,
    )


def repacked_pace(device: DeviceResources) -> Pace | None:
    """The pace of a processor whose weights the engine rearranges for it; None where that was not measured."""
    bandwidth, compute = device.repacked_bandwidth, device.repacked_compute
    if device.bandwidth is None or bandwidth is None or compute is None:
        return None
    return replace(
        pace_of(device),
        bandwidth=max(bandwidth, SLOWEST),
        step_compute=max(device.repacked_step_compute or compute, SLOWEST),
        prompt_bandwidth=max(device.repacked_prompt_bandwidth or bandwidth, SLOWEST),
        compute=max(compute, SLOWEST),
    )


@dataclass(frozen=True, slots=True)
class Hop:
    """The link from the head to a worker: seconds of a round trip, bytes/s to the worker (`throughput`: the way that
    weights take) and `back` to the head, and the factor learned so far.
    """

    round_trip: float
    throughput: float
    back: float
    is_measured: bool
    correction: float

    def seconds(self, trips: int, there: float, back: float = 0.0) -> float:
        """Time for that many round trips, and bytes each way: what a worker answers waits for what it was sent."""
        return (trips * self.round_trip + there / self.throughput + back / self.back) * self.correction


def hop_of(link: LinkMeasure | None, head: NodeId) -> Hop:
    """The hop over a link from the end that is the head: measured where it is, else gigabit Ethernet.

    A way that nobody measured counts as fast as the other one.
    """
    if link is None:
        return Hop(LINK_ROUND_TRIP, LINK_THROUGHPUT, LINK_THROUGHPUT, False, 1.0)
    there, back = link.rate_from(head), link.rate_from(link.b if head == link.a else link.a)
    return Hop(
        round_trip=LINK_ROUND_TRIP if link.round_trip is None else link.round_trip,
        throughput=there or back or LINK_THROUGHPUT,
        back=back or there or LINK_THROUGHPUT,
        is_measured=link.round_trip is not None and there is not None,
        correction=link.correction or 1.0,
    )


@dataclass(frozen=True, slots=True)
class BlockTimes:
    """Seconds a device takes, hops aside; `output` is the output layer's time per step, and `spared` what a prompt that
    passes the stages one after the other takes less on the device that has it.

    `step` and `prompt` are prefix sums over blocks, one entry more than there are blocks.
    """

    pace: Pace
    step: tuple[float, ...]
    prompt: tuple[float, ...]
    output: float
    spared: float


def block_times(work: Work, pace: Pace) -> BlockTimes:
    """The times of a device at that pace."""
    return BlockTimes(
        pace=pace,
        step=_summed(work, [pace.step(kind) for kind in work.kinds]),
        prompt=_summed(work, [pace.prompt(kind) for kind in work.kinds]),
        output=pace.step(work.output),
        spared=work.spared_flops / pace.compute * pace.correction,
    )


def _summed(work: Work, kinds: Sequence[float]) -> tuple[float, ...]:
    """Prefix sums over the blocks of a figure for each kind of block."""
    return tuple(accumulate(map(kinds.__getitem__, work.blocks), initial=0.0))


@dataclass(frozen=True, slots=True)
class Spill:
    """Seconds a card's blocks take longer when their experts are in RAM and `processor` computes them.

    `step` and `prompt` are prefix sums over blocks, as in `BlockTimes`.
    """

    processor: Pace
    step: tuple[float, ...]
    prompt: tuple[float, ...]


def spill_times(work: Work, card: Pace, processor: Pace) -> Spill:
    """What it costs to have experts on that processor instead of on that card."""
    passes = work.mix.batches * SPILL_SECONDS
    return Spill(
        processor=processor,
        step=_summed(work, [_spilled(kind, card.step, processor.step, SPILL_SECONDS) for kind in work.kinds]),
        prompt=_summed(work, [_spilled(kind, card.prompt, processor.prompt, passes) for kind in work.kinds]),
    )


def _spilled(
    kind: BlockWork, card: Callable[[BlockWork], float], processor: Callable[[BlockWork], float], switches: float
) -> float:
    if kind.experts is None:
        return 0.0
    return card(kind.without_experts) + processor(kind.experts) + switches - card(kind)


@dataclass(frozen=True, slots=True)
class StageCost:
    """Seconds a device costs under a head. `fixed_*` are due however little it holds: its own time per pass and its
    hop, of which `hop_step` is the hop alone (`hop` is None and `hop_step` 0 on the head). `output_*` come on top for
    the device that holds the output layer. `spill` is set for a card of the head that may leave experts in RAM.
    """

    times: BlockTimes
    spill: Spill | None
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

    @property
    def logits_step(self) -> float:
        """Seconds of `output_step` that are the link's: what the output layer says goes over it."""
        return self.output_step - self.times.output


def stage_cost(work: Work, times: BlockTimes, hop: Hop | None, spill: Spill | None = None) -> StageCost:
    """What a device costs behind that hop (None on the head)."""
    logits = hop.seconds(0, 0.0, work.logits) if hop else 0.0
    hop_step = hop.seconds(1, *work.hop_step) if hop else 0.0
    hop_prompt = hop.seconds(work.mix.batches + PROMPT_ROUND_TRIPS, *work.hop_prompt) if hop else 0.0
    return StageCost(
        times=times,
        spill=spill,
        hop=hop,
        hop_step=hop_step,
        fixed_step=times.pace.per_pass + hop_step,
        fixed_prompt=work.mix.batches * times.pace.per_pass + hop_prompt,
        output_step=times.output + logits,
        output_prompt=times.output + logits / work.mix.slots,
    )


def repriced(cost: StageCost, work: Work, *, corrected: bool = True) -> StageCost:
    """The same device behind the same hop for other work; not `corrected` by what earlier runs taught if so wished."""

    def pace(known: Pace) -> Pace:
        return known if corrected else replace(known, correction=1.0)

    hop = cost.hop if corrected or cost.hop is None else replace(cost.hop, correction=1.0)
    card = pace(cost.pace)
    spill = None if cost.spill is None else spill_times(work, card, pace(cost.spill.processor))
    return stage_cost(work, block_times(work, card), hop, spill)


@dataclass(frozen=True, slots=True)
class Timing:
    """Seconds of one decode step, of one prompt up to its first token, and of one that is read while others answer."""

    step: float
    prompt: float
    later_prompt: float

    def exchange(self, mix: Mix) -> float:
        """Seconds of all exchanges of a mix: what the planner makes small."""
        return self.prompt + (mix.slots - 1) * self.later_prompt + mix.answer * self.step


def timing(
    costs: Sequence[StageCost], counts: Sequence[int], mix: Mix, *, pipelined: bool, spilled: Sequence[int] = ()
) -> Timing:
    """The time of a split: `counts[i]` blocks on the i-th device in layer order, the output layer on the last.

    The first `spilled[i]` blocks of the i-th device have their experts in the head's RAM; none without.

    A step passes the stages one after the other. So does a prompt, unless the engine pipelines: then all stages but the
    slowest overlap from the second micro-batch on; not while others answer, because every micro-batch then has a token
    that is waited for. What goes over links is sent by one thread and overlaps nothing, and
    what a pass costs beside its work is counted in full. Of what the last stage is spared one micro-batch counts then:
    it may not be the slowest.
    """
    ends = list(accumulate(counts, initial=0))
    ranges = list(zip(costs, ends, ends[1:], strict=False))
    step = sum(cost.step[end] - cost.step[first] + cost.fixed_step for cost, first, end in ranges)
    prompt = 0.0
    for (cost, first, _), count in zip(ranges, spilled, strict=False):
        if count and cost.spill is not None:
            step += cost.spill.step[first + count] - cost.spill.step[first]
            prompt += cost.spill.prompt[first + count] - cost.spill.prompt[first]
    prompts = [cost.prompt[end] - cost.prompt[first] for cost, first, end in ranges]
    fixed = sum(cost.fixed_prompt for cost in costs) + prompt + costs[-1].output_prompt
    batches, spared = mix.batches if pipelined else 1, costs[-1].times.spared
    return Timing(
        step=step + costs[-1].output_step,
        prompt=overlapped(prompts, batches) - spared / batches + fixed,
        later_prompt=sum(prompts) - spared + fixed,
    )


def overlapped(stages: Sequence[float], batches: int) -> float:
    """Seconds of a pipeline of stages over equal batches; `stages[i]` is what stage i takes for all of them."""
    return sum(stages) / batches + max(stages, default=0.0) * (batches - 1) / batches
