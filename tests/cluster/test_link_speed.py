"""Each way of an uneven link is measured on its own, and both its ends know both."""

from pathlib import Path

from app.node.resources import links_of
from app.schema.node import Status
from app.schema.record import NodeId
from tests.cluster.bed import Bed
from tests.cluster.pcs import Pc, as_cluster, lan_of

THERE, BACK = 40_000_000, 8_000_000
"""Bits/s. What a busy PC does in Python is still many times more, so only the limits decide."""

LEAST, MOST = 0.4, 1.3
"""Of the limit. The limits let a burst through at first; there and back at once, 8 Mbit/s would be told for both."""

TRIES = 3
"""A PC that stands still for a second in the middle of a measurement tells too little."""


def near(rate: float | None, limit: int) -> bool:
    return rate is not None and LEAST < rate / (limit / 8) < MOST


async def measured(sender: Pc, receiver: Pc) -> float:
    return float(await sender.call("measure", node=receiver.id))


async def test_each_way_of_an_uneven_link_is_told(lan: Bed, tmp_path: Path) -> None:
    async with lan_of(lan, tmp_path, "a", "b") as (a, b):
        await a.host.limit(THERE)
        await b.host.limit(BACK)
        await as_cluster((a, b))

        def knows_both(status: Status) -> bool:
            link = next(iter(links_of(status)), None)
            return (
                link is not None
                and near(link.rate_from(NodeId(a.id)), THERE)
                and near(link.rate_from(NodeId(b.id)), BACK)
            )

        for sender, receiver, limit in ((a, b, THERE), (b, a, BACK)):
            told = [await measured(sender, receiver)]
            while not near(told[-1], limit) and len(told) < TRIES:
                told.append(await measured(sender, receiver))
            print(f"{limit / 8e6:.1f} MB/s: told {told}")  # noqa: T201
            assert near(told[-1], limit)
        for pc in (a, b):
            await pc.until(knows_both)
