"""The header of one GGUF file: its keys and the list of its tensors. The weights themselves are never read.

Format: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md, and the checks of llama.cpp's `gguf.cpp`.
"""

import os
import stat
import struct
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NamedTuple

from app.modelstore.file_types import TENSOR_TYPES
from app.modelstore.gguf_errors import hostile, not_gguf, truncated, unreadable, unsupported
from app.modelstore.gguf_values import KeyReader, Value, read_name
from app.modelstore.header_source import HeaderFile, HeaderSource, ReadableFile

MAX_KEYS: Final = 16_384
MAX_TENSORS: Final = 65_536
MAX_TENSOR_NAME_BYTES: Final = 256
MAX_DIMENSIONS: Final = 4
MAX_FILE_BYTES: Final = 1 << 50

_PREAMBLE_BYTES: Final = 24
_NUMBER: Final = struct.Struct("<I")
_TENSOR_TAIL: Final = struct.Struct("<IQ")
_DIMENSIONS: Final = tuple(struct.Struct(f"<{count}Q") for count in range(MAX_DIMENSIONS + 1))


class TensorInfo(NamedTuple):
    """One tensor: `dims` fastest first, `type_name` as in llama.cpp, `offset` from the data section, exact bytes."""

    name: str
    dims: tuple[int, ...]
    type_name: str
    offset: int
    elements: int
    size_bytes: int


@dataclass(frozen=True, slots=True)
class GgufHeader:
    """All of a GGUF file but its weights. Lists of more than 4096 elements and huge texts are `Skipped`.

    `data_offset` is where the weights begin and `file_bytes` the size of the file, both in bytes.
    """

    path: Path
    version: int
    alignment: int
    keys: Mapping[str, Value]
    tensors: tuple[TensorInfo, ...]
    data_offset: int
    file_bytes: int


def read_header(path: Path) -> GgufHeader:
    """Read the header of the one file at `path` (blocking; some 30 ms for a vocabulary of 152 k tokens).

    Raises NotGguf, GgufTruncated, GgufHostile, GgufUnsupported, ModelNotFound (no such file) or ModelUnreadable.
    """
    with _opened(path) as file:
        return parse_header(file)


@contextmanager
def _opened(path: Path) -> Iterator[ReadableFile]:
    try:
        found = os.stat(path)
        _check_kind(path, found)
        file = open(path, "rb", buffering=0)  # noqa: SIM115 (closed below; only opening may raise ValueError)
    except (OSError, ValueError) as error:
        raise unreadable(path, error) from error
    with file:
        try:
            yield ReadableFile(file, path, found.st_size)
        except OSError as error:
            raise unreadable(path, error) from error


def _check_kind(path: Path, found: os.stat_result) -> None:
    if stat.S_ISDIR(found.st_mode):
        raise not_gguf(path, "it is a folder")
    if not stat.S_ISREG(found.st_mode):
        raise not_gguf(path, "it is a device, not a file")
    if found.st_size == 0:
        raise not_gguf(path, "it is empty", "Its download probably failed: download it again.")


def parse_header(file: HeaderFile) -> GgufHeader:
    """The header of a file that may lie anywhere. Raises as `read_header`, and what `file` raises."""
    source = HeaderSource(file)
    version, tensor_count, key_count = _preamble(source, file)
    keys = KeyReader(source, file.path).read(key_count)
    alignment = _alignment(file.path, keys)
    tensors = tuple(_tensors(source, file.path, tensor_count, alignment))
    data_offset = _padded(source.position, alignment)
    _check_extent(file, tensors, data_offset)
    return GgufHeader(file.path, version, alignment, keys, tensors, data_offset, file.size)


def _preamble(source: HeaderSource, file: HeaderFile) -> tuple[int, int, int]:
    """Version, number of tensors, number of keys."""
    magic = source.raw(min(4, file.size))
    if magic != b"GGUF":
        raise _foreign(file.path, magic)
    version = int(source.unpack(_NUMBER)[0])
    _check_version(file.path, version)
    tensor_count, key_count = source.number(), source.number()
    if key_count > MAX_KEYS or tensor_count > MAX_TENSORS:
        raise hostile(file.path, f"its header claims {key_count} keys and {tensor_count} tensors")
    return version, tensor_count, key_count


def _foreign(path: Path, magic: bytes) -> Exception:
    if magic in (b"lmgg", b"tjgg", b"fmgg", b"algg"):
        return not_gguf(path, "it has the older GGML format", "Download the GGUF version of this model.")
    if magic == b"vers":
        return not_gguf(path, "it is a Git LFS pointer, not the model itself", "Fetch the real file with: git lfs pull")
    if b"GGUF".startswith(magic):
        return truncated(path, _PREAMBLE_BYTES - len(magic), at_least=True)
    return not_gguf(path, "it does not begin with the letters GGUF")


def _check_version(path: Path, version: int) -> None:
    if version & 0xFFFF == 0 and version:
        raise unsupported(
            path, "is written for big-endian computers", "Download the little-endian version of this file."
        )
    if version < 2:
        raise unsupported(path, f"has GGUF version {version}, which is no longer in use", "Download a newer file.")
    if version > 3:
        raise unsupported(path, f"has GGUF version {version}, which is newer than this Caravan")


def _alignment(path: Path, keys: Mapping[str, Value]) -> int:
    value = keys.get("general.alignment", 32)
    if not isinstance(value, int) or isinstance(value, bool) or not 0 < value <= 1 << 20 or value & (value - 1):
        raise hostile(path, "the alignment of its weights is not a power of two")
    return value


def _tensors(source: HeaderSource, path: Path, count: int, alignment: int) -> Iterator[TensorInfo]:
    """The tensors in file order. llama.cpp demands that they lie without gaps, each padded to the alignment."""
    expected = 0
    seen: set[str] = set()
    for _ in range(count):
        tensor = _tensor(source, path)
        if tensor.name in seen:
            raise hostile(path, f"it holds the tensor {tensor.name!r} twice")
        if tensor.offset != expected:
            raise hostile(path, f"the tensor {tensor.name!r} does not lie where the one before it ends")
        seen.add(tensor.name)
        expected = _padded(expected + tensor.size_bytes, alignment)
        yield tensor


def _tensor(source: HeaderSource, path: Path) -> TensorInfo:
    name = read_name(source, path, MAX_TENSOR_NAME_BYTES, "a tensor")
    dimensions = source.unpack(_NUMBER)[0]
    if dimensions > MAX_DIMENSIONS:
        raise hostile(path, f"the tensor {name!r} claims {dimensions} dimensions")
    dims: tuple[int, ...] = source.unpack(_DIMENSIONS[dimensions])
    type_id, offset = source.unpack(_TENSOR_TAIL)
    kind = TENSOR_TYPES.get(type_id)
    if kind is None:
        raise unsupported(path, f"holds tensors of type {type_id}: it is newer than this Caravan, or damaged")
    elements = 1
    for length in dims:
        elements *= length
    if (dims[0] if dims else 1) % kind.block_elements:
        raise hostile(path, f"the rows of the tensor {name!r} do not fill whole blocks of type {kind.name}")
    size_bytes = elements // kind.block_elements * kind.block_bytes
    if max(dims, default=1) > MAX_FILE_BYTES or size_bytes > MAX_FILE_BYTES:
        raise hostile(path, f"the tensor {name!r} claims {elements} elements")
    return TensorInfo(name, dims, kind.name, offset, elements, size_bytes)


def _check_extent(file: HeaderFile, tensors: tuple[TensorInfo, ...], data_offset: int) -> None:
    """The weights must lie inside the file; the padding after the last tensor may be absent."""
    if not tensors:
        return
    end = data_offset + tensors[-1].offset + tensors[-1].size_bytes
    if end > MAX_FILE_BYTES:
        raise hostile(file.path, f"its weights claim to take {end} bytes")
    if end > file.size:
        raise truncated(file.path, end - file.size)


def _padded(position: int, alignment: int) -> int:
    return (position + alignment - 1) // alignment * alignment
