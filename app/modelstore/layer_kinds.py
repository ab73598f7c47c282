"""Which blocks of a model attend, which slide, which keep a recurrent state.

Source: llama.cpp b11434, `src/models/*.cpp` (`load_arch_hparams`) and `llama_model::create_memory`. An architecture
that is not in these tables is taken to attend fully in every block: that is an upper bound of its KV cache.
"""

from collections.abc import Mapping
from typing import Final, NamedTuple

from app.modelstore.metadata import Metadata

_RECURRENT: Final = frozenset({"mamba", "mamba2", "rwkv6", "rwkv6qwen2", "rwkv7", "arwkv7"})
_RECURRENT_WITHOUT_KV_HEADS: Final = frozenset(
    {"jamba", "plamo2", "granitehybrid", "lfm2", "lfm2moe", "kimi-linear", "kimi-k3", "bailingmoe3", "glm5-next"}
)
_NEMOTRON: Final = frozenset({"nemotron_h", "nemotron_h_moe"})
_FULL_ATTENTION_INTERVAL: Final[Mapping[str, int]] = {
    **{"qwen3next": 4, "qwen35": 4, "qwen35moe": 4, "qwen4exp": 4, "minimax-01": 8},
}

_SKIPS_FURTHER_TOKENS: Final = frozenset(
    {"bailingmoe3", "cohere2moe", "deepseek2", "deepseek32", "deepseek4", "glm-dsa", "glm4moe", "glm5-next", "hy_v3"}
    | {"mimo2", "nemotron_h", "nemotron_h_moe", "qwen35", "qwen35moe", "qwen3next", "qwen4exp", "step35"}
)


class Slide(NamedTuple):
    """How an architecture slides when its file does not list it layer by layer.

    Of each `period` blocks one is full, the last one or, with `full_first`, the first; 0: no block slides then.
    `fixed` is a window that overrides the file's, `default` one for a file that names none (tokens).
    """

    period: int = 0
    full_first: bool = False
    fixed: int | None = None
    default: int | None = None


_SLIDES: Final[Mapping[str, Slide]] = {
    "afmoe": Slide(4),
    "cohere2": Slide(4),
    "cohere2moe": Slide(4, full_first=True),
    "dots3note": Slide(),
    "exaone-moe": Slide(4),
    "exaone4": Slide(4, default=4096),
    "gemma-embedding": Slide(6),
    "gemma2": Slide(2, default=4096),
    "gemma3": Slide(6),
    "gemma3n": Slide(5),
    "gemma4": Slide(),
    "gemma4-assistant": Slide(),
    "gpt-oss": Slide(2),
    "granite_swa": Slide(),
    "laguna": Slide(4, full_first=True),
    "llama4": Slide(4, fixed=8192, default=8192),
    "maple": Slide(),
    "mellum": Slide(4),
    "mimo2": Slide(),
    "modern-bert": Slide(3, full_first=True),
    "muse-glimmer": Slide(4),
    "olmo2": Slide(4),
    "plamo3": Slide(8),
    "smallthinker": Slide(4, full_first=True, fixed=4096),
    "spark2_5": Slide(),
    "step35": Slide(),
}
_EXAONE4_SLIDING_LAYERS: Final = 64
_GEMMA3N_LAYERS_WITH_KV: Final = 20


class LayerKinds(NamedTuple):
    """One flag per block: keeps KV, keeps a recurrent state, slides. `window` is in tokens, None when none slides."""

    attends: tuple[bool, ...]
    recurs: tuple[bool, ...]
    slides: tuple[bool, ...]
    window: int | None


def layer_kinds(metadata: Metadata, layers: int, kv_heads: tuple[int, ...]) -> LayerKinds:
    """The kind of each block. Blocks that predict further tokens count as full attention, which is an upper bound."""
    trunk = max(0, layers - (metadata.number("nextn_predict_layers") or 0))
    recurs = _recurrent(metadata, layers, trunk, kv_heads)
    attends = _attending(metadata, layers, kv_heads, recurs)
    window, slides = _sliding(metadata, layers, trunk, recurs)
    slides = tuple(slide and attend for slide, attend in zip(slides, attends, strict=True))
    return LayerKinds(attends, recurs, slides, window if any(slides) else None)


def idle_layers(metadata: Metadata, layers: int) -> int:
    """How many of the last blocks the engine does not load unless it is told to predict further tokens with them.

    Source: `TENSOR_SKIP` under `load_mtp` in `src/models/*.cpp`; a file of such blocks alone is loaded.
    """
    further = metadata.number("nextn_predict_layers") or 0
    return further if metadata.architecture in _SKIPS_FURTHER_TOKENS and further < layers else 0


def _recurrent(metadata: Metadata, layers: int, trunk: int, kv_heads: tuple[int, ...]) -> tuple[bool, ...]:
    architecture = metadata.architecture
    if architecture in _RECURRENT_WITHOUT_KV_HEADS:
        return tuple(kv_heads[layer] == 0 for layer in range(layers))
    if architecture in _NEMOTRON:
        feed_forward = metadata.per_layer("feed_forward_length", layers) or (0,) * layers
        return tuple(layer < trunk and kv_heads[layer] == 0 and feed_forward[layer] == 0 for layer in range(layers))
    if architecture in _FULL_ATTENTION_INTERVAL:
        return _recurrent_by_interval(metadata, layers, trunk)
    return tuple(layer < trunk for layer in range(layers))


def _recurrent_by_interval(metadata: Metadata, layers: int, trunk: int) -> tuple[bool, ...]:
    listed = metadata.per_layer("attention.recurrent_layers", layers)
    if listed is not None:
        return tuple(bool(flag) for flag in listed)
    interval = metadata.number("full_attention_interval") or _FULL_ATTENTION_INTERVAL[metadata.architecture]
    return tuple(layer < trunk and (layer + 1) % interval != 0 for layer in range(layers))


def _attending(
    metadata: Metadata, layers: int, kv_heads: tuple[int, ...], recurs: tuple[bool, ...]
) -> tuple[bool, ...]:
    architecture = metadata.architecture
    if architecture in _RECURRENT:
        return (False,) * layers
    own = _layers_with_own_kv(metadata, layers)
    exclusive = architecture in _RECURRENT_WITHOUT_KV_HEADS | _NEMOTRON | _FULL_ATTENTION_INTERVAL.keys()
    return tuple(layer < own and kv_heads[layer] > 0 and not (exclusive and recurs[layer]) for layer in range(layers))


def _layers_with_own_kv(metadata: Metadata, layers: int) -> int:
    """The last blocks of some models read the KV cache of an earlier block and have none of their own."""
    if metadata.architecture == "gemma3n":
        return min(layers, _GEMMA3N_LAYERS_WITH_KV)
    if metadata.architecture in ("gemma4", "gemma4-assistant"):
        return max(0, layers - (metadata.number("attention.shared_kv_layers") or 0))
    return layers


def _sliding(
    metadata: Metadata, layers: int, trunk: int, recurs: tuple[bool, ...]
) -> tuple[int | None, tuple[bool, ...]]:
    """Window in tokens and the blocks that slide; full attention everywhere when the engine would not slide."""
    named = metadata.number("attention.sliding_window")
    if metadata.architecture == "lfm2" and named:
        return named, tuple(layer < trunk and not recurs[layer] for layer in range(layers))
    slide = _SLIDES.get(metadata.architecture)
    if slide is None or named == 0 or (metadata.architecture == "exaone4" and trunk != _EXAONE4_SLIDING_LAYERS):
        return None, (False,) * layers
    window = slide.default if named is None else slide.fixed or named
    if not window:
        return None, (False,) * layers
    return window, _pattern(metadata, slide, layers, trunk)


def _pattern(metadata: Metadata, slide: Slide, layers: int, trunk: int) -> tuple[bool, ...]:
    listed = metadata.flags("attention.sliding_window_pattern")
    if listed is not None:
        return tuple(layer < len(listed) and listed[layer] for layer in range(layers))
    if slide.period == 0:
        return (False,) * layers
    written = metadata.number("attention.sliding_window_pattern")
    period = slide.period if written is None else written
    return tuple(layer < trunk and _slides(layer, period, slide.full_first) for layer in range(layers))


def _slides(layer: int, period: int, full_first: bool) -> bool:
    """`llama_hparams::set_swa_pattern`: period 0 slides everywhere, period 1 nowhere."""
    if period == 0:
        return True
    return layer % period != 0 if full_first else layer % period < period - 1
