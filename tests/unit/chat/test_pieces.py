"""What `NodeClient.chat` makes of llama-server's stream, as one of its builds (b11434) sends it."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from pathlib import Path

import pytest

from app.client import ChatPiece, NodeClient
from app.schema.endpoint import Endpoint
from app.schema.errors import CaravanError, InputError
from app.schema.record import NodeId
from app.system.paths import Paths

PROGRESS = {"total": 8, "cache": 0, "processed": 4, "time_ms": 2}
USAGE = {"completion_tokens": 8, "prompt_tokens": 8, "total_tokens": 16}
TIMINGS = {"cache_n": 0, "prompt_n": 8, "predicted_n": 8, "predicted_ms": 3.192}
STREAM = [
    {
        "choices": [{"finish_reason": None, "delta": {"role": "assistant", "content": None}}],
        "prompt_progress": PROGRESS,
    },
    {"choices": [{"finish_reason": None, "delta": {"reasoning_content": "Hm"}}]},
    {"choices": [{"finish_reason": None, "delta": {"content": "Hi"}}]},
    {"choices": [{"finish_reason": "length", "delta": {}}]},
    {"choices": [], "usage": USAGE, "timings": TIMINGS},
]
TOO_LONG = {
    "code": 400,
    "message": "request (1604 tokens) exceeds the available context size (512 tokens), try increasing it",
    "type": "exceed_context_size_error",
    "n_prompt_tokens": 1604,
    "n_ctx": 512,
}


def events(*contents: object) -> bytes:
    lines = "".join(f"data: {json.dumps(each)}\n\n" for each in contents)
    return f"{lines}data: [DONE]\n\n".encode()


@asynccontextmanager
async def answering(paths: Paths, status: str, kind: str, body: bytes) -> AsyncIterator[NodeClient]:
    """A client of a server that answers one request with this."""

    serving: list[asyncio.Task[None] | None] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        serving.append(asyncio.current_task())
        await reader.readuntil(b"\r\n\r\n")
        head = f"HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n"
        writer.write(head.encode() + body)
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with server, await asyncio.to_thread(client_of, paths, port) as client:
        yield client
        # What httpx leaves of a stream that was not read to its end is closed by the loop.
        for _ in range(40):
            await asyncio.sleep(0)
    await asyncio.gather(*(task for task in serving if task is not None))


def client_of(paths: Paths, port: int) -> NodeClient:
    endpoint = Endpoint(node=NodeId("a" * 64), name="WORKSHOP", pid=1, api_port=port)
    paths.endpoint.write_text(endpoint.model_dump_json(), "utf-8")
    return NodeClient(paths)


@pytest.fixture
def paths(tmp_path: Path) -> Paths:
    made = Paths.under(tmp_path)
    made.ensure()
    return made


async def heard(client: NodeClient) -> list[ChatPiece]:
    async with aclosing(client.chat({"messages": []})) as pieces:
        return [piece async for piece in pieces]


async def refused(client: NodeClient) -> str:
    """The sentence of an error. The error itself would keep the stream from being closed."""
    try:
        await heard(client)
    except CaravanError as error:
        return error.sentence
    return ""


async def test_every_piece_of_a_stream(paths: Paths) -> None:
    async with answering(paths, "200 OK", "text/event-stream", events(*STREAM)) as client:
        assert await heard(client) == [
            ChatPiece(progress=PROGRESS),
            ChatPiece(reasoning="Hm"),
            ChatPiece(text="Hi"),
            ChatPiece(finish_reason="length"),
            ChatPiece(usage=USAGE, timings=TIMINGS),
        ]


async def test_a_conversation_that_is_too_long_is_said_in_plain_words(paths: Paths) -> None:
    body = json.dumps({"error": TOO_LONG}).encode()
    async with answering(paths, "400 Bad Request", "application/json", body) as client:
        with pytest.raises(InputError, match="1604 tokens long; the model was started with room for 512"):
            await heard(client)


async def test_an_error_in_the_middle_of_the_stream(paths: Paths) -> None:
    broken = events(STREAM[2], {"error": {"message": "The model stopped.", "code": "head_failed"}})
    async with answering(paths, "200 OK", "text/event-stream", broken) as client:
        assert await refused(client) == "The model stopped."
