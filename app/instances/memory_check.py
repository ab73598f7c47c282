"""PURE: the engine's own projection of memory, held against the plan before anything is loaded."""

from collections.abc import Mapping

from app.engine.fit import DeviceMemory
from app.instances.placement import stages_by_engine_device, unprojected_bytes
from app.schema.errors import OutOfMemory
from app.schema.plan import CPU_DEVICE, Plan, Stage

HOST = "Host"
"""How the projection calls the head's processor and RAM."""

MEBIBYTE = 1 << 20


def judge(plan: Plan, measured: Mapping[str, DeviceMemory], remote_indexes: Mapping[int, int]) -> str:
    """What each PC will hold by the engine's own word, as a sentence part: `worker-1 44 MB, head 61 MB`.

    `remote_indexes` is as in `engine_devices`. Draft model and picture encoder count at the planner's figures.
    Raises OutOfMemory that names the PC when a device has less free.
    """
    told = []
    staged = stages_by_engine_device(plan, remote_indexes)
    for name, stage in staged.items():
        memory = measured.get(HOST if name == CPU_DEVICE else name)
        if memory is None:
            continue
        _check(stage, memory.total * MEBIBYTE + unprojected_bytes(stage, plan), plan, measured)
        told.append(f"{stage.node_name} {memory.total} MB")
    ram = measured.get(HOST)
    if plan.experts is not None and CPU_DEVICE not in staged and ram is not None:
        place = plan.stages[-1].model_copy(update={"device": CPU_DEVICE, "free_bytes": plan.experts.free_bytes})
        _check(place, ram.total * MEBIBYTE + unprojected_bytes(place, plan), plan, measured)
        told.append(f"{place.node_name} {ram.total} MB of RAM")
    return ", ".join(told)


def excess(plan: Plan, measured: Mapping[str, DeviceMemory], remote_indexes: Mapping[int, int]) -> int:
    """Bytes by which a device needs more than the planner's figures, the most of any by the engine's word; 0 for none.

    What the plan counts beyond those figures already (`Plan.beyond_bytes`) is part of the answer.
    """
    found = [0]
    for name, stage in stages_by_engine_device(plan, remote_indexes).items():
        memory = measured.get(HOST if name == CPU_DEVICE else name)
        if memory is not None:
            counted = stage.total_bytes + (_in_ram(plan) if name == CPU_DEVICE else 0)
            found.append(memory.total * MEBIBYTE - counted + plan.beyond_bytes)
    return max(found)


def _in_ram(plan: Plan) -> int:
    """What lies in the head's RAM beside a stage there and is in the engine's figure: embedding table and experts."""
    return plan.head_ram_bytes + (plan.experts.total_bytes if plan.experts is not None else 0)


def _check(stage: Stage, needed: int, plan: Plan, measured: Mapping[str, DeviceMemory]) -> None:
    if needed > stage.free_bytes:
        raise OutOfMemory(
            f"{stage.node_name} is {(needed - stage.free_bytes) / 2**30:.1f} GB short on {stage.device} "
            f"for {plan.context} tokens of context.",
            "Choose a smaller context or model, or close programs there.",
            tuple(f"{device}: {each.total} MiB" for device, each in measured.items()),
        )
