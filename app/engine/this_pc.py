"""PURE: what of a PC's hardware decides which build it gets."""

from collections.abc import Iterable

from app.engine.release import Architecture, CudaVersion, System, ThisPc, version
from app.schema.hardware import HardwareSnapshot

_ARCHITECTURES: dict[str, Architecture] = {"amd64": "x64", "x86_64": "x64", "arm64": "arm64", "aarch64": "arm64"}
_SYSTEMS: dict[str, System] = {"win32": "windows", "linux": "linux"}


def this_pc(hardware: HardwareSnapshot, system: str, has_vulkan: bool) -> ThisPc:
    """The PC of a snapshot; `system` as `sys.platform` names it.

    Before any engine is there only NVIDIA cards are known; a Vulkan loader tells of the others.
    """
    return ThisPc(
        system=_SYSTEMS.get(system, "other"),
        architecture=_ARCHITECTURES.get(hardware.architecture, "other"),
        has_gpu=bool(hardware.accelerators) or has_vulkan,
        cuda_version=max(_versions(each.cuda_version for each in hardware.accelerators), default=None),
        oldest_capability=min(_versions(each.compute_capability for each in hardware.accelerators), default=None),
    )


def _versions(texts: Iterable[str | None]) -> list[CudaVersion]:
    return [found for text in texts if (found := version(text)) is not None]
