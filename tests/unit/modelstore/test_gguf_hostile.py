"""Files that are cut, foreign, contradictory or made to hurt: a plain error, at once, without memory."""

import os
import stat
import struct
import time
import tracemalloc
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.modelstore.gguf import read_shape
from app.modelstore.gguf_errors import unreadable
from app.modelstore.gguf_header import read_header
from app.schema.errors import (
    CaravanError,
    GgufHostile,
    GgufTruncated,
    GgufUnsupported,
    ModelNotFound,
    ModelUnreadable,
    NotGguf,
)
from tests.unit.modelstore.sample_files import F16, write_file, write_model

BIG = (1 << 63, (1 << 64) - 1, 1 << 62, 1 << 40, 10**9)


def _text(content: str) -> bytes:
    return struct.pack("<Q", len(content)) + content.encode()


def _head(tensors: int = 0, keys: int = 0, version: int = 3) -> bytes:
    return b"GGUF" + struct.pack("<IQQ", version, tensors, keys)


def _tensor(name: str, dims: tuple[int, ...], kind: int = 0, offset: int = 0, count: int | None = None) -> bytes:
    counted = len(dims) if count is None else count
    packed = b"".join(struct.pack("<Q", dim) for dim in dims)
    return _text(name) + struct.pack("<I", counted) + packed + struct.pack("<IQ", kind, offset)


def _file(folder: Path, content: bytes) -> Path:
    path = folder / "bad.gguf"
    path.write_bytes(content)
    return path


def _refused(path: Path, seconds: float = 0.5) -> CaravanError:
    """The error of reading `path`, which must come soon (the best of three counts) and without memory."""
    error, taken, peak = min((_attempt(path) for _ in range(3)), key=lambda attempt: attempt[1])
    assert taken < seconds
    assert peak < 4 << 20
    assert path.name in error.sentence
    assert error.sentence.endswith(".")
    assert error.hint
    return error


def _attempt(path: Path) -> tuple[CaravanError, float, int]:
    tracemalloc.start()
    begun = time.process_time()
    try:
        with pytest.raises(CaravanError) as caught:
            read_shape(path)
        return caught.value, time.process_time() - begun, tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


HOSTILE_BODIES = {
    "keys": _head(keys=10**9) + bytes(200),
    "tensors": _head(tensors=10**9) + bytes(200),
    **{f"key name {size}": _head(keys=1) + struct.pack("<Q", size) + bytes(64) for size in (*BIG, 0, 2000)},
    "empty tensor name": _head(tensors=1) + bytes(64),
    **{f"text {size}": _head(keys=1) + _text("k") + struct.pack("<IQ", 8, size) + bytes(64) for size in BIG},
    **{f"list {size}": _head(keys=1) + _text("k") + struct.pack("<IIQ", 9, 4, size) + bytes(64) for size in BIG},
    **{f"texts {size}": _head(keys=1) + _text("k") + struct.pack("<IIQ", 9, 8, size) + bytes(64) for size in BIG},
    "text in long list": _head(keys=1) + _text("k") + struct.pack("<IIQ", 9, 8, 5000) + b"\xff" * 90_000,
    "same key twice": _head(keys=2) + 2 * (_text("k") + struct.pack("<IB", 0, 1)),
    "same tensor twice": _head(tensors=2) + _tensor("a", (8,)) + _tensor("a", (8,), offset=32) + bytes(128),
    "five dimensions": _head(tensors=1) + _tensor("a", (1, 1, 1, 1, 1)) + bytes(64),
    "many dimensions": _head(tensors=1) + _tensor("a", (), count=(1 << 32) - 1) + bytes(64),
    "product overflows": _head(tensors=1) + _tensor("a", (1 << 32, 1 << 32, 1 << 32)) + bytes(64),
    "dimension": _head(tensors=1) + _tensor("a", (1 << 63, 0)) + bytes(64),
    "half a block": _head(tensors=1) + _tensor("a", (33, 2), kind=8) + bytes(256),
    "offset": _head(tensors=1) + _tensor("a", (8,), offset=(1 << 64) - 32) + bytes(64),
    "overlap": _head(tensors=2) + _tensor("a", (64,)) + _tensor("b", (64,), offset=32) + bytes(1024),
    "alignment": _head(keys=1) + _text("general.alignment") + struct.pack("<II", 4, 33),
    "alignment zero": _head(keys=1) + _text("general.alignment") + struct.pack("<II", 4, 0),
}


@pytest.mark.parametrize("body", HOSTILE_BODIES.values(), ids=HOSTILE_BODIES.keys())
def test_absurd_claims(tmp_path: Path, body: bytes) -> None:
    assert isinstance(_refused(_file(tmp_path, body)), GgufHostile | GgufTruncated)


@pytest.mark.parametrize("size", [1 << 63, (1 << 64) - 1, 1 << 40])
def test_claims_beyond_any_header_are_hostile_not_incomplete(tmp_path: Path, size: int) -> None:
    body = _head(keys=1) + _text("k") + struct.pack("<IIQ", 9, 4, size) + bytes(64)
    assert isinstance(_refused(_file(tmp_path, body)), GgufHostile)


def test_a_long_list_of_empty_texts_in_a_huge_sparse_file(tmp_path: Path) -> None:
    path = _file(tmp_path, _head(keys=1) + _text("k") + struct.pack("<IIQ", 9, 8, 10**9))
    os.truncate(path, 10**10)
    assert isinstance(_refused(path), GgufHostile)


def test_lists_nested_deep(tmp_path: Path) -> None:
    body = _head(keys=1) + _text("k") + struct.pack("<I", 9) + struct.pack("<IQ", 9, 1) * 50_000
    assert isinstance(_refused(_file(tmp_path, body)), GgufUnsupported)


@pytest.mark.parametrize(
    ("body", "word"),
    [
        (_head(version=1), "version 1"),
        (_head(version=4), "newer"),
        (b"GGUF" + struct.pack(">IQQ", 3, 1, 1), "big-endian"),
        (_head(tensors=1) + _tensor("a", (8,), kind=4) + bytes(64), "type 4"),
        (_head(tensors=1) + _tensor("a", (8,), kind=4000) + bytes(64), "newer"),
        (_head(keys=1) + _text("k") + struct.pack("<II", 13, 0), "kind 13"),
        (_head(keys=1) + _text("k") + struct.pack("<IIQ", 9, 99, 0), "kind 99"),
        (_head(), "architecture"),
    ],
)
def test_what_this_caravan_cannot_read_is_said(tmp_path: Path, body: bytes, word: str) -> None:
    error = _refused(_file(tmp_path, body))
    assert isinstance(error, GgufUnsupported)
    assert word in error.sentence


@pytest.mark.parametrize(
    ("body", "word"),
    [
        (b"", "empty"),
        (b"version https://git-lfs.github.com/spec/v1\n", "LFS"),
        (b"tjgg" + bytes(100), "older"),
        (b"PK\3\4", "letters"),
        (b"X", "letters"),
    ],
)
def test_foreign_files(tmp_path: Path, body: bytes, word: str) -> None:
    error = _refused(_file(tmp_path, body))
    assert isinstance(error, NotGguf)
    assert word in error.sentence


def test_folder_missing_file_and_device(tmp_path: Path) -> None:
    assert isinstance(_refused(tmp_path), NotGguf)
    assert isinstance(_refused(tmp_path / "none.gguf"), ModelNotFound)
    with pytest.raises(ModelNotFound):
        read_shape(Path("nul\0.gguf"))
    if os.name == "posix":
        with pytest.raises(NotGguf):
            read_shape(Path("/dev/zero"))


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="the superuser may read everything")
def test_permission_denied(tmp_path: Path) -> None:
    path = write_model(tmp_path / "secret.gguf")
    path.chmod(0)
    assert type(_refused(path)) is ModelUnreadable
    path.chmod(stat.S_IRUSR | stat.S_IWUSR)


def test_refusals_of_the_operating_system_are_told_apart(tmp_path: Path) -> None:
    path = tmp_path / "m.gguf"
    assert "may not read" in unreadable(path, PermissionError(13, "Permission denied")).sentence
    assert "Input/output error" in unreadable(path, OSError(5, "Input/output error")).sentence
    assert isinstance(unreadable(path, NotADirectoryError()), ModelNotFound)


def test_missing_weights_are_counted_to_the_byte(tmp_path: Path) -> None:
    path = write_model(tmp_path / "cut.gguf")
    header = read_header(path)
    end = header.data_offset + header.tensors[-1].offset + header.tensors[-1].size_bytes
    os.truncate(path, end)
    assert read_shape(path).tensor_count == len(header.tensors)
    os.truncate(path, end - 1)
    assert "1 byte are missing" in _refused(path).sentence
    os.truncate(path, end - 2048)
    error = _refused(path)
    assert isinstance(error, GgufTruncated)
    assert "(2048 bytes)" in error.sentence


def _small(folder: Path) -> bytes:
    keys = {"t.block_count": 1, "t.embedding_length": 8, "t.words": ["a", "bc"], "t.numbers": [1, 2]}
    tensors = {"blk.0.attn_q.weight": ((8, 2), F16), "output.weight": ((8,), F16)}
    return write_file(folder / "small.gguf", "t", keys, tensors).read_bytes()


def test_every_truncation_is_an_error(tmp_path: Path) -> None:
    content = _small(tmp_path)
    weights_end = len(content) - (len(content) - len(content.rstrip(b"\0")))
    path = tmp_path / "cut.gguf"
    for length in range(weights_end - 16):
        path.write_bytes(content[:length])
        with pytest.raises((GgufTruncated, NotGguf)):
            read_shape(path)


@settings(max_examples=400, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(changes=st.lists(st.tuples(st.integers(0, 2**16), st.integers(0, 255)), min_size=1, max_size=6))
def test_random_changes_never_surprise(tmp_path: Path, changes: list[tuple[int, int]]) -> None:
    _must_be_calm(tmp_path, _small(tmp_path), changes)


@settings(max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(
    at=st.integers(0, 2**16),
    number=st.sampled_from([*BIG, 0, 1, 5, 2**31, 2**32 - 1]),
    width=st.sampled_from(["<I", "<Q"]),
)
def test_extreme_numbers_anywhere_never_surprise(tmp_path: Path, at: int, number: int, width: str) -> None:
    content = _small(tmp_path)
    packed = struct.pack(width, number & (2 ** (8 * struct.calcsize(width)) - 1))
    _must_be_calm(tmp_path, content, [((at + i) % len(content), byte) for i, byte in enumerate(packed)])


@settings(max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(body=st.binary(max_size=300), tensors=st.integers(0, 3), keys=st.integers(0, 3))
def test_noise_after_a_good_start_never_surprises(tmp_path: Path, body: bytes, tensors: int, keys: int) -> None:
    _must_be_calm(tmp_path, _head(tensors, keys) + body, [])


def _must_be_calm(folder: Path, content: bytes, changes: list[tuple[int, int]]) -> None:
    changed = bytearray(content)
    for at, byte in changes:
        changed[at % len(changed)] = byte
    path = folder / "changed.gguf"
    path.write_bytes(changed)
    try:
        shape = read_shape(path)
    except CaravanError:
        return
    assert shape.weight_bytes <= len(changed)
