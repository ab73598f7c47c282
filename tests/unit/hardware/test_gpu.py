"""Putting NVIDIA's cards and the engine's devices together, and surviving a broken driver."""

import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.hardware.gpu import find_nvidia, kind_of, merge
from app.schema.engine import EngineDevice
from app.schema.hardware import Accelerator, AcceleratorKind

GIB = 1 << 30


def card(key: str, name: str, gib: float | None = 24, **more: str) -> Accelerator:
    size = None if gib is None else int(gib * GIB)
    return Accelerator(key=key, name=name, kind=AcceleratorKind.CUDA, total_bytes=size, free_bytes=size, **more)


def device(name: str, description: str, gib: float = 24) -> EngineDevice:
    return EngineDevice(name=name, description=description, total_bytes=int(gib * GIB), free_bytes=int(gib * GIB))


RTX_3090 = "NVIDIA GeForce RTX 3090"
RTX_3060 = "NVIDIA GeForce RTX 3060"
RX_7900 = "AMD Radeon RX 7900 XTX"

TABLE = {
    "nothing at all": ([], [], []),
    "no engine yet": ([card("a", RTX_3090)], [], [("a", None, "cuda")]),
    "one card through CUDA": ([card("a", RTX_3090)], [device("CUDA0", RTX_3090, 23.6)], [("a", "CUDA0", "cuda")]),
    "CUDA numbers by speed, NVML by address": (
        [card("slow", RTX_3060, 12), card("fast", RTX_3090)],
        [device("CUDA0", RTX_3090, 23.6), device("CUDA1", RTX_3060, 11.8)],
        [("slow", "CUDA1", "cuda"), ("fast", "CUDA0", "cuda")],
    ),
    "same name, different memory": (
        [card("small", RTX_3060, 8), card("big", RTX_3060, 12)],
        [device("CUDA0", RTX_3060, 11.8), device("CUDA1", RTX_3060, 7.9)],
        [("small", "CUDA1", "cuda"), ("big", "CUDA0", "cuda")],
    ),
    "twins go by order": (
        [card("a", RTX_3090), card("b", RTX_3090)],
        [device("CUDA0", RTX_3090), device("CUDA1", RTX_3090)],
        [("a", "CUDA0", "cuda"), ("b", "CUDA1", "cuda")],
    ),
    "names differ, size decides": (
        [card("a", "NVIDIA graphics card", 8), card("b", "NVIDIA graphics card", 24)],
        [device("CUDA0", RTX_3090, 23.6), device("CUDA1", RTX_3060, 7.9)],
        [("a", "CUDA1", "cuda"), ("b", "CUDA0", "cuda")],
    ),
    "memory unknown to NVML comes from the engine": (
        [card("a", "NVIDIA GB10", None)],
        [device("CUDA0", "NVIDIA GB10", 119)],
        [("a", "CUDA0", "cuda")],
    ),
    "CUDA without NVML": ([], [device("CUDA0", RTX_3090)], [("CUDA0", "CUDA0", "cuda")]),
    "a CUDA device NVML does not know": (
        [card("a", RTX_3060, 12)],
        [device("CUDA0", RTX_3060, 12), device("CUDA1", RTX_3090)],
        [("a", "CUDA0", "cuda"), ("CUDA1", "CUDA1", "cuda")],
    ),
    "a Vulkan build drives NVIDIA too": (
        [card("a", RTX_3090)],
        [device("Vulkan0", RTX_3090, 24.2), device("Vulkan1", "Intel(R) UHD Graphics 770 (ADL-S GT1)", 16)],
        [("a", "Vulkan0", "vulkan"), ("Vulkan1", "Vulkan1", "vulkan")],
    ),
    "one card through CUDA and Vulkan": (
        [card("a", RTX_3090)],
        [device("Vulkan0", RTX_3090), device("Vulkan1", RX_7900), device("CUDA0", RTX_3090)],
        [("a", "CUDA0", "cuda"), ("Vulkan1", "Vulkan1", "vulkan")],
    ),
    "twins, one hidden from CUDA": (
        [card("a", RTX_3090), card("b", RTX_3090)],
        [device("CUDA0", RTX_3090), device("Vulkan0", RTX_3090), device("Vulkan1", RTX_3090)],
        [("a", "CUDA0", "cuda"), ("b", "Vulkan1", "vulkan")],
    ),
    "AMD twins through ROCm and Vulkan": (
        [],
        [
            device("ROCm0", RX_7900),
            device("ROCm1", RX_7900),
            device("Vulkan0", f"{RX_7900} (RADV NAVI31)"),
            device("Vulkan1", f"{RX_7900} (RADV NAVI31)"),
        ],
        [("ROCm0", "ROCm0", "rocm"), ("ROCm1", "ROCm1", "rocm")],
    ),
    "peers, processor and BLAS are no accelerators": (
        [],
        [device("RPC0", "127.0.0.1:50101"), device("BLAS", "Accelerate", 0), device("MTL0", "Apple M4", 16)],
        [("MTL0", "MTL0", "metal")],
    ),
    "a card this engine cannot use": (
        [card("a", RTX_3090)],
        [device("Vulkan0", RX_7900)],
        [("a", None, "cuda"), ("Vulkan0", "Vulkan0", "vulkan")],
    ),
    "an unknown backend": ([], [device("CANN0", "Ascend 910")], [("CANN0", "CANN0", "other")]),
}


@pytest.mark.parametrize(("nvidia", "devices", "expected"), TABLE.values(), ids=TABLE)
def test_merge(
    nvidia: list[Accelerator], devices: list[EngineDevice], expected: list[tuple[str, str | None, str]]
) -> None:
    merged = merge(nvidia, devices)
    assert [(each.key, each.engine_device, each.kind.value) for each in merged] == expected
    assert all(each.total_bytes for each in merged)


def test_merge_keeps_what_nvml_knows_better() -> None:
    known = card("a", RTX_3090).model_copy(update={"free_bytes": 5 * GIB})
    (merged,) = merge([known], [device("CUDA0", RTX_3090, 23.6)])
    assert (merged.total_bytes, merged.free_bytes) == (24 * GIB, 5 * GIB)


def test_merge_again_with_another_engine() -> None:
    nvidia = [card("a", RTX_3090)]
    merge(nvidia, [device("CUDA0", RTX_3090)])
    assert merge(nvidia, [device("Vulkan0", RTX_3090)])[0].engine_device == "Vulkan0"


names = st.sampled_from([RTX_3090, RTX_3060, RX_7900])
engine_names = st.builds("{}{}".format, st.sampled_from(["CUDA", "Vulkan", "ROCm", "SYCL", "RPC"]), st.integers(0, 3))


@given(
    st.lists(st.tuples(names, st.sampled_from([8, 12, 24, None])), max_size=4),
    st.lists(
        st.tuples(engine_names, names, st.sampled_from([0, 8, 12, 24])), max_size=6, unique_by=lambda each: each[0]
    ),
)
def test_merge_loses_no_card_and_uses_no_device_twice(
    cards: list[tuple[str, int | None]], devices: list[tuple[str, str, int]]
) -> None:
    nvidia = [card(f"key-{index}", name, gib) for index, (name, gib) in enumerate(cards)]
    merged = merge(nvidia, [device(*each) for each in devices])
    used = [each.engine_device for each in merged if each.engine_device]
    assert [each.key for each in merged[: len(nvidia)]] == [each.key for each in nvidia]
    assert len({each.key for each in merged}) == len(merged)
    assert len(set(used)) == len(used)
    assert set(used) <= {name for name, _, _ in devices if not name.startswith("RPC")}
    assert all(each.kind is kind_of(each.engine_device) for each in merged if each.engine_device)


def child(code: str) -> list[str]:
    return [sys.executable, "-c", code]


def nowhere() -> None:
    return None


GOOD = '{"is_present": true, "accelerators": [{"key": "GPU-1", "name": "Card", "kind": "cuda", "total_bytes": 1024}]}'


async def test_good_child() -> None:
    found = await find_nvidia(child(f"print({GOOD!r})"), locate_smi=nowhere)
    assert [each.key for each in found.accelerators] == ["GPU-1"]
    assert found.is_nvml_safe
    assert found.notes == ()


@pytest.mark.parametrize("answer", ['{"is_present": false}', '{"is_present": true}'])
async def test_no_card_needs_no_note(answer: str) -> None:
    found = await find_nvidia(child(f"print({answer!r})"), locate_smi=nowhere)
    assert (found.accelerators, found.notes, found.is_nvml_safe) == ((), (), False)


BROKEN: dict[str, tuple[str, str]] = {
    "crash": ("import os; os.abort()", "crashed when it was asked"),
    "crash after a good answer": (f"import os; print({GOOD!r}, flush=True); os.abort()", "crashed when it was asked"),
    "hang": ("import time; time.sleep(60)", "did not answer in 0.5 s"),
    "garbage": ("print('NVRM: oops')", "crashed when it was asked"),
    "its own words": (
        """print('{"is_present": true, "problem": "it waits for a restart"}')""",
        "it waits for a restart",
    ),
}


@pytest.mark.parametrize(("code", "words"), BROKEN.values(), ids=BROKEN)
async def test_broken_driver_is_a_note(code: str, words: str) -> None:
    found = await find_nvidia(child(code), locate_smi=nowhere, deadline=0.5 if "sleep" in code else 20)
    assert found.accelerators == ()
    assert not found.is_nvml_safe
    (note,) = found.notes
    assert note.startswith("NVIDIA cards of this PC could not be examined: ")
    assert words in note


async def test_child_that_cannot_be_started_is_a_note(tmp_path: Path) -> None:
    found = await find_nvidia([str(tmp_path / "gone")], locate_smi=nowhere)
    assert "could not be started" in found.notes[0]


@pytest.mark.skipif(sys.platform == "win32", reason="the stand-in is a script with #!")
@pytest.mark.parametrize(
    ("code", "smi", "keys", "words"),
    [
        (
            "import os; os.abort()",
            "print('GPU-9, 01:00.0, 8192, 8000, 192, 551, 8.6, Card')",
            ["GPU-9"],
            "without live load",
        ),
        ("import os; os.abort()", "import sys; print('has failed'); sys.exit(9)", [], "crashed"),
        ("""print('{"is_present": false}')""", "print('GPU-9, x, 1, 1, 0, 551, 8.6, Card')", ["GPU-9"], None),
        (
            """print('{"is_present": false}')""",
            "import sys; print('it has failed.'); sys.exit(9)",
            [],
            "it has failed.",
        ),
    ],
)
async def test_nvidia_smi_is_the_fallback(
    tmp_path: Path, code: str, smi: str, keys: list[str], words: str | None
) -> None:
    program = tmp_path / "nvidia-smi"
    program.write_text(f"#!{sys.executable}\n{smi}\n")
    program.chmod(0o755)
    locate: Callable[[], str] = lambda: str(program)  # noqa: E731
    found = await find_nvidia(child(code), locate_smi=locate, deadline=20)
    assert [each.key for each in found.accelerators] == keys
    assert not found.is_nvml_safe
    assert [words in note for note in found.notes if words] == ([True] if words else [])
    assert bool(found.notes) == bool(words)
