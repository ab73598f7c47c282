"""Each end measures once what it sends, one after the other, while nothing runs."""

import asyncio

import pytest

from app.node.link_measurer import QUIET_SECONDS, LinkMeasurer, is_quiet, unmeasured
from app.node.resources import links_of
from app.schema.download import ACTIVE_PHASES, Download, DownloadId, DownloadPhase
from app.schema.errors import CaravanError, LinkInUse, LinkUnmeasured
from app.schema.instance import Lease
from app.schema.node import NodeInfo, Peer, PeerReport, Reachability, Status
from app.schema.plan import FASTEST_LINK, LinkMeasure
from app.schema.record import InstanceId, NodeId
from tests.unit.node.test_idle import instance

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


async def measured(status: Status, seconds: float, fails: CaravanError | None = None) -> list[NodeId]:
    """Whom the service measures in that many quiet seconds; its answers change nothing."""
    asked: list[NodeId] = []

    async def measure(node: NodeId) -> float:
        asked.append(node)
        if fails is not None:
            raise fails
        return 1e8

    service = asyncio.create_task(LinkMeasurer(lambda: status, measure, Time(seconds).sleep).run())
    await asyncio.gather(service, return_exceptions=True)
    return asked


async def test_only_after_quiet_and_only_once_when_it_fails() -> None:
    status = Status(node=info(A), peers=(peer(B),))
    assert await measured(status, QUIET_SECONDS - 1) == []
    assert await measured(status, QUIET_SECONDS + 60, LinkUnmeasured("It is too old.", "")) == [B]
    assert await measured(status, QUIET_SECONDS + 45, LinkInUse("A copy.", "")) == [B, B]


async def test_never_while_something_runs() -> None:
    busy = Status(node=info(A), peers=(peer(B),), leases=(LEASE,))
    assert not is_quiet(busy)
    assert await measured(busy, 100) == []


def test_what_ran_on_a_pc_that_is_gone_keeps_nobody_from_measuring() -> None:
    """Its last report says for ever that its model runs."""
    there = peer(B)
    assert there.report is not None
    report = there.report.model_copy(update={"instances": (instance(),), "leases": (LEASE,)})
    busy = there.model_copy(update={"report": report})
    gone = busy.model_copy(update={"reachability": Reachability.LOST})
    assert not is_quiet(Status(node=info(A), peers=(peer(C), busy)))
    assert is_quiet(Status(node=info(A), peers=(peer(C), gone)))


@pytest.mark.parametrize("phase", DownloadPhase)
def test_never_while_a_model_is_downloaded(phase: DownloadPhase) -> None:
    download = Download(id=DownloadId("d"), repository="r", revision="main", name="n", phase=phase, bytes_total=1)
    assert is_quiet(Status(node=info(A), downloads=(download,))) is (phase not in ACTIVE_PHASES)


def test_the_smaller_end_measures_first_and_nobody_waits_for_ever() -> None:
    status = Status(node=info(B), peers=(peer(A), peer(C), peer(NodeId("d"), 1e8)))
    assert unmeasured(status) == (C,)
    assert unmeasured(status, is_patient=False) == (A, C)
    told = peer(A, None, LinkMeasure(a=A, b=B, throughput=2e7))
    assert unmeasured(Status(node=info(B), peers=(told,))) == (A,)


def test_every_link_of_the_cluster_is_known_once() -> None:
    to_b = LinkMeasure(a=A, b=B, round_trip=0.001, throughput=5e7)
    to_c = LinkMeasure(a=A, b=C, round_trip=0.002)
    forged = LinkMeasure(a=C, b=B, round_trip=9.0)
    status = Status(node=info(B), peers=(peer(A, None, to_b, to_c, forged), peer(C)))
    links = {(link.a, link.b): link for link in links_of(status)}
    assert set(links) == {(B, A), (B, C), (A, C)}
    assert links[(B, A)].throughput is None
    assert links[(B, A)].back == 5e7
    assert links[(B, C)].round_trip is None


def test_each_way_is_what_its_sender_measured() -> None:
    to_c = LinkMeasure(a=A, b=C, throughput=2e7, back=9e7)
    to_a = LinkMeasure(a=C, b=A, round_trip=0.002, throughput=3e7, back=1e7)
    (link,) = (
        each
        for each in links_of(Status(node=info(B), peers=(peer(A, None, to_c), peer(C, None, to_a))))
        if B not in (each.a, each.b)
    )
    assert (link.rate_from(A), link.rate_from(C), link.round_trip) == (2e7, 3e7, 0.002)


def test_what_no_network_does_is_not_believed() -> None:
    absurd = FASTEST_LINK * 2
    told = peer(
        A, None, LinkMeasure(a=A, b=B, throughput=absurd), LinkMeasure(a=A, b=C, throughput=absurd, back=absurd)
    )
    for link in links_of(Status(node=info(B), peers=(told, peer(C)))):
        assert (link.throughput, link.back) == (None, None)
