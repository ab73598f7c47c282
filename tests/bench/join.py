"""How long it takes from a typed code until both PCs see each other, on hosts with addresses of their own."""

import asyncio
import statistics
import tempfile
from pathlib import Path

from tests.cluster.bed import open_bed, why_not
from tests.cluster.pcs import lan_of

ROUNDS = 5


async def _measure() -> dict[str, float]:
    times = []
    with tempfile.TemporaryDirectory() as folder:
        async with open_bed("a", "b") as bed, lan_of(bed, Path(folder)) as (a, b):
            for _ in range(ROUNDS):
                times.append(await a.joined_by(b))
                old = b.id
                await b.call("leave")
                await b.until(lambda status, old=old: status.node.id != old)  # type: ignore[misc]
                await a.until(lambda status: not status.peers)
    return {
        "join by code, found by discovery, median s": statistics.median(times),
        "the same, slowest s": max(times),
    }


def measure() -> dict[str, float]:
    """Median of five; nothing where there can be no such hosts."""
    return asyncio.run(_measure()) if why_not() is None else {}
