"""PURE: the devices of a PC, from its hardware, its load and its engine's device list."""

from app.schema.engine import EngineBuild
from app.schema.hardware import Accelerator, HardwareSnapshot, LoadSample
from app.schema.plan import CPU_DEVICE, DeviceResources


def measured_devices(
    hardware: HardwareSnapshot | None, load: LoadSample | None, engine: EngineBuild | None
) -> tuple[DeviceResources, ...]:
    """The devices the engine can use with the bytes free on them now, its GPUs first and the processor last.

    A GPU the engine does not list cannot be used by it and is left out. Empty before the first probe and sample.
    """
    if hardware is None or load is None:
        return ()
    free = {sample.key: sample.free_bytes for sample in load.accelerators}
    accelerators = {each.engine_device: each for each in hardware.accelerators if each.engine_device}
    listed = engine.devices if engine else ()
    gpus = tuple(
        DeviceResources(
            device=each.name,
            name=_name(accelerators.get(each.name), each.description),
            total_bytes=each.total_bytes,
            free_bytes=_free(accelerators.get(each.name), free, each.free_bytes),
            is_cpu=False,
        )
        for each in listed
    )
    return (*gpus, processor_device(hardware, load))


def _name(accelerator: Accelerator | None, description: str) -> str:
    return accelerator.name if accelerator else description


def _free(accelerator: Accelerator | None, free: dict[str, int | None], listed: int) -> int:
    sampled = free.get(accelerator.key) if accelerator else None
    return listed if sampled is None else sampled


def processor_device(hardware: HardwareSnapshot, load: LoadSample) -> DeviceResources:
    """The processor with the RAM that is free now."""
    return DeviceResources(
        device=CPU_DEVICE,
        name=hardware.processor.name,
        total_bytes=hardware.ram_bytes,
        free_bytes=load.ram_free_bytes,
        is_cpu=True,
    )
