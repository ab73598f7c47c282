"""PURE: how the memory of each device of a PC is used, from what the PC says and what runs on it."""

from collections.abc import Iterable
from dataclasses import dataclass

from app.schema.hardware import Accelerator, AcceleratorSample, HardwareSnapshot, LoadSample
from app.schema.instance import InstanceState, InstanceStatus
from app.schema.plan import CPU_DEVICE, DeviceResources, Stage
from app.schema.record import NodeId
from app.ui.parts.segments import Pattern, Segment, memory_segments
from app.ui.parts.sizes import size_text
from app.ui.words import Phrase, tr

LIVE = frozenset({InstanceState.STARTING, InstanceState.READY, InstanceState.STOPPING})

_MEBIBYTE = 1 << 20
_WEIGHTS, _KV = frozenset({"model"}), frozenset({"kv", "rs"})


@dataclass(frozen=True)
class Gauge:
    """One device: `segments` fill `total` bytes. `total` 0 means that nobody knows, then there is no bar."""

    name: Phrase
    size: Phrase
    segments: tuple[Segment, ...]
    total: int
    temperature: float | None = None

    @property
    def free(self) -> int | None:
        """Free bytes; None when nobody knows what is used."""
        if not self.total or sum(each.size for each in self.segments) < self.total:
            return None
        return sum(each.size for each in self.segments if each.pattern is Pattern.FREE)


@dataclass(frozen=True)
class Held:
    """Bytes of ours on a device."""

    weights: int = 0
    kv: int = 0
    buffers: int = 0

    @property
    def total(self) -> int:
        """All of them."""
        return self.weights + self.kv + self.buffers

    def plus(self, other: "Held") -> "Held":
        """Both together."""
        return Held(self.weights + other.weights, self.kv + other.kv, self.buffers + other.buffers)


@dataclass(frozen=True)
class Machine:
    """What is known of one PC, however it became known."""

    node: NodeId
    hardware: HardwareSnapshot | None
    load: LoadSample | None
    offered: tuple[DeviceResources, ...] = ()


def gpu_gauges(machine: Machine, colour: str, instances: Iterable[InstanceStatus]) -> tuple[Gauge, ...]:
    """A gauge per GPU of a PC. A PC that tells only what it offers has one per offered device."""
    live = [each for each in instances if each.state in LIVE]
    if machine.hardware is None:
        return tuple(_offered_gauge(each, machine.node, colour, live) for each in machine.offered if not each.is_cpu)
    samples = {each.key: each for each in machine.load.accelerators} if machine.load else {}
    return tuple(
        _gpu_gauge(each, samples.get(each.key), machine, colour, live) for each in machine.hardware.accelerators
    )


def ram_gauge(machine: Machine, colour: str, instances: Iterable[InstanceStatus]) -> Gauge | None:
    """The gauge of the PC's own memory; None when nothing is known of it."""
    if machine.hardware is None:
        return None
    live = [each for each in instances if each.state in LIVE]
    held = held_on(machine.node, CPU_DEVICE, live)
    held = held.plus(Held(weights=sum(each.plan.head_ram_bytes for each in live if each.head == machine.node)))
    used = machine.load.ram_used_bytes if machine.load else None
    total = machine.hardware.ram_bytes
    return Gauge(tr("RAM"), size_text(total), _segments(colour, held, used, total), total)


def held_on(node: NodeId, device: str, instances: Iterable[InstanceStatus]) -> Held:
    """What instances hold on a device: as the engine reported it, as planned before that."""
    held = Held()
    for instance in instances:
        for stage in instance.plan.stages:
            if (stage.node, stage.device) == (node, device):
                held = held.plus(_measured(instance, stage) or _planned(stage))
        held = held.plus(_encoder(instance, node, device))
    return held


def _encoder(instance: InstanceStatus, node: NodeId, device: str) -> Held:
    """What the picture encoder holds on a device; the engine reports its buffers with those of a stage there."""
    plan, encoder = instance.plan, instance.plan.encoder
    if encoder is None or (plan.head, encoder.device) != (node, device):
        return Held()
    told = any(_measured(instance, stage) for stage in plan.stages if (stage.node, stage.device) == (node, device))
    return Held(weights=encoder.weight_bytes, buffers=0 if told else encoder.compute_bytes)


def _gpu_gauge(
    gpu: Accelerator, sample: AcceleratorSample | None, machine: Machine, colour: str, live: list[InstanceStatus]
) -> Gauge:
    held = held_on(machine.node, gpu.engine_device, live) if gpu.engine_device else Held()
    total = gpu.total_bytes or 0
    return Gauge(
        tr("{name}", name=short_gpu_name(gpu.name)),
        size_text(total) if total else tr("memory unknown"),
        _segments(colour, held, _used(gpu, sample, total), total),
        total,
        sample.temperature if sample else None,
    )


def _offered_gauge(device: DeviceResources, node: NodeId, colour: str, live: list[InstanceStatus]) -> Gauge:
    held = held_on(node, device.device, live)
    used = device.total_bytes - device.free_bytes
    segments = _segments(colour, held, used, device.total_bytes)
    return Gauge(
        tr("{name}", name=short_gpu_name(device.name)), size_text(device.total_bytes), segments, device.total_bytes
    )


def _used(gpu: Accelerator, sample: AcceleratorSample | None, total: int) -> int | None:
    for used, free in (
        (sample.used_bytes, sample.free_bytes) if sample else (None, None),
        (gpu.used_bytes, gpu.free_bytes),
    ):
        if used is not None:
            return used
        if free is not None and total:
            return max(0, total - free)
    return None


def _segments(colour: str, held: Held, used: int | None, total: int) -> tuple[Segment, ...]:
    """Ours, then what others use, then the rest; the rest is not told when nobody knows what is used."""
    if used is None:
        return memory_segments(colour, held.weights, held.kv, held.buffers, 0, 0)
    other, free = max(0, used - held.total), max(0, total - max(used, held.total))
    return memory_segments(colour, held.weights, held.kv, held.buffers, other, free)


def _planned(stage: Stage) -> Held:
    return Held(stage.weight_bytes, stage.kv_bytes, stage.compute_bytes)


def _measured(instance: InstanceStatus, stage: Stage) -> Held | None:
    name = f"{stage.node}/{stage.device}"
    sizes = [(each.kind.lower(), round(each.mebibytes * _MEBIBYTE)) for each in instance.buffers if each.device == name]
    if not any(kind in _WEIGHTS for kind, _ in sizes):
        return None
    return Held(
        _sum(sizes, _WEIGHTS), _sum(sizes, _KV), sum(size for kind, size in sizes if kind not in _WEIGHTS | _KV)
    )


def _sum(sizes: list[tuple[str, int]], kinds: frozenset[str]) -> int:
    return sum(size for kind, size in sizes if kind in kinds)


_MAKERS = frozenset({"nvidia", "geforce", "amd", "radeon", "intel", "corporation", "graphics"})


def short_gpu_name(name: str) -> str:
    """A GPU's name without its maker and line: `RTX 4090`."""
    words = name.replace("(R)", " ").replace("(TM)", " ").split()
    return " ".join([word for word in words if word.lower() not in _MAKERS] or words)
