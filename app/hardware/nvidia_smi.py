"""NVIDIA cards through the `nvidia-smi` program, for the case that NVML itself cannot be used.

`--format=csv,noheader,nounits` prints memory in MiB, figures with a decimal point in every locale, and words in square
brackets such as `[N/A]` or `[Not Supported]` for what it does not know.
"""

import os
import shutil
from collections.abc import Sequence
from pathlib import Path

from app.hardware.pci import normal_pci_id
from app.schema.hardware import Accelerator, AcceleratorKind
from app.system.spawn import Finished, ProgramMissing, ProgramTimedOut, run_short

MIB = 1 << 20

_SURE_FIELDS = ("uuid", "pci.bus_id", "memory.total", "memory.free", "memory.used", "driver_version")
_ALL_FIELDS = (*_SURE_FIELDS, "compute_cap")
"""`compute_cap` is refused by drivers older than 510."""

_NO_DEVICES = "no devices were found"
_UNKNOWN_WORDS = {"", "n/a", "none", "err!", "unknown"}


class NvidiaSmiFailed(Exception):
    """`nvidia-smi` is there and does not work. The text is the end of a sentence for a person."""


def locate() -> str | None:
    """The program's path, None when there is none. Old Windows drivers keep it outside PATH."""
    aside = Path(os.environ.get("PROGRAMFILES", "C:\\Program Files"), "NVIDIA Corporation", "NVSMI", "nvidia-smi.exe")
    return shutil.which("nvidia-smi") or (str(aside) if aside.is_file() else None)


async def read(program: str, *, deadline: float) -> tuple[Accelerator, ...]:
    """Every card `nvidia-smi` lists. Raises NvidiaSmiFailed when it fails or takes longer than `deadline` seconds."""
    fields: tuple[str, ...] = _ALL_FIELDS
    done = await _query(program, fields, deadline)
    if done.returncode and "compute_cap" in done.stdout + done.stderr:
        fields = _SURE_FIELDS
        done = await _query(program, fields, deadline)
    if _NO_DEVICES in done.stdout.lower():
        return ()
    if done.returncode:
        raise NvidiaSmiFailed(_first_line(done) or f"nvidia-smi ended with code {done.returncode}")
    return parse(done.stdout, fields)


async def _query(program: str, fields: Sequence[str], deadline: float) -> Finished:
    query = ",".join((*fields, "name"))
    try:
        return await run_short(
            [program, f"--query-gpu={query}", "--format=csv,noheader,nounits"], deadline=deadline, env={"LC_ALL": "C"}
        )
    except ProgramMissing as error:
        raise NvidiaSmiFailed(f"nvidia-smi cannot be started: {error}") from error
    except ProgramTimedOut as error:
        raise NvidiaSmiFailed(f"nvidia-smi did not answer in {deadline:g} s") from error


def _first_line(done: Finished) -> str:
    lines = [line.strip() for line in (done.stdout + "\n" + done.stderr).splitlines() if line.strip()]
    return lines[0].rstrip(".") if lines else ""


def parse(text: str, fields: Sequence[str] = _ALL_FIELDS) -> tuple[Accelerator, ...]:
    """The cards in the CSV output for `fields` and then the name, which alone may hold commas; skips other lines."""
    rows = (line.split(",", len(fields)) for line in text.splitlines())
    whole = ([_known(value) for value in row] for row in rows if len(row) == len(fields) + 1)
    return tuple(
        _card(index, dict(zip(fields, values, strict=False)), values[-1]) for index, values in enumerate(whole)
    )


def _known(value: str) -> str | None:
    value = value.strip()
    is_unknown = value.lower() in _UNKNOWN_WORDS or (value.startswith("[") and value.endswith("]"))
    return None if is_unknown else value


def _card(index: int, facts: dict[str, str | None], name: str | None) -> Accelerator:
    uuid, pci_id = facts["uuid"], normal_pci_id(facts["pci.bus_id"] or "")
    return Accelerator(
        key=uuid or pci_id or f"nvidia-{index}",
        name=name or "NVIDIA graphics card",
        kind=AcceleratorKind.CUDA,
        uuid=uuid,
        pci_id=pci_id,
        total_bytes=_mebibytes(facts["memory.total"]),
        free_bytes=_mebibytes(facts["memory.free"]),
        used_bytes=_mebibytes(facts["memory.used"]),
        driver=facts["driver_version"],
        compute_capability=facts.get("compute_cap"),
    )


def _mebibytes(text: str | None) -> int | None:
    return int(text) * MIB if text and text.isascii() and text.isdecimal() else None
