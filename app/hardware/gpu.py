"""Which accelerators this PC has: NVIDIA's own word first, then what the engine lists beside it."""

import asyncio
import re
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from pydantic import ValidationError

from app.hardware import nvidia_smi
from app.hardware.nvml import NvmlReport
from app.schema.engine import EngineDevice
from app.schema.hardware import Accelerator, AcceleratorKind
from app.system.spawn import ProgramMissing, ProgramTimedOut, run_short

NVML_CHILD = (sys.executable, "-m", "app.hardware.nvml_child")
"""The child of a source checkout; a frozen build passes its own executable and a role."""

DEADLINE = 15.0
"""Seconds for the NVML child and for `nvidia-smi` each; a sleeping laptop card takes several to wake."""

_SAME_SIZE = 0.05
"""CUDA reports a few percent less than NVML, which counts what the driver reserves."""

_KINDS = (
    ("CUDA", AcceleratorKind.CUDA),
    ("ROCm", AcceleratorKind.ROCM),
    ("HIP", AcceleratorKind.ROCM),
    ("SYCL", AcceleratorKind.SYCL),
    ("Metal", AcceleratorKind.METAL),
    ("MTL", AcceleratorKind.METAL),
    ("Vulkan", AcceleratorKind.VULKAN),
)
"""Engine name prefixes. The order is the preference when one card is listed by several backends."""

_NO_ACCELERATORS = ("RPC", "CPU", "BLAS")


@dataclass(frozen=True)
class NvidiaFinding:
    """The NVIDIA cards of this PC. `is_nvml_safe` says that NVML may be opened in this process.

    `notes` are plain sentences; no card and no driver is an empty finding without a note.
    """

    accelerators: tuple[Accelerator, ...] = ()
    notes: tuple[str, ...] = ()
    is_nvml_safe: bool = False


class _NvmlUnusable(Exception):
    """The child crashed, hung or said what is wrong; the text is the end of a sentence."""


async def find_nvidia(
    child: Sequence[str] = NVML_CHILD,
    *,
    locate_smi: Callable[[], str | None] = nvidia_smi.locate,
    deadline: float = DEADLINE,
) -> NvidiaFinding:
    """Look for NVIDIA cards: NVML in a child, else `nvidia-smi`. Never raises for what the driver does."""
    try:
        report = await _ask_child(child, deadline)
    except _NvmlUnusable as error:
        return await _without_nvml(locate_smi, deadline, str(error))
    if report.is_present:
        return NvidiaFinding(report.accelerators, (), bool(report.accelerators))
    return await _without_nvml(locate_smi, deadline, None)


async def _ask_child(child: Sequence[str], deadline: float) -> NvmlReport:
    try:
        done = await run_short(child, deadline=deadline)
        report = NvmlReport.model_validate_json(done.stdout)
    except ProgramMissing as error:
        raise _NvmlUnusable(f"the check of the NVIDIA driver could not be started ({error})") from error
    except ProgramTimedOut as error:
        raise _NvmlUnusable(f"the NVIDIA driver did not answer in {deadline:g} s") from error
    except ValidationError as error:
        raise _NvmlUnusable(f"the NVIDIA driver crashed when it was asked (code {done.returncode})") from error
    if done.returncode:
        raise _NvmlUnusable(f"the NVIDIA driver crashed when it was asked (code {done.returncode})")
    if report.problem:
        raise _NvmlUnusable(report.problem)
    return report


async def _without_nvml(locate: Callable[[], str | None], deadline: float, problem: str | None) -> NvidiaFinding:
    program = await asyncio.to_thread(locate)
    cards: tuple[Accelerator, ...] = ()
    if program is not None:
        try:
            cards = await nvidia_smi.read(program, deadline=deadline)
        except nvidia_smi.NvidiaSmiFailed as error:
            problem = problem or str(error)
    return NvidiaFinding(cards, (_note(problem, bool(cards)),) if problem else ())


def _note(problem: str, has_cards: bool) -> str:
    consequence = "are shown without live load" if has_cards else "could not be examined"
    return f"NVIDIA cards of this PC {consequence}: {problem}."


def merge(nvidia: Sequence[Accelerator], devices: Sequence[EngineDevice]) -> tuple[Accelerator, ...]:
    """NVIDIA's cards with the engine's names for them, then every other accelerator the engine lists.

    The engine numbers CUDA devices by speed and NVML by PCI address, so they are matched by name, then by memory, then
    by order. A card that two backends list is one accelerator, driven by the preferred backend. Peers' devices (`RPC`)
    are skipped. A card without `engine_device` is there, but this engine build cannot use it.
    """
    merged = list(nvidia)
    repeated: list[EngineDevice] = []
    for device in sorted(devices, key=lambda each: _preference(each.name)):
        if device.name.startswith(_NO_ACCELERATORS):
            continue
        if _is_repeated(merged, repeated, device):
            repeated.append(device)
        elif not _attach(merged, device):
            merged.append(_from_engine(device))
    return tuple(merged)


def _preference(name: str) -> int:
    return next((rank for rank, (prefix, _) in enumerate(_KINDS) if name.startswith(prefix)), len(_KINDS))


def kind_of(name: str) -> AcceleratorKind:
    """The backend of an engine device, by the beginning of its name."""
    return next((kind for prefix, kind in _KINDS if name.startswith(prefix)), AcceleratorKind.OTHER)


def _attach(merged: list[Accelerator], device: EngineDevice) -> bool:
    """Give a card that has no engine name yet the name of this device, if it is that card."""
    free = [index for index, card in enumerate(merged) if card.engine_device is None]
    index = _best_match(merged, free, device)
    if index is None:
        return False
    card = merged[index]
    found = {
        "engine_device": device.name,
        "kind": kind_of(device.name),
        "total_bytes": device.total_bytes if card.total_bytes is None else card.total_bytes,
        "free_bytes": device.free_bytes if card.free_bytes is None else card.free_bytes,
    }
    merged[index] = card.model_copy(update=found)
    return True


def _best_match(merged: list[Accelerator], free: list[int], device: EngineDevice) -> int | None:
    same_name = [index for index in free if _plain_name(merged[index].name) == _plain_name(device.description)]
    if same_name:
        return min(same_name, key=lambda index: (_size_steps(merged[index], device), index))
    if kind_of(device.name) is not AcceleratorKind.CUDA:
        return None
    # The names differ, but CUDA drives NVIDIA cards only: the size decides, and unknown sizes go by order.
    near = [index for index in free if _size_steps(merged[index], device) == 0]
    return min(near, default=None)


def _size_steps(card: Accelerator, device: EngineDevice) -> int:
    """How far apart the memory sizes are, in steps of 5 %; 0 when one is unknown."""
    if not card.total_bytes or not device.total_bytes:
        return 0
    return int(abs(card.total_bytes - device.total_bytes) / card.total_bytes / _SAME_SIZE)


def _plain_name(text: str) -> str:
    """A card's name without case, maker, trade marks and what Vulkan drivers add in brackets."""
    text = re.sub(r"\([^)]*\)", " ", text.lower())
    return " ".join(word for word in text.split() if word not in ("nvidia", "amd", "intel"))


def _is_repeated(merged: list[Accelerator], repeated: list[EngineDevice], device: EngineDevice) -> bool:
    """Whether a preferred backend drives this card already: it has more cards of this name than were met again."""
    name, kind = _plain_name(device.description), kind_of(device.name)
    driven = [
        each for each in merged if each.engine_device and each.kind is not kind and _plain_name(each.name) == name
    ]
    met = [each for each in repeated if kind_of(each.name) is kind and _plain_name(each.description) == name]
    return len(driven) > len(met)


def _from_engine(device: EngineDevice) -> Accelerator:
    return Accelerator(
        key=device.name,
        name=device.description,
        kind=kind_of(device.name),
        total_bytes=device.total_bytes or None,
        free_bytes=device.free_bytes if device.total_bytes else None,
        engine_device=device.name,
    )
