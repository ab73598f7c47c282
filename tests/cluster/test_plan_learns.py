"""A plan made after an answer is nearer to the truth than the one before; a disturbed answer changes nothing."""

import asyncio
import math
import os
import signal
from pathlib import Path
from typing import Any

import pytest

from app.node.corrections import LEAST_ANSWER
from tests.cluster.bed import Bed
from tests.cluster.pcs import Pc, as_cluster, lan_of, over, until_all_know_all
from tests.cluster.speeds import believing, caravan

TOO_SLOW = 2.5
"""So many times slower than it is a processor is said to be: a mistake within what one answer can correct."""

STANDSTILL = 2.0
"""Seconds that the worker stands still in the middle of an answer that otherwise takes one."""


async def read_at(pc: Pc, wish: dict[str, Any]) -> float:
    """Bytes/s at which weights are read in an answer, before anything is known of any speed."""
    stages = (await pc.call("plan", **wish))["stages"]
    ready = await pc.call("launch", **wish)
    speed = (await pc.ask(tokens=200, ignore_eos=True))["tokens_per_second"]
    await pc.call("stop", instance=ready["id"])
    return float(speed * sum(stage["weight_bytes"] for stage in stages))


async def predicted(pc: Pc, wish: dict[str, Any]) -> float:
    """Tokens/s of the plan that is made now."""
    await pc.until(lambda status: all(peer.report and peer.report.speeds for peer in status.peers))
    return float((await pc.call("plan", **wish))["prediction"]["decode"])


def off(told: float, measured: float) -> float:
    """How far apart two speeds are, as the logarithm of their ratio."""
    return abs(math.log(told / measured))


@pytest.mark.timeout(300)
async def test_an_answer_brings_the_next_plan_nearer_and_a_disturbed_one_not_away(lan: Bed, tmp_path: Path) -> None:
    async with lan_of(lan, tmp_path, "a", "b") as (a, b):
        await as_cluster((a, b))
        wish = over(a, b)
        bandwidth = await read_at(a, wish) / TOO_SLOW
        for pc in (a, b):
            await believing(pc, bandwidth)
        await until_all_know_all((a, b))
        first = await predicted(a, wish)
        ready = await a.call("launch", **wish)
        measured = (await a.ask(tokens=200, ignore_eos=True))["tokens_per_second"]
        await a.until(lambda status: status.instances[0].decode is not None)
        second = await predicted(a, wish)
        print(f"predicted {first:.1f}, measured {measured:.1f}, then predicted {second:.1f} tok/s")  # noqa: T201
        assert off(second, measured) < off(first, measured) / 2

        slow = await disturbed(a, b, measured)
        third = await predicted(a, wish)
        print(f"disturbed: measured {slow:.1f}, then predicted {third:.1f} tok/s")  # noqa: T201
        assert slow < measured / 1.5
        # What a link was measured to take since then may change a plan by a little.
        assert off(third, second) < 0.1
        await a.until(lambda status: abs((status.instances[0].decode or 0.0) - slow) < 0.01)
        done = await caravan(a, "status")
        assert f"{slow:.1f} tok/s at the last answer (predicted {first:.1f})" in done.stdout, done
        await a.call("stop", instance=ready["id"])


async def disturbed(head: Pc, worker: Pc, usual: float) -> float:
    """Tokens/s of an answer during which the worker stands still for a while; `usual` are those of the one before."""
    (engine,) = await worker.programs("ggml-rpc-server")
    async with head.answering(tokens=max(2 * LEAST_ANSWER, min(round(usual), 400))) as asked:
        os.kill(engine, signal.SIGSTOP)
        await asyncio.sleep(STANDSTILL)
        os.kill(engine, signal.SIGCONT)
        return float((await asked)["tokens_per_second"])
