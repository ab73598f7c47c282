"""What a GGUF file holds, as far as planning and showing need it."""

from app.schema.errors import ErrorInfo
from app.schema.record import Bytes, ModelId, NodeId, Record

LARGE_TENSOR_BYTES = 10 << 20
"""A worker may keep what the head sends of a tensor above this (`HASH_THRESHOLD` in llama.cpp's `ggml-rpc.cpp`)."""


class Tower(Record):
    """One encoder of a projector file, for pictures or for sound: what its compute buffer follows from.

    `patches` are the pieces of what the engine reserves it for, `pixels` the numbers that one piece is read from,
    `width` and `feed_forward` the elements of one piece. `gated`: the feed-forward network has a gate. `windowed`: most
    blocks attend to windows, by a mask over all pairs of pieces.
    """

    patches: int
    pixels: int = 0
    width: int
    feed_forward: int
    gated: bool = False
    windowed: bool = False


class EncoderShape(Record):
    """A projector file (mmproj) as far as its memory goes. `towers` is None where the header does not tell."""

    weight_bytes: Bytes
    towers: tuple[Tower, ...] | None = None


class ModelShape(Record):
    """The facts of a GGUF header. Tuples named `layer_*`, `*_widths` have one entry per block, in order.

    `layer_bytes[i]` is the exact size of all tensors `blk.i.*`; `layer_expert_bytes[i]` the part of it in
    mixture-of-experts tensors, the largest of which has `largest_expert_bytes`. `output_bytes` is what the output layer
    costs the device that holds it: `output*` tensors, plus a copy of `token_embd` when `tied_embeddings`.
    `embedding_bytes` always stays on the head's RAM. `layer_large_bytes[i]` and `output_large_bytes` are the parts of
    `layer_bytes[i]` and `output_bytes` in tensors above `LARGE_TENSOR_BYTES`; without entries they are unknown.
    `key_widths[i]` and `value_widths[i]` are KV cache elements per token of block i, 0 where it has none.
    `recurrent_elements[i]` is the f32 state per sequence of block i. `sliding_layers` is empty when no block slides.
    `tokenizer` names its kind and how it splits text (`gpt2/qwen2`).
    `has_thinking_switch` says that the chat template reads `enable_thinking`.
    `encoder` is there only when `is_projector`. `state_space_width` is what passes the convolution of a state-space
    block. The last `idle_layers` blocks only predict further tokens: the engine does not load them unless told to.
    `last_feed_forward_bytes` are those of the last block's `ffn_*` tensors, its experts included.
    """

    architecture: str
    name: str | None = None
    size_label: str | None = None
    quantization: str | None = None
    parameters: int
    tokenizer: str | None = None
    vocabulary: int | None = None
    context_length: int | None = None
    embedding_length: int | None = None
    feed_forward_length: int | None = None
    head_counts: tuple[int, ...] = ()
    layer_bytes: tuple[Bytes, ...]
    layer_expert_bytes: tuple[Bytes, ...] = ()
    largest_expert_bytes: Bytes = 0
    last_feed_forward_bytes: Bytes = 0
    layer_large_bytes: tuple[Bytes, ...] = ()
    output_large_bytes: Bytes = 0
    embedding_bytes: Bytes
    output_bytes: Bytes
    other_bytes: Bytes = 0
    tied_embeddings: bool
    largest_tensor_bytes: Bytes
    tensor_count: int
    key_widths: tuple[int, ...] = ()
    value_widths: tuple[int, ...] = ()
    recurrent_elements: tuple[int, ...] = ()
    sliding_window: int | None = None
    sliding_layers: tuple[bool, ...] = ()
    expert_count: int | None = None
    experts_used: int | None = None
    expert_feed_forward_length: int | None = None
    state_space_width: int | None = None
    next_token_layers: int = 0
    idle_layers: int = 0
    has_chat_template: bool = False
    has_thinking_switch: bool = False
    is_projector: bool = False
    encoder: EncoderShape | None = None
    split_count: int = 1

    @property
    def layers(self) -> int:
        """Number of blocks, multi-token-prediction blocks included."""
        return len(self.layer_bytes)

    @property
    def weight_bytes(self) -> int:
        """All tensors once, as stored in the file."""
        tied = self.embedding_bytes if self.tied_embeddings else 0
        return sum(self.layer_bytes) + self.embedding_bytes + self.output_bytes - tied + self.other_bytes

    def large_bytes(self, first: int, last: int, *, output: bool) -> int | None:
        """What of blocks `first`..`last`, and of the output layer, a worker may keep; None when that is unknown.

        The engine does not load idle blocks.
        """
        if len(self.layer_large_bytes) != self.layers:
            return None
        loaded = self.layer_large_bytes[: self.layers - self.idle_layers]
        return sum(loaded[first : last + 1]) + (self.output_large_bytes if output else 0)


class ModelFile(Record):
    """One model on this node's disks: all its parts, and either its shape or the reason it cannot be read.

    `modified` is seconds since the epoch, the newest of the parts. `encoder` is the file at `projector_path`, None when
    there is none or it cannot be read.
    """

    id: ModelId
    path: str
    folder: str
    size_bytes: Bytes
    modified: float
    parts: tuple[str, ...]
    shape: ModelShape | None = None
    problem: ErrorInfo | None = None
    projector_path: str | None = None
    encoder: EncoderShape | None = None

    def is_same(self, other: "ModelFile") -> bool:
        """Whether two files, maybe on two PCs, are the same model, as far as name and size tell."""
        return self.id == other.id and self.size_bytes == other.size_bytes


class ModelPart(Record):
    """Blocks `first_layer`..`last_layer` of a model, inclusive, and its output layer when `holds_output`.

    The model is known by its id and the bytes of its file, as in `ModelFile.is_same`. `large_bytes` are those of the
    part in tensors above `LARGE_TENSOR_BYTES`.
    """

    model_id: ModelId
    model_bytes: Bytes
    first_layer: int
    last_layer: int
    holds_output: bool
    large_bytes: Bytes

    def is_of(self, model: ModelFile) -> bool:
        """Whether it is a part of this model."""
        return (self.model_id, self.model_bytes) == (model.id, model.size_bytes)

    def is_of_same(self, other: "ModelPart") -> bool:
        """Whether the other is a part of the same model."""
        return (self.model_id, self.model_bytes) == (other.model_id, other.model_bytes)

    def covers(self, other: "ModelPart") -> bool:
        """Whether the other is a part of this one."""
        blocks = self.first_layer <= other.first_layer and other.last_layer <= self.last_layer
        return self.is_of_same(other) and blocks and (self.holds_output or not other.holds_output)


class HeldModel(Record):
    """A model somewhere in the cluster, and the PCs whose disks hold it (one of them may be this one)."""

    model: ModelFile
    holders: tuple[NodeId, ...]
