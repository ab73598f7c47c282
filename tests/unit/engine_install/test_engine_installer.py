"""The node's service: one install at a time, its record in the status, cancelled or ended with the node."""

import asyncio
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from app.engine.capabilities import Prober
from app.engine.install import InstallPlace, Patience
from app.engine.installed import installed_folder
from app.engine.locate import Places, candidates
from app.engine.release import ThisPc
from app.engine.release_site import read_manifest
from app.node.bus import Bus
from app.node.engine_install import EngineInstaller, InstallTools, install_place
from app.node.rate_meter import RateMeter
from app.schema.engine import EngineBuild, EngineInstall, EngineInstallRequest, EngineStatus, InstallPhase
from app.schema.errors import EngineInstallBusy, NotFound
from app.schema.hardware import HardwareSnapshot, Processor
from app.schema.node import NodeInfo, Status
from app.schema.record import NodeId
from app.schema.settings import Settings
from app.system.paths import Paths, resources_folder
from tests.fakes.release_site import ReleaseSite, make_tar, programs

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="the fake engine's programs are shell scripts")

CPU = "llama-b11434-bin-ubuntu-x64.tar.gz"


class Desk:
    """The service with a bus, on a PC of its own."""

    def __init__(self, folder: Path, site: ReleaseSite) -> None:
        self.folder = folder
        self.site = site
        self.bus = Bus(Status(node=NodeInfo(id=NodeId("n"), name="PC", version="1", started_at=0.0)))
        self.installer = EngineInstaller(InstallTools(self.place, self.changed, self.bus.publish))

    async def place(self) -> InstallPlace:
        return InstallPlace(
            engine=self.folder / "engine",
            downloads=self.folder / "downloads",
            manifest=await asyncio.to_thread(lambda: read_manifest(resources_folder())),
            pc=ThisPc("linux", "x64"),
            site=self.site.address,
            patience=Patience((), ()),
        )

    async def changed(self) -> EngineStatus:
        folder = await asyncio.to_thread(installed_folder, self.folder / "engine")
        found = await asyncio.to_thread(candidates, Places(installed=folder), {})
        return EngineStatus(build=await Prober().probe(found[0]))

    async def until(self, reached: Callable[[EngineInstall], bool]) -> EngineInstall:
        with self.bus.subscribe() as changes:
            while (now := self.bus.status.engine_install) is None or not reached(now):
                await changes.next()
        return now

    async def ended(self) -> EngineInstall:
        return await self.until(lambda each: each.phase in {"done", "failed", "cancelled"})


@asynccontextmanager
async def desk(folder: Path) -> AsyncIterator[Desk]:
    (folder / "engine").mkdir()
    async with ReleaseSite("b11434", {CPU: make_tar(programs()) + bytes(100_000)}).serving() as site:
        made = Desk(folder, site)
        running = asyncio.create_task(made.installer.run())
        try:
            yield made
        finally:
            running.cancel()
            await asyncio.wait([running])


async def test_an_install_is_told_to_its_end(tmp_path: Path) -> None:
    async with desk(tmp_path) as made:
        started = made.installer.start(EngineInstallRequest())
        ended = await made.ended()
        assert (ended.id, ended.phase, ended.build, ended.backend) == (started.id, "done", "b11434", "cpu")
        assert ended.bytes_done == ended.bytes_total == len(made.site.files[CPU])
        assert ended.notices == ()


async def test_a_failure_is_told_and_the_next_one_works(tmp_path: Path) -> None:
    async with desk(tmp_path) as made:
        made.installer.start(EngineInstallRequest(build="b5"))
        ended = await made.ended()
        assert ended.phase is InstallPhase.FAILED
        assert ended.error is not None
        assert ended.error.code == "engine_not_offered"
        again = made.installer.start(EngineInstallRequest())
        assert again.phase is InstallPhase.STARTING
        assert (await made.until(lambda each: each.id == again.id and each.phase == "done")).error is None


async def test_one_at_a_time(tmp_path: Path) -> None:
    async with desk(tmp_path) as made:
        made.site.manner.pause = 0.02
        made.installer.start(EngineInstallRequest())
        with pytest.raises(EngineInstallBusy):
            made.installer.start(EngineInstallRequest())
        made.installer.cancel()
        assert (await made.ended()).phase is InstallPhase.CANCELLED
        with pytest.raises(NotFound):
            made.installer.cancel()


async def test_a_cancel_in_the_download(tmp_path: Path) -> None:
    async with desk(tmp_path) as made:
        made.site.manner.pause = 0.02
        made.installer.start(EngineInstallRequest())
        await made.until(lambda each: each.phase == "downloading")
        made.installer.cancel()
        assert (await made.ended()).phase is InstallPhase.CANCELLED
        made.site.manner.pause = 0.0
        made.installer.start(EngineInstallRequest())
        assert (await made.until(lambda each: each.phase != "cancelled" and each.phase == "done")).error is None


async def test_the_end_of_the_node_ends_the_install(tmp_path: Path) -> None:
    async with desk(tmp_path) as made:
        made.site.manner.pause = 0.02
        made.installer.start(EngineInstallRequest())
        await made.until(lambda each: each.phase == "downloading")
    assert [path.name for path in (tmp_path / "engine").iterdir()] == []
    assert (tmp_path / "downloads" / f"{CPU}.part").exists()


async def test_an_engine_that_another_choice_hides_is_told(tmp_path: Path) -> None:
    async with desk(tmp_path) as made:

        async def other() -> EngineStatus:
            return EngineStatus()

        hidden = EngineInstaller(InstallTools(made.place, other, made.bus.publish))
        running = asyncio.create_task(hidden.run())
        hidden.start(EngineInstallRequest())
        ended = await made.ended()
        running.cancel()
        await asyncio.wait([running])
        assert ended.phase is InstallPhase.DONE
        assert "comes first" in ended.notices[-1]


@pytest.mark.expects_error_logs
async def test_a_surprise_is_told_too(tmp_path: Path) -> None:
    async with desk(tmp_path) as made:

        async def broken() -> EngineStatus:
            raise RuntimeError("surprise")

        surprised = EngineInstaller(InstallTools(made.place, broken, made.bus.publish))
        running = asyncio.create_task(surprised.run())
        surprised.start(EngineInstallRequest())
        ended = await made.ended()
        running.cancel()
        await asyncio.wait([running])
        assert ended.phase is InstallPhase.FAILED
        assert ended.error is not None
        assert ended.error.code == "engine_install_failed"


def test_the_rate_is_that_of_the_last_seconds() -> None:
    meter = RateMeter()
    assert meter.add(0.0, 5000) is None
    assert meter.add(0.5, 5500) is None
    assert meter.add(1.0, 6000) == 1000
    assert meter.add(10.0, 6000) is None
    assert meter.add(12.0, 6200) == 100
    assert meter.add(13.0, 0) is None


async def test_an_install_leaves_the_engine_in_use_and_the_one_that_the_setting_names(tmp_path: Path) -> None:
    paths = await asyncio.to_thread(Paths.under, tmp_path)
    processor = Processor(name="p", logical_cores=2)
    hardware = HardwareSnapshot(
        hostname="x", operating_system="Linux", architecture="x86_64", processor=processor, ram_bytes=1
    )
    build = EngineBuild(
        server="/engine/b1/llama-server",
        worker=None,
        source="setting",
        build=1,
        commit="c",
        version_text="",
        flags=frozenset(),
    )
    assert (await install_place(paths, Settings(), hardware, None)).in_use == ()
    place = await install_place(paths, Settings(engine_path="/engine/b2"), hardware, build)
    assert place.in_use == (Path("/engine/b2"), Path("/engine/b1/llama-server"))
