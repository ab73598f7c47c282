"""What our proxy adds to a streamed answer: the same request through it and to llama-server directly, in turn."""

import asyncio
import json
import statistics
import time
from contextlib import AsyncExitStack

import httpx
import psutil

from app.cli.demo import MODEL, PROMPT, gathered, until
from app.cli.demo_nodes import start_cluster
from app.cli.running import follow, launch_and_follow
from app.client import NodeClient
from app.schema.plan import Plan, PlanRequest

ROUNDS = 12
TOKENS = 200


def _llama_server(node_pid: int) -> tuple[str, str]:
    """Address and key of the llama-server that a node runs, read from its child process."""
    for child in psutil.Process(node_pid).children(recursive=True):
        arguments = child.cmdline()
        if "--port" in arguments and "llama-server" in arguments[0]:
            port = arguments[arguments.index("--port") + 1]
            return f"http://127.0.0.1:{port}", child.environ()["LLAMA_API_KEY"]
    raise RuntimeError("the node runs no llama-server")


async def _stream(client: httpx.AsyncClient) -> tuple[float, float, int]:
    """Seconds to the first chunk, seconds in all, and the number of chunks."""
    body = {
        "model": MODEL,
        "messages": [{"role": "user", "content": PROMPT}],
        "stream": True,
        "max_tokens": TOKENS,
        "ignore_eos": True,
        "temperature": 0,
    }
    began, first, chunks = time.perf_counter(), 0.0, 0
    async with client.stream("POST", "/v1/chat/completions", json=body) as answer:
        async for line in answer.aiter_lines():
            if line.startswith("data: {") and json.loads(line[6:])["choices"]:
                first = first or time.perf_counter() - began
                chunks += 1
    return first, time.perf_counter() - began, chunks


async def _measure() -> dict[str, float]:
    async with AsyncExitStack() as stack:
        nodes = await start_cluster(stack, 1)
        client = await stack.enter_async_context(NodeClient(nodes[0].paths))
        await until(client, lambda status: gathered(status, len(nodes)))
        plan = await client.plan(PlanRequest(model_id=MODEL, pcs=1))
        assert isinstance(plan, Plan), plan
        status = await launch_and_follow(client, plan, lambda _: None)
        address, key = _llama_server((await nodes[0].endpoint()).pid)
        bearer = {"Authorization": f"Bearer {key}"}
        direct = await stack.enter_async_context(httpx.AsyncClient(base_url=address, headers=bearer, timeout=60))
        proxied = await stack.enter_async_context(httpx.AsyncClient(base_url=client.endpoint.api_url, timeout=60))
        for each in (direct, proxied):
            await _stream(each)
        runs = [(await _stream(direct), await _stream(proxied)) for _ in range(ROUNDS)]
        await client.stop(status.id)
        await follow(client, status.id, lambda _: False)
    whole = [(through[1] - straight[1]) / through[2] for straight, through in runs]
    first = [through[0] - straight[0] for straight, through in runs]
    return {
        "proxy, added per streamed chunk, median us": statistics.median(whole) * 1e6,
        "proxy, added to the first chunk, median ms": statistics.median(first) * 1e3,
        "llama-server directly, per chunk, median us": statistics.median(s[1] / s[2] for s, _ in runs) * 1e6,
    }


def measure() -> dict[str, float]:
    """Medians over twelve pairs of runs."""
    return asyncio.run(_measure())
