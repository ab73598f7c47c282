"""What runs inside a host of the split bed: one head, measured by its own timings. Prints one JSON object.

Arguments: a file with the head's command line, port and key, and its workers' `host:port` (to time a connection to).
"""

import asyncio
import json
import statistics
import sys
import time
from pathlib import Path
from typing import Any

import httpx

from app.engine.calibration import _complete, _until_healthy
from app.system.loopback_http import loopback_client
from app.system.spawn import start_child

CONNECTIONS = 15
PROMPT, ANSWER, REPETITIONS = 64, 48, 2
READY_SECONDS = 120.0


async def _round_trip(endpoint: str) -> float:
    """Median seconds of a TCP connect: one round trip."""
    host, port = endpoint.rsplit(":", 1)
    times = []
    for _ in range(CONNECTIONS):
        began = time.perf_counter()
        _, writer = await asyncio.open_connection(host, int(port))
        times.append(time.perf_counter() - began)
        writer.close()
        await writer.wait_closed()
    return statistics.median(times)


async def _head(order: dict[str, Any]) -> dict[str, float]:
    lines: list[str] = []
    began = time.perf_counter()
    argv = [str(part) for part in order["argv"]]
    child = await start_child(
        argv, on_line=lambda _, line: lines.append(line), env=order["environment"], with_stdin=True
    )
    try:
        headers = {"Authorization": f"Bearer {order['key']}"}
        base = f"http://127.0.0.1:{order['port']}"
        async with loopback_client(base_url=base, headers=headers, timeout=httpx.Timeout(120.0)) as client:
            async with asyncio.timeout(READY_SECONDS):
                await _until_healthy(client, lambda: child.returncode, lines)
            load = time.perf_counter() - began
            await _complete(client, PROMPT, ANSWER, 0)
            runs = [await _complete(client, PROMPT, ANSWER, again) for again in range(1, REPETITIONS + 1)]
    finally:
        await child.stop(grace=0.0)
    return {
        "load": load,
        "decode": statistics.median(each["predicted_per_second"] for each in runs),
        "prefill": statistics.median(each["prompt_per_second"] for each in runs),
    }


async def _main(order: dict[str, Any]) -> dict[str, Any]:
    trips = {each: await _round_trip(each) for each in order["workers"]}
    if order.get("argv") is None:
        return {"round_trips": trips}
    return {"round_trips": trips, **await _head(order)}


if __name__ == "__main__":
    sys.stdout.write(json.dumps(asyncio.run(_main(json.loads(Path(sys.argv[1]).read_text("utf-8"))))) + "\n")
