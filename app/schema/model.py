"""What a GGUF file holds, as far as planning and showing need it."""

from app.schema.errors import ErrorInfo
from app.schema.record import Bytes, ModelId, NodeId, Record


class ModelShape(Record):
    """The facts of a GGUF header. Tuples named `layer_*`, `*_widths` have one entry per block, in order.

    `layer_bytes[i]` is the exact size of all tensors `blk.i.*`; `layer_expert_bytes[i]` the part of it in
    mixture-of-experts tensors, the largest of which has `largest_expert_bytes`. `output_bytes` is what the output layer
    costs the device that holds it: `output*` tensors, plus a copy of `token_embd` when `tied_embeddings`.
    `embedding_bytes` always stays on the head's RAM.
    `key_widths[i]` and `value_widths[i]` are KV cache elements per token of block i, 0 where it has none.
    `recurrent_elements[i]` is the f32 state per sequence of block i. `sliding_layers` is empty when no block slides.
    `tokenizer` names its kind and how it splits text (`gpt2/qwen2`).
    `has_thinking_switch` says that the chat template reads `enable_thinking`.
    `state_space_width` is what passes the convolution of a state-space block. The last `idle_layers` blocks only
    predict further tokens: the engine does not load them unless it is told to.
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


class ModelFile(Record):
    """One model on this node's disks: all its parts, and either its shape or the reason it cannot be read.

    `modified` is seconds since the epoch, the newest of the parts.
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

    def is_same(self, other: "ModelFile") -> bool:
        """Whether two files, maybe on two PCs, are the same model, as far as name and size tell."""
        return self.id == other.id and self.size_bytes == other.size_bytes


class HeldModel(Record):
    """A model somewhere in the cluster, and the PCs whose disks hold it (one of them may be this one)."""

    model: ModelFile
    holders: tuple[NodeId, ...]
