"""The llama-server of one instance: started, followed while it loads, asked for readiness, ended.

Readiness is `/health` saying ok; what the engine prints is progress. Nothing has a fixed deadline: a load is given up
when nothing moved for as long as the largest piece may take at a rate that is too slow to be of use.
"""

import asyncio
import contextlib
import logging
import secrets
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field

import httpx

from app.engine.commands import Guessing, HeadSpec, head_command
from app.engine.output import diagnose_head, parse_line
from app.instances.phases import Phases
from app.instances.placement import engine_devices, expected_bytes, remote_indexes, stage_label
from app.instances.process import EngineProcess, LineSink
from app.instances.progress import LoadProgress
from app.instances.pulse import Pace, pace_of, until_still
from app.schema.engine import EngineBuild
from app.schema.errors import CaravanError, HeadFailed, LaunchStalled, WorkerLost
from app.schema.instance import DeviceBuffer
from app.schema.plan import CPU_DEVICE, Plan, Stage
from app.schema.record import InstanceId
from app.system.loopback_http import loopback_client
from app.system.ports import LOOPBACK, free_port

logger = logging.getLogger("caravan.instances.head")

STALL_SECONDS = 60.0
"""Least time without any movement after which a load counts as stalled."""

SLOWEST_RATE = 1_000_000
"""Bytes per second under which a load is not worth waiting for: a 12 Mbit/s link."""

LAST_WORDS_SECONDS = 5.0
"""How long the output's word that the model is loaded is waited for once `/health` says so: they come by two ways."""

_POLL_SECONDS = 0.1
_PUBLISH_SECONDS = 0.2


@dataclass(frozen=True)
class HeadPlace:
    """What a head is made for. `endpoints` maps the position of a stage with a worker to `host:port` on this PC.

    `draft_path` is the file of the plan's draft model, `model_bytes` the size of the model's, `worker_engines` the
    builds that the workers are of, by the names of their PCs.
    `on_end` hears why the process ended when nobody asked it to, or that it hangs.
    """

    instance_id: InstanceId
    plan: Plan
    model_path: str
    projector_path: str | None
    endpoints: dict[int, str]
    extra_arguments: tuple[str, ...]
    on_end: Callable[[CaravanError], None]
    draft_path: str | None = None
    model_bytes: int = 0
    worker_engines: Mapping[str, str] = field(default_factory=dict)

    @property
    def guessing(self) -> Guessing | None:
        """How the plan guesses ahead; None when it does not, or when its draft model is no longer there."""
        found = self.plan.speculation
        if found is None or (found.draft_model is not None and self.draft_path is None):
            return None
        return Guessing(found.guesses, self.draft_path, found.draft_device or CPU_DEVICE)

    @property
    def stages_by_endpoint(self) -> dict[str, Stage]:
        """The stage behind each worker's address."""
        return {endpoint: self.plan.stages[position] for position, endpoint in self.endpoints.items()}

    @property
    def names_by_endpoint(self) -> dict[str, str]:
        """The PC behind each worker's address."""
        return {endpoint: stage.node_name for endpoint, stage in self.stages_by_endpoint.items()}


HeadMaker = Callable[[HeadPlace, Phases], Awaitable["Head"]]


@dataclass(frozen=True)
class HeadTools:
    """What every head of this node is started with. `first_port` is where the search for a free port begins.

    `clock` is the time of day, `steady` a clock that never jumps; a load that moves nothing for `stall_seconds` stalls.
    `pace` is how long one that is ready may stand still.
    """

    node_name: str
    build: EngineBuild
    threads: int | None
    first_port: int | None
    extra_arguments: tuple[str, ...]
    clock: Callable[[], float] = field(default=time.time)
    steady: Callable[[], float] = field(default=time.monotonic)
    stall_seconds: float = STALL_SECONDS
    pace: Callable[[Plan], Pace] = pace_of


def head_spec(place: HeadPlace, tools: HeadTools, port: int, api_key: str) -> HeadSpec:
    """The command line facts of a head: the plan's split over the workers' addresses in stage order."""
    return HeadSpec(
        model_path=place.model_path,
        alias=str(place.plan.model_id),
        devices=engine_devices(place.plan, remote_indexes(place.endpoints)),
        rpc_endpoints=tuple(place.endpoints[position] for position in sorted(place.endpoints)),
        gpu_layers=place.plan.gpu_layers,
        tensor_split=place.plan.tensor_split,
        context=place.plan.context,
        slots=place.plan.slots,
        kv_type=place.plan.kv_type,
        threads=tools.threads,
        projector_path=place.projector_path,
        projector_device=place.plan.encoder.device if place.plan.encoder is not None else None,
        guessing=place.guessing,
        expert_layers=place.plan.expert_layers,
        repacks=place.plan.repacks,
        port=port,
        api_key=api_key,
        extra_arguments=(*tools.extra_arguments, *place.extra_arguments),
    )


class Head:
    """A llama-server. `url` and `api_key` are for this node's own proxy only."""

    def __init__(self, place: HeadPlace, tools: HeadTools, first: Phases, log: LineSink) -> None:
        self._place = place
        self._tools = tools
        self.api_key = secrets.token_urlsafe(32)
        port = free_port(tools.first_port)
        self.url = f"http://{LOOPBACK}:{port}"
        command = head_command(tools.build, head_spec(place, tools, port, self.api_key))
        self._process = EngineProcess(command, tools.node_name, log, self._take)
        names = {endpoint: stage_label(stage) for endpoint, stage in place.stages_by_endpoint.items()}
        self._progress = LoadProgress(expected_bytes(place.plan), names, tools.clock, first, tools.steady)
        self._stopping = False
        self._end_watch: asyncio.Task[None] | None = None
        self._still_watch: asyncio.Task[None] | None = None

    @property
    def phases(self) -> Phases:
        """The launch's phases as its output tells them."""
        return self._progress.phases

    @property
    def pid(self) -> int | None:
        """Its process id."""
        return self._process.pid

    async def start(self) -> None:
        """Start the process. Raises EngineMissing or EngineBroken."""
        self._progress.advanced_at = self._tools.steady()
        await self._process.start()
        self._end_watch = asyncio.create_task(self._await_end(), name="end of the head")

    async def until_ready(self, told: Callable[[Phases, tuple[DeviceBuffer, ...]], None]) -> None:
        """Follow the load until `/health` says ok; `told` hears phases and buffers as they move.

        Raises LaunchStalled when nothing moves, WorkerLost when a planned worker was left out. The end of the process
        itself is told through `on_end`, this then waits to be cancelled; so is, once it is ready, that it hangs.
        """
        last_told = 0.0
        async with loopback_client(timeout=2.0) as client:
            while not await self._healthy(client):
                now = time.monotonic()
                if now - last_told >= _PUBLISH_SECONDS:
                    told(self.phases, self._progress.buffer_records())
                    last_told = now
                self._check_stall()
                await asyncio.sleep(_POLL_SECONDS)
        await self._until_all_words()
        self._check_devices()
        self._still_watch = asyncio.create_task(self._await_stillness(), name="stillness of the head")
        told(self.phases, self._progress.buffer_records())

    async def _until_all_words(self) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(LAST_WORDS_SECONDS):
                await self._progress.words_end.wait()

    async def _healthy(self, client: httpx.AsyncClient) -> bool:
        if self._process.returncode is not None:
            return False
        try:
            return (await client.get(f"{self.url}/health")).status_code == httpx.codes.OK
        except httpx.HTTPError:
            return False

    def _check_stall(self) -> None:
        idle = self._tools.steady() - self._progress.advanced_at
        largest = max((stage.weight_bytes // max(stage.layers, 1) for stage in self._place.plan.stages), default=0)
        if self._process.returncode is None and idle > max(self._tools.stall_seconds, largest / SLOWEST_RATE):
            raise LaunchStalled(
                f"Nothing moved for {idle:.0f} s while {self._tools.node_name} loaded {self._place.plan.model_id}.",
                "Check that every PC of the plan is awake and reachable, then launch again.",
                self._process.tail[-20:],
            )

    def _check_devices(self) -> None:
        """Old builds carry on without a worker that does not answer; the output is the only place that tells."""
        if not self._progress.devices:
            return
        for endpoint, stage in self._place.stages_by_endpoint.items():
            if endpoint not in self._progress.devices:
                raise WorkerLost(
                    f"The engine left {stage.node_name} out although the plan gives it layers.",
                    "Launch again; if it stays so, install the same newer llama.cpp build on every PC.",
                    self._process.tail[-20:],
                )

    async def stop(self, polite: bool) -> None:
        """End the process; politely when it can listen. Safe to call at any time."""
        self._stopping = True
        if self._still_watch is not None:
            self._still_watch.cancel()
        await self._process.stop(polite)
        watches = [each for each in (self._still_watch, self._end_watch) if each is not None]
        await asyncio.gather(*watches, return_exceptions=True)

    async def _await_end(self) -> None:
        code = await self._process.wait()
        logger.info("head %s ended with code %d", self._place.instance_id, code)
        if not self._stopping:
            self._place.on_end(self._why(code))

    async def _await_stillness(self) -> None:
        pace = self._tools.pace(self._place.plan)
        await until_still(self.url, self.api_key, pace)
        logger.warning("head %s stood still for %.0f s", self._place.instance_id, pace.patience)
        self._place.on_end(self._hung(pace.patience))

    def _hung(self, seconds: float) -> HeadFailed:
        names = [self._tools.node_name, *dict.fromkeys(self._place.names_by_endpoint.values())]
        where = f"one of {', '.join(names)} hangs" if len(names) > 1 else "it hangs"
        return HeadFailed(
            f"The engine on {self._tools.node_name} computed nothing for {seconds:.0f} s: {where}.",
            "Launch again. If it stays so, update the graphics driver, or leave out one PC after the other.",
            self._process.tail,
        )

    def _why(self, code: int) -> CaravanError:
        names = self._place.names_by_endpoint
        return diagnose_head(self._process.tail, code, self._tools.node_name, names) or HeadFailed(
            f"The engine on {self._tools.node_name} ended.", "Launch again.", self._process.tail
        )

    def _take(self, line: str) -> None:
        self._progress.first_line()
        event = parse_line(line)
        if event is None:
            return
        self._progress.take(event)
