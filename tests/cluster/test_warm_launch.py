"""What a launch is expected to take: less once the worker keeps its part, as much as before when it keeps none."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from app.schema.instance import InstanceState
from app.schema.model import ModelPart
from app.schema.plan import LoadKind, Plan
from app.system.paths import Paths
from tests.cluster.bed import Bed
from tests.cluster.pcs import PATIENCE, Pc, as_cluster, lan_of, until_all_know_all
from tests.cluster.speeds import believing, caravan
from tests.unit.engine import tiny_model

LAYERS, WIDTH = 2, 1664
"""Each block has four matrices of 10.6 MiB and three of 21.1: the engine keeps what has more than 10 MiB."""

LARGE = LAYERS * 10 * WIDTH * WIDTH * 4
RATE = 120_000_000
"""Bits/s: sending what is large takes some 15 s, far more than anything else of a launch, on a slow PC as well."""

FACTOR = 2.5
"""Times that a launch that sends may take longer or shorter than predicted."""


async def until_kept(head: Pc, worker: Pc, count: int) -> None:
    """Wait until the head knows that so many bytes of the model are on the worker's disk."""

    def known() -> int:
        peer = head.peer(worker)
        parts: tuple[ModelPart, ...] = (peer.report.kept if peer and peer.report else None) or ()
        return sum(part.large_bytes for part in parts)

    await head.until(lambda _: known() == count)


async def until_gone(folder: Path) -> None:
    """Wait until nothing lies in a folder."""
    async with asyncio.timeout(PATIENCE):
        while any(folder.iterdir()):
            await asyncio.sleep(0.2)


async def launched(head: Pc, wish: dict[str, Any]) -> tuple[Plan, float]:
    """Launch and stop; the plan, and the seconds to ready."""
    ready = await head.call("launch", **wish)
    assert ready["state"] == InstanceState.READY, ready["error"]
    return Plan.model_validate(ready["plan"]), ready["ready_at"] - ready["created_at"]


def expected(plan: Plan) -> float:
    """The seconds to ready that a plan tells."""
    assert plan.prediction is not None
    assert plan.prediction.load is not None
    return plan.prediction.load


@pytest.mark.timeout(300)
async def test_a_launch_is_expected_to_take_less_while_the_worker_keeps_its_part(lan: Bed, tmp_path: Path) -> None:
    async with lan_of(lan, tmp_path, "a", "b") as (a, b):
        await as_cluster((a, b))
        models = Paths.under(a.folder).models
        models.mkdir(parents=True, exist_ok=True)
        tiny_model.write(models / "large.gguf", layers=LAYERS, width=WIDTH)
        for pc in (a, b):
            await believing(pc, 5e9)
        await until_all_know_all((a, b))
        await a.host.limit(RATE)
        await a.call("measure", node=b.id)
        wish = {"model_id": "large", "shares": [{"node": b.id, "device": "CPU", "layers": LAYERS}]}

        cold, took = await launched(a, wish)
        print(f"cold: predicted {expected(cold):.1f} s, took {took:.1f} s")  # noqa: T201
        assert cold.kept_on == ()
        assert cold.prediction is not None
        assert cold.prediction.load_kind is LoadKind.SEND
        assert took / FACTOR < expected(cold) < took * FACTOR
        await until_kept(a, b, LARGE)
        assert a.status is not None
        await a.call("stop", instance=a.status.instances[0].id)

        told = await caravan(a, "plan", "large", "--share", f"{b.name}/CPU={LAYERS}")
        assert f"{b.name} keeps {LARGE / 2**20:.1f} MB of it on its disk." in told.stdout, told
        warm, again = await launched(a, wish)
        print(f"warm: predicted {expected(warm):.1f} s, took {again:.1f} s")  # noqa: T201
        assert warm.kept_on == ((b.name, LARGE),)
        assert again < took / 2
        assert expected(warm) < expected(cold) / 2
        await a.call("stop", instance=a.status.instances[-1].id)

        assert (await caravan(b, "settings", "engine_cache", "off")).returncode == 0
        await until_kept(a, b, 0)
        assert Plan.model_validate(await a.call("plan", **wish)).kept_on == ()
        await until_gone(Paths.under(b.folder).kept_weights / "weights")
        assert (await caravan(b, "settings", "engine_cache", "on")).returncode == 0
        after = Plan.model_validate(await a.call("plan", **wish))
        print(f"deleted: predicted {expected(after):.1f} s")  # noqa: T201
        assert after.kept_on == ()
        assert took / 1.5 < expected(after) < took * 1.5
