"""Files of random weights to measure a device with, written without help: the same bytes on every PC.

GGUF version 3, see https://github.com/ggml-org/ggml/blob/master/docs/gguf.md. A llama of a few wide blocks, too big for
the caches of a processor, tells how fast weights are read and multiplied; one of many slim blocks tells what a block
costs beside that, and two tiny blocks what a token costs beside its blocks. The demo model would tell neither: its 8 MB
stay in the cache.
"""

import random
import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from app.schema.speed import CalibrationFile, WeightFormat

VOCABULARY = 512
"""Tokens each knows: the bytes, three marks, and words nobody reads."""

CONTEXT = 1024

_ALIGNMENT = 32
_PATTERN_BYTES = 1 << 20
_F32 = 0
_UINT32, _INT32, _FLOAT32, _STRING, _ARRAY = 4, 5, 6, 8, 9
_UNKNOWN, _CONTROL, _BYTE, _NORMAL = 2, 3, 6, 1
_BYTES_OF_F32 = 4


@dataclass(frozen=True)
class _Layout:
    """How an element type lies in a file: ggml's number of it, elements and bytes of one quantization block."""

    kind: int
    elements: int
    size: int
    scales: bytes


# Small scales keep the sums of random weights finite.
_LAYOUTS = {
    WeightFormat.Q4_K: _Layout(12, 256, 144, struct.pack("<ee", 0.0002, 0.0015)),
    WeightFormat.Q8_0: _Layout(8, 32, 34, struct.pack("<e", 0.0005)),
}


@dataclass(frozen=True)
class CalibrationShape:
    """A llama to write. Widths are multiples of 256, as Q4_K wants it."""

    name: str
    format: WeightFormat
    blocks: int
    width: int
    feed_forward: int
    heads: int
    key_heads: int
    vocabulary: int = VOCABULARY

    @property
    def key_width(self) -> int:
        """Elements of one token's keys."""
        return self.width // self.heads * self.key_heads

    @property
    def block_parameters(self) -> int:
        """Parameters of one block's matrices."""
        attention = 2 * self.width * self.width + 2 * self.width * self.key_width
        return attention + 3 * self.width * self.feed_forward

    def described(self) -> CalibrationFile:
        """What one token costs: bytes it reads (the output layer too), parameters a prompt's token multiplies.

        Nobody wants the output of a prompt's tokens but the last: llama.cpp leaves out the last block's feed-forward.
        """
        parameters = self.blocks * self.block_parameters
        layout = _LAYOUTS[self.format]
        read = (parameters + self.width * self.vocabulary) // layout.elements * layout.size
        return CalibrationFile(
            format=self.format,
            blocks=self.blocks,
            read_bytes=read,
            prompt_parameters=parameters - 3 * self.width * self.feed_forward,
        )


WIDE_Q4 = CalibrationShape("wide-q4", WeightFormat.Q4_K, 8, 2048, 5632, 16, 4)
WIDE_Q8 = CalibrationShape("wide-q8", WeightFormat.Q8_0, 4, 2048, 5632, 16, 4)
SLIM = CalibrationShape("slim", WeightFormat.Q4_K, 20, 1024, 2816, 16, 4)
SHORT = CalibrationShape("short", WeightFormat.Q4_K, 2, 256, 768, 4, 2)
SHAPES = (WIDE_Q4, WIDE_Q8, SLIM, SHORT)
WIDE = (WIDE_Q4, WIDE_Q8)


def write_model(path: Path, shape: CalibrationShape) -> None:
    """Write the file, 1 to 204 MB (blocking). Raises OSError; half a file is removed."""
    try:
        # A cache may be deleted at any time, with its folder.
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with path.open("wb") as file:
            _write(file, shape)
    except BaseException:
        path.unlink(missing_ok=True)
        raise


def _write(file: BinaryIO, shape: CalibrationShape) -> None:
    tensors = list(_tensors(shape))
    entries = list(_metadata(shape))
    head = b"GGUF" + struct.pack("<IQQ", 3, len(tensors), len(entries)) + b"".join(entries) + _infos(tensors, shape)
    file.write(head + bytes(-len(head) % _ALIGNMENT))
    pattern = _pattern(_LAYOUTS[shape.format])
    for tensor in tensors:
        _write_tensor(file, tensor.size(shape.format), _ones() if tensor.is_vector else pattern)


def _write_tensor(file: BinaryIO, size: int, pattern: bytes) -> None:
    whole, rest = divmod(size, len(pattern))
    for _ in range(whole):
        file.write(pattern)
    file.write(pattern[:rest] + bytes(-size % _ALIGNMENT))


def _ones() -> bytes:
    return struct.pack("<f", 1.0) * 256


def _pattern(layout: _Layout) -> bytes:
    """About 1 MiB of quantized random weights; each tensor repeats it from its beginning."""
    source = random.Random(1)
    fill = layout.size - len(layout.scales)
    return b"".join(layout.scales + source.randbytes(fill) for _ in range(_PATTERN_BYTES // layout.size))


@dataclass(frozen=True)
class _Tensor:
    name: str
    dims: tuple[int, ...]

    @property
    def is_vector(self) -> bool:
        return len(self.dims) == 1

    def size(self, kind: WeightFormat) -> int:
        if self.is_vector:
            return self.dims[0] * _BYTES_OF_F32
        return self.dims[0] * self.dims[1] // _LAYOUTS[kind].elements * _LAYOUTS[kind].size


def _tensors(shape: CalibrationShape) -> Iterator[_Tensor]:
    width, keys, inner = shape.width, shape.key_width, shape.feed_forward
    yield _Tensor("token_embd.weight", (width, shape.vocabulary))
    yield _Tensor("output.weight", (width, shape.vocabulary))
    yield _Tensor("output_norm.weight", (width,))
    matrices = {
        "attn_q": (width, width),
        "attn_k": (width, keys),
        "attn_v": (width, keys),
        "attn_output": (width, width),
        "ffn_gate": (width, inner),
        "ffn_up": (width, inner),
        "ffn_down": (inner, width),
    }
    for block in range(shape.blocks):
        for norm in ("attn_norm", "ffn_norm"):
            yield _Tensor(f"blk.{block}.{norm}.weight", (width,))
        for name, dims in matrices.items():
            yield _Tensor(f"blk.{block}.{name}.weight", dims)


def _infos(tensors: Iterable[_Tensor], shape: CalibrationShape) -> bytes:
    parts: list[bytes] = []
    offset = 0
    for each in tensors:
        kind = _F32 if each.is_vector else _LAYOUTS[shape.format].kind
        dims = struct.pack(f"<I{len(each.dims)}Q", len(each.dims), *each.dims)
        parts.append(_text(each.name) + dims + struct.pack("<IQ", kind, offset))
        size = each.size(shape.format)
        offset += size + -size % _ALIGNMENT
    return b"".join(parts)


def _metadata(shape: CalibrationShape) -> Iterator[bytes]:
    yield _string("general.architecture", "llama")
    yield _string("general.name", f"caravan calibration {shape.name}")
    numbers = {
        "llama.block_count": shape.blocks,
        "llama.context_length": CONTEXT,
        "llama.embedding_length": shape.width,
        "llama.feed_forward_length": shape.feed_forward,
        "llama.attention.head_count": shape.heads,
        "llama.attention.head_count_kv": shape.key_heads,
        "llama.rope.dimension_count": shape.width // shape.heads,
        "tokenizer.ggml.bos_token_id": 1,
        "tokenizer.ggml.eos_token_id": 2,
    }
    for key, value in numbers.items():
        yield _text(key) + struct.pack("<II", _UINT32, value)
    yield _text("llama.attention.layer_norm_rms_epsilon") + struct.pack("<If", _FLOAT32, 1e-5)
    yield from _tokenizer(shape.vocabulary)


def _tokenizer(count: int) -> Iterator[bytes]:
    marks = ("<unk>", "<s>", "</s>")
    known = (*marks, *(f"<0x{byte:02X}>" for byte in range(256)))
    tokens = (*known, *(f"w{number}" for number in range(len(known), count)))
    kinds = (_UNKNOWN, _CONTROL, _CONTROL, *[_BYTE] * 256, *[_NORMAL] * (count - len(known)))
    yield _string("tokenizer.ggml.model", "llama")
    yield _array("tokenizer.ggml.tokens", _STRING, [_text(token) for token in tokens])
    yield _array("tokenizer.ggml.scores", _FLOAT32, [struct.pack("<f", 0.0)] * count)
    yield _array("tokenizer.ggml.token_type", _INT32, [struct.pack("<i", kind) for kind in kinds])


def _text(text: str) -> bytes:
    data = text.encode()
    return struct.pack("<Q", len(data)) + data


def _string(key: str, value: str) -> bytes:
    return _text(key) + struct.pack("<I", _STRING) + _text(value)


def _array(key: str, kind: int, items: list[bytes]) -> bytes:
    return _text(key) + struct.pack("<IIQ", _ARRAY, kind, len(items)) + b"".join(items)
