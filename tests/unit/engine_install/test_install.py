"""The whole way, from a release site to an engine in use; and that the old engine stays in use whatever happens."""

import asyncio
import contextlib
import hashlib
import json
import sys
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from pathlib import Path, PurePosixPath

import pytest

from app.engine.install import InstallPlace, Patience, Step, check_there, install
from app.engine.installed import Label, begin, installed_folder, switch
from app.engine.release import ThisPc
from app.engine.release_site import read_manifest
from app.schema.engine import EngineBackend, EngineBuild, EngineInstallRequest, InstallPhase
from app.schema.errors import (
    ArchiveRefused,
    CaravanError,
    DiskUnusable,
    EngineBroken,
    EngineLacksRpc,
    EngineLibraryMissing,
    EngineMissing,
    EngineNotOffered,
    InputError,
    WrongDigest,
)
from app.system.paths import resources_folder
from tests.fakes.release_site import Manner, ReleaseSite, make_tar, make_zip, programs

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="the fake engine's programs are shell scripts")

MANIFEST = read_manifest(resources_folder())
CPU = "llama-b11434-bin-ubuntu-x64.tar.gz"
VULKAN = "llama-b11434-bin-ubuntu-vulkan-x64.tar.gz"
CUDA = "llama-b11434-bin-ubuntu-cuda-12.8-x64.tar.gz"
RUNTIME = "cudart-llama-b11434-bin-ubuntu-cuda-12.8-x64.tar.gz"
PHASES = ["looking_up", "downloading", "unpacking", "checking", "switching"]


class Bench:
    """A PC, a release site, and what an install told."""

    def __init__(self, folder: Path, site: ReleaseSite) -> None:
        self.folder = folder
        self.site = site
        self.steps: list[Step] = []
        self.on_step: Callable[[Step], None] = lambda _: None
        self.place = InstallPlace(
            engine=folder / "engine",
            downloads=folder / "downloads",
            manifest=MANIFEST,
            pc=ThisPc("linux", "x64"),
            site=site.address,
            patience=Patience((0.0,), (0.0,)),
        )
        self.place.engine.mkdir(parents=True)

    def report(self, step: Step) -> None:
        self.steps.append(step)
        self.on_step(step)

    async def install(
        self, backend: EngineBackend | None = None, build: str | None = None, files: tuple[Path, ...] = ()
    ) -> EngineBuild:
        paths = tuple(map(str, files))
        return await install(self.place, EngineInstallRequest(backend=backend, build=build, files=paths), self.report)

    async def install_and_cancel_at(self, phase: InstallPhase) -> None:
        reached = asyncio.Event()
        self.on_step = lambda step: reached.set() if step.phase is phase else None
        running = asyncio.create_task(self.install())
        await reached.wait()
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
        self.on_step = lambda _: None

    def offer(self, name: str = CPU, found: dict[str, bytes] | None = None) -> None:
        """Put an archive of programs on the site."""
        self.site.files[name] = make_tar(programs() if found is None else found)

    @property
    def phases(self) -> list[str]:
        return list(dict.fromkeys(step.phase.value for step in self.steps))

    @property
    def notices(self) -> str:
        return " ".join(notice for step in self.steps for notice in step.notices)

    def left(self) -> list[str]:
        return sorted(path.name for path in self.place.engine.iterdir())

    async def in_use(self) -> str | None:
        found = await asyncio.to_thread(installed_folder, self.place.engine)
        return found.name if found else None


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    async with ReleaseSite("b11434", {}).serving() as site:
        made = Bench(tmp_path / "Bücher und mehr", site)
        made.offer()
        yield made


async def test_an_engine_is_installed(bench: Bench) -> None:
    build = await bench.install()
    assert build.identity == "b11434-abcdef123"
    assert Path(build.server) == bench.place.engine / "b11434-cpu" / "llama-server"
    assert bench.phases == PHASES
    assert bench.left() == ["b11434-cpu", "current.json"]
    assert not bench.place.downloads.exists()
    last = [step for step in bench.steps if step.phase is InstallPhase.DOWNLOADING][-1]
    assert last.done == last.total == len(bench.site.files[CPU])


async def test_an_engine_folder_that_somebody_deleted_is_made_anew(bench: Bench) -> None:
    bench.place.engine.rmdir()
    await bench.install()
    assert bench.left() == ["b11434-cpu", "current.json"]


async def test_the_engine_that_a_setting_names_outlives_installs(bench: Bench) -> None:
    first = await bench.install()
    newer = await asyncio.to_thread(begin, bench.place.engine, "b9-cpu", Label(tag="b9"))
    await asyncio.to_thread(switch, bench.place.engine, newer)
    bench.place = replace(bench.place, in_use=(Path(first.server),))
    await bench.install()
    assert bench.left() == ["b11434-cpu", "b11434-cpu-2", "b9-cpu", "current.json"]


async def test_cuda_comes_with_its_runtime(bench: Bench) -> None:
    bench.offer(CUDA)
    bench.site.files[RUNTIME] = make_tar({"libcudart.so.12": b"runtime"}, {"libcudart.so": "libcudart.so.12"})
    bench.place = replace(bench.place, pc=ThisPc("linux", "x64", True, (13, 0)))
    await bench.install()
    folder = bench.place.engine / "b11434-cuda"
    assert (folder / "libcudart.so").read_bytes() == b"runtime"
    totals = {step.total for step in bench.steps if step.phase is InstallPhase.DOWNLOADING}
    assert totals == {len(bench.site.files[CUDA]) + len(bench.site.files[RUNTIME])}


async def test_what_is_installed_is_not_fetched_again(bench: Bench) -> None:
    await bench.install()
    build = await bench.install()
    assert len(bench.site.downloads()) == 1
    assert "already" in bench.notices
    assert Path(build.server).parent.name == "b11434-cpu"


async def test_what_is_installed_and_broken_is_installed_anew(bench: Bench) -> None:
    build = await bench.install()
    Path(build.server).unlink()
    assert Path((await bench.install()).server).parent.name == "b11434-cpu-2"


async def test_the_engine_before_stays(bench: Bench) -> None:
    await bench.install()
    bench.offer(VULKAN)
    await bench.install(EngineBackend.VULKAN)
    assert await bench.in_use() == "b11434-vulkan"
    assert bench.left() == ["b11434-cpu", "b11434-vulkan", "current.json"]


@pytest.mark.parametrize(
    ("found", "error"),
    [
        (programs(missing_library="libvcruntime.so"), EngineLibraryMissing),
        ({"llama-server": programs()["llama-server"]}, EngineLacksRpc),
        ({"ggml-rpc-server": b""}, EngineMissing),
        (programs(build=11999), ArchiveRefused),
        ({**programs(), "llama-server": b"#!/bin/sh\nkill -SEGV $$\n"}, EngineBroken),
    ],
)
async def test_an_engine_that_does_not_work_is_not_used(
    bench: Bench, found: dict[str, bytes], error: type[CaravanError]
) -> None:
    await bench.install()
    bench.offer(VULKAN, found)
    with pytest.raises(error):
        await bench.install(EngineBackend.VULKAN)
    assert await bench.in_use() == "b11434-cpu"
    assert bench.left() == ["b11434-cpu", "current.json"]


async def test_a_wrong_digest_changes_nothing(bench: Bench) -> None:
    bench.site.manner.wrong_digest = True
    with pytest.raises(WrongDigest):
        await bench.install()
    assert bench.left() == []


async def test_a_release_without_digests_is_refused(bench: Bench) -> None:
    bench.site.manner.digests = False
    with pytest.raises(WrongDigest, match="names no SHA-256"):
        await bench.install()
    assert bench.site.downloads() == []


async def test_a_pin_stands_in_for_a_digest(bench: Bench) -> None:
    bench.site.manner.digests = False
    pins = {"b11434": {CPU: hashlib.sha256(bench.site.files[CPU]).hexdigest()}}
    bench.place = replace(bench.place, manifest=bench.place.manifest.model_copy(update={"pins": pins}))
    await bench.install()
    assert await bench.in_use() == "b11434-cpu"


async def test_a_backend_that_is_not_offered(bench: Bench) -> None:
    with pytest.raises(EngineNotOffered, match="no vulkan build"):
        await bench.install(EngineBackend.VULKAN)


async def test_too_little_room_is_told_before_the_download(bench: Bench) -> None:
    files = dict(bench.site.files)
    record = bench.site._asset(CPU, files[CPU])
    record["size"] = 1 << 60
    bench.site.manner = Manner(body=f'{{"tag_name": "b11434", "assets": [{json.dumps(record)}]}}'.encode())
    with pytest.raises(DiskUnusable, match="are free"):
        await bench.install()
    assert bench.site.downloads() == []


async def test_a_cancel_in_the_download_keeps_the_part(bench: Bench) -> None:
    bench.site.manner.pause = 0.01
    bench.site.files[CPU] += bytes(200_000)
    await bench.install_and_cancel_at(InstallPhase.DOWNLOADING)
    assert sorted(path.name for path in bench.place.downloads.iterdir()) == [f"{CPU}.part", f"{CPU}.part.json"]
    bench.site.manner.pause = 0.0
    await bench.install()
    assert await bench.in_use() == "b11434-cpu"


@pytest.mark.parametrize("phase", [InstallPhase.UNPACKING, InstallPhase.CHECKING])
async def test_a_cancel_after_the_download_keeps_it_and_removes_the_rest(bench: Bench, phase: InstallPhase) -> None:
    await bench.install_and_cancel_at(phase)
    assert bench.left() == []
    assert [path.name for path in bench.place.downloads.iterdir()] == [CPU]
    await bench.install()
    assert len(bench.site.downloads()) == 1


async def test_downloads_of_another_choice_are_removed(bench: Bench) -> None:
    bench.place.downloads.mkdir()
    (bench.place.downloads / f"{VULKAN}.part").write_bytes(b"old")
    (bench.place.downloads / "weights").mkdir()
    (bench.place.downloads / "weights" / "old").write_bytes(b"of a folder that lay here once")
    bench.site.manner.file_status = 404
    with contextlib.suppress(EngineNotOffered):
        await bench.install()
    assert {path.name for path in bench.place.downloads.iterdir()} <= {f"{CPU}.part", f"{CPU}.part.json"}


async def test_files_on_the_disk_need_no_site(bench: Bench) -> None:
    archive = bench.folder / CPU
    archive.write_bytes(bench.site.files[CPU])
    build = await bench.install(files=(archive,))
    assert Path(build.server).parent.name == "b11434-cpu"
    assert bench.site.asked == []
    assert "Nobody checked" in bench.notices
    assert archive.exists()


async def test_a_zip_of_any_name_may_be_given(bench: Bench) -> None:
    archive = bench.folder / "my build.zip"
    archive.write_bytes(make_zip(programs()))
    build = await bench.install(EngineBackend.VULKAN, files=(archive,))
    digest = hashlib.sha256(archive.read_bytes()).hexdigest()
    assert Path(build.server).parent.name == f"file-{digest[:8]}-vulkan"


async def test_files_the_manifest_knows_are_checked(bench: Bench) -> None:
    archive = bench.folder / CPU
    archive.write_bytes(bench.site.files[CPU])
    digest = hashlib.sha256(archive.read_bytes()).hexdigest()
    for pin in (digest, "0" * 64):
        pins = {"b11434": {CPU: pin}}
        bench.place = replace(bench.place, manifest=bench.place.manifest.model_copy(update={"pins": pins}))
        if pin == digest:
            await bench.install(files=(archive,))
            assert bench.notices == ""
        else:
            with pytest.raises(WrongDigest):
                await bench.install(files=(archive,))


async def test_files_of_two_builds_are_refused(bench: Bench) -> None:
    paths = tuple(bench.folder / name for name in (CPU, RUNTIME.replace("11434", "5")))
    for path in paths:
        path.write_bytes(bench.site.files[CPU])
    with pytest.raises(ArchiveRefused, match="different builds"):
        await bench.install(files=paths)


async def test_a_file_that_is_not_there(bench: Bench) -> None:
    with pytest.raises(InputError, match="does not exist"):
        await bench.install(files=(bench.folder / "missing.zip",))


def test_a_file_that_vanishes_after_unpacking_is_named(tmp_path: Path) -> None:
    (tmp_path / "ggml.dll").write_bytes(b"1")
    with pytest.raises(EngineBroken, match=r"llama-server.exe vanished.*virus scanner"):
        check_there(tmp_path, {PurePosixPath("ggml.dll"), PurePosixPath("llama-server.exe")})


async def test_a_gpu_build_that_sees_no_gpu_says_so(bench: Bench) -> None:
    bench.offer(VULKAN)
    await bench.install(EngineBackend.VULKAN)
    assert "sees no GPU" in bench.notices
    bench.offer(VULKAN, programs(device="Vulkan0"))
    bench.steps.clear()
    assert [device.name for device in (await bench.install(EngineBackend.VULKAN)).devices] == ["Vulkan0"]
    assert bench.notices == ""


async def test_cuda_files_without_their_runtime_are_mentioned(bench: Bench) -> None:
    archive = bench.folder / CUDA
    archive.write_bytes(bench.site.files[CPU])
    await bench.install(files=(archive,))
    assert "cudart" in bench.notices
