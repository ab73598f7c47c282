"""What runs inside the head's host of the split bench: a client, ordered over standard input, one JSON object per line.

`{"port", "key", "prompt", "answer", "seed"}` asks the head and tells its own timings, `{"port", "key"}` waits until it
is ready, `{"until": "host:port"}` until a worker greets, `{"worker": "host:port"}` tells the median seconds of a
request and its answer over one connection.
"""

import asyncio
import contextlib
import json
import statistics
import sys
import time
from typing import Any

import httpx

from app.engine.calibration import _complete, _until_healthy
from app.engine.hello import DEVICE_COUNT, HELLO, HELLO_SIZE, HelloProblem, _ask, _connection, probe_worker
from app.system.loopback_http import loopback_client

TRIPS = 25
READY_SECONDS = 120.0
WORKER_SECONDS = 20.0


async def _round_trip(endpoint: str) -> float:
    host, port = endpoint.rsplit(":", 1)
    times = []
    async with _connection(host, int(port)) as (reader, writer):
        await _ask(reader, writer, HELLO, bytes(HELLO_SIZE))
        for _ in range(TRIPS):
            began = time.perf_counter()
            await _ask(reader, writer, DEVICE_COUNT)
            times.append(time.perf_counter() - began)
    return statistics.median(times)


async def _greeted(endpoint: str) -> None:
    host, port = endpoint.rsplit(":", 1)
    async with asyncio.timeout(WORKER_SECONDS):
        while True:
            with contextlib.suppress(HelloProblem):
                await probe_worker(host, int(port), 1.0)
                return
            await asyncio.sleep(0.05)


async def _asked(order: dict[str, Any]) -> dict[str, float]:
    headers, base = {"Authorization": f"Bearer {order['key']}"}, f"http://127.0.0.1:{order['port']}"
    async with loopback_client(base_url=base, headers=headers, timeout=httpx.Timeout(READY_SECONDS)) as client:
        if "prompt" not in order:
            async with asyncio.timeout(READY_SECONDS):
                await _until_healthy(client, lambda: None, [])
            return {}
        return await _complete(client, order["prompt"], order["answer"], order["seed"])


async def _answer(order: dict[str, Any]) -> dict[str, float]:
    if "worker" in order:
        return {"seconds": await _round_trip(order["worker"])}
    if "until" in order:
        await _greeted(order["until"])
        return {}
    return await _asked(order)


async def _main() -> None:
    reader = asyncio.StreamReader()
    loop = asyncio.get_running_loop()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    while line := await reader.readline():
        order = json.loads(line)
        sys.stdout.write(json.dumps(await _answer(order)) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    asyncio.run(_main())
