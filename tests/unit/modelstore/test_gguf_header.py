import struct
import sys
from pathlib import Path

import gguf
import pytest

from app.modelstore.file_types import TENSOR_TYPES, file_type_name
from app.modelstore.gguf_header import read_header
from app.modelstore.gguf_values import Skipped
from tests.unit.modelstore.sample_files import F16, F32, Q4_K, Q8_0, write_file, write_model


def _mixed(path: Path) -> Path:
    keys = {
        "general.name": "Grüße 模型 🐫",
        "test.flag": True,
        "test.number": 7,
        "test.fraction": 0.5,
        "test.words": ["a", "bc", ""],
        "test.numbers": list(range(5)),
        "test.flags": [True, False, True],
    }
    tensors = {
        "a.weight": ((32, 3), Q8_0),
        "b.weight": ((256, 2, 2), Q4_K),
        "c.weight": ((5,), F32),
        "d.weight": ((3, 2, 2, 2), F16),
    }
    return write_file(path, "test", keys, tensors)


def test_keys_and_tensors_are_what_the_reference_reader_sees(tmp_path: Path) -> None:
    path = _mixed(tmp_path / "mixed.gguf")
    header, reference = read_header(path), gguf.GGUFReader(path)
    for name, value in header.keys.items():
        expected = reference.fields[name].contents()
        assert (list(value) if isinstance(value, tuple) else value) == expected, name
    assert len(header.keys) == len([name for name in reference.fields if not name.startswith("GGUF.")])
    assert [(t.name, list(t.dims), t.type_name, t.elements, t.size_bytes) for t in header.tensors] == [
        (t.name, t.shape.tolist(), t.tensor_type.name, t.n_elements, t.n_bytes) for t in reference.tensors
    ]
    assert [header.data_offset + t.offset for t in header.tensors] == [t.data_offset for t in reference.tensors]


def test_type_table_is_that_of_the_gguf_package() -> None:
    for kind, (block, size) in gguf.GGML_QUANT_SIZES.items():
        if kind.name == "Q8_1":  # the package still has its size before two floats became halves
            continue
        assert TENSOR_TYPES[kind] == (kind.name, block, size)


def test_file_type_names_are_those_of_the_gguf_package() -> None:
    for kind in gguf.LlamaFileType:
        name = kind.name.removeprefix("MOSTLY_").removeprefix("ALL_").removesuffix("_MOE")
        if kind.name != "GUESSED":
            assert file_type_name(kind) == name
            assert file_type_name(kind | 1024) == name
    assert file_type_name(900) is None


def test_long_lists_and_texts_are_counted_not_kept(tmp_path: Path) -> None:
    words = [f"token{'x' * (number % 300)}" for number in range(20_000)]
    keys = {"t.words": words, "t.scores": [0.5] * 5000, "t.template": "y" * 200_000, "t.after": 11}
    header = read_header(write_file(tmp_path / "long.gguf", "t", keys, {"a.weight": ((4,), F32)}))
    assert header.keys["t.words"] == Skipped(20_000)
    assert header.keys["t.scores"] == Skipped(5000)
    assert header.keys["t.template"] == Skipped(200_000)
    assert header.keys["t.after"] == 11
    assert header.tensors[0].name == "a.weight"


def test_texts_longer_than_the_window_are_stepped_over(tmp_path: Path) -> None:
    words = ["z" * 1_500_000, *["w"] * 5000, "z" * 1_048_570, "end"]
    header = read_header(write_file(tmp_path / "huge.gguf", "t", {"t.words": words, "t.after": 3}, {}))
    assert header.keys["t.words"] == Skipped(len(words))
    assert header.keys["t.after"] == 3


def test_memory_for_many_middling_keys_is_bounded(tmp_path: Path) -> None:
    keys = {f"t.text{number}": "v" * 60_000 for number in range(60)}
    header = read_header(write_file(tmp_path / "many.gguf", "t", keys, {}))
    kept = [value for name, value in header.keys.items() if name.startswith("t.") and isinstance(value, str)]
    assert 0 < sum(map(len, kept)) <= 2 << 20
    assert len(header.keys) == 61


def test_other_alignment(tmp_path: Path) -> None:
    path = tmp_path / "aligned.gguf"
    writer = gguf.GGUFWriter(path, "t")
    writer.add_custom_alignment(128)
    for name in ("a", "b"):
        writer.add_tensor(name, __import__("numpy").zeros(3, dtype="float32"))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    header = read_header(path)
    assert header.alignment == 128
    assert [tensor.offset for tensor in header.tensors] == [0, 128]
    assert header.data_offset % 128 == 0


def test_version_2_is_read(tmp_path: Path) -> None:
    path = write_model(tmp_path / "old.gguf")
    content = bytearray(path.read_bytes())
    content[4:8] = struct.pack("<I", 2)
    path.write_bytes(content)
    assert read_header(path).version == 2


POSIX_ONLY = () if sys.platform == "win32" else ('say "GGUF".gguf',)
"""A name that Windows does not allow."""


@pytest.mark.parametrize("name", ["with space.gguf", "模型.gguf", "🐫 caravan.gguf", "ÄÖ'&.gguf", *POSIX_ONLY])
def test_any_file_name(tmp_path: Path, name: str) -> None:
    assert read_header(write_model(tmp_path / "Ordner mit ß 🐪" / name)).path.name == name
