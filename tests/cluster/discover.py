"""`python -m tests.cluster.discover`: only discovery. Prints what it sees as JSON lines, obeys lines on its input.

Output: `{"ready": INSTANCE}`, `{"sightings": [...]}`, `{"warnings": [...]}`, and for `stats`: the most processor
time in seconds that the event loop spent between two turns of a timer, and the process's memory in bytes. Input:
`pair PORT`, `pair`, `stats`.
"""

import argparse
import asyncio
import contextlib
import json
import sys
import time
from typing import Any

import psutil
from blockbuster import BlockBuster

from app.cluster.discovery import Discovery, Pace
from app.schema.node import HealthWarning
from app.schema.record import NodeId
from app.schema.sighting import Sighting
from app.system.signals import on_end_request


def say(**words: Any) -> None:
    print(json.dumps(words), flush=True)  # noqa: T201


def say_sightings(sightings: tuple[Sighting, ...]) -> None:
    say(sightings=[each.model_dump(mode="json") for each in sightings])


def say_warnings(warnings: tuple[HealthWarning, ...]) -> None:
    say(warnings=[each.model_dump(mode="json") for each in warnings])


class Turns:
    """Processor time of the event loop's thread between two turns of a timer, at worst."""

    def __init__(self) -> None:
        self.worst = 0.0

    async def run(self) -> None:
        while True:
            before = time.thread_time()
            await asyncio.sleep(0.01)
            self.worst = max(self.worst, time.thread_time() - before)

    def take(self) -> float:
        worst, self.worst = self.worst, 0.0
        return worst


async def obey(discovery: Discovery, turns: Turns) -> None:
    reader = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    while line := (await reader.readline()).decode().split():
        if line[0] == "pair":
            discovery.set_pairing(int(line[1]) if len(line) > 1 else None)
        elif line[0] == "stats":
            say(busy=turns.take(), memory=psutil.Process().memory_info().rss)


async def serve(options: argparse.Namespace) -> None:
    pace = Pace(announce=options.announce, lifetime=options.lifetime, rescan=options.rescan, ask=options.ask)
    discovery = Discovery(NodeId(options.node), options.port, say_sightings, say_warnings, pace=pace)
    discovery.set_known({NodeId(each): f"PC {each}" for each in options.known})
    turns, ended = Turns(), asyncio.Event()
    say(ready=discovery.instance)
    with on_end_request(asyncio.get_running_loop(), ended.set):
        tasks = [asyncio.create_task(each) for each in (discovery.run(), turns.run(), obey(discovery, turns))]
        await ended.wait()
        for task in tasks:
            task.cancel()
        for task in tasks:
            with contextlib.suppress(asyncio.CancelledError):
                await task


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--node", required=True)
    parser.add_argument("--port", type=int, default=52416)
    parser.add_argument("--known", nargs="*", default=[])
    for name, seconds in (("announce", 15.0), ("lifetime", 45.0), ("rescan", 0.5), ("ask", 60.0)):
        parser.add_argument(f"--{name}", type=float, default=seconds)
    alarm = BlockBuster("app")
    alarm.activate()
    asyncio.run(serve(parser.parse_args()))


if __name__ == "__main__":
    main()
