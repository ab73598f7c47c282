"""Links are measured once, by one of their ends, while nothing runs."""

import asyncio

from app.node.link_measurer import QUIET_SECONDS, LinkMeasurer, is_quiet, unmeasured
from app.node.resources import links_of
from app.schema.errors import PeerUnreachable
from app.schema.instance import Lease
from app.schema.node import NodeInfo, Peer, PeerReport, Reachability, Status
from app.schema.plan import LinkMeasure
from app.schema.record import InstanceId, NodeId

A, B, C = (NodeId(name) for name in "abc")


def info(node: NodeId) -> NodeInfo:
    return NodeInfo(id=node, name=node.upper(), version="1", started_at=0.0)


def peer(node: NodeId, throughput: float | None = None, *links: LinkMeasure) -> Peer:
    report = PeerReport(node=info(node), links=links)
    return Peer(node=node, name=node, reachability=Reachability.ALIVE, report=report, throughput=throughput)


LEASE = Lease(id="1", instance_id=InstanceId("i"), head=B, head_name="B", device="CPU", size_bytes=1, epoch=1)


class Time:
    """Seconds that pass when they are slept; ends the service after some."""

    def __init__(self, seconds: float) -> None:
        self.left = seconds

    async def sleep(self, seconds: float) -> None:
        self.left -= seconds
        if self.left < 0:
            raise asyncio.CancelledError


async def measured(status: Status, seconds: float, fails: bool = False) -> list[NodeId]:
    """Whom the service measures in that many quiet seconds; its answers change nothing."""
    asked: list[NodeId] = []

    async def measure(node: NodeId) -> float:
        asked.append(node)
        if fails:
            raise PeerUnreachable("It does not answer.", "")
        return 1e8

    service = asyncio.create_task(LinkMeasurer(lambda: status, measure, Time(seconds).sleep).run())
    await asyncio.gather(service, return_exceptions=True)
    return asked


async def test_only_after_quiet_and_only_once_when_it_fails() -> None:
    status = Status(node=info(A), peers=(peer(B),))
    assert await measured(status, QUIET_SECONDS - 1) == []
    assert await measured(status, QUIET_SECONDS + 60, fails=True) == [B]


async def test_never_while_something_runs() -> None:
    busy = Status(node=info(A), peers=(peer(B),), leases=(LEASE,))
    assert not is_quiet(busy)
    assert await measured(busy, 100) == []


def test_one_end_of_each_link_measures() -> None:
    status = Status(node=info(B), peers=(peer(A), peer(C), peer(NodeId("d"), 1e8)))
    assert unmeasured(status) == (C,)


def test_every_link_of_the_cluster_is_known_once() -> None:
    to_b = LinkMeasure(a=A, b=B, round_trip=0.001, throughput=5e7)
    to_c = LinkMeasure(a=A, b=C, round_trip=0.002)
    forged = LinkMeasure(a=C, b=B, round_trip=9.0)
    status = Status(node=info(B), peers=(peer(A, None, to_b, to_c, forged), peer(C)))
    links = {(link.a, link.b): link for link in links_of(status)}
    assert set(links) == {(B, A), (B, C), (A, C)}
    assert links[(B, A)].throughput == 5e7
    assert links[(B, C)].round_trip is None
