"""Whether what the engine prints on each device is what the plan says: layers, weights, cache, buffers.

Every launch of a cluster test is looked at this way: `Pc.call` does it.
"""

from collections.abc import Sequence

from app.schema.instance import DeviceBuffer, InstanceState, InstanceStatus
from app.schema.plan import Plan, Stage

MEBIBYTE = 1 << 20
MOST = 32.0
"""MiB by which a device may be off in all, where 3 % of the plan is less."""

CLOSE = 0.25
"""MiB by which the weights of a device may be off; a block of the demo model has more."""

SAME = 0.01
"""MiB that the engine rounds to."""


class Told:
    """What the engine reported, in MiB by device of the plan and kind of buffer."""

    def __init__(self, plan: Plan, buffers: Sequence[DeviceBuffer]) -> None:
        self._plan = plan
        self._buffers = buffers

    def of(self, stage: Stage, *kinds: str) -> float:
        """The buffers of a stage."""
        names = self.names(stage)
        return sum(each.mebibytes for each in self._buffers if each.device in names and each.kind in kinds)

    def weights(self, stage: Stage) -> float:
        """The weights of a stage. A head that is alone may rearrange them for its processor (`CPU_REPACK`); what it has
        mapped of the file beside that are pages the system may drop.
        """
        return self.rearranged(stage) or self.of(stage, "model")

    def rearranged(self, stage: Stage) -> float:
        """The weights that a head that is alone has rearranged."""
        repacked = f"{stage.device}_REPACK"
        return sum(each.mebibytes for each in self._buffers if each.device == repacked and each.kind == "model")

    def names(self, stage: Stage) -> set[str]:
        """What the engine calls the device of a stage. The head's processor goes by its engine name, mapped or not."""
        own = stage.node == self._plan.head
        return {stage.device, f"{stage.device}_Mapped"} if own else {f"{stage.node_name}/{stage.device}"}

    def strangers(self) -> set[str]:
        """Devices with a cache, so with blocks, that no stage of the plan is on."""
        known = {name for stage in self._plan.stages for name in self.names(stage)}
        return {each.device for each in self._buffers if each.kind in ("KV", "RS") and each.mebibytes} - known


def check(instance: InstanceStatus) -> None:
    """Fail where a device of a ready instance holds something else than planned."""
    if instance.state is InstanceState.READY:
        check_buffers(instance.plan, instance.buffers)


def check_buffers(plan: Plan, buffers: Sequence[DeviceBuffer]) -> None:
    """Fail where a device holds something else than planned, for a model whose blocks are alike.

    Every block has a cache of the same size, so the cache tells how many blocks a device has; with their order, that
    is their range.
    """
    told = Told(plan, buffers)
    kv = sum(stage.kv_bytes for stage in plan.stages) / plan.layers / MEBIBYTE
    assert kv > 0, plan
    for stage in plan.stages:
        case = (stage.node_name, stage.device, buffers)
        assert abs(told.of(stage, "KV") - stage.layers * kv) <= SAME, case
        # The head's own processor has the embedding table as well. Where it rearranges weights that table stays mapped,
        # unless it is the output layer too, as the demo model's is: alone a head has it once, and rearranged.
        beside = plan.head_ram_bytes if stage.node == plan.head else 0
        weights, most = told.weights(stage), (stage.weight_bytes + beside) / MEBIBYTE
        least = stage.weight_bytes / MEBIBYTE if told.rearranged(stage) else most
        assert least - CLOSE <= weights <= most + CLOSE, case
        whole = weights + told.of(stage, "KV", "RS", "compute")
        planned = (stage.total_bytes + beside) / MEBIBYTE
        assert abs(whole - planned) <= max(MOST, 0.03 * planned), case
        assert told.of(stage, "compute") > 0, case
    assert not told.strangers(), (told.strangers(), buffers)
    ends = [(stage.first_layer, stage.last_layer + 1) for stage in plan.stages]
    assert [0, *(end for _, end in ends)] == [*(first for first, _ in ends), plan.layers], ends
