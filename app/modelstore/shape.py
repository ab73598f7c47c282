"""From headers to `ModelShape`: what planning and showing need to know of a model."""

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final

from app.modelstore.encoder_shape import encoder_shape
from app.modelstore.file_types import file_type_name
from app.modelstore.gguf_errors import hostile, unsupported
from app.modelstore.gguf_header import GgufHeader, TensorInfo
from app.modelstore.layer_kinds import idle_layers
from app.modelstore.memory_shape import memory_shape
from app.modelstore.metadata import Metadata
from app.schema.model import LARGE_TENSOR_BYTES, ModelShape

_BLOCK: Final = re.compile(r"(?:enc\.|dec\.)?blk\.(\d{1,5})\.")
_FEED_FORWARD: Final = ".ffn_"
_EXPERT: Final = re.compile(r"\.ffn_\w+_c?h?exps(?:\.|_|$)|\.ffn_(?:gate|down|up)\.\d+\.")
_OUTPUT: Final = ("output", "cls", "dense_2", "dense_3", "altup_", "enc.output", "dec.output")
_EMBEDDING: Final = "token_embd.weight"
_NOT_MODELS: Final = {
    "adapter": "an adapter (LoRA) for another model",
    "controlvector": "a control vector for another model",
    "imatrix": "a measurement used to quantize models",
}


@dataclass
class _Weights:
    """Sums of bytes by where the engine puts a tensor."""

    layers: list[int]
    experts: list[int]
    large: list[int]
    feed_forward: list[int]
    embedding: int = 0
    output: int = 0
    large_output: int = 0
    other: int = 0
    largest: int = 0
    largest_expert: int = 0
    elements: int = 0
    count: int = 0
    by_type: Counter[str] = field(default_factory=Counter)
    has_output: bool = False

    def add(self, tensor: TensorInfo) -> None:
        """Count one tensor."""
        self.count += 1
        self.elements += tensor.elements
        self.largest = max(self.largest, tensor.size_bytes)
        self.by_type[tensor.type_name] += tensor.size_bytes
        self.has_output = self.has_output or tensor.name == "output.weight"
        self._place(tensor)

    @property
    def total(self) -> int:
        """All of them."""
        return sum(self.layers) + self.embedding + self.output + self.other

    def _place(self, tensor: TensorInfo) -> None:
        block = _BLOCK.match(tensor.name)
        layer = int(block[1]) if block else None
        large = tensor.size_bytes if tensor.size_bytes > LARGE_TENSOR_BYTES else 0
        if layer is not None and layer < len(self.layers):
            self.layers[layer] += tensor.size_bytes
            self.large[layer] += large
            self.feed_forward[layer] += tensor.size_bytes if _FEED_FORWARD in tensor.name else 0
            if _EXPERT.search(tensor.name):
                self.experts[layer] += tensor.size_bytes
                self.largest_expert = max(self.largest_expert, tensor.size_bytes)
        elif tensor.name == _EMBEDDING:
            self.embedding += tensor.size_bytes
        elif tensor.name.startswith(_OUTPUT):
            self.output += tensor.size_bytes
            self.large_output += large
        else:
            self.other += tensor.size_bytes


def shape_of(headers: Sequence[GgufHeader]) -> ModelShape:
    """The shape of one model from the headers of all its parts, in order; the first part holds the keys.

    `embedding_bytes` is `token_embd.weight` alone. Other tensors that stay in the head's RAM (position and per-layer
    embeddings) are in `other_bytes`. Raises GgufHostile or GgufUnsupported.
    """
    metadata = Metadata(headers[0])
    _check_is_model(metadata)
    projector = metadata.architecture == "clip" or metadata.text("general.type") == "mmproj"
    layers = 0 if projector else _layers(metadata)
    weights = _weigh((tensor for header in headers for tensor in header.tensors), layers)
    if weights.count == 0:
        raise unsupported(metadata.path, "holds no weights, only a vocabulary", "Choose the file with the weights.")
    _check_tensor_count(metadata, weights.count)
    facts = _projector_facts(metadata, headers, weights) if projector else _facts(metadata, layers)
    return ModelShape(**_general(metadata, weights, projector), **facts, split_count=len(headers))


def _check_is_model(metadata: Metadata) -> None:
    kind = metadata.text("general.type")
    what = _NOT_MODELS.get(kind or "") or (_NOT_MODELS["imatrix"] if metadata.architecture == "imatrix" else None)
    if what:
        raise unsupported(metadata.path, f"is not a model but {what}", "Choose a model file.")


def _layers(metadata: Metadata) -> int:
    layers = metadata.layers()
    if not layers:
        raise unsupported(metadata.path, "does not say how many layers it has (block_count)", "Download it again.")
    return layers


def _weigh(tensors: Iterable[TensorInfo], layers: int) -> _Weights:
    weights = _Weights([0] * layers, [0] * layers, [0] * layers, [0] * layers)
    for tensor in tensors:
        weights.add(tensor)
    return weights


def _check_tensor_count(metadata: Metadata, count: int) -> None:
    promised = metadata.general("split.tensors.count")
    if isinstance(promised, int) and promised and promised != count:
        raise hostile(metadata.path, f"its parts hold {count} tensors instead of {promised}")


def _general(metadata: Metadata, weights: _Weights, projector: bool) -> dict[str, object]:
    tied = not projector and not weights.has_output and weights.embedding > 0
    tied_bytes = weights.embedding if tied else 0
    return {
        "architecture": metadata.architecture,
        "name": metadata.text("general.name"),
        "size_label": metadata.text("general.size_label"),
        "quantization": _quantization(metadata, weights),
        "parameters": weights.elements,
        "layer_bytes": tuple(weights.layers),
        "layer_expert_bytes": tuple(weights.experts),
        "largest_expert_bytes": weights.largest_expert,
        "last_feed_forward_bytes": weights.feed_forward[-1] if weights.feed_forward else 0,
        "layer_large_bytes": tuple(weights.large),
        "output_large_bytes": weights.large_output + (tied_bytes if tied_bytes > LARGE_TENSOR_BYTES else 0),
        "embedding_bytes": weights.embedding,
        "output_bytes": weights.output + tied_bytes,
        "other_bytes": weights.other,
        "tied_embeddings": tied,
        "largest_tensor_bytes": weights.largest,
        "tensor_count": weights.count,
        "is_projector": projector,
    }


def _quantization(metadata: Metadata, weights: _Weights) -> str | None:
    number = metadata.general("general.file_type")
    named = file_type_name(number) if isinstance(number, int) else None
    dominant = max(weights.by_type, key=lambda name: weights.by_type[name], default=None)
    return named or dominant


def _facts(metadata: Metadata, layers: int) -> dict[str, object]:
    memory = memory_shape(metadata, layers)
    return {
        "tokenizer": _tokenizer(metadata),
        "vocabulary": metadata.list_length("tokenizer.ggml.tokens") or metadata.number("vocab_size"),
        "context_length": metadata.number("context_length"),
        "embedding_length": metadata.number("embedding_length"),
        "feed_forward_length": metadata.largest("feed_forward_length"),
        "head_counts": memory.head_counts,
        "key_widths": memory.key_widths,
        "value_widths": memory.value_widths,
        "recurrent_elements": memory.recurrent_elements,
        "sliding_window": memory.kinds.window,
        "sliding_layers": memory.kinds.slides if memory.kinds.window else (),
        "expert_count": metadata.number("expert_count") or None,
        "experts_used": metadata.largest("expert_used_count") or None,
        "expert_feed_forward_length": metadata.largest("expert_feed_forward_length") or None,
        "state_space_width": _state_space_width(metadata),
        "idle_layers": idle_layers(metadata, layers),
        "next_token_layers": min(layers, metadata.number("nextn_predict_layers") or 0),
        "has_chat_template": metadata.general("tokenizer.chat_template") is not None,
        "has_thinking_switch": "enable_thinking" in (metadata.text("tokenizer.chat_template") or ""),
    }


def _projector_facts(metadata: Metadata, headers: Sequence[GgufHeader], weights: _Weights) -> dict[str, object]:
    names = [tensor.name for header in headers for tensor in header.tensors]
    return {"encoder": encoder_shape(metadata, names, weights.total)}


def _state_space_width(metadata: Metadata) -> int | None:
    """Elements per token that pass the convolution of a state-space block: inner width and both state projections."""
    inner = metadata.number("ssm.inner_size")
    groups, state = metadata.number("ssm.group_count") or 0, metadata.number("ssm.state_size") or 0
    return inner + 2 * groups * state if inner else None


def _tokenizer(metadata: Metadata) -> str | None:
    kind, splitting = metadata.text("tokenizer.ggml.model"), metadata.text("tokenizer.ggml.pre")
    return f"{kind}/{splitting}" if kind and splitting else kind
