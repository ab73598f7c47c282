"""What the engine prints on each device is what the plan says, for splits of every kind (`Pc.call` compares)."""

from pathlib import Path
from typing import Any

import pytest

from app.schema.instance import InstanceState, InstanceStatus
from tests.cluster import holds
from tests.cluster.bed import Bed
from tests.cluster.pcs import MODEL, PROMPT, Pc, as_cluster, lan_of


async def launched(pc: Pc, **wishes: Any) -> Any:
    """Launch and stop; what was launched."""
    ready = await pc.call("launch", model_id=MODEL, **wishes)
    assert ready["state"] == InstanceState.READY, ready["error"]
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
        noticed(InstanceStatus.model_validate(fixed))


def noticed(instance: InstanceStatus) -> None:
    """Fail when a plan that differs by one block from what the engine did counts as kept."""
    first, second, *others = instance.plan.stages
    moved = (
        first.model_copy(update={"last_layer": first.last_layer - 1}),
        second.model_copy(update={"first_layer": second.first_layer - 1}),
        *others,
    )
    with pytest.raises(AssertionError):
        holds.check(instance.model_copy(update={"plan": instance.plan.model_copy(update={"stages": moved})}))


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
