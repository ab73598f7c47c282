"""Which DLL a Windows program lacks: Windows says only that one is missing, not which."""

import mmap
from collections.abc import Iterable
from pathlib import Path

from app.engine.portable_executable import Image

_PROVIDED = ("api-ms-", "ext-ms-")
"""Beginnings of names that no file has: Windows leads them elsewhere."""

RUNTIME = ("vcruntime", "msvcp", "concrt", "vcomp")
"""Beginnings of the files of Microsoft's Visual C++ runtime."""


def missing_libraries(program: Path, system: Path) -> tuple[str, ...]:
    """The DLLs that `program`, or a DLL beside it that it needs, imports and that lie neither there nor in `system`.

    Blocking. Empty when all are there or a file cannot be read.
    """
    here, there = _names(program.parent), _names(system)
    missing: dict[str, str] = {}
    waiting, seen = [program], {program.name.lower()}
    while waiting:
        for name in _imports(waiting.pop()):
            lower = name.lower()
            if lower in seen or lower.startswith(_PROVIDED):
                continue
            seen.add(lower)
            if lower in here:
                waiting.append(here[lower])
            elif lower not in there:
                missing[lower] = name
    return tuple(missing.values())


def is_runtime(names: Iterable[str]) -> bool:
    """Whether one of these files belongs to Microsoft's Visual C++ runtime."""
    return any(name.lower().startswith(RUNTIME) for name in names)


def _names(folder: Path) -> dict[str, Path]:
    try:
        return {path.name.lower(): path for path in folder.iterdir()}
    except OSError:
        return {}


def _imports(file: Path) -> tuple[str, ...]:
    try:
        with file.open("rb") as opened, mmap.mmap(opened.fileno(), 0, access=mmap.ACCESS_READ) as data:
            return tuple(Image(data).imports())
    except (OSError, ValueError):
        return ()
