"""The node as a program: its services run together and end in order under one deadline."""

import asyncio
import contextlib
import logging
import os
import socket
from collections.abc import AsyncIterator, Callable
from typing import Any

from app.api.app import local_app
from app.api.passing import Upstream
from app.api.peer import peer_app
from app.api.peer_protocol import peer_protocol
from app.api.server import Listener
from app.daemon.building import Building, Keys, Parts
from app.daemon.ending import Ended, Ending
from app.identity.certificate import load_or_create
from app.identity.secret_file import new_secret, secret
from app.schema.endpoint import Endpoint
from app.schema.errors import ApiPortBusy
from app.schema.node import NodeInfo
from app.schema.options import NodeOptions
from app.system.files import write_atomically
from app.system.job import enter_kill_on_close_job
from app.system.lock import FolderLock
from app.system.logs import LogHandle, Secrets, configure
from app.system.paths import Paths
from app.system.ports import bind_loopback, port_owner
from app.system.signals import on_end_request

logger = logging.getLogger("caravan.daemon")

SHUTDOWN_SECONDS = 30.0
"""One deadline for everything that ends with the node; children still there then are killed with us."""


def run(options: NodeOptions, on_ready: Callable[[str], None]) -> int:
    """Run a node until it is asked to end; returns the exit code. `on_ready` hears the API's address when it answers.

    Raises DataFolderUnusable, NodeAlreadyRunning or ApiPortBusy before anything was started.
    """
    paths = Paths.under(options.data_dir) if options.data_dir else Paths.for_user()
    paths.ensure()
    with FolderLock(paths.lock), _logging(paths, options.verbose) as log:
        job = enter_kill_on_close_job()
        try:
            # A node that left its cluster is another one from then on, and starts anew.
            while asyncio.run(_serve(options, paths, log.secrets, on_ready)) is Ending.START_ANEW:
                logger.info("the node starts anew")
        finally:
            paths.endpoint.unlink(missing_ok=True)
            del job
    return 0


@contextlib.contextmanager
def _logging(paths: Paths, verbose: bool) -> Any:
    handle: LogHandle = configure(paths.logs, console=verbose, secrets=Secrets())
    try:
        yield handle
    finally:
        handle.close()


def _bind_or_tell(port: int, option: str) -> socket.socket:
    try:
        return bind_loopback(port)
    except OSError as error:
        owner = port_owner(port)
        by = f" by {owner}" if owner else ""
        raise ApiPortBusy(
            f"Port {port} on this PC is in use{by}.", f"End that program, or choose another port with {option}."
        ) from error


async def _serve(options: NodeOptions, paths: Paths, secrets: Secrets, on_ready: Callable[[str], None]) -> Ending:
    api = _bind_or_tell(options.api_port, "--api-port")
    door = bind_loopback(0)
    try:
        ended = Ended()
        building = Building(
            options, paths, secrets, ended, await asyncio.to_thread(_keys, paths, door.getsockname()[1])
        )
        parts = await building.assemble()
    except BaseException:
        api.close()
        door.close()
        raise
    upstream = Upstream()
    peers = Listener(peer_app(parts.node, upstream), door, peer_protocol(building.keys.door_secret))
    listeners = [Listener(local_app(parts.node, upstream, building.keys.token), api), peers]
    with on_end_request(asyncio.get_running_loop(), ended.quit):
        async with _running(parts, listeners, upstream):
            await asyncio.to_thread(_announce, parts.info, paths, listeners)
            logger.info("node %s listens on port %d", parts.info.name, listeners[0].port)
            on_ready(f"http://127.0.0.1:{listeners[0].port}")
            ending = await ended.wait()
            logger.info("the node is ending")
    return ending


def _keys(paths: Paths, door_port: int) -> Keys:
    return Keys(load_or_create(paths.data), secret(paths.api_token), door_port, new_secret())


def _announce(info: NodeInfo, paths: Paths, listeners: list[Listener]) -> None:
    endpoint = Endpoint(node=info.id, name=info.name, pid=os.getpid(), api_port=listeners[0].port)
    write_atomically(paths.endpoint, endpoint.model_dump_json().encode(), private=True)


@contextlib.asynccontextmanager
async def _running(parts: Parts, listeners: list[Listener], upstream: Upstream) -> AsyncIterator[None]:
    """Run services and listeners; at the end close streams, stop instances, end leases, then the listeners."""
    tasks = [asyncio.create_task(service(), name=service.__qualname__) for service in parts.services]
    tasks += [asyncio.create_task(listener.run(), name=f"listener {listener.port}") for listener in listeners]
    for task in tasks:
        task.add_done_callback(_tell_broken)
    try:
        yield
    finally:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(SHUTDOWN_SECONDS):
                await _wind_down(parts, listeners, tasks, upstream)


async def _wind_down(
    parts: Parts, listeners: list[Listener], tasks: list[asyncio.Task[None]], upstream: Upstream
) -> None:
    parts.bus.close()
    await parts.supervisor.close()
    await parts.lending.close()
    for listener in listeners:
        listener.end()
    await upstream.close()
    services = tasks[: len(parts.services)]
    # Requests under way still need the services.
    await asyncio.gather(*tasks[len(services) :], return_exceptions=True)
    for task in services:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


def _tell_broken(task: asyncio.Task[None]) -> None:
    if not task.cancelled() and (error := task.exception()) is not None:
        logger.error("service %s broke", task.get_name(), exc_info=error)
