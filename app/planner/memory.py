"""What a model costs a device, in bytes: weights, KV cache, compute buffers, reserve. Integer arithmetic throughout."""

from bisect import bisect_left, bisect_right
from dataclasses import dataclass
from itertools import accumulate
from operator import sub

from app.schema.model import ModelShape
from app.schema.plan import DeviceResources, KvType

CELL_STEP = 256
"""The engine pads the number of KV cells up to a multiple of this."""

MICRO_BATCH = 512
"""Tokens per compute step (`-ub`) the buffer formulas assume. The launch passes the same number."""

PIPELINE_COPIES = 4
"""Copies of the graph inputs the engine keeps when it pipelines over two or more devices."""

MEBI = 1 << 20
GIBI = 1 << 30

F32_BYTES = 4
F16_BYTES = 2

KV_BLOCKS: dict[KvType, tuple[int, int]] = {
    KvType.F32: (4, 1),
    KvType.F16: (2, 1),
    KvType.BF16: (2, 1),
    KvType.Q8_0: (34, 32),
    KvType.Q5_1: (24, 32),
    KvType.Q5_0: (22, 32),
    KvType.Q4_1: (20, 32),
    KvType.Q4_0: (18, 32),
    KvType.IQ4_NL: (18, 32),
}
"""Bytes per block and elements per block of each KV cache type (ggml block layouts)."""


@dataclass(frozen=True, slots=True)
class ReserveRule:
    """What stays free on a device: a share of its total, in 1/100, between a floor and a ceiling in bytes."""

    percent: int
    floor: int
    ceiling: int

    def of(self, total: int) -> int:
        """Reserve in bytes for a device of `total` bytes."""
        return min(max(total * self.percent // 100, self.floor), self.ceiling)


GPU_RESERVE = ReserveRule(percent=5, floor=512 * MEBI, ceiling=1536 * MEBI)
RAM_RESERVE = ReserveRule(percent=10, floor=1 * GIBI, ceiling=4 * GIBI)


def reserve_bytes(device: DeviceResources) -> int:
    """Bytes of a device the planner never uses."""
    return (RAM_RESERVE if device.is_cpu else GPU_RESERVE).of(device.total_bytes)


def padded(tokens: int) -> int:
    """Tokens rounded up to whole steps of KV cells."""
    return -(-tokens // CELL_STEP) * CELL_STEP


def elements_bytes(elements: int, kv_type: KvType) -> int:
    """Bytes of that many KV elements, whole blocks."""
    block_bytes, block_elements = KV_BLOCKS[kv_type]
    return -(-elements // block_elements) * block_bytes


def sliding_cells(shape: ModelShape, context: int, slots: int) -> int:
    """KV cells of a sliding block: the window of every slot plus one micro-batch, never more than the context.

    Source: `llama-kv-cache-iswa.cpp` of llama.cpp.
    """
    return padded(min(context, (shape.sliding_window or context) * slots + MICRO_BATCH))


def kv_bytes(shape: ModelShape, context: int, slots: int, kv_type: KvType) -> tuple[int, ...]:
    """Cache bytes of each block for `context` tokens over all slots: keys, values, and the f32 recurrent state."""
    full, sliding = padded(context), sliding_cells(shape, context, slots)
    kinds = [
        (_at(shape.key_widths, i), _at(shape.value_widths, i), _at(shape.recurrent_elements, i), is_sliding(shape, i))
        for i in range(shape.layers)
    ]

    def size(key: int, value: int, state: int, slides: bool) -> int:
        cells = sliding if slides else full
        attended = elements_bytes(key * cells, kv_type) + elements_bytes(value * cells, kv_type)
        return attended + state * F32_BYTES * slots

    sizes = {kind: size(*kind) for kind in set(kinds)}
    return tuple(map(sizes.__getitem__, kinds))


def cell_bytes(shape: ModelShape, index: int, kv_type: KvType) -> float:
    """Cache bytes of one cell of a block: keys and values of one token."""
    block_bytes, block_elements = KV_BLOCKS[kv_type]
    return (_at(shape.key_widths, index) + _at(shape.value_widths, index)) * block_bytes / block_elements


def head_ram_bytes(shape: ModelShape) -> int:
    """Bytes that stay in the head's RAM whatever the split: the embedding table and tensors of no block."""
    return shape.embedding_bytes + shape.other_bytes


@dataclass(frozen=True, slots=True)
class Buffers:
    """Compute buffers of one stage in bytes, by its place in the split (formula: design.md, "Compute buffers").

    `width` is one activation of a micro-batch, `block_work` the widest intermediate results of a block, `logits` the
    vocabulary-sized result, `mask` the attention masks of one copy, `inner` one state-space activation, 0 without.
    `beyond` is what the engine said that any device needs beyond all that.
    """

    width: int
    block_work: int
    logits: int
    mask: int
    inner: int = 0
    beyond: int = 0

    def of(self, *, first: bool, last: bool, pipelined: bool) -> int:
        """Bytes for a stage that is the first, the last (output layer), both or neither."""
        whole = self._pipelined if pipelined else self._alone
        return whole(first=first, last=last) + self.beyond

    def _alone(self, *, first: bool, last: bool) -> int:
        work = max(self.block_work, 9 * self.inner // 2) + (6 if first else 5) * self.width + self.mask
        if not last:
            return work
        # The first stage keeps the mask to the end, a later one gives it back before the output layer.
        return max(work, self.logits + (4 * self.width + self.mask if first else 3 * self.width))

    def spilled(self, *, first: bool, last: bool, whole: bool, copied: int) -> int:
        """Bytes on a card whose experts are in RAM: of all its blocks, or of some when it holds `whole` blocks too.

        `copied` is the largest tensor of experts: for a prompt the engine copies them to the card one after the other.
        """
        widest = self.block_work + (6 if first else 5) * self.width if whole else (13 if first else 12) * self.width
        work = max(widest, 9 * self.inner // 2) + self.mask
        if last:
            later = max(3 * self.width, 9 * self.width - self.mask)
            work = max(work, self.logits + (4 * self.width + self.mask if first else later))
        return work + copied + self.beyond

    @property
    def experts(self) -> int:
        """Bytes in the head's RAM where its processor computes experts and no whole block."""
        return self.block_work + 3 * self.width + self.mask // 2 + self.beyond

    def _pipelined(self, *, first: bool, last: bool) -> int:
        widths, inners = (17, 8) if first else (12, 12 if last else 16)
        work = max(self.block_work, inners * self.inner) + widths * self.width
        output = self.logits + 8 * self.inner + 10 * self.width if last else 0
        return max(work, output) + PIPELINE_COPIES * self.mask


def buffers(shape: ModelShape, context: int, slots: int, beyond: int = 0) -> Buffers:
    """The compute-buffer terms of a model at a context, micro-batch 512, flash attention on; `beyond` as in Buffers."""
    row = MICRO_BATCH * F32_BYTES
    width = shape.embedding_length or 0
    attends = [i for i in range(shape.layers) if _at(shape.key_widths, i)]
    full = padded(context) if any(not is_sliding(shape, i) for i in attends) else 0
    sliding = sliding_cells(shape, context, slots) if any(is_sliding(shape, i) for i in attends) else 0
    return Buffers(
        width=width * row,
        block_work=_block_width(shape) * row,
        logits=(shape.vocabulary or 0) * row,
        mask=(full + sliding) * MICRO_BATCH * F16_BYTES,
        inner=(shape.state_space_width or 0) * row,
        beyond=beyond,
    )


@dataclass(frozen=True, slots=True)
class Demand:
    """What a model asks of a cluster at one context. Prefix sums have one entry more than there are blocks.

    `prefix[i]` is weights plus cache of blocks 0..i-1 in bytes; `weights` and `cache` are its two parts. `experts[i]`
    is what of the weights is experts, `expert_copy` their largest tensor. `large` is what of the weights is in tensors
    that a worker may keep on its disk, `output_large` of the output layer; empty when that is unknown. `tied_bytes` is
    the copy of the embedding table in `output_bytes`, which a head that has all on its processor does not make.
    """

    context: int
    weights: tuple[int, ...]
    cache: tuple[int, ...]
    prefix: tuple[int, ...]
    experts: tuple[int, ...]
    expert_copy: int
    largest_block: int
    smallest_block: int
    output_bytes: int
    tied_bytes: int
    head_ram_bytes: int
    buffers: Buffers
    large: tuple[int, ...] = ()
    output_large: int = 0

    @property
    def layers(self) -> int:
        """Number of blocks."""
        return len(self.prefix) - 1

    @property
    def has_experts(self) -> bool:
        """Whether any block has experts, which can lie apart from the rest of it."""
        return self.experts[-1] > 0

    @property
    def placed_bytes(self) -> int:
        """Bytes that must lie on devices: all blocks, their cache and the output layer."""
        return self.prefix[-1] + self.output_bytes

    def furthest(self, start: int, capacity: int) -> int:
        """Largest `end` such that blocks start..end-1 fit in `capacity` bytes."""
        return bisect_right(self.prefix, self.prefix[start] + capacity, lo=start) - 1 if capacity >= 0 else start

    def nearest(self, end: int, capacity: int) -> int:
        """Smallest `start` such that blocks start..end-1 fit in `capacity` bytes."""
        return bisect_left(self.prefix, self.prefix[end] - capacity, hi=end) if capacity >= 0 else end

    def most_blocks(self, capacity: int, *, without_experts: bool = False) -> int:
        """Length of the longest run of blocks that fits in `capacity` bytes, wherever it starts."""
        if capacity <= 0:
            return 0
        sums = list(map(sub, self.prefix, self.experts)) if without_experts else self.prefix
        best = 0
        for start in range(self.layers):
            while start + best < self.layers and sums[start + best + 1] - sums[start] <= capacity:
                best += 1
        return best


def demand(shape: ModelShape, context: int, slots: int, kv_type: KvType, beyond: int = 0) -> Demand:
    """The demand of a model at a context, `beyond` bytes on each device added to what the formulas say.

    Blocks the engine does not load (`ModelShape.idle_layers`) count as empty: they keep their place and cost nothing.
    """
    loaded = shape.layers - shape.idle_layers
    cache = tuple(state if i < loaded else 0 for i, state in enumerate(kv_bytes(shape, context, slots, kv_type)))
    weights = tuple(size if i < loaded else 0 for i, size in enumerate(shape.layer_bytes))
    blocks = [weight + state for weight, state in zip(weights, cache, strict=True)]
    return Demand(
        context=context,
        weights=tuple(accumulate(weights, initial=0)),
        cache=tuple(accumulate(cache, initial=0)),
        prefix=tuple(accumulate(blocks, initial=0)),
        experts=_experts(shape, loaded),
        expert_copy=shape.largest_expert_bytes,
        largest_block=max(blocks, default=0),
        smallest_block=min(blocks, default=0),
        output_bytes=shape.output_bytes,
        tied_bytes=shape.embedding_bytes if shape.tied_embeddings else 0,
        head_ram_bytes=head_ram_bytes(shape),
        buffers=buffers(shape, context, slots, beyond),
        large=_large(shape, loaded),
        output_large=shape.output_large_bytes,
    )


def _experts(shape: ModelShape, loaded: int) -> tuple[int, ...]:
    sizes = (_at(shape.layer_expert_bytes, i) if i < loaded else 0 for i in range(shape.layers))
    return tuple(accumulate(sizes, initial=0))


def _large(shape: ModelShape, loaded: int) -> tuple[int, ...]:
    if len(shape.layer_large_bytes) != shape.layers:
        return ()
    sizes = (size if i < loaded else 0 for i, size in enumerate(shape.layer_large_bytes))
    return tuple(accumulate(sizes, initial=0))


def _at(values: tuple[int, ...], index: int) -> int:
    return values[index] if index < len(values) else 0


def is_sliding(shape: ModelShape, index: int) -> bool:
    """Whether a block attends to a window only."""
    return bool(shape.sliding_window) and index < len(shape.sliding_layers) and shape.sliding_layers[index]


def _block_width(shape: ModelShape) -> int:
    """Elements per token of the widest moment inside a block: three feed-forward vectors, or the experts' outputs."""
    dense = 3 * (shape.feed_forward_length or 0)
    used, width = shape.experts_used or 0, shape.embedding_length or 0
    if not shape.expert_count or not used:
        return dense
    return max(dense, 3 * used * _expert_width(shape), (2 * used + 1) * width)


def _expert_width(shape: ModelShape) -> int:
    """Feed-forward width of one expert: as the file states it, else from the bytes of its three matrices.

    Those are taken at the file's mean bytes per parameter. A quarter is added because experts are often stored in fewer
    bits than the mean; never more than the width of the dense network.
    """
    if shape.expert_feed_forward_length:
        return shape.expert_feed_forward_length
    stated = shape.feed_forward_length or 0
    matrices = 3 * (shape.embedding_length or 0) * (shape.expert_count or 0) * shape.weight_bytes * 4
    largest = max(shape.layer_expert_bytes, default=0)
    if not matrices or not largest:
        return stated
    measured = largest * shape.parameters * 5 // matrices
    return min(measured, stated) if stated else measured
