"""What the engine prints on each device is what the plan says: layers, weights, cache, buffers."""

from pathlib import Path
from typing import Any

import pytest

from app.schema.instance import InstanceStatus
from app.schema.plan import Plan, Stage
from tests.cluster.bed import Bed
from tests.cluster.pcs import MODEL, PROMPT, Pc, as_cluster, lan_of

MEBIBYTE = 1 << 20
MOST = 32.0
"""MiB by which a device may be off in all, where 3 % of the plan is less."""

CLOSE = 0.25
"""MiB by which the weights of a device may be off; a block of the demo model has more."""


class Told:
    """What the engine reported, in MiB by device of the plan and kind of buffer."""

    def __init__(self, instance: InstanceStatus) -> None:
        self._buffers = instance.buffers

    def of(self, stage: Stage, plan: Plan, *kinds: str) -> float:
        """The buffers of a stage. The head's processor goes by its engine name, mapped or not."""
        own = stage.node == plan.head
        names = {stage.device, f"{stage.device}_Mapped"} if own else {f"{stage.node_name}/{stage.device}"}
        return sum(each.mebibytes for each in self._buffers if each.device in names and each.kind in kinds)


def check(ready: Any) -> None:
    """Fail where a device holds something else than planned."""
    instance = InstanceStatus.model_validate(ready)
    plan, told = instance.plan, Told(instance)
    kv = sum(stage.kv_bytes for stage in plan.stages) / plan.layers / MEBIBYTE
    for stage in plan.stages:
        case = (stage.node_name, stage.device, instance.buffers)
        # Every block has a cache of the same size, so the cache tells how many blocks there are.
        assert told.of(stage, plan, "KV") == pytest.approx(stage.layers * kv, abs=0.01), case
        # The head's own processor has the embedding table as well; the demo model's output layer is the same table,
        # which the engine then keeps once.
        beside = plan.head_ram_bytes if stage.node == plan.head and not stage.holds_output else 0
        weights = told.of(stage, plan, "model")
        assert weights == pytest.approx((stage.weight_bytes + beside) / MEBIBYTE, abs=CLOSE), case
        whole = told.of(stage, plan, "model", "KV", "RS", "compute")
        planned = (stage.total_bytes + beside) / MEBIBYTE
        assert abs(whole - planned) <= max(MOST, 0.03 * planned), case
        assert told.of(stage, plan, "compute") > 0, case


async def launched(pc: Pc, **wishes: Any) -> Any:
    """Launch, look, stop; what was launched."""
    ready = await pc.call("launch", model_id=MODEL, **wishes)
    check(ready)
    await pc.call("stop", instance=ready["id"])
    return ready


async def test_every_device_holds_what_was_planned(lan: Bed, tmp_path: Path) -> None:
    async with lan_of(lan, tmp_path) as (a, b, c):
        await as_cluster((a, b, c))
        for pcs in (1, 2, 3):
            found = await launched(a, pcs=pcs)
            assert len({stage["node"] for stage in found["plan"]["stages"]}) == pcs
        layers = found["plan"]["layers"]
        for own, first in ((1, 2), (layers - 3, 1)):
            counts = ((a, own), (b, first), (c, layers - own - first))
            shares = [{"node": pc.id, "device": "CPU", "layers": count} for pc, count in counts]
            fixed = await launched(a, shares=shares)
            ranges = [(each["first_layer"], each["last_layer"]) for each in fixed["plan"]["stages"]]
            assert ranges == [(0, own - 1), (own, own + first - 1), (own + first, layers - 1)]


async def test_guesses_from_repeated_text_change_no_word(lan: Bed, tmp_path: Path) -> None:
    async with lan_of(lan, tmp_path, "a", "b") as (a, b):
        await as_cluster((a, b))
        plain = await a.call("launch", model_id=MODEL, pcs=2)
        wanted = (await a.call("chat", prompt=PROMPT))["text"]
        await a.call("stop", instance=plain["id"])
        ready = await a.call("launch", model_id=MODEL, pcs=2, repetitive=True)
        assert plain["plan"]["speculation"] is None
        assert ready["plan"]["speculation"]["kind"] == "ngram"
        assert [(await a.call("chat", prompt=PROMPT))["text"] for _ in range(2)] == [wanted, wanted]
