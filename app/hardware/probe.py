"""What this PC is, looked at once. Each detector may fail alone: a partial result beats none, and a note says so."""

import asyncio
import logging
import os
import platform
import socket
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, TypeVar

import psutil

from app.hardware.gpu import NvidiaFinding, merge
from app.schema.engine import EngineDevice
from app.schema.hardware import Disk, HardwareSnapshot, NetworkInterface, Processor
from app.system.processor import processor_name, system_name

T = TypeVar("T")

_log = logging.getLogger("caravan.hardware")

_NO_VOLUMES = {"", "squashfs", "overlay", "tmpfs", "ramfs", "devtmpfs", "iso9660", "udf", "cdfs", "autofs"}
_SYSTEM_MOUNTS = ("/boot", "/efi", "/snap", "/System/Volumes")
_MEGABIT = 1_000_000
_FASTEST_LINK = 1_000_000 * _MEGABIT
"""Bits per second; virtual adapters report figures beyond it that mean "unknown"."""


async def probe(nvidia: NvidiaFinding, devices: Sequence[EngineDevice] = ()) -> HardwareSnapshot:
    """Look at this PC, given what was found of its NVIDIA cards (`find_nvidia`) and the devices its engine lists.

    Never raises for what a detector does; unknown facts are None or empty, RAM 0 when even that is unknown.
    """
    notes = list(nvidia.notes)

    async def look(what: str, detector: Callable[[], T], otherwise: T) -> T:
        try:
            return await asyncio.to_thread(detector)
        except Exception as error:  # noqa: BLE001  drivers and /proc fail in any way; one detector must not stop the others
            _log.warning("Looking at %s failed", what, exc_info=True)
            notes.append(f"Caravan could not look at {what} of this PC: {str(error) or type(error).__name__}.")
            return otherwise

    snapshot = HardwareSnapshot(
        hostname=await look("the name", socket.gethostname, "this PC"),
        operating_system=await look("the operating system", system_name, platform.system()),
        architecture=platform.machine().lower(),
        processor=await _processor(look),
        ram_bytes=await look("the memory", _ram, 0),
        accelerators=merge(nvidia.accelerators, devices),
        disks=await look("the disks", read_disks, ()),
        interfaces=await look("the network adapters", read_interfaces, ()),
    )
    return snapshot.model_copy(update={"notes": tuple(notes)})


def with_engine_devices(
    snapshot: HardwareSnapshot, nvidia: NvidiaFinding, devices: Sequence[EngineDevice]
) -> HardwareSnapshot:
    """The same PC after the engine changed: only its accelerators are put together anew."""
    return snapshot.model_copy(update={"accelerators": merge(nvidia.accelerators, devices)})


async def _processor(look: Callable[..., Any]) -> Processor:
    return Processor(
        name=await look("the processor", processor_name, None) or "unknown processor",
        physical_cores=await look("the processor cores", lambda: psutil.cpu_count(logical=False), None),
        logical_cores=await look("the processor cores", lambda: psutil.cpu_count() or os.cpu_count() or 1, 1),
    )


def _ram() -> int:
    return psutil.virtual_memory().total


def read_disks() -> tuple[Disk, ...]:
    """The real volumes of this PC; the root volume where nothing else looks like one. Empty drives are left out."""
    mounts = real_volumes(psutil.disk_partitions(all=False)) or (os.path.abspath(os.sep),)
    disks = (_disk(mount) for mount in mounts)
    return tuple(disk for disk in disks if disk is not None)


def real_volumes(partitions: Iterable[Any]) -> tuple[str, ...]:
    """The mounts worth showing: no pseudo file systems, images or system partitions, each device once (shortest path).

    `partitions` has `device`, `mountpoint`, `fstype` and `opts`, as psutil gives them.
    """
    found: dict[str, str] = {}
    for partition in sorted(partitions, key=lambda each: (len(each.mountpoint), each.mountpoint)):
        if _is_volume(partition):
            found.setdefault(partition.device or partition.mountpoint, partition.mountpoint)
    return tuple(sorted(found.values()))


def _is_volume(partition: Any) -> bool:
    is_system = any(
        partition.mountpoint == each or partition.mountpoint.startswith(f"{each}/") for each in _SYSTEM_MOUNTS
    )
    return partition.fstype.lower() not in _NO_VOLUMES and "cdrom" not in partition.opts.split(",") and not is_system


def _disk(mount: str) -> Disk | None:
    try:
        usage = psutil.disk_usage(mount)
    except OSError as error:
        _log.info("No free space known of %s: %s", mount, error)
        return None
    return Disk(mount=mount, total_bytes=usage.total, free_bytes=usage.free) if usage.total else None


def read_interfaces() -> tuple[NetworkInterface, ...]:
    """The network adapters of this PC without the loopback, with their IP addresses."""
    return interfaces_from(psutil.net_if_addrs(), psutil.net_if_stats())


def interfaces_from(addresses: Mapping[str, Sequence[Any]], states: Mapping[str, Any]) -> tuple[NetworkInterface, ...]:
    """The adapters that psutil's two tables describe; adapters without an IP address are kept, loopbacks are not."""
    both = (_interface(name, addresses.get(name, ()), states.get(name)) for name in sorted({*addresses, *states}))
    return tuple(each for each in both if not _is_loopback(each))


def _interface(name: str, addresses: Sequence[Any], state: Any) -> NetworkInterface:
    families = (socket.AF_INET, socket.AF_INET6)
    found = tuple(each.address.split("%")[0] for each in addresses if each.family in families)
    if state is None:
        return NetworkInterface(name=name, addresses=found, is_up=False)
    speed = state.speed * _MEGABIT
    return NetworkInterface(
        name=name,
        addresses=found,
        is_up=state.isup,
        speed=speed if 0 < speed <= _FASTEST_LINK else None,
        mtu=state.mtu or None,
    )


def _is_loopback(interface: NetworkInterface) -> bool:
    local = [each.startswith("127.") or each == "::1" for each in interface.addresses]
    return bool(local) and all(local)
