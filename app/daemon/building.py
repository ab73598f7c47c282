"""The node's services, built by hand in the order in which they need each other."""

import asyncio
import functools
import os
import platform
import time
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from app import __version__
from app.daemon.ending import Ended
from app.engine.install import InstallPlace
from app.identity.certificate import Identity
from app.identity.trust_store import TrustStore, own_member
from app.instances.lending import Lender, Lending
from app.instances.steps import RunPlace
from app.instances.supervisor import Supervisor
from app.modelstore.catalogue import Catalogue
from app.modelstore.folders import default_folders
from app.modelstore.hub.hub import Hub
from app.node.announcer import Announcer
from app.node.bus import Bus
from app.node.cluster_room import ClusterPlace, ClusterRoom
from app.node.corrections import Corrections
from app.node.downloads.service import Downloads, DownloadTools
from app.node.engine_install import EngineInstaller, InstallTools, install_place
from app.node.engine_room import EngineRoom
from app.node.excesses import Excesses
from app.node.forecast import Forecast, Timings
from app.node.health import Health, tools_here
from app.node.hub_desk import HubDesk
from app.node.hub_token import HubTokens
from app.node.idle import IdleWatch
from app.node.instance_desk import InstanceDesk
from app.node.inventory import Inventory
from app.node.known import until_known
from app.node.last_launches import LastLaunches, read_launches
from app.node.library import Library
from app.node.link_measurer import LinkMeasurer
from app.node.link_room import LinkGate
from app.node.loading import Loading
from app.node.model_remover import ModelRemover
from app.node.node import Node, Services
from app.node.own_link import OwnLink
from app.node.relaunch import Relaunch
from app.node.settings import SettingsStore
from app.node.speeds import Speeds, SpeedsPlace
from app.node.start_launch import StartLaunch
from app.node.suggestions import Suggestions
from app.node.wakefulness import PeerCalls, Wakefulness
from app.node.warnings import WarningBoard
from app.schema.devices import measured_devices
from app.schema.engine import EngineBuild
from app.schema.event import InstanceChanged, InstanceForgotten
from app.schema.instance import InstanceState, InstanceStatus, LaunchRequest
from app.schema.model import ModelFile
from app.schema.node import NodeInfo, Status
from app.schema.options import NodeOptions
from app.schema.plan import DeviceResources, Plan
from app.schema.record import InstanceId, ModelId, NodeId
from app.system.logs import Secrets
from app.system.paths import Paths, resources_folder
from app.system.power import KeepAwake

Service = Callable[[], Coroutine[Any, Any, None]]


@dataclass(frozen=True)
class Keys:
    """Who this node is and what opens it: its identity, the local API's token, the secret of the door for peers."""

    identity: Identity
    token: str
    door_port: int
    door_secret: str


@dataclass(frozen=True)
class Parts:
    """The wired node and what runs beside it."""

    info: NodeInfo
    node: Node
    bus: Bus
    supervisor: Supervisor
    lending: Lending
    services: tuple[Service, ...]


@dataclass(frozen=True)
class Behind:
    """What the node's facade does not reach and what runs beside it needs."""

    inventory: Inventory
    engine: EngineRoom
    supervisor: Supervisor
    forecast: Forecast
    launches: LastLaunches


class Building:
    """Builds the services of one node in the order in which they need each other."""

    def __init__(self, options: NodeOptions, paths: Paths, secrets: Secrets, ended: Ended, keys: Keys) -> None:
        self._options = options
        self._paths = paths
        self._secrets = secrets
        self._ended = ended
        self.keys = keys
        for each in (keys.token, keys.door_secret, keys.identity.key_password):
            secrets.add(each)

    async def assemble(self) -> Parts:
        """Build everything; nothing runs yet."""
        paths = self._paths
        settings = await asyncio.to_thread(SettingsStore, paths.settings)
        info = await asyncio.to_thread(self._info, settings)
        known = await asyncio.to_thread(read_launches, paths.last_launches)
        bus = Bus(Status(node=info, settings=settings.current, last_launches=known))
        board = WarningBoard(bus.publish)
        engine = await self._engine(info, settings, bus)
        place = SpeedsPlace(lambda: bus.status, lambda: settings.current.cpu_threads, paths.cache)
        speeds = await asyncio.to_thread(Speeds, place)
        cluster = await self._cluster(info, bus, board)
        gate = LinkGate(info.id, cluster.link.service)
        devices = functools.partial(_devices, bus, speeds)
        makes, keeps = engine.make_worker, engine.kept
        lender = Lender(lambda: info.name, lambda: settings.current.sharing, devices, makes, gate, keeps)
        lending = Lending(lender, bus.publish)
        supervisor = _supervisor(info, bus, engine, lending, cluster, lambda *launch: forecast.plan_anew(*launch))
        folders = await asyncio.to_thread(self._folders, settings, engine.model_folders)
        library = Library(Catalogue(folders, paths.cache), folders, bus.publish)
        inventory = Inventory(engine.find, bus.publish, lambda warnings: board.set("this PC", warnings))
        installer = self._installer(settings, inventory, bus)
        corrections = await asyncio.to_thread(Corrections, paths.cache / "corrections.json")
        answered = functools.partial(_answered, supervisor)
        forecast = Forecast(bus, library, lending, cluster.models, speeds, corrections, engine.excesses, answered)
        hub = Hub((tokens := self._hub_tokens(settings)).place)
        downloads = self._downloads(hub, library, bus)
        health = self._health(bus, cluster, board)
        launches = LastLaunches(paths.last_launches, bus)
        desk = InstanceDesk(bus, library, supervisor, cluster, forecast, launches)
        relaunch = Relaunch(bus, desk)
        loading = Loading(bus, desk, relaunch)
        reached = Services(
            bus=bus,
            settings=settings,
            library=library,
            lending=lending,
            cluster=cluster,
            instances=desk,
            relaunch=relaunch,
            loading=loading,
            installer=installer,
            hub=HubDesk(hub, tokens, forecast, lambda: library.models, functools.partial(until_known, bus)),
            downloads=downloads,
            remover=ModelRemover(paths.models, library, supervisor.files_in_use, downloads.is_downloading),
            health=health,
            speeds=speeds,
            excesses=engine.excesses,
            logs=paths.logs,
            request_shutdown=self._ended.quit,
        )
        node = Node(reached)
        behind = Behind(inventory, engine, supervisor, forecast, launches)
        return Parts(info, node, bus, supervisor, lending, self._services(node, reached, behind))

    def _services(self, node: Node, reached: Services, behind: Behind) -> tuple[Service, ...]:
        """What runs as long as the node does, the pieces that nothing else needs among them."""
        bus, cluster, launches = reached.bus, reached.cluster, behind.launches
        announcer = Announcer(bus, node.report, lambda: cluster.link.peers.links)
        wakefulness = self._wakefulness(bus, cluster)
        suggestions = Suggestions(
            bus, reached.instances.plan_without, behind.forecast.factor, behind.supervisor.suggested
        )
        idle, start = IdleWatch(bus, behind.supervisor.unload_idle), StartLaunch(bus, reached.relaunch)
        measuring = (reached.speeds.run, LinkMeasurer(lambda: bus.status, cluster.measure).run)
        return (
            *(each.run for each in (behind.inventory, reached.library, reached.lending, cluster, reached.installer)),
            *(reached.downloads.run, announcer.run, behind.forecast.run),
            *(reached.health.run, wakefulness.keep_awake, wakefulness.watch_sleep, suggestions.run),
            *(behind.engine.watch_kept, launches.run, reached.loading.run, idle.run, start.run),
            *(measuring if self._options.measure else ()),
        )

    async def _engine(self, info: NodeInfo, settings: SettingsStore, bus: Bus) -> EngineRoom:
        def cores() -> int | None:
            hardware = bus.status.hardware
            return hardware.processor.physical_cores if hardware is not None else None

        def is_ready(instance: InstanceId) -> bool:
            return any(each.id == instance and each.state is InstanceState.READY for each in bus.status.all_instances)

        def build() -> EngineBuild | None:
            return bus.status.engine.build

        excesses = await asyncio.to_thread(Excesses, self._paths.cache / "memory.json")
        return EngineRoom(info.name, self._paths, settings, self._secrets, build, cores, is_ready, excesses)

    def _installer(self, settings: SettingsStore, inventory: Inventory, bus: Bus) -> EngineInstaller:
        async def place() -> InstallPlace:
            hardware = await inventory.hardware()
            return await install_place(self._paths, settings.current, hardware, bus.status.engine.build)

        return EngineInstaller(InstallTools(place, inventory.engine_changed, bus.publish))

    def _info(self, settings: SettingsStore) -> NodeInfo:
        name = settings.current.name or platform.node() or "this PC"
        return NodeInfo(id=self.keys.identity.node, name=name, version=__version__, started_at=time.time())

    async def _cluster(self, info: NodeInfo, bus: Bus, board: WarningBoard) -> ClusterRoom:
        own = own_member(self.keys.identity, info.name)
        place = ClusterPlace(
            identity=self.keys.identity,
            name=info.name,
            store=await asyncio.to_thread(TrustStore, self._paths.trust, own),
            options=self._options,
            node_port=self.keys.door_port,
            secret=self.keys.door_secret,
            secrets=self._secrets,
            start_anew=self._ended.start_anew,
        )
        return ClusterRoom(place, bus.publish, board)

    def _hub_tokens(self, settings: SettingsStore) -> HubTokens:
        return HubTokens(self._paths.hub_token, lambda: settings.current, self._secrets, Path.home())

    def _downloads(self, hub: Hub, library: Library, bus: Bus) -> Downloads:
        async def found(path: Path) -> ModelId | None:
            models = await library.rescan()
            return next((each.id for each in models if Path(each.path) == path), None)

        return Downloads(DownloadTools(hub, self._paths.models, self._paths.downloads, bus.publish, found))

    def _health(self, bus: Bus, cluster: ClusterRoom, board: WarningBoard) -> Health:
        def engines() -> tuple[str, ...]:
            build = bus.status.engine.build
            return tuple(each for each in (build.server, build.worker) if each) if build is not None else ()

        tools = tools_here(lambda: cluster.link.port, engines, on_the_lan=not self._options.hosts)
        return Health(tools, lambda warnings: board.set("network", warnings))

    def _wakefulness(self, bus: Bus, cluster: ClusterRoom) -> Wakefulness:
        link = cluster.link
        return Wakefulness(bus, KeepAwake(), PeerCalls(link.peers.say_goodbye, link.cut_all, link.peers.ask_all))

    def _folders(self, settings: SettingsStore, legacy: tuple[str, ...]) -> tuple[Path, ...]:
        own = (self._paths.models, *(Path(each) for each in (*settings.current.model_folders, *legacy)))
        known = default_folders(Path.home(), os.environ) if settings.current.use_known_folders else ()
        return tuple(dict.fromkeys((*own, resources_folder() / "demo_model", *known)))


def _devices(bus: Bus, speeds: Speeds) -> tuple[DeviceResources, ...]:
    """What this PC has for models now, with the speeds that were measured."""
    return speeds.with_speeds(measured_devices(bus.status.hardware, bus.status.load, bus.status.engine.build))


PlanAnew = Callable[[LaunchRequest, ModelFile], Coroutine[Any, Any, Plan | None]]


def _supervisor(
    info: NodeInfo, bus: Bus, engine: EngineRoom, lending: Lending, cluster: ClusterRoom, plan_anew: PlanAnew
) -> Supervisor:
    place = RunPlace(
        node=info,
        link_to=lambda node: _link(node, info.id, lending, cluster),
        make_head=engine.make_head,
        check_memory=engine.check_memory,
        publish=lambda instance: bus.publish(InstanceChanged(instance=instance)),
        plan_anew=plan_anew,
    )
    return Supervisor(place, lambda instance: bus.publish(InstanceForgotten(instance_id=instance)))


def _answered(supervisor: Supervisor, instance: InstanceStatus, told: Timings) -> None:
    supervisor.answered(instance.id, told.decode, told.prefill)


def _link(node: NodeId, own: NodeId, lending: Lending, cluster: ClusterRoom) -> Any:
    return OwnLink(lending) if node == own else cluster.link_to(node)
