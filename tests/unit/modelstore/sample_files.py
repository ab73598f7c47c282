"""Small GGUF files with random weights, written by the `gguf` package, for the tests of this room."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import gguf
import numpy as np

Tensors = Mapping[str, tuple[Sequence[int], gguf.GGMLQuantizationType]]

F32 = gguf.GGMLQuantizationType.F32
F16 = gguf.GGMLQuantizationType.F16
Q8_0 = gguf.GGMLQuantizationType.Q8_0
Q4_K = gguf.GGMLQuantizationType.Q4_K

_RANDOM = np.random.default_rng(7)


def add_key(writer: gguf.GGUFWriter, name: str, value: Any) -> None:
    """Add one key with the GGUF type that its Python type stands for."""
    if isinstance(value, bool):
        writer.add_bool(name, value)
    elif isinstance(value, int):
        writer.add_uint32(name, value)
    elif isinstance(value, str):
        writer.add_string(name, value)
    elif isinstance(value, float):
        writer.add_float32(name, value)
    else:
        writer.add_array(name, list(value))


def add_tensor(writer: gguf.GGUFWriter, name: str, dims: Sequence[int], kind: gguf.GGMLQuantizationType) -> None:
    """Add a random tensor; `dims` fastest first, as GGUF stores them."""
    shape = tuple(reversed(dims))
    if kind in (F32, F16):
        writer.add_tensor(
            name, _RANDOM.random(shape, dtype=np.float32).astype(np.float16 if kind == F16 else np.float32)
        )
        return
    packed = gguf.quant_shape_to_byte_shape(shape, kind)
    writer.add_tensor(name, _RANDOM.integers(0, 255, packed, dtype=np.uint8), raw_dtype=kind)


def write_file(path: Path, architecture: str, keys: Mapping[str, Any], tensors: Tensors, **options: Any) -> Path:
    """Write a GGUF of exactly these keys (written in full) and tensors; `options` go to `GGUFWriter`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    writer = gguf.GGUFWriter(path, architecture, **options)
    for name, value in keys.items():
        add_key(writer, name, value)
    for name, (dims, kind) in tensors.items():
        add_tensor(writer, name, dims, kind)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def block(layer: int, width: int = 64, kind: gguf.GGMLQuantizationType = F16) -> dict[str, Any]:
    """The tensors of one ordinary block."""
    names = ("attn_q", "attn_k", "attn_v", "attn_output", "ffn_up", "ffn_down")
    matrices = {f"blk.{layer}.{name}.weight": ((width, width), kind) for name in names}
    return {**matrices, f"blk.{layer}.attn_norm.weight": ((width,), F32)}


def model_keys(architecture: str, layers: int, width: int = 64, **more: Any) -> dict[str, Any]:
    """The keys every language model has; `more` are without the architecture in front, `__` standing for a dot."""
    keys = {"block_count": layers, "embedding_length": width, "context_length": 512, **more}
    return {f"{architecture}.{name.replace('__', '.')}": value for name, value in keys.items()}


def write_model(
    path: Path,
    architecture: str = "llama",
    layers: int = 4,
    *,
    tied: bool = False,
    extra_keys: Mapping[str, Any] | None = None,
    extra_tensors: Tensors | None = None,
    kind: gguf.GGMLQuantizationType = F16,
    **more: Any,
) -> Path:
    """A language model of `layers` ordinary blocks, 64 wide with 4 heads unless `more` says otherwise."""
    heads = {} if "attention__head_count" in more else {"attention__head_count": 4}
    keys = {**model_keys(architecture, layers, **heads, **more), **(extra_keys or {})}
    tensors: dict[str, Any] = {"token_embd.weight": ((64, 32), kind)}
    for layer in range(layers):
        tensors |= block(layer, kind=kind)
    tensors["output_norm.weight"] = ((64,), F32)
    if not tied:
        tensors["output.weight"] = ((64, 32), kind)
    return write_file(path, architecture, keys, {**tensors, **(extra_tensors or {})})


def write_projector(path: Path) -> Path:
    """A projector of a multimodal model."""
    keys = {"general.type": "mmproj", "clip.has_vision_encoder": True, "clip.vision.block_count": 2}
    tensors = {"v.blk.0.attn_q.weight": ((32, 32), F16), "mm.0.weight": ((32, 64), F16)}
    return write_file(path, "clip", keys, tensors)
