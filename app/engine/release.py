"""PURE: what a llama.cpp release offers, and which of its files this PC needs.

The names follow llama.cpp's `.github/workflows/release.yml`; they drift from build to build, so the manifest holds
patterns. The release record is GitHub's: https://docs.github.com/rest/releases/releases#get-a-release-by-tag-name
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from pydantic import Field

from app.schema.engine import EngineBackend
from app.schema.record import Bytes, Record

System = Literal["windows", "linux", "other"]
Architecture = Literal["x64", "arm64", "other"]
CudaVersion = tuple[int, int]

TURING = (7, 5)
"""The oldest compute capability that CUDA 13 supports: its toolkit dropped Maxwell, Pascal and Volta."""

_CUDA_WITHOUT_OLD_CARDS = 13
_RUNTIME = "cuda_runtime"
_SHA256 = re.compile(r"sha256:([0-9a-f]{64})")
_SYSTEM_WORDS = {"windows": "Windows", "linux": "Linux", "other": "this operating system"}


class Manifest(Record):
    """`resources/engine-manifest.json`: the build Caravan is tested with and the patterns of the release's file names.

    `names` is by system and kind (`cuda`, `cuda_runtime`, `vulkan`, `cpu`). `pins` is by build and file name: a
    SHA-256 that overrules the release API. A file with neither a pin nor a digest of the API is never installed.
    """

    repository: str
    tag: str
    names: dict[str, dict[str, str]]
    pins: dict[str, dict[str, str]] = Field(default_factory=dict)


class Asset(Record):
    """One file of a release. `sha256` is lower-case hex, None when nobody told it."""

    name: str
    url: str
    size: Bytes
    sha256: str | None = None


class Release(Record):
    """A release by its tag (`b11434`)."""

    tag: str
    assets: tuple[Asset, ...]


@dataclass(frozen=True)
class ThisPc:
    """What decides the choice. `cuda_version` is the newest the NVIDIA driver can run, None without such a driver.

    `oldest_capability` is the compute capability of the oldest NVIDIA card. `has_gpu`: a card is known, or a Vulkan
    loader is there, which only graphics drivers bring.
    """

    system: System
    architecture: Architecture
    has_gpu: bool = False
    cuda_version: CudaVersion | None = None
    oldest_capability: CudaVersion | None = None


@dataclass(frozen=True)
class AssetChoice:
    """The files to install together, the programs first. `notices` are sentences about why these."""

    tag: str
    backend: EngineBackend
    assets: tuple[Asset, ...]
    notices: tuple[str, ...] = ()


@dataclass(frozen=True)
class NoChoice:
    """Why there is nothing to install: for a person, and what to do."""

    sentence: str
    hint: str


@dataclass(frozen=True)
class NamedFile:
    """What a file name says. `kind` is a key of the manifest's names; a CUDA runtime of Windows has no `tag`."""

    kind: str
    tag: str | None
    architecture: str
    cuda: CudaVersion | None


def read_release(answer: Mapping[str, Any], manifest: Manifest) -> Release | None:
    """GitHub's record -> release, pins laid over the digests; None when it is no such record.

    Files that are still being uploaded, or whose name, address or size is missing, are left out.
    """
    tag, listed = answer.get("tag_name"), answer.get("assets")
    if not isinstance(tag, str) or not isinstance(listed, list):
        return None
    pins = manifest.pins.get(tag, {})
    found = (_asset(each, pins) for each in listed if isinstance(each, Mapping))
    return Release(tag=tag, assets=tuple(asset for asset in found if asset is not None))


def _asset(listed: Mapping[str, Any], pins: Mapping[str, str]) -> Asset | None:
    name, url, size = listed.get("name"), listed.get("browser_download_url"), listed.get("size")
    is_whole = isinstance(name, str) and isinstance(url, str) and isinstance(size, int) and size > 0
    if not is_whole or listed.get("state", "uploaded") != "uploaded":
        return None
    digest = _SHA256.fullmatch(str(listed.get("digest") or "").lower())
    return Asset(name=str(name), url=str(url), size=size, sha256=pins.get(str(name)) or (digest[1] if digest else None))


def read_name(name: str, system: System, manifest: Manifest) -> NamedFile | None:
    """What a file is by its name, None for every other file."""
    for kind, pattern in manifest.names.get(system, {}).items():
        if found := re.match(pattern, name):
            groups = found.groupdict()
            return NamedFile(kind, groups.get("tag"), groups["architecture"], version(groups.get("cuda")))
    return None


def version(text: str | None) -> tuple[int, int] | None:
    """`12.4` -> (12, 4); None for anything else."""
    found = re.fullmatch(r"(\d{1,4})\.(\d{1,4})", text or "")
    return (int(found[1]), int(found[2])) if found else None


def choose_assets(
    release: Release, pc: ThisPc, wanted: EngineBackend | None, manifest: Manifest
) -> AssetChoice | NoChoice:
    """The files for this PC. Without a wish: CUDA when the driver runs it, else Vulkan with any GPU, else CPU.

    CUDA means the newest version the driver can run together with its runtime libraries.
    """
    if pc.system not in manifest.names or pc.architecture == "other":
        return NoChoice(
            f"llama.cpp offers no ready build for {_SYSTEM_WORDS[pc.system]} on this kind of processor.",
            "Build llama.cpp with -DGGML_RPC=ON and set CARAVAN_LLAMA_SERVER_PATH to its llama-server.",
        )
    offered = _Offer(release, pc, manifest)
    if wanted is not None:
        return offered.of(wanted) or offered.refusal(wanted)
    for backend in _preferred(pc):
        if choice := offered.of(backend):
            return offered.with_reason(choice)
    return offered.refusal(EngineBackend.CPU)


def _preferred(pc: ThisPc) -> Iterable[EngineBackend]:
    if pc.cuda_version is not None:
        yield EngineBackend.CUDA
    if pc.has_gpu or pc.cuda_version is not None:
        yield EngineBackend.VULKAN
    yield EngineBackend.CPU


class _Offer:
    """The files of one release that run on one PC."""

    def __init__(self, release: Release, pc: ThisPc, manifest: Manifest) -> None:
        self._release = release
        self._pc = pc
        named = ((asset, read_name(asset.name, pc.system, manifest)) for asset in release.assets)
        self._files = [(a, n) for a, n in named if n is not None and n.architecture == pc.architecture]

    def of(self, backend: EngineBackend) -> AssetChoice | None:
        """The files for a backend, None when there are none for this PC."""
        if backend is EngineBackend.CUDA:
            return self._cuda()
        found = next((asset for asset, named in self._files if named.kind == backend.value), None)
        return AssetChoice(self._release.tag, backend, (found,)) if found else None

    def _cuda(self) -> AssetChoice | None:
        programs, runtimes = self._by_cuda(EngineBackend.CUDA.value), self._by_cuda(_RUNTIME)
        usable = [each for each in programs if each in runtimes and self._runs(each)]
        if not usable:
            return None
        newest = max(usable)
        return AssetChoice(self._release.tag, EngineBackend.CUDA, (programs[newest], runtimes[newest]))

    def _by_cuda(self, kind: str) -> dict[CudaVersion, Asset]:
        return {named.cuda: asset for asset, named in self._files if named.kind == kind and named.cuda is not None}

    def _runs(self, cuda: CudaVersion) -> bool:
        oldest = self._pc.oldest_capability
        is_card_known = cuda[0] < _CUDA_WITHOUT_OLD_CARDS or oldest is None or oldest >= TURING
        return self._pc.cuda_version is not None and cuda <= self._pc.cuda_version and is_card_known

    def with_reason(self, choice: AssetChoice) -> AssetChoice:
        """The choice; with a notice when the PC has an NVIDIA driver and still gets no CUDA."""
        if self._pc.cuda_version is None or choice.backend is EngineBackend.CUDA:
            return choice
        notice = f"{self._why_no_cuda()} The {choice.backend.value} build is installed instead."
        return AssetChoice(choice.tag, choice.backend, choice.assets, (notice,))

    def _why_no_cuda(self) -> str:
        if self._pc.cuda_version is None:
            return "This PC has no NVIDIA driver that can run CUDA."
        there = sorted(set(self._by_cuda(EngineBackend.CUDA.value)) & set(self._by_cuda(_RUNTIME)))
        if not there:
            return f"{self._release.tag} has no CUDA build for this kind of PC."
        offered = ", ".join(map(_dotted, there))
        driver = _dotted(self._pc.cuda_version)
        return f"The NVIDIA driver or card of this PC runs CUDA up to {driver}, {self._release.tag} needs {offered}."

    def refusal(self, wanted: EngineBackend) -> NoChoice:
        """Why the wanted backend cannot be had."""
        if wanted is EngineBackend.CUDA:
            return NoChoice(self._why_no_cuda(), "Install or update the NVIDIA driver, or use `--backend vulkan`.")
        kind = f"{_SYSTEM_WORDS[self._pc.system]} {self._pc.architecture}"
        return NoChoice(
            f"{self._release.tag} has no {wanted.value} build for {kind}.",
            "Choose another backend with --backend, or another build with --build.",
        )


def _dotted(number: CudaVersion) -> str:
    return ".".join(map(str, number))
