"""A peer's report comes over one connection that is kept, and nothing of a broken answer is taken for the next."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest

from app.cluster.link import TunnelLink
from app.cluster.link_service import Mouth
from app.cluster.report_connection import REPORT_LIMIT, ReportConnection
from app.schema.errors import NotAllowed
from app.schema.node import NodeInfo, PeerReport
from app.schema.record import NodeId
from tests.turns import a_while

ID = NodeId("a" * 64)
SECONDS = 5.0


def _answer(body: bytes, status: str = "200 OK", headers: bytes = b"") -> bytes:
    return b"HTTP/1.1 %b\r\n%bContent-Length: %d\r\n\r\n%b" % (status.encode(), headers, len(body), body)


def _report(name: str) -> bytes:
    info = NodeInfo(id=ID, name=name, version="1", started_at=1.0)
    return PeerReport(node=info).model_dump_json().encode()


class Peer:
    """A real listener: `answers` says what is written for each request, by its number from 0."""

    def __init__(self, answers: Callable[[int], bytes]) -> None:
        self.answers = answers
        self.connections = 0
        self.heads: list[bytes] = []
        self.mouth = Mouth(0, "the key")

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer until the other end goes, or until an answer says that it is the last."""
        self.connections += 1
        try:
            while True:
                self.heads.append(await reader.readuntil(b"\r\n\r\n"))
                told = self.answers(len(self.heads) - 1)
                writer.write(told)
                await writer.drain()
                if b"\r\nX-Last: " in told:
                    break
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()


@asynccontextmanager
async def _peer(answers: Callable[[int], bytes]) -> AsyncIterator[Peer]:
    peer = Peer(answers)
    server = await asyncio.start_server(peer.serve, "127.0.0.1", 0)
    async with server:
        peer.mouth = Mouth(server.sockets[0].getsockname()[1], "the key")
        yield peer


class Ways:
    """There are no mouths to close."""

    async def open_mouth(self, peer: NodeId, ticket: str | None = None) -> Mouth:
        raise AssertionError

    async def close_mouth(self, mouth: Mouth) -> None:
        pass


async def _in_turn(*asks: Callable[[], Awaitable[object]]) -> None:
    for ask in asks:
        await ask()
        # Lets the end of a connection be noticed.
        await a_while()


async def test_one_connection_serves_all_questions_and_bears_the_key() -> None:
    async with _peer(lambda number: _answer(b"answer %d" % number)) as peer:
        connection = ReportConnection(peer.mouth)
        assert [await connection.ask(SECONDS) for _ in range(3)] == [(200, b"answer %d" % each) for each in range(3)]
        assert peer.connections == 1
        assert peer.heads[2].startswith(b"GET /peer/v1/report HTTP/1.1\r\nHost: 127.0.0.1:")
        assert b"\r\nAuthorization: Bearer the key\r\n" in peer.heads[2]
        await connection.close()


@pytest.mark.parametrize("headers", [b"Connection: close\r\n", b"X-Last: said or not\r\n"])
async def test_after_a_peer_ended_the_connection_the_next_question_makes_another(headers: bytes) -> None:
    async with _peer(lambda _: _answer(b"x", headers=headers)) as peer:
        connection = ReportConnection(peer.mouth)
        await _in_turn(*[lambda: connection.ask(SECONDS)] * 3)
        assert peer.connections == 3
        await connection.close()


async def test_an_answer_that_comes_late_is_not_the_answer_to_the_next_question() -> None:
    whole = _answer(b"late")
    async with _peer(lambda number: whole[:-2] if number == 0 else _answer(b"next")) as peer:
        connection = ReportConnection(peer.mouth)
        with pytest.raises(TimeoutError):
            await connection.ask(0.1)
        assert await connection.ask(SECONDS) == (200, b"next")
        assert peer.connections == 2
        await connection.close()


@pytest.mark.parametrize(
    "told",
    [
        b"SSH-2.0-OpenSSH_9.9\r\n\r\n",
        _answer(b"short", headers=b"X-Last: yes\r\n")[:-1],
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nno length\r\n",
        b"HTTP/1.1 200 OK\r\nX: %b" % (b"x" * 200_000),
        _answer(b"x" * (REPORT_LIMIT + 1)),
    ],
    ids=["not HTTP", "cut off", "not a chunk", "endless head", "too large"],
)
async def test_a_broken_answer_is_an_error_and_the_next_question_begins_anew(told: bytes) -> None:
    async with _peer(lambda number: told if number == 0 else _answer(b"next")) as peer:
        connection = ReportConnection(peer.mouth)
        with pytest.raises(OSError, match=r".") as broken:
            await connection.ask(SECONDS)
        assert not isinstance(broken.value, TimeoutError)
        assert await connection.ask(SECONDS) == (200, b"next")
        await connection.close()


async def test_a_question_that_is_cancelled_leaves_nothing_behind() -> None:
    async with _peer(lambda number: b"" if number == 0 else _answer(b"next")) as peer:
        connection = ReportConnection(peer.mouth)
        asking = asyncio.create_task(connection.ask(SECONDS))
        while not peer.heads:
            await asyncio.sleep(0.005)
        asking.cancel()
        await asyncio.gather(asking, return_exceptions=True)
        assert await connection.ask(SECONDS) == (200, b"next")
        await connection.close()


async def test_a_report_that_says_the_same_is_the_same_and_a_new_one_is_seen_at_once() -> None:
    names = ["A", "A", "B"]
    async with _peer(lambda number: _answer(_report(names[number]))) as peer:
        link = TunnelLink(ID, "LIVING ROOM", peer.mouth, Ways())
        first, again, other = [(await link.report())[0] for _ in names]
        assert again is first
        assert (first.node.name, other.node.name) == ("A", "B")
        await link.close()


async def test_a_peer_that_refuses_says_why() -> None:
    error = b'{"error": {"code": "not_allowed", "sentence": "This PC is not a member.", "hint": "Let it join."}}'
    async with _peer(lambda _: _answer(error, "403 Forbidden")) as peer:
        link = TunnelLink(ID, "LIVING ROOM", peer.mouth, Ways())
        with pytest.raises(NotAllowed, match="not a member"):
            await link.report()
        await link.close()
