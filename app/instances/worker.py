"""The rpc-server behind one lease: chosen port, started, proven to be ours and to answer, watched."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass

from app.engine.commands import WorkerSpec, worker_command
from app.engine.hello import HelloProblem, WorkerHello, probe_worker
from app.engine.output import diagnose_worker
from app.instances.engine_cache import CACHE_PROTOCOL, CacheSession, EngineCache, Load
from app.instances.process import EngineProcess, LineSink
from app.schema.engine import EngineBuild
from app.schema.errors import CaravanError, PortInUse, WorkerFailed
from app.schema.instance import Lease, WorkerState, WorkerStatus
from app.schema.record import InstanceId
from app.system.ports import LOOPBACK, free_port, owns_port

START_SECONDS = 45.0
"""How long an rpc-server may take to answer: a GPU driver that wakes needs many seconds."""

PORT_TRIES = 3
"""Ports tried when another program takes the chosen one first."""

_POLL_SECONDS = 0.05


@dataclass(frozen=True)
class WorkerPlace:
    """Where and with what a worker runs. `open_log` makes the file for its output by a name.

    `first_port` is where the search for a free port begins, None for any. `cache` keeps weights for the next load;
    `is_ready` tells whether an instance answers.
    """

    node_name: str
    build: EngineBuild
    threads: int | None
    first_port: int | None
    open_log: Callable[[str], LineSink]
    cache: EngineCache | None = None
    is_ready: Callable[[InstanceId], bool] = lambda _: False


class RpcWorker:
    """One rpc-server for one lease."""

    def __init__(self, lease: Lease, place: WorkerPlace) -> None:
        self._lease = lease
        self._place = place
        self._process: EngineProcess | None = None
        self._cached: CacheSession | None = None
        self._port: int | None = None
        self._serving = False

    async def start(self) -> None:
        """Start it and return when it answers a hello.

        Raises WorkerFailed, PortInUse, EngineMissing, EngineBroken or EngineLibraryMissing.
        """
        for attempt in range(PORT_TRIES):
            try:
                await self._start_on(free_port(self._place.first_port))
            except PortInUse:
                await self.stop()
                if attempt == PORT_TRIES - 1:
                    raise
            else:
                return

    async def _start_on(self, port: int) -> None:
        hello = await self._launch(port)
        if self._cached is not None and hello.version[0] < CACHE_PROTOCOL and self._place.cache is not None:
            self._place.cache.refuse(self._place.build.identity)
            await self.stop()
            await self._launch(port)
        self._serving = True

    async def _launch(self, port: int) -> WorkerHello:
        self._port = port
        name = f"worker-{self._lease.instance_id}-{self._lease.device}"
        await self._open_cache()
        folder = str(self._cached.folder) if self._cached is not None else None
        spec = WorkerSpec(device=self._lease.device, port=port, threads=self._place.threads, cache_folder=folder)
        log = await asyncio.to_thread(self._place.open_log, name)
        on_line = self._cached.heard if self._cached is not None else None
        self._process = EngineProcess(worker_command(self._place.build, spec), self._place.node_name, log, on_line)
        if self._cached is not None:
            self._cached.begin(load=self._load())
        await self._process.start()
        return await self._until_serving(self._process, port)

    def _load(self) -> Load | None:
        lease = self._lease
        if lease.part is None:
            return None
        return Load(lease.part, lease.size_bytes, lambda: self._place.is_ready(lease.instance_id))

    async def _open_cache(self) -> None:
        cache, build = self._place.cache, self._place.build.identity
        if cache is None:
            return
        opening = asyncio.create_task(asyncio.to_thread(cache.open, self._lease.id, build, self._lease.size_bytes))
        try:
            self._cached = await asyncio.shield(opening)
        except asyncio.CancelledError:
            # The thread goes on, and `stop` must know of the folder.
            self._cached = await opening
            raise

    async def _until_serving(self, process: EngineProcess, port: int) -> WorkerHello:
        give_up = time.monotonic() + START_SECONDS
        while True:
            if process.returncode is not None:
                await process.wait()
                raise self._why(process)
            try:
                hello = await probe_worker(LOOPBACK, port, 2.0)
            except HelloProblem as problem:
                if time.monotonic() > give_up:
                    raise WorkerFailed(
                        f"The worker on {self._place.node_name} did not answer within {START_SECONDS:.0f} s.",
                        "Try again; if it stays so, restart that PC or update its graphics driver.",
                        (*problem.args, *process.tail),
                    ) from problem
                await asyncio.sleep(_POLL_SECONDS)
                continue
            break
        if process.pid is not None and await asyncio.to_thread(owns_port, process.pid, port) is False:
            raise PortInUse(f"Another program took port {port} on {self._place.node_name}.", "Launch again.")
        return hello

    def _why(self, process: EngineProcess) -> CaravanError:
        return diagnose_worker(process.tail, process.returncode or 0, self._place.node_name)

    def status(self) -> WorkerStatus:
        """How it is now; an exited one carries the reason."""
        process = self._process
        state, error = WorkerState.STARTING, None
        if process is not None and process.returncode is not None:
            state, error = WorkerState.EXITED, self._why(process).info()
        elif self._serving:
            state = WorkerState.RUNNING
        return WorkerStatus(
            lease_id=self._lease.id, state=state, port=self._port, engine=self._place.build.identity, error=error
        )

    async def stop(self) -> None:
        """End it; an rpc-server has nothing to save, so it is not asked first."""
        if self._process is not None:
            await self._process.stop(polite=False)
        cached, self._cached = self._cached, None
        if cached is not None:
            await cached.close()
