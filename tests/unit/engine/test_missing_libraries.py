"""Windows programs, made up byte by byte: what they need, and which of it is missing."""

import contextlib
import struct
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.engine.missing_libraries import is_runtime, missing_libraries
from app.engine.portable_executable import PE32_PLUS, Image

HEADER, OPTIONAL_BYTES, SECTION, PLACE = 0x40, 0xF0, 0x1000, 0x400
ENTRY = SECTION + 8


def program(*libraries: str) -> bytes:
    """A 64-bit program with one section, that holds an import directory of these DLLs."""
    names, table = b"", b""
    names_at = SECTION + 20 * (len(libraries) + 1)
    for library in libraries:
        table += struct.pack("<5I", 0, 0, 0, names_at + len(names), 0)
        names += library.encode() + b"\0"
    section = table + bytes(20) + names
    optional = bytearray(OPTIONAL_BYTES)
    struct.pack_into("<H", optional, 0, PE32_PLUS)
    struct.pack_into("<I", optional, 16, ENTRY)
    struct.pack_into("<2I", optional, 112 + 8, SECTION if libraries else 0, len(table))
    coff = struct.pack("<2H3I2H", 0x8664, 1, 0, 0, 0, OPTIONAL_BYTES, 0)
    described = struct.pack("<8s4I", b".all", len(section), SECTION, len(section), PLACE) + bytes(16)
    dos = b"MZ" + bytes(0x3A) + struct.pack("<I", HEADER)
    return (dos + b"PE\0\0" + coff + bytes(optional) + described).ljust(PLACE, b"\0") + section


@given(st.lists(st.from_regex(r"\A[A-Za-z0-9_-]{1,20}\.dll\Z"), max_size=6))
def test_what_a_program_imports(libraries: list[str]) -> None:
    image = Image(program(*libraries))
    assert list(image.imports()) == libraries
    assert image.exports() == {}


def test_where_its_code_begins() -> None:
    assert Image(program("a.dll")).entry_point() == PLACE + 8


@given(st.binary(max_size=200), st.integers(0, 700))
def test_anything_else_is_refused_or_read(rubbish: bytes, cut: int) -> None:
    for data in (rubbish, b"MZ" + rubbish, program("a.dll", "b.dll")[:cut]):
        with contextlib.suppress(ValueError):
            assert len(list(Image(data).imports())) <= 2


def test_only_what_is_nowhere_is_missing(tmp_path: Path) -> None:
    system, folder = tmp_path / "System32", tmp_path / "engine ü 测试"
    system.mkdir()
    folder.mkdir()
    (system / "kernel32.dll").write_bytes(b"")
    (folder / "llama-server.exe").write_bytes(program("KERNEL32.dll", "llama.dll", "api-ms-win-crt-heap-l1-1-0.dll"))
    (folder / "llama.dll").write_bytes(program("MSVCP140.dll", "llama.dll", "ggml.dll"))
    (folder / "ggml.dll").write_bytes(b"no program at all")
    assert missing_libraries(folder / "llama-server.exe", system) == ("MSVCP140.dll",)
    assert missing_libraries(folder / "not there.exe", system) == ()


@pytest.mark.parametrize(
    ("names", "runtime"), [(("MSVCP140.dll",), True), (("VCRUNTIME140_1.dll",), True), (("cudart64_12.dll",), False)]
)
def test_microsofts_runtime_is_known(names: tuple[str, ...], runtime: bool) -> None:
    assert is_runtime(names) is runtime
