"""How many elements each block keeps per token (KV cache) and per sequence (recurrent state).

Source: llama.cpp b11434, `src/llama-hparams.cpp` (`n_embd_k_gqa`, `n_embd_v_gqa`, `n_embd_r`, `n_embd_s`),
`src/llama-kv-cache.cpp` and `llama_model_base::load_hparams`. Where the engine's own figure depends on more than the
header, these are upper bounds.
"""

from typing import Final, NamedTuple

from app.modelstore.gguf_errors import unsupported
from app.modelstore.layer_kinds import LayerKinds, layer_kinds
from app.modelstore.metadata import Metadata

_LATENT_ATTENTION: Final = frozenset(
    {"bailingmoe3", "deepseek2", "deepseek32", "dots3note", "glm-dsa", "glm5-next", "hy_v4", "kimi-k3", "kimi-linear"}
)
_POOLED_INDEXER: Final = frozenset({"glm5-next", "qwen4exp"})
_POOLED_ROWS: Final = 3  # llama_hparams::indexer_kpool_row


class MemoryShape(NamedTuple):
    """Per block: attention heads, KV elements per token, f32 state elements per sequence; and the sliding window."""

    head_counts: tuple[int, ...]
    key_widths: tuple[int, ...]
    value_widths: tuple[int, ...]
    recurrent_elements: tuple[int, ...]
    kinds: LayerKinds


class _Widths(NamedTuple):
    """Elements of one KV head: of keys and values, in full and in sliding blocks."""

    key: int
    value: int
    sliding_key: int
    sliding_value: int


def memory_shape(metadata: Metadata, layers: int) -> MemoryShape:
    """What each of `layers` blocks keeps. Raises GgufHostile for lists of a wrong length."""
    embedding = metadata.number("embedding_length")
    if embedding is None:
        raise unsupported(metadata.path, "does not say how wide it is (embedding_length)", "Download it again.")
    listed = metadata.per_layer("attention.head_count", layers)
    # A file that names no heads is bounded by one head as wide as the model.
    heads = (1,) * layers if listed is None else listed
    kv_heads = _kv_heads(metadata, layers, heads)
    kinds = layer_kinds(metadata, layers, kv_heads)
    keys, values = _widths(metadata, kinds, kv_heads, _head_widths(metadata, embedding, heads))
    state = _state_elements(metadata, embedding, heads)
    recurrent = tuple(state if recurs else 0 for recurs in kinds.recurs) if state else ()
    return MemoryShape(heads if listed else (), keys, values, recurrent, kinds)


def _kv_heads(metadata: Metadata, layers: int, heads: tuple[int, ...]) -> tuple[int, ...]:
    """KV heads of each block. Engine layers without tensors of their own are counted with the block they belong to:
    the loops of nanbeige run all blocks several times, the router of graniteswitch follows the last one.
    """
    found = metadata.per_layer("attention.head_count_kv", layers) or heads
    if metadata.architecture == "nanbeige":
        loops = metadata.number("num_loops") or 1
        return tuple(count * loops for count in found)
    if metadata.architecture == "graniteswitch":
        return (*found[:-1], found[-1] + 1)
    return found


def _head_widths(metadata: Metadata, embedding: int, heads: tuple[int, ...]) -> _Widths:
    reference = next((count for count in heads if count), 0)
    default = embedding // reference if reference else 0
    key = _given(metadata.number("attention.key_length"), default)
    value = _given(metadata.number("attention.value_length"), default)
    sliding_key = _given(metadata.number("attention.key_length_swa"), key)
    sliding_value = _given(metadata.number("attention.value_length_swa"), value)
    return _Widths(key, value, sliding_key, sliding_value)


def _given(found: int | None, default: int) -> int:
    return default if found is None else found


def _widths(
    metadata: Metadata, kinds: LayerKinds, kv_heads: tuple[int, ...], head: _Widths
) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Key and value elements per token of each block. Multi-head latent attention stores keys only."""
    latent = _is_latent(metadata)
    extra_key, extra_value = _indexer(metadata, latent, head.value)
    keys, values = [], []
    for count, attends, slides in zip(kv_heads, kinds.attends, kinds.slides, strict=True):
        # A block whose sliding is not known may be stored in either width.
        key = head.sliding_key if slides else max(head.key, 0 if any(kinds.slides) else head.sliding_key)
        value = head.sliding_value if slides else max(head.value, 0 if any(kinds.slides) else head.sliding_value)
        keys.append(count * key + extra_key if attends else 0)
        values.append(0 if latent or not attends else count * value + extra_value)
    return tuple(keys), tuple(values)


def _is_latent(metadata: Metadata) -> bool:
    """Old files have `kv_lora_rank` without these two keys; the engine then stores full keys and values."""
    lengths = (metadata.number("attention.key_length_mla"), metadata.number("attention.value_length_mla"))
    return metadata.architecture in _LATENT_ATTENTION and all(lengths)


def _indexer(metadata: Metadata, latent: bool, value: int) -> tuple[int, int]:
    """Extra elements of sparse attention: one indexer key head per block (an upper bound: not all blocks have one)."""
    length = metadata.number("attention.indexer.key_length") or 0
    rows = _POOLED_ROWS if metadata.architecture in _POOLED_INDEXER else 1
    return length * rows, value if length and not latent else 0


def _state_elements(metadata: Metadata, embedding: int, heads: tuple[int, ...]) -> int:
    """`n_embd_r + n_embd_s` of one recurrent block: short convolution history and running state."""
    wkv_head = metadata.number("wkv.head_size") or 0
    if wkv_head:
        return _given(metadata.number("token_shift_count"), 2) * embedding + embedding * wkv_head
    convolution = metadata.number("shortconv.l_cache") or 0
    if convolution:
        return embedding * (convolution - 1)
    delta_head = metadata.number("kda.head_dim") or 0
    if delta_head:
        return _delta_elements(metadata, max(heads, default=0), delta_head)
    if metadata.architecture == "minimax-01":
        return max(heads, default=0) * _head_widths(metadata, embedding, heads).key ** 2
    return _mamba_elements(metadata) + _engram_elements(metadata, embedding)


def _delta_elements(metadata: Metadata, heads: int, head: int) -> int:
    kernel = metadata.number("ssm.conv_kernel") or 4
    return 3 * (kernel - 1) * heads * head + head * head * heads


def _mamba_elements(metadata: Metadata) -> int:
    kernel = metadata.number("ssm.conv_kernel") or 1
    inner = metadata.number("ssm.inner_size") or 0
    state = metadata.number("ssm.state_size") or 0
    groups = metadata.number("ssm.group_count") or 0
    return (kernel - 1) * (inner + 2 * groups * state) + state * inner


def _engram_elements(metadata: Metadata, embedding: int) -> int:
    """History of the n-gram embedding module of qwen4exp (`ple_conv_state`), counted for every recurrent block."""
    kernel = metadata.number("ple.conv_kernel") or 1
    grams = metadata.number("ple.ngram_size") or 0
    return (kernel - 1) * grams * (metadata.number("hyper_connection.count") or 1) * embedding
