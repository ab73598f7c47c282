"""PURE: the engine's own projection of memory, held against the plan before anything is loaded."""

from collections.abc import Mapping

from app.engine.fit import DeviceMemory
from app.instances.placement import draft_bytes, stages_by_engine_device
from app.schema.errors import OutOfMemory
from app.schema.plan import CPU_DEVICE, Plan

HOST = "Host"
"""How the projection calls the head's processor and RAM."""

MEBIBYTE = 1 << 20


def judge(plan: Plan, measured: Mapping[str, DeviceMemory], remote_indexes: Mapping[int, int]) -> str:
    """What each PC will hold by the engine's own word, as a sentence part: `worker-1 44 MB, head 61 MB`.

    `remote_indexes` is as in `engine_devices`. A draft model beside a stage counts at the planner's
    figure. Raises OutOfMemory that names the PC when a device has less free.
    """
    told = []
    for name, stage in stages_by_engine_device(plan, remote_indexes).items():
        memory = measured.get(HOST if name == CPU_DEVICE else name)
        if memory is None:
            continue
        needed = memory.total * MEBIBYTE + draft_bytes(stage, plan)
        if needed > stage.free_bytes:
            raise OutOfMemory(
                f"{stage.node_name} is {(needed - stage.free_bytes) / 2**30:.1f} GB short on {stage.device} "
                f"for {plan.context} tokens of context.",
                "Choose a smaller context or model, or close programs there.",
                tuple(f"{device}: {each.total} MiB" for device, each in measured.items()),
            )
        told.append(f"{stage.node_name} {memory.total} MB")
    return ", ".join(told)
