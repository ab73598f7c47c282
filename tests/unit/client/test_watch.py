"""A watcher takes a new snapshot after a gap, and says it plainly when the node speaks another version."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from pathlib import Path

import pytest

from app.client import NodeClient
from app.schema.endpoint import Endpoint
from app.schema.errors import InputError, NodeError, NodeNotRunning
from app.schema.node import Delta, NodeInfo, Status
from app.schema.record import NodeId
from app.system.paths import Paths

FIRST = Status(node=NodeInfo(id=NodeId("0" * 64), name="WORKSHOP", version="1", started_at=0.0))


def event(name: str, data: str) -> str:
    return f"event: {name}\ndata: {data}\n\n"


def client_of(folder: Path, port: int, patience: float = 30.0) -> NodeClient:
    paths = Paths.under(folder)
    paths.ensure()
    endpoint = Endpoint(node=FIRST.node.id, name="WORKSHOP", pid=1, api_port=port)
    paths.endpoint.write_text(endpoint.model_dump_json(), "utf-8")
    return NodeClient(paths, patience)


@asynccontextmanager
async def watched(folder: Path, *streams: str) -> AsyncIterator[NodeClient]:
    """A node that answers each connection with the next of these streams."""
    left, answered = list(streams), list[None]()

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        body = left.pop(0).encode()
        writer.write(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
        writer.close()
        await writer.wait_closed()
        answered.append(None)

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with server, await asyncio.to_thread(client_of, folder, server.sockets[0].getsockname()[1]) as client:
        yield client
        async with asyncio.timeout(30):
            while len(answered) < len(streams):
                await asyncio.sleep(0)
        # httpx leaves the generators of a stream that is not read to its end to the loop, which closes them in turn.
        for _ in range(20):
            await asyncio.sleep(0)


async def test_a_gap_is_healed_by_a_new_snapshot(tmp_path: Path) -> None:
    snapshot, gap = event("snapshot", FIRST.model_dump_json()), Delta(seq=5, event="x").model_dump_json()
    later = event("snapshot", FIRST.model_copy(update={"seq": 9}).model_dump_json())
    async with watched(tmp_path, snapshot + event("delta", gap), later + event("closed", "{}")) as client:
        assert [status.seq async for status in client.watch()] == [0, 9]


async def test_a_node_of_another_version_is_told(tmp_path: Path) -> None:
    async with watched(tmp_path, event("snapshot", "{}")) as client, aclosing(client.watch()) as statuses:
        with pytest.raises(NodeError, match="another version"):
            await anext(statuses)


async def test_what_is_no_text_is_refused(tmp_path: Path) -> None:
    async with watched(tmp_path) as client:
        with pytest.raises(InputError, match="no text"):
            await anext(client.chat({"model": "\udcff"}))


async def test_a_slow_node_is_not_told_to_be_absent(tmp_path: Path) -> None:
    ended = asyncio.Event()

    async def keep_waiting(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()
        await writer.wait_closed()
        ended.set()

    server = await asyncio.start_server(keep_waiting, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with server, await asyncio.to_thread(client_of, tmp_path, port, 0.2) as client:
        with pytest.raises(NodeError, match="not answered in time") as told:
            await client.status()
        assert not isinstance(told.value, NodeNotRunning)
        async with asyncio.timeout(30):
            await ended.wait()


async def test_a_node_that_is_gone_is_told_to_be_absent(tmp_path: Path) -> None:
    async with watched(tmp_path) as client:
        port = client.endpoint.api_port
    async with await asyncio.to_thread(client_of, tmp_path, port) as client:
        with pytest.raises(NodeNotRunning):
            await client.status()
