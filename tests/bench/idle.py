"""What a node costs while nothing runs: its processor time, alone and in a cluster of 33 PCs.

The node and its link process are real. The 32 others are simulated in this program, as far as the node can tell apart:
each has a certificate and a link process's code, listens, keeps its ping stream, answers heartbeats with a report as
large as this PC's own, and asks for the node's every two seconds. What is left out: mDNS (all are on 127.0.0.1), and
that a report of theirs ever changes. Their processor time is not counted.
"""

import asyncio
import base64
import contextlib
import tempfile
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import httpx
import psutil

from app.cli.demo import until
from app.cli.demo_nodes import DemoNode
from app.client import NodeClient
from app.cluster.link_process.messages import LinkPeer, OpenMouth, Trust
from app.cluster.liveness import HEARTBEAT_SECONDS
from app.identity.certificate import Identity, load_or_create
from app.identity.trust import Member, MemberList
from app.identity.trust_store import TrustStore, own_member
from app.schema.node import NodeInfo, PeerReport, Reachability, Status
from app.schema.record import NodeId
from app.system.loopback_http import loopback_client
from app.system.paths import Paths
from app.system.ports import free_port
from app.system.program import own_command
from app.system.spawn import start_child
from tests.link_bed import Inside

PEERS = 32
SETTLE_SECONDS = 10.0
SECONDS = 10.0


class SimulatedPc:
    """One of the 32: the link process's code in this program, and a stub in place of its node."""

    def __init__(self, folder: Path) -> None:
        self.link = Inside(folder)
        self.report = b"{}"
        self.heard = 0
        self.answered = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """What its node would answer: its report to whoever asks, and that it has no models."""
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            await reader.readline()
            while True:
                path = (await reader.readuntil(b"\r\n\r\n")).split(b" ", 2)[1]
                self.heard += path == b"/peer/v1/report"
                body = {b"/peer/v1/report": self.report, b"/peer/v1/models": b"[]"}.get(path)
                status = b"404 Not Found" if body is None else b"200 OK"
                kind = b"Content-Type: application/json\r\n"
                text = body or b"{}"
                writer.write(b"HTTP/1.1 %b\r\n%bContent-Length: %d\r\n\r\n%b" % (status, kind, len(text), text))
                await writer.drain()
        writer.close()

    async def live(self, node: Identity, address: str) -> None:
        """Trust the node, and ask it every two seconds, as its own node would."""
        der = base64.b64encode(node.certificate).decode("ascii")
        await self.link.order(Trust(peers=(LinkPeer(node=node.node, certificate=der, addresses=(address,)),)))
        port = (await self.link.order(OpenMouth(peer=node.node, key="key"))).port
        headers = {"Authorization": "Bearer key"}
        async with loopback_client(base_url=f"http://127.0.0.1:{port}/peer/v1", headers=headers) as client:
            while True:
                # As a node does: who does not answer is asked again with the next beat.
                with contextlib.suppress(httpx.HTTPError):
                    self.answered += (await client.get("/report")).is_success
                await asyncio.sleep(HEARTBEAT_SECONDS)


async def _node(stack: AsyncExitStack, paths: Paths, peer_port: int) -> DemoNode:
    options = ("--api-port", "0", "--host", "127.0.0.1", "--peer-port", str(peer_port), "--pair-port", "0")
    command = own_command("node", "--data-dir", str(paths.data), *options, "--no-measure")
    lines: list[str] = []
    node = DemoNode("node", paths, await start_child(command, on_line=lambda _, line: lines.append(line)), lines)
    stack.push_async_callback(node.end)
    return node


def _all_alive(status: Status) -> bool:
    return len([peer for peer in status.peers if peer.reachability is Reachability.ALIVE]) == PEERS


@contextlib.asynccontextmanager
async def _simulated(folder: Path) -> AsyncIterator[list[SimulatedPc]]:
    async with AsyncExitStack() as stack:
        found = []
        for number in range(PEERS):
            own = folder / f"peer-{number}"
            own.mkdir()
            pc = await asyncio.to_thread(SimulatedPc, own)
            stub = await asyncio.start_server(pc.serve, "127.0.0.1", 0)
            stack.callback(stub.close)
            await stack.enter_async_context(pc.link.running(stub.sockets[0].getsockname()[1]))
            found.append(pc)
        yield found


async def _cost(node: DemoNode, seconds: float) -> dict[str, float]:
    """Percent of one core over that time, of the node and of its link process, and their memory in MB."""
    main = psutil.Process((await node.endpoint()).pid)
    (link,) = [each for each in main.children() if "tunnel" in each.cmdline()]
    before = [sum(each.cpu_times()[:2]) for each in (main, link)]
    await asyncio.sleep(seconds)
    after = [sum(each.cpu_times()[:2]) for each in (main, link)]
    spent = [100 * (late - early) / seconds for early, late in zip(before, after, strict=True)]
    return {"node, % of a core": spent[0], "link process, % of a core": spent[1]} | {
        "memory of both, MB": (main.memory_info().rss + link.memory_info().rss) / 1e6
    }


async def _measure() -> dict[str, float]:
    figures: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        async with AsyncExitStack() as stack:
            alone = await _node(stack, _paths(folder / "alone"), 0)
            await alone.endpoint()
            await asyncio.sleep(SETTLE_SECONDS)
            figures |= {f"alone: {key}": value for key, value in (await _cost(alone, SECONDS)).items()}
            async with NodeClient(alone.paths) as client:
                own = await client.status()
        async with AsyncExitStack() as stack:
            peers = await stack.enter_async_context(_simulated(folder))
            paths = _paths(folder / "node")
            identity = await asyncio.to_thread(load_or_create, paths.data)
            port = free_port()
            await asyncio.to_thread(_trust, paths, identity, peers)
            for pc in peers:
                pc.report = _report(own, pc.link.identity.node)
            node = await _node(stack, paths, port)
            await node.endpoint()
            living = [asyncio.create_task(pc.live(identity, f"127.0.0.1:{port}")) for pc in peers]
            async with NodeClient(node.paths) as client, asyncio.timeout(180):
                await until(client, _all_alive)
            await asyncio.sleep(SETTLE_SECONDS)
            heard, answered = (sum(getattr(pc, name) for pc in peers) for name in ("heard", "answered"))
            found = await _cost(node, SECONDS)
            figures |= {f"{PEERS} peers: {key}": value for key, value in found.items()}
            beats = {"asked": sum(pc.heard for pc in peers) - heard, "got": sum(pc.answered for pc in peers) - answered}
            figures |= {f"{PEERS} peers: reports {key} per second": value / SECONDS for key, value in beats.items()}
            for task in living:
                task.cancel()
            await asyncio.gather(*living, return_exceptions=True)
    return figures


def _paths(folder: Path) -> Paths:
    paths = Paths.under(folder)
    paths.ensure()
    return paths


def _trust(paths: Paths, identity: Identity, peers: list[SimulatedPc]) -> None:
    own = own_member(identity, "node")
    others = [
        Member(pc.link.identity.node, f"peer {number}", pc.link.identity.certificate, (f"127.0.0.1:{pc.link.port}",))
        for number, pc in enumerate(peers)
    ]
    members = tuple(sorted((own, *others), key=lambda each: each.node))
    TrustStore(paths.trust, own).replace(MemberList(1, members, ()))


def _report(own: Status, node: NodeId) -> bytes:
    info = NodeInfo(id=node, name=f"PC {node[:6]}", version=own.node.version, started_at=own.node.started_at)
    told = PeerReport(node=info, hardware=own.hardware, load=own.load, engine=own.engine)
    return told.model_dump_json().encode("utf-8")


def measure() -> dict[str, float]:
    """Means over ten seconds each, when nothing is asked of the node."""
    return asyncio.run(_measure())
