"""What this PC is: sensible here, and sensible from tables of other PCs."""

import os
import socket
from types import SimpleNamespace

import psutil
import pytest

from app.hardware.gpu import NvidiaFinding
from app.hardware.probe import interfaces_from, probe, real_volumes, with_engine_devices
from app.schema.engine import EngineDevice
from app.schema.hardware import Accelerator, AcceleratorKind, HardwareSnapshot
from app.system.processor import name_in_cpuinfo, windows_name

CARD = Accelerator(key="GPU-1", name="Card", kind=AcceleratorKind.CUDA, total_bytes=8 << 30)


async def test_this_pc() -> None:
    snapshot = await probe(NvidiaFinding((CARD,), ("A note of the driver.",)))
    assert snapshot.notes == ("A note of the driver.",)
    assert snapshot.hostname == socket.gethostname()
    assert snapshot.ram_bytes == psutil.virtual_memory().total
    assert snapshot.processor.logical_cores == (psutil.cpu_count() or os.cpu_count() or 1)
    assert snapshot.processor.name
    assert snapshot.operating_system
    assert snapshot.accelerators == (CARD,)
    assert snapshot.disks
    assert all(0 <= disk.free_bytes <= disk.total_bytes for disk in snapshot.disks)
    assert not any("127.0.0.1" in each.addresses for each in snapshot.interfaces)
    assert HardwareSnapshot.model_validate_json(snapshot.model_dump_json()) == snapshot


async def test_failed_detectors_are_noted_and_the_rest_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    # No small real thing makes these fail on demand.
    def fail(*_: object, **__: object) -> None:
        raise RuntimeError("the counter is broken")

    monkeypatch.setattr(psutil, "net_if_addrs", fail)
    monkeypatch.setattr(psutil, "disk_partitions", fail)
    snapshot = await probe(NvidiaFinding())
    assert snapshot.disks == snapshot.interfaces == ()
    assert snapshot.ram_bytes > 0
    assert snapshot.notes == (
        "Caravan could not look at the disks of this PC: the counter is broken.",
        "Caravan could not look at the network adapters of this PC: the counter is broken.",
    )


async def test_engine_devices_can_come_later() -> None:
    nvidia = NvidiaFinding((CARD,))
    snapshot = await probe(nvidia)
    device = EngineDevice(name="CUDA0", description="Card", total_bytes=8 << 30, free_bytes=7 << 30)
    later = with_engine_devices(snapshot, nvidia, (device,))
    assert later.accelerators[0].engine_device == "CUDA0"
    assert later.model_copy(update={"accelerators": snapshot.accelerators}) == snapshot


def partition(device: str, mount: str, fstype: str = "ext4", opts: str = "rw") -> SimpleNamespace:
    return SimpleNamespace(device=device, mountpoint=mount, fstype=fstype, opts=opts)


@pytest.mark.parametrize(
    ("partitions", "mounts"),
    [
        ([], ()),
        (
            [
                partition("/dev/nvme0n1p2", "/var/lib/docker"),
                partition("/dev/nvme0n1p2", "/"),
                partition("/dev/nvme0n1p1", "/boot/efi", "vfat"),
                partition("/dev/nvme0n1p3", "/boot"),
                partition("/dev/loop0", "/snap/core/1", "squashfs"),
                partition("/dev/sda1", "/home/models", "ntfs3"),
                partition("overlay", "/merged", "overlay"),
                partition("/dev/sdb1", "/bootleg"),
            ],
            ("/", "/bootleg", "/home/models"),
        ),
        (
            [
                partition("C:\\", "C:\\", "NTFS", "rw,fixed"),
                partition("D:\\", "D:\\", "", "cdrom"),
                partition("E:\\", "E:\\", "UDF", "ro,cdrom"),
                partition("F:\\", "F:\\", "exFAT", "rw,removable"),
            ],
            ("C:\\", "F:\\"),
        ),
    ],
)
def test_real_volumes(partitions: list[SimpleNamespace], mounts: tuple[str, ...]) -> None:
    assert real_volumes(partitions) == mounts


def address(text: str, family: int = socket.AF_INET) -> SimpleNamespace:
    return SimpleNamespace(address=text, family=family)


def state(speed: int, isup: bool = True, mtu: int = 1500) -> SimpleNamespace:
    return SimpleNamespace(speed=speed, isup=isup, mtu=mtu)


def test_interfaces() -> None:
    addresses = {
        "Ethernet": [address("00-11-22-33-44-55", -1), address("192.168.1.7"), address("fe80::1%12", socket.AF_INET6)],
        "lo": [address("127.0.0.1"), address("::1", socket.AF_INET6)],
        "gone": [address("10.0.0.1")],
        "Wi-Fi": [],
    }
    states = {"Ethernet": state(2500), "lo": state(0), "Wi-Fi": state(0, isup=False), "tap": state(4294967295)}
    found = {each.name: each for each in interfaces_from(addresses, states)}
    assert set(found) == {"Ethernet", "Wi-Fi", "gone", "tap"}
    assert found["Ethernet"].addresses == ("192.168.1.7", "fe80::1")
    assert (found["Ethernet"].speed, found["Ethernet"].mtu, found["Ethernet"].is_up) == (2_500_000_000, 1500, True)
    assert found["Wi-Fi"].speed is None
    assert found["tap"].speed is None
    assert not found["gone"].is_up


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("processor\t: 0\nmodel name\t: AMD  Ryzen 9  5950X \nmodel name\t: other\n", "AMD Ryzen 9 5950X"),
        ("processor\t: 0\nBogoMIPS\t: 108.00\n", None),
        ("Hardware\t: BCM2835\nModel\t\t: Raspberry Pi 5\n", "Raspberry Pi 5"),
        ("model\t\t: 17\nmodel name\t:\n", None),
        ("", None),
    ],
)
def test_processor_name(text: str, name: str | None) -> None:
    assert name_in_cpuinfo(text) == name


def test_windows_11_is_told_by_its_build() -> None:
    assert windows_name("10", 19045) == "Windows 10 (build 19045)"
    assert windows_name("10", 22631) == "Windows 11 (build 22631)"
