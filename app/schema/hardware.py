"""What a PC is (`HardwareSnapshot`) and how busy it is (`LoadSample`). An unknown fact is None."""

from enum import StrEnum

from app.schema.record import Bytes, Record


class AcceleratorKind(StrEnum):
    """The engine backend that drives a device."""

    CUDA = "cuda"
    VULKAN = "vulkan"
    ROCM = "rocm"
    SYCL = "sycl"
    METAL = "metal"
    OTHER = "other"


class Accelerator(Record):
    """One GPU or other accelerator. `key` is stable over restarts: UUID, else PCI id, else engine name."""

    key: str
    name: str
    kind: AcceleratorKind
    uuid: str | None = None
    pci_id: str | None = None
    total_bytes: Bytes | None = None
    free_bytes: Bytes | None = None
    used_bytes: Bytes | None = None
    driver: str | None = None
    cuda_version: str | None = None
    compute_capability: str | None = None
    engine_device: str | None = None
    """The name the engine gives it (`CUDA0`, `Vulkan1`); None until the engine listed its devices."""


class AcceleratorSample(Record):
    """How busy one accelerator is. `utilization` is 0..1, `temperature` in degrees Celsius."""

    key: str
    free_bytes: Bytes | None = None
    used_bytes: Bytes | None = None
    utilization: float | None = None
    temperature: float | None = None


class Processor(Record):
    """The CPU of a PC."""

    name: str
    physical_cores: int | None = None
    logical_cores: int


class Disk(Record):
    """One mounted volume."""

    mount: str
    total_bytes: Bytes
    free_bytes: Bytes


class NetworkInterface(Record):
    """One adapter. `speed` is bits per second as the system reports it, None when it does not."""

    name: str
    addresses: tuple[str, ...] = ()
    is_up: bool
    speed: int | None = None
    mtu: int | None = None


class HardwareSnapshot(Record):
    """What this PC is, probed once at start. `notes` names each detector that failed, in plain words."""

    hostname: str
    operating_system: str
    architecture: str
    processor: Processor
    ram_bytes: Bytes
    accelerators: tuple[Accelerator, ...] = ()
    disks: tuple[Disk, ...] = ()
    interfaces: tuple[NetworkInterface, ...] = ()
    notes: tuple[str, ...] = ()


class LoadSample(Record):
    """How busy this PC is at `at` (seconds since the epoch). `cpu_load` is 0..1 over all cores."""

    at: float
    cpu_load: float
    ram_free_bytes: Bytes
    ram_used_bytes: Bytes
    accelerators: tuple[AcceleratorSample, ...] = ()
