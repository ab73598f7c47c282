"""llama.cpp's own programs for tests of the peer link: one rpc-server, and one llama-server that uses it."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

from app.system.ports import free_port
from app.system.spawn import Child, start_child

ENVIRONMENT = {"GGML_RPC_NO_COMM": "1", "GGML_NO_BACKTRACE": "1"}


@dataclass(frozen=True)
class Answer:
    """What a llama-server said, and how fast."""

    text: str
    tokens_per_second: float


@asynccontextmanager
async def rpc_server(programs: Path, port: int | None = None) -> AsyncIterator[int]:
    """A worker on the CPU; gives its port."""
    async with asyncio.timeout(60):
        child, chosen = await _started(programs, port)
        # A free port may be somebody else's by the time it is used.
        while child.returncode is not None and port is None:
            await child.stop(grace=0.0)
            child, chosen = await _started(programs, port)
    try:
        assert child.returncode is None
        yield chosen
    finally:
        await child.stop(grace=0.0)


async def _started(programs: Path, port: int | None) -> tuple[Child, int]:
    """A worker that answers on its port, or that has ended."""
    chosen = port or free_port()
    argv = [str(programs / "ggml-rpc-server"), "-H", "127.0.0.1", "-p", str(chosen), "-d", "CPU", "-t", "1"]
    child = await start_child(argv, on_line=lambda *_: None, env=ENVIRONMENT)
    try:
        while child.returncode is None and not await asyncio.to_thread(_answers, chosen):
            await asyncio.sleep(0.05)
    except BaseException:
        await child.stop(grace=0.0)
        raise
    return child, chosen


def _answers(port: int) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", port), 1.0):
            return True
    except OSError:
        return False


@asynccontextmanager
async def llama_server(
    programs: Path, model: Path, *workers: int, layers: int = 99
) -> AsyncIterator[httpx.AsyncClient]:
    """A head with `layers` layers on the workers at these local ports, all by default; gives a client of it."""
    port = free_port()
    endpoints = ",".join(f"127.0.0.1:{worker}" for worker in workers)
    devices = ",".join(f"RPC{number}" for number in range(len(workers)))
    argv = [str(programs / "llama-server"), "--rpc", endpoints, "-dev", devices, "-ngl", str(layers), "-m", str(model)]
    argv += [
        "-c",
        "512",
        "-np",
        "1",
        "--fit",
        "off",
        "--cache-ram",
        "0",
        "--no-webui",
        "-t",
        "1",
        "--load-mode",
        "none",
    ]
    argv += ["--host", "127.0.0.1", "--port", str(port)]
    lines: list[str] = []
    child = await start_child(argv, on_line=lambda _, line: lines.append(line), env=ENVIRONMENT)
    try:
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=120, trust_env=False) as client:
            async with asyncio.timeout(120):
                while not await _healthy(client):
                    assert child.returncode is None, lines[-20:]
                    await asyncio.sleep(0.05)
            yield client
    finally:
        await child.stop(grace=0.0)


async def _healthy(client: httpx.AsyncClient) -> bool:
    try:
        return (await client.get("/health")).status_code == 200
    except httpx.HTTPError:
        return False


async def ask(client: httpx.AsyncClient, prompt: str, tokens: int) -> Answer:
    """The continuation of a prompt at temperature 0."""
    body = {"prompt": prompt, "n_predict": tokens, "temperature": 0, "ignore_eos": True, "cache_prompt": False}
    answer = (await client.post("/completion", json=body)).raise_for_status().json()
    return Answer(answer["content"], answer["timings"]["predicted_per_second"])
