"""This node's engine: found and probed once, then used to make workers, heads and memory checks."""

import asyncio
import logging
import os
from collections.abc import Callable
from pathlib import Path

from app.engine.capabilities import Prober
from app.engine.commands import fit_command
from app.engine.extra_arguments import check, legacy_settings
from app.engine.fit import measure
from app.engine.installed import installed_folder
from app.engine.locate import Places, locate
from app.instances.engine_cache import EngineCache
from app.instances.head import Head, HeadPlace, HeadTools, head_spec
from app.instances.memory_check import excess, judge
from app.instances.phases import Phases
from app.instances.placement import remote_indexes
from app.instances.worker import RpcWorker, WorkerPlace
from app.node.excesses import Excesses
from app.node.matching_engines import check_workers
from app.node.settings import SettingsStore
from app.schema.engine import EngineBuild, EngineStatus
from app.schema.errors import CaravanError, EngineMissing, InputError
from app.schema.instance import Lease
from app.schema.memory import MemoryExcess
from app.schema.model import ModelPart
from app.schema.record import InstanceId
from app.system.logs import LineFile, Secrets, prune
from app.system.paths import Paths, bundled_engine_folder

logger = logging.getLogger("caravan.node.engine")

CHILD_LOGS_KEPT = 40
"""Logs of llama.cpp programs that are kept, the newest; each has at most 2 MB."""


KEPT_SECONDS = 5.0
"""Time between two looks at the kept weights, which somebody may delete."""


class EngineRoom:
    """Everything of this node that needs to know which llama.cpp it has. `build` is the one in use now.

    `cores` are the processor's physical ones: as many threads llama-server takes for itself, where rpc-server takes
    half of the logical ones. None leaves it the choice. `is_ready` tells whether an instance of the cluster answers.
    `excesses` learns what memory checks say.
    """

    def __init__(
        self,
        node_name: str,
        paths: Paths,
        settings: SettingsStore,
        secrets: Secrets,
        build: Callable[[], EngineBuild | None],
        cores: Callable[[], int | None],
        is_ready: Callable[[InstanceId], bool],
        excesses: Excesses,
    ) -> None:
        self._node_name = node_name
        self._paths = paths
        self._settings = settings
        self._secrets = secrets
        self._build = build
        self._cores = cores
        self._is_ready = is_ready
        self.excesses = excesses
        self._prober = Prober()
        self._cache = EngineCache(paths.kept_weights)
        self._legacy = legacy_settings(os.environ)
        self._legacy_arguments: tuple[str, ...] = ()

    @property
    def model_folders(self) -> tuple[str, ...]:
        """Folders that the environment variables of the older program name."""
        return self._legacy.model_folders

    async def find(self) -> EngineStatus:
        """The engine of this PC, or why there is none. Never raises."""
        notices = self._legacy.notices
        try:
            candidate = await locate(await asyncio.to_thread(self._places), os.environ)
            build = await self._prober.probe(candidate)
        except CaravanError as error:
            logger.warning("no engine: %s", error.sentence)
            return EngineStatus(problem=error.info(), notices=notices)
        logger.info("engine %s at %s", build.identity, build.server)
        return EngineStatus(build=build, notices=(*notices, *candidate.notices, *self._accept_legacy(build)))

    def _accept_legacy(self, build: EngineBuild) -> tuple[str, ...]:
        """Keep the older program's extra arguments only if this build takes them; a notice when it does not."""
        try:
            self._legacy_arguments = check(self._legacy.extra_arguments, build)
        except InputError as error:
            self._legacy_arguments = ()
            return (f"The arguments from the older program's template are left out: {error.sentence}",)
        return ()

    def _places(self) -> Places:
        setting = self._settings.current.engine_path
        installed = installed_folder(self._paths.engine) or self._paths.engine
        return Places(setting=Path(setting) if setting else None, bundled=bundled_engine_folder(), installed=installed)

    def make_worker(self, lease: Lease) -> RpcWorker:
        """The rpc-server for a lease, not started yet."""
        place = WorkerPlace(
            node_name=self._node_name,
            build=self._ready_build(),
            threads=self._settings.current.cpu_threads or self._cores(),
            first_port=self._legacy.worker_port,
            open_log=self._open_log,
            cache=self._cache if self._settings.current.engine_cache else None,
            is_ready=self._is_ready,
        )
        return RpcWorker(lease, place)

    def kept(self) -> tuple[ModelPart, ...] | None:
        """The parts of models that a worker here would find on the disk, as of the last look; None without a cache."""
        build = self._build()
        if build is None or not self._settings.current.engine_cache:
            return None
        return self._cache.kept(build.identity)

    async def watch_kept(self) -> None:
        """Look again and again whether what is kept is still there, and remove it when unwanted; until cancelled."""
        while True:
            wanted = self._settings.current.engine_cache
            await asyncio.to_thread(self._cache.refresh if wanted else self._cache.clear)
            await asyncio.sleep(KEPT_SECONDS)

    async def make_head(self, place: HeadPlace, phases: Phases) -> Head:
        """The llama-server for an instance, not started yet. Raises EngineMismatch for workers of another build."""
        tools = self._tools(place)
        log = await asyncio.to_thread(self._open_log, f"head-{place.instance_id}")
        return Head(place, tools, phases, log)

    async def check_memory(self, place: HeadPlace) -> str | None:
        """What the engine itself says the plan needs, in a sentence part; None when this build cannot tell.

        Raises OutOfMemory when it is more than there is, EngineMismatch for workers of another build. A projection that
        fails for another reason stops nothing: the head will meet the same and tell it better.
        """
        tools = self._tools(place)
        build = tools.build
        command = fit_command(build, head_spec(place, tools, port=1, api_key=""))
        if command is None:
            return None
        try:
            measured = await measure(command, self._node_name, place.names_by_endpoint)
        except CaravanError as error:
            logger.warning("memory could not be checked: %s", error.sentence)
            return "could not be checked"
        remote = remote_indexes(place.endpoints)
        found = MemoryExcess(
            model_id=place.plan.model_id,
            model_bytes=place.model_bytes,
            build=build.identity,
            beyond_bytes=excess(place.plan, measured, remote),
        )
        await self.excesses.observe(found)
        return judge(place.plan, measured, remote)

    def _tools(self, place: HeadPlace) -> HeadTools:
        """What a head is started with here. Raises EngineMissing, or EngineMismatch for workers of another build."""
        build = self._ready_build()
        check_workers(place.worker_engines, build, self._node_name)
        return HeadTools(
            node_name=self._node_name,
            build=build,
            threads=self._settings.current.cpu_threads,
            first_port=self._legacy.server_port,
            extra_arguments=(*self._legacy_arguments, *self._settings.current.extra_arguments),
        )

    def _open_log(self, name: str) -> LineFile:
        prune(self._paths.logs, CHILD_LOGS_KEPT)
        return LineFile(self._paths.logs / f"{name}.log", self._secrets)

    def _ready_build(self) -> EngineBuild:
        build = self._build()
        if build is None:
            raise EngineMissing(f"{self._node_name} has no engine.", "Install llama.cpp there: see `caravan engine`.")
        return build
