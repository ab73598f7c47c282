"""The nodes of a demo: started as programs of their own in a throw-away folder, ended and removed with it."""

import asyncio
import os
import shutil
import tempfile
from collections.abc import Callable
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass
from pathlib import Path

from app.cli.cluster_command import join_and_follow
from app.client import NodeClient, read_endpoint
from app.schema.cluster import JoinRequest
from app.schema.endpoint import Endpoint
from app.schema.errors import CaravanError, NodeError, NodeNotRunning, from_info
from app.schema.settings import Settings
from app.system.files import write_atomically
from app.system.job import enter_kill_on_close_job
from app.system.paths import Paths
from app.system.ports import LOOPBACK
from app.system.program import own_command
from app.system.spawn import Child, start_child

START_SECONDS = 60.0
"""How long a node may take until it listens; a cold disk makes the first start slow."""

STOP_SECONDS = 15.0


@dataclass
class DemoNode:
    """One node of the demo. `lines` are what it printed, told when it cannot start."""

    name: str
    paths: Paths
    child: Child
    lines: list[str]

    async def endpoint(self) -> Endpoint:
        """Where it listens, as soon as it does. Raises NodeError when it ends before."""
        for _ in range(int(START_SECONDS / 0.05)):
            if self.child.returncode is not None:
                await self.child.wait()
                raise NodeError(f"The demo's {self.name} ended at its start.", "", tuple(self.lines[-10:]))
            with suppress(NodeNotRunning):
                return read_endpoint(self.paths)
            await asyncio.sleep(0.05)
        raise NodeError(f"The demo's {self.name} did not start within {START_SECONDS:.0f} s.", "Try again.")

    async def end(self) -> None:
        """End it politely, by tree when it does not listen."""
        with suppress(CaravanError, OSError):
            async with NodeClient(self.paths) as client:
                await client.shut_down()
            async with asyncio.timeout(STOP_SECONDS):
                await self.child.wait()
        with suppress(TimeoutError):
            await self.child.stop(grace=2.0)


Program = Callable[..., list[str]]


async def start_cluster(stack: AsyncExitStack, workers: int, program: Program = own_command) -> tuple[DemoNode, ...]:
    """Start a head and its workers and let them join by code; `stack` ends them and removes their folder.

    The head is the first in the answer. `program` makes the argument list of a node from its arguments.
    """
    # The demo owns its nodes: on Windows they are born inside this job and cannot outlive it.
    enter_kill_on_close_job()
    root = Path(tempfile.mkdtemp(prefix="caravan-demo-"))
    stack.push_async_callback(asyncio.to_thread, shutil.rmtree, root, True)
    threads = max(1, (os.cpu_count() or 1) // (workers + 1))
    names = ("head", *(f"worker-{number}" for number in range(1, workers + 1)))
    nodes = tuple(await asyncio.gather(*(_start(stack, program, root / name, threads) for name in names)))
    await asyncio.gather(*(node.endpoint() for node in nodes))
    await _gather_by_code(nodes[0], nodes[1:])
    return nodes


async def _gather_by_code(host: DemoNode, guests: tuple[DemoNode, ...]) -> None:
    """Let all guests join the host with the code it shows, one after the other, as people do."""
    async with NodeClient(host.paths) as inviting:
        for guest in guests:
            async with NodeClient(guest.paths) as joining:
                shown = await inviting.cluster.invite()
                request = JoinRequest(code=shown.code or "", address=shown.addresses[0])
                ended = await join_and_follow(joining, request, None, quiet=True)
            if ended.error is not None:
                raise from_info(ended.error)
        await inviting.cluster.end_invitation()


async def _start(stack: AsyncExitStack, program: Program, folder: Path, threads: int) -> DemoNode:
    paths = Paths.under(folder)
    paths.ensure()
    settings = Settings(name=folder.name, use_known_folders=False, cpu_threads=threads)
    write_atomically(paths.settings, settings.model_dump_json().encode())
    here = ("--host", LOOPBACK, "--peer-port", "0", "--pair-port", "0", "--no-measure")
    command = program("node", "--data-dir", str(folder), "--api-port", "0", *here)
    lines: list[str] = []
    child = await start_child(command, on_line=lambda _, line: lines.append(line))
    node = DemoNode(folder.name, paths, child, lines)
    stack.push_async_callback(node.end)
    return node
