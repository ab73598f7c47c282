"""Peers are alive, suspect and lost by their heartbeats, and a link is only given to those that answer."""

import asyncio

import pytest

from app.cluster.link import LoopbackLink, loopback_address
from app.cluster.liveness import MISSES_TO_LOSE, judge
from app.cluster.peers import Peers
from app.schema.errors import InputError, NodeNotFound, PeerUnreachable
from app.schema.event import PeerChanged
from app.schema.instance import Lease, LeaseRequest, WorkerStatus
from app.schema.node import NodeInfo, PeerReport, Reachability
from app.schema.record import NodeId

ADDRESS = "127.0.0.1:7000"
ID = NodeId("a" * 64)


class SmallLink:
    """A link to a peer that answers or not, as the test says."""

    def __init__(self) -> None:
        self.address = ADDRESS
        self.answers = True
        self.closed = False

    async def report(self) -> tuple[PeerReport, float]:
        if not self.answers:
            raise PeerUnreachable("It does not answer.", "")
        return PeerReport(node=NodeInfo(id=ID, name="WORKER", version="1", started_at=1.0)), 0.001

    async def close(self) -> None:
        self.closed = True

    async def lease(self, request: LeaseRequest) -> Lease:
        raise AssertionError("not asked here")

    async def start_worker(self, lease_id: str) -> WorkerStatus:
        raise AssertionError("not asked here")

    async def renew(self, lease_id: str) -> WorkerStatus:
        raise AssertionError("not asked here")

    async def release(self, lease_id: str) -> None:
        raise AssertionError("not asked here")

    def endpoint(self, worker: WorkerStatus) -> str:
        raise AssertionError("not asked here")


async def test_a_peer_is_lost_after_three_misses_and_comes_back() -> None:
    link, seen = SmallLink(), list[PeerChanged]()
    peers = Peers((ADDRESS,), lambda _: link, seen.append, period=0.001)
    service = asyncio.create_task(peers.run())
    await _until(seen, Reachability.ALIVE)
    assert peers.link_to(ID) is link
    link.answers = False
    await _until(seen, Reachability.LOST)
    with pytest.raises(PeerUnreachable, match="WORKER does not answer"):
        peers.link_to(ID)
    states = list(dict.fromkeys(each.peer.reachability for each in seen))
    assert states == [Reachability.CONNECTING, Reachability.ALIVE, Reachability.SUSPECT, Reachability.LOST]
    link.answers = True
    seen.clear()
    await _until(seen, Reachability.ALIVE)
    service.cancel()
    await asyncio.gather(service, return_exceptions=True)
    assert link.closed


async def _until(seen: list[PeerChanged], state: Reachability) -> None:
    async with asyncio.timeout(5):
        while not any(each.peer.reachability is state for each in seen):
            await asyncio.sleep(0.001)


async def test_a_stranger_has_no_link() -> None:
    peers = Peers((), lambda _: SmallLink(), lambda _: None)
    with pytest.raises(NodeNotFound):
        peers.link_to(NodeId("b" * 64))


@pytest.mark.parametrize(
    ("misses", "before", "state"),
    [
        (0, False, Reachability.ALIVE),
        (1, False, Reachability.CONNECTING),
        (1, True, Reachability.SUSPECT),
        (MISSES_TO_LOSE, True, Reachability.LOST),
        (MISSES_TO_LOSE, False, Reachability.LOST),
    ],
)
def test_judgement(misses: int, before: bool, state: Reachability) -> None:
    assert judge(misses, before) is state


@pytest.mark.parametrize(
    "text", ["192.168.1.5:52416", "example.com:1", "127.0.0.1", "127.0.0.1:0", "127.0.0.1:99999", ":1", ""]
)
def test_only_loopback_is_dialled(text: str) -> None:
    with pytest.raises(InputError, match="not an address on this PC"):
        loopback_address(text)


async def test_nobody_there_is_said_plainly() -> None:
    link = LoopbackLink("127.0.0.1:9", "key")
    with pytest.raises(PeerUnreachable, match=r"127\.0\.0\.1:9 does not answer"):
        await link.report()
    await link.close()


@pytest.mark.parametrize("body", [b"{}", b"[]", b"null", b'{"node": 5}', b"\xff"])
async def test_an_answer_of_another_version_is_a_peer_problem_and_no_end_of_the_heartbeats(body: bytes) -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with server:
        link = LoopbackLink(f"127.0.0.1:{server.sockets[0].getsockname()[1]}", "key")
        with pytest.raises(PeerUnreachable):
            await link.report()
        with pytest.raises(PeerUnreachable):
            await link.renew("x")
        await link.close()
