"""The node's public face: what the API, and nothing but the API, calls. Thin: every method asks one service."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from app.engine.extra_arguments import check
from app.instances.lending import Lending
from app.node.bus import Bus, Subscription
from app.node.cluster_room import ClusterRoom
from app.node.downloads.service import Downloads
from app.node.engine_install import EngineInstaller
from app.node.excesses import Excesses
from app.node.health import Health
from app.node.hub_desk import HubDesk
from app.node.instance_desk import InstanceDesk
from app.node.library import Library
from app.node.loading import Loading
from app.node.model_remover import ModelRemover
from app.node.relaunch import Relaunch
from app.node.resources import own_links
from app.node.serving import Serving
from app.node.settings import SettingsStore
from app.node.speeds import Speeds
from app.schema.engine import EngineInstall, EngineInstallRequest
from app.schema.event import NumberedEvent, SettingsChanged
from app.schema.model import HeldModel, ModelFile
from app.schema.node import PeerReport, Status
from app.schema.plan import Plan
from app.schema.record import InstanceId, ModelId
from app.schema.settings import Settings
from app.system.logs import log_names, named_tail


@dataclass(frozen=True)
class Services:
    """What a node is made of; wired once in `daemon`."""

    bus: Bus
    settings: SettingsStore
    library: Library
    lending: Lending
    cluster: ClusterRoom
    instances: InstanceDesk
    relaunch: Relaunch
    loading: Loading
    installer: EngineInstaller
    hub: HubDesk
    downloads: Downloads
    remover: ModelRemover
    health: Health
    speeds: Speeds
    excesses: Excesses
    logs: Path
    request_shutdown: Callable[[], None]


class Node:
    """One node. Reads are of the immutable status; commands return at once and their outcome is an event."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self.lending = services.lending
        self.cluster = services.cluster
        self.instances = services.instances
        self.hub = services.hub
        self.downloads = services.downloads

    @property
    def status(self) -> Status:
        """Everything the node shows, as of now."""
        return self._services.bus.status

    @property
    def settings(self) -> Settings:
        """The settings that hold now."""
        return self._services.settings.current

    async def change_settings(self, settings: Settings) -> Settings:
        """Save new settings. Extra arguments are checked against the engine. Raises InputError."""
        build = self.status.engine.build
        if settings.extra_arguments and build is not None:
            check(settings.extra_arguments, build)
        await asyncio.to_thread(self._services.settings.replace, settings)
        self._services.bus.publish(SettingsChanged(settings=settings))
        return settings

    def subscribe(self) -> Subscription:
        """A reader of every change from now on."""
        return self._services.bus.subscribe()

    def story(self) -> tuple[NumberedEvent, ...]:
        """The last events, oldest first."""
        return self._services.bus.story()

    async def serving(self, model: str | None) -> Serving:
        """Who answers for a model's name; one that does not run is loaded first, where the settings say so.

        Raises what `Loading.serving` raises.
        """
        return await self._services.loading.serving(model)

    async def load(self, model: ModelId) -> tuple[InstanceId, Plan]:
        """Launch a model as it ran last. Raises ModelNotFound, PlacementRefused, or why it cannot be started."""
        return await self._services.relaunch.launch(model)

    async def models(self, rescan: bool = False) -> tuple[ModelFile, ...]:
        """The models on this PC; the first call waits for the first scan."""
        if rescan:
            return await self._services.library.rescan()
        await self._services.library.scanned.wait()
        return self._services.library.models

    async def cluster_models(self) -> tuple[HeldModel, ...]:
        """The models of all PCs of the cluster, with who holds each."""
        return await self.cluster.models.held(self.status.node.id, await self.models())

    async def remove_model(self, name: str) -> None:
        """Delete a model from this PC's own folder. Raises ModelNotFound or ModelKept."""
        try:
            await self._services.remover.remove(name)
        finally:
            await self.downloads.forget_deleted()

    def install_engine(self, request: EngineInstallRequest) -> EngineInstall:
        """Begin to install llama.cpp; the steps are told by events. Raises EngineInstallBusy."""
        return self._services.installer.start(request)

    def cancel_engine_install(self) -> None:
        """End the install that runs. Raises NotFound when none does."""
        self._services.installer.cancel()

    async def fix(self, code: str) -> str:
        """Put right what a warning says; returns a sentence. Raises InputError, NotAllowed, NodeError."""
        return await self._services.health.fix(code)

    def report(self) -> PeerReport:
        """What this node tells its peers."""
        status = self.status
        return PeerReport(
            node=status.node,
            devices=self.lending.offers(),
            hardware=status.hardware,
            load=status.load,
            engine=status.engine,
            sharing=self.settings.sharing,
            leases=status.leases,
            instances=status.instances,
            speeds=self._services.speeds.current,
            links=own_links(status),
            members_digest=self.cluster.digest,
            catalogue_revision=status.catalogue.revision,
            unload_after=self.settings.unload_after,
            kept=self.lending.kept,
            excesses=self._services.excesses.current,
        )

    def log_names(self) -> tuple[str, ...]:
        """The logs there are, the node's own first."""
        return log_names(self._services.logs)

    async def log_tail(self, name: str, lines: int) -> list[str]:
        """The last lines of a log by its name. Raises InputError for a name there is none of."""
        return await asyncio.to_thread(named_tail, self._services.logs, name, lines)

    def shut_down(self) -> None:
        """Ask the node to end."""
        self._services.request_shutdown()
