"""The service that installs llama.cpp: one install at a time, told step by step, cancelled at any moment."""

import asyncio
import logging
import os
import secrets
import sys
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

from app.engine.install import InstallPlace, Step, install
from app.engine.release_site import read_manifest, site_address
from app.engine.this_pc import this_pc
from app.node.rate_meter import RateMeter
from app.schema.engine import INSTALL_ENDS, EngineBuild, EngineInstall, EngineInstallRequest, EngineStatus, InstallPhase
from app.schema.errors import CaravanError, EngineInstallBusy, EngineInstallFailed, NotFound
from app.schema.event import EngineInstallChanged, EngineInstallProgressed, Event
from app.schema.hardware import HardwareSnapshot
from app.schema.settings import Settings
from app.system.graphics import has_vulkan_loader
from app.system.paths import Paths, resources_folder

logger = logging.getLogger("caravan.node.install")

TELL_SECONDS = 0.25
"""Least time between two events that only carry progress."""


async def install_place(
    paths: Paths, settings: Settings, hardware: HardwareSnapshot, build: EngineBuild | None
) -> InstallPlace:
    """Where and what to install on this PC, by the settings and environment of now; `build` is the engine in use."""
    in_use = (settings.engine_path, build.server if build is not None else None)
    return InstallPlace(
        engine=paths.engine,
        downloads=paths.engine_downloads,
        manifest=await asyncio.to_thread(lambda: read_manifest(resources_folder())),
        pc=this_pc(hardware, sys.platform, await asyncio.to_thread(has_vulkan_loader)),
        site=site_address(settings.release_mirror, os.environ),
        in_use=tuple(Path(each) for each in in_use if each),
    )


@dataclass(frozen=True)
class InstallTools:
    """What the service needs of others. `changed` makes the node look for its engine anew."""

    place: Callable[[], Awaitable[InstallPlace]]
    changed: Callable[[], Awaitable[EngineStatus]]
    publish: Callable[[Event], None]
    clock: Callable[[], float] = time.monotonic


class EngineInstaller:
    """Takes one request at a time; its outcome is the `engine_install` of the status."""

    def __init__(self, tools: InstallTools) -> None:
        self._tools = tools
        self._requests: asyncio.Queue[EngineInstallRequest] = asyncio.Queue()
        self._telling: _Telling | None = None
        self._task: asyncio.Task[None] | None = None

    def start(self, request: EngineInstallRequest) -> EngineInstall:
        """Begin an install. Raises EngineInstallBusy while another one runs."""
        if self._telling is not None and not self._telling.has_ended:
            raise EngineInstallBusy(
                "An engine is being installed on this PC already.",
                "See `caravan engine`; end it with `caravan engine cancel`.",
            )
        self._telling = _Telling(self._tools)
        self._requests.put_nowait(request)
        return self._telling.now

    def cancel(self) -> None:
        """End the install that runs; the outcome is its phase `cancelled`. Raises NotFound when none runs."""
        if self._telling is None or self._telling.has_ended:
            raise NotFound("No engine is being installed on this PC.", "Start one with `caravan engine install`.")
        self._telling.is_cancelled = True
        # Once the new engine is in use, the way back would be another install.
        if self._task is not None and self._telling.now.phase is not InstallPhase.SWITCHING:
            self._task.cancel()

    async def run(self) -> None:
        """Carry out requests until cancelled."""
        while True:
            request = await self._requests.get()
            self._task = asyncio.create_task(self._carry_out(request), name="engine install")
            try:
                await asyncio.wait([self._task])
            finally:
                self._task.cancel()
                await asyncio.wait([self._task])
                self._task = None

    async def _carry_out(self, request: EngineInstallRequest) -> None:
        telling = self._telling
        assert telling is not None
        try:
            if telling.is_cancelled:
                raise asyncio.CancelledError
            build = await install(await self._tools.place(), request, telling.step)
            engine = await self._tools.changed()
        except asyncio.CancelledError:
            telling.end(InstallPhase.CANCELLED)
        except CaravanError as error:
            logger.warning("engine not installed: %s", error.sentence)
            telling.end(InstallPhase.FAILED, error=error)
        except Exception:
            logger.exception("the install of an engine broke")
            told = EngineInstallFailed("Something went wrong inside Caravan.", "See `caravan logs` for what.")
            telling.end(InstallPhase.FAILED, error=told)
        else:
            logger.info("engine %s installed at %s", build.identity, build.server)
            telling.end(InstallPhase.DONE, notice=_not_used(build, engine))


def _not_used(build: EngineBuild, engine: EngineStatus) -> str | None:
    if engine.build is not None and engine.build.server == build.server:
        return None
    used = f"{engine.build.server} is still used" if engine.build else "it is not used yet"
    return f"The engine is installed, but {used}: a setting, an environment variable or a bundled engine comes first."


class _Telling:
    """The record of one install as it changes."""

    def __init__(self, tools: InstallTools) -> None:
        self._tools = tools
        self._rate = RateMeter()
        self._told_at = float("-inf")
        self.is_cancelled = False
        self.now = EngineInstall(id=secrets.token_hex(4), phase=InstallPhase.STARTING)
        tools.publish(EngineInstallChanged(install=self.now))

    @property
    def has_ended(self) -> bool:
        """Whether the outcome is known."""
        return self.now.phase in INSTALL_ENDS

    def step(self, step: Step) -> None:
        """Take a step of the install; progress alone is told a few times a second."""
        is_progress = (step.phase, step.file) == (self.now.phase, self.now.file) and step.done is not None
        at = self._tools.clock()
        rate = self._rate.add(at, step.done) if step.done is not None else None
        self.now = self._after(step, rate)
        if not is_progress:
            self._told_at = at
            self._tools.publish(EngineInstallChanged(install=self.now))
        elif at - self._told_at >= TELL_SECONDS:
            self._told_at = at
            self._tools.publish(EngineInstallProgressed(install=self.now))

    def _after(self, step: Step, rate: float | None) -> EngineInstall:
        changes = {
            "phase": step.phase,
            "build": step.build or self.now.build,
            "backend": step.backend or self.now.backend,
            "file": step.file,
            "bytes_done": self.now.bytes_done if step.done is None else step.done,
            "bytes_total": self.now.bytes_total if step.total is None else step.total,
            "rate": rate,
            "notices": (*self.now.notices, *step.notices),
        }
        return self.now.model_copy(update=changes)

    def end(self, phase: InstallPhase, error: CaravanError | None = None, notice: str | None = None) -> None:
        """Tell the outcome."""
        changes = {
            "phase": phase,
            "file": None,
            "rate": None,
            "error": error.info() if error else None,
            "notices": (*self.now.notices, *([notice] if notice else [])),
        }
        self.now = self.now.model_copy(update=changes)
        self._tools.publish(EngineInstallChanged(install=self.now))
