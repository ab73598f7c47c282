"""Install a llama.cpp release: look it up, download, check, unpack beside the old one, try it, switch.

What vouches for what, and what happens at each failure, is told in install.md.
"""

import asyncio
import re
import shutil
from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import httpx

from app.engine.archive import unpack
from app.engine.capabilities import Prober
from app.engine.installed import (
    Label,
    Source,
    begin,
    discard,
    installed_folder,
    new_folder,
    read_label,
    remove_entry,
    switch,
)
from app.engine.local_files import read_archives
from app.engine.locate import Places, candidates
from app.engine.release import AssetChoice, Manifest, NoChoice, ThisPc, choose_assets
from app.engine.release_site import LOOK_UP_PAUSES, look_up, release_site, target_of
from app.schema.engine import EngineBackend, EngineBuild, EngineInstallRequest, InstallPhase
from app.schema.errors import ArchiveRefused, CaravanError, DiskUnusable, EngineBroken, EngineNotOffered
from app.system.files import plain_reason
from app.web.asking import web_client
from app.web.download import PAUSES, Downloader, Target
from app.web.stoppable import in_thread

UNPACKED_PER_BYTE = 3
"""Room asked for before a download: what is missing, and this many times the archives for unpacking them."""


@dataclass(frozen=True)
class Step:
    """How far an install is. `done` and `total` are bytes over all archives; None is what was told before."""

    phase: InstallPhase
    build: str | None = None
    backend: EngineBackend | None = None
    file: str | None = None
    done: int | None = None
    total: int | None = None
    notices: tuple[str, ...] = ()


@dataclass(frozen=True)
class Patience:
    """Seconds before each new try: to ask for a release, and to go on with a download."""

    look_up: tuple[float, ...] = LOOK_UP_PAUSES
    download: tuple[float, ...] = PAUSES


@dataclass(frozen=True)
class InstallPlace:
    """Where an install works. `engine` holds the installed builds, `downloads` what is on its way.

    `site` is the address of the release API. `in_use` are engines (a folder, or a program in it) that must stay.
    """

    engine: Path
    downloads: Path
    manifest: Manifest
    pc: ThisPc
    site: str
    patience: Patience = Patience()
    in_use: tuple[Path, ...] = ()


Report = Callable[[Step], None]


async def install(place: InstallPlace, request: EngineInstallRequest, report: Report) -> EngineBuild:
    """Carry out a request; the engine in use stays in use until the new one has shown that it works.

    `report` hears every step. Raises EngineError or DownloadFailed; a cancel takes effect within a second. Either way
    the old engine is in use afterwards and what was downloaded is kept.
    """
    return await _Install(place, report).run(request)


class _Install:
    """One install from request to switch."""

    def __init__(self, place: InstallPlace, report: Report) -> None:
        self._place = place
        self._report = report

    async def run(self, request: EngineInstallRequest) -> EngineBuild:
        """The whole way."""
        if not request.files:
            return await self._from_site(request)
        found = await read_archives(request, self._place.manifest, self._place.pc)
        self._report(Step(InstallPhase.STARTING, found.label.tag, found.label.backend, notices=found.notices))
        return await self._put(found.label, found.paths)

    async def _from_site(self, request: EngineInstallRequest) -> EngineBuild:
        tag = request.build or self._place.manifest.tag
        self._report(Step(InstallPhase.LOOKING_UP, tag))
        async with web_client(release_site(self._place.site)) as client:
            choice = await self._choose(client, tag, request.backend)
            label = _label(choice)
            if (working := await self._already(label)) is not None:
                return working
            paths = await self._download(client, choice)
        build = await self._put(label, paths)
        await asyncio.to_thread(shutil.rmtree, self._place.downloads, ignore_errors=True)
        return build

    async def _choose(self, client: httpx.AsyncClient, tag: str, wanted: EngineBackend | None) -> AssetChoice:
        manifest = self._place.manifest
        release = await look_up(client, release_site(self._place.site), manifest, tag, self._place.patience.look_up)
        choice = choose_assets(release, self._place.pc, wanted, manifest)
        if isinstance(choice, NoChoice):
            raise EngineNotOffered(choice.sentence, choice.hint)
        self._report(Step(InstallPhase.LOOKING_UP, choice.tag, choice.backend, notices=choice.notices))
        return choice

    async def _already(self, label: Label) -> EngineBuild | None:
        """The build that is installed, when it is from the same archives and still works."""
        folder = await asyncio.to_thread(installed_folder, self._place.engine)
        if folder is None or await asyncio.to_thread(read_label, folder) != label:
            return None
        self._report(Step(InstallPhase.CHECKING))
        try:
            build = await _probe(folder)
        except CaravanError:
            return None
        self._report(Step(InstallPhase.CHECKING, notices=("This build is installed already.",)))
        return build

    async def _download(self, client: httpx.AsyncClient, choice: AssetChoice) -> tuple[Path, ...]:
        folder = self._place.downloads
        targets = [target_of(asset) for asset in choice.assets]
        total = sum(target.size for target in targets)
        await asyncio.to_thread(_make_ready, folder, self._place.engine, targets)
        downloader = Downloader(client, release_site(self._place.site), folder, self._place.patience.download)
        paths: list[Path] = []
        before = 0
        for target in targets:

            def progress(done: int, before: int = before, name: str = target.name) -> None:
                self._report(Step(InstallPhase.DOWNLOADING, file=name, done=before + done, total=total))

            paths.append(await downloader.fetch(target, progress))
            before += target.size
        return tuple(paths)

    async def _put(self, label: Label, archives: tuple[Path, ...]) -> EngineBuild:
        """Unpack, try, switch. What does not work is removed again."""
        engine, name = self._place.engine, _folder_name(label)
        new = new_folder(engine, name)
        try:
            await in_thread(lambda _: begin(engine, name, label))
            await self._unpack(new, archives)
            self._report(Step(InstallPhase.CHECKING))
            build = await _probe(new)
            _check_build(build, label.tag)
            self._report(Step(InstallPhase.SWITCHING, notices=_sees_no_gpu(build, label.backend)))
            folder = await in_thread(lambda _: switch(engine, new, self._place.in_use))
        finally:
            await asyncio.to_thread(discard, new)
        return _moved(build, new, folder)

    async def _unpack(self, new: Path, archives: tuple[Path, ...]) -> None:
        made: set[PurePosixPath] = set()
        for archive in archives:
            self._report(Step(InstallPhase.UNPACKING, file=archive.name))
            made |= await in_thread(lambda stop, archive=archive: unpack(archive, new, stop))  # type: ignore[misc]
        await asyncio.to_thread(check_there, new, made)


def _label(choice: AssetChoice) -> Label:
    sources = tuple(Source(name=asset.name, sha256=asset.sha256 or "") for asset in choice.assets)
    return Label(tag=choice.tag, backend=choice.backend, sources=sources)


def _folder_name(label: Label) -> str:
    return f"{label.tag}-{label.backend.value}" if label.backend else label.tag


def _make_ready(downloads: Path, engine: Path, targets: list[Target]) -> None:
    """Both folders, `downloads` without what belongs to another choice. Raises DiskUnusable when room is short."""
    try:
        for folder in (downloads, engine):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        names = tuple(target.name for target in targets)
        for path in downloads.iterdir():
            if not path.name.startswith(names):
                remove_entry(path)
        there = sum(path.stat().st_size for path in downloads.iterdir())
        missing = max(0, sum(target.size for target in targets) - there)
        needed = missing + UNPACKED_PER_BYTE * sum(target.size for target in targets)
        free = min(shutil.disk_usage(downloads).free, shutil.disk_usage(engine).free)
    except OSError as error:
        raise DiskUnusable(
            f"The engine cannot be downloaded to {downloads}: {plain_reason(error)}.", "Check that folder and its disk."
        ) from error
    if free < needed:
        raise DiskUnusable(
            f"The engine needs {_megabytes(needed)} on the disk that holds {engine}, {_megabytes(free)} are free.",
            "Make room there and try again.",
        )


def _megabytes(count: int) -> str:
    return f"{count / (1 << 20):,.0f} MB".replace(",", " ")


def _sees_no_gpu(build: EngineBuild, backend: EngineBackend | None) -> tuple[str, ...]:
    if build.devices or backend in (None, EngineBackend.CPU):
        return ()
    return ("The new engine sees no GPU on this PC, so it works with the processor. A graphics driver may be missing.",)


def _moved(build: EngineBuild, new: Path, folder: Path) -> EngineBuild:
    """A build that was probed in `new` and lies in `folder` now."""

    def there(program: str | None) -> str | None:
        return str(folder / Path(program).relative_to(new)) if program else None

    changes = {"server": there(build.server), "worker": there(build.worker), "fit_params": there(build.fit_params)}
    return build.model_copy(update=changes)


def check_there(folder: Path, made: Collection[PurePosixPath]) -> None:
    """Raises EngineBroken that names the file when one of those just unpacked is gone."""
    gone = sorted(str(path) for path in made if not (folder / path).exists())
    if gone:
        raise EngineBroken(
            f"{gone[0]} vanished right after it was unpacked into {folder}: a virus scanner may have removed it.",
            "Look into the scanner's quarantine, allow the file there, and install again.",
            tuple(gone),
        )


async def _probe(folder: Path) -> EngineBuild:
    """Run the programs in a folder and nothing else. Raises EngineError with what is wrong with them."""
    found = await asyncio.to_thread(candidates, Places(installed=folder), {})
    return await Prober().probe(found[0])


def _check_build(build: EngineBuild, tag: str) -> None:
    """Raises ArchiveRefused when the programs say they are another build than the release."""
    if build.build is not None and re.fullmatch(r"b\d+", tag) and tag != f"b{build.build}":
        raise ArchiveRefused(
            f"The archive of {tag} holds build b{build.build}, so it was not installed.",
            "Download it again from llama.cpp's release page.",
        )
