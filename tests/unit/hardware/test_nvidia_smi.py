"""The parser on what real drivers print, and the program's failures through a small real program."""

import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.hardware.nvidia_smi import MIB, NvidiaSmiFailed, parse, read
from app.hardware.pci import normal_pci_id
from app.schema.hardware import AcceleratorKind

UUID = "GPU-5f4f0a2e-1111-2222-3333-444455556666"
LINE = f"{UUID}, 00000000:01:00.0, 24576, 24154, 422, 551.86, 8.6, NVIDIA GeForce RTX 3090"


def test_a_whole_line() -> None:
    (card,) = parse(LINE + "\n")
    assert card.key == card.uuid == UUID
    assert card.kind is AcceleratorKind.CUDA
    assert card.name == "NVIDIA GeForce RTX 3090"
    assert card.pci_id == "0000:01:00.0"
    assert (card.total_bytes, card.free_bytes, card.used_bytes) == (24576 * MIB, 24154 * MIB, 422 * MIB)
    assert (card.driver, card.cuda_version, card.compute_capability) == ("551.86", None, "8.6")


@pytest.mark.parametrize(
    "word", ["[N/A]", "[Not Supported]", "[Unknown Error]", "[GPU requires reset]", "N/A", "ERR!", ""]
)
def test_unknown_words_are_none(word: str) -> None:
    (card,) = parse(", ".join([word] * 8))
    assert card.key == "nvidia-0"
    assert card.name == "NVIDIA graphics card"
    assert card.model_dump(exclude={"key", "name", "kind"}, exclude_none=True) == {}


def test_name_with_commas_and_several_cards() -> None:
    cards = parse(f"{LINE}, 24 GB, rev 2\r\nGPU-b, 00000000:0A:00.0, 8192, 8000, 192, 551.86, 8.6, Card B\r\n")
    assert [card.name for card in cards] == ["NVIDIA GeForce RTX 3090, 24 GB, rev 2", "Card B"]
    assert cards[1].pci_id == "0000:0a:00.0"


@pytest.mark.parametrize("text", ["", "\n\n", "Failed to initialize NVML: Driver/library version mismatch", "a, b"])
def test_other_lines_are_no_cards(text: str) -> None:
    assert parse(text) == ()


def test_localized_or_fractional_figures_are_unknown_not_wrong() -> None:
    (card,) = parse(f"{UUID}, x, 24.576, 24 576, -1, 551, 8.6, Card")
    assert (card.total_bytes, card.free_bytes, card.used_bytes, card.pci_id) == (None, None, None, None)


@given(st.text())
def test_any_text_is_parsed_without_an_error(text: str) -> None:
    parse(text)


@pytest.mark.parametrize(
    ("text", "normal"),
    [
        ("00000000:01:00.0", "0000:01:00.0"),
        ("0000:01:00.0", "0000:01:00.0"),
        ("01:00.0", "0000:01:00.0"),
        ("00010000:C1:00.1", "10000:c1:00.1"),
        ("1:0.0", None),
        ("", None),
    ],
)
def test_pci_spellings(text: str, normal: str | None) -> None:
    assert normal_pci_id(text) == normal


def program(folder: Path, body: str) -> str:
    """A stand-in for nvidia-smi: a real program that runs `body` with its own arguments."""
    path = folder / "nvidia smi ü"
    path.write_text(f"#!{sys.executable}\nimport sys\n{body}\n", encoding="utf-8")
    path.chmod(0o755)
    return str(path)


needs_scripts = pytest.mark.skipif(sys.platform == "win32", reason="the stand-in is a script with #!")


@needs_scripts
async def test_old_driver_without_compute_capability(tmp_path: Path) -> None:
    refusal = 'Field "compute_cap" is not a valid field to query.'
    old = LINE.replace("8.6, ", "")
    body = f"print({old!r}) if 'compute_cap' not in sys.argv[1] else sys.exit(print({refusal!r}) or 2)"
    (card,) = await read(program(tmp_path, body), deadline=20)
    assert (card.uuid, card.name, card.compute_capability) == (UUID, "NVIDIA GeForce RTX 3090", None)


@needs_scripts
async def test_no_devices_is_empty(tmp_path: Path) -> None:
    assert await read(program(tmp_path, "print('No devices were found'); sys.exit(6)"), deadline=20) == ()


@needs_scripts
@pytest.mark.parametrize(
    ("body", "words"),
    [
        ("print('NVIDIA-SMI has failed.'); sys.exit(9)", "NVIDIA-SMI has failed$"),
        ("sys.exit(255)", "ended with code 255"),
        ("import time; time.sleep(60)", "did not answer in 0.5 s"),
    ],
)
async def test_failures_are_in_words(tmp_path: Path, body: str, words: str) -> None:
    deadline = 0.5 if "sleep" in body else 20
    with pytest.raises(NvidiaSmiFailed, match=words):
        await read(program(tmp_path, body), deadline=deadline)


async def test_missing_program_is_in_words(tmp_path: Path) -> None:
    with pytest.raises(NvidiaSmiFailed, match="cannot be started"):
        await read(str(tmp_path / "gone"), deadline=5)
