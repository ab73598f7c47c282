"""Release archives that the user has on the disk: which build they are, and whether anybody vouches for them."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from app.engine.installed import Label, Source
from app.engine.release import Manifest, NamedFile, ThisPc, read_name
from app.schema.engine import EngineBackend, EngineInstallRequest
from app.schema.errors import ArchiveRefused, InputError, WrongDigest
from app.system.files import plain_reason
from app.web.part_file import digest_of
from app.web.stoppable import Stop, in_thread

_HINT = "Give the files of one build for this PC, as llama.cpp's release page names them."


@dataclass(frozen=True)
class LocalArchives:
    """Archives to unpack in this order, and what they are."""

    paths: tuple[Path, ...]
    label: Label
    notices: tuple[str, ...]


async def read_archives(request: EngineInstallRequest, manifest: Manifest, pc: ThisPc) -> LocalArchives:
    """Look at the files of a request. Raises InputError, ArchiveRefused or WrongDigest."""
    paths = tuple(Path(each) for each in request.files)
    sources = await in_thread(lambda stop: tuple(_source(path, stop) for path in paths))
    named = [read_name(source.name, pc.system, manifest) for source in sources]
    tag = _tag(named, request.build) or f"file-{sources[0].sha256[:8]}"
    unknown = [source.name for source in sources if not _is_pinned(source, manifest.pins.get(tag, {}))]
    label = Label(tag=tag, backend=_backend(named) or request.backend, sources=sources, checked=not unknown)
    return LocalArchives(_programs_first(paths, named), label, tuple(_notices(unknown, named)))


def _notices(unknown: list[str], named: list[NamedFile | None]) -> Iterator[str]:
    if unknown:
        yield f"Nobody checked where {', '.join(unknown)} came from: you chose the file."
    kinds = {each.kind for each in named if each is not None}
    if EngineBackend.CUDA.value in kinds and "cuda_runtime" not in kinds:
        yield "Without the archive of the CUDA runtime (cudart-llama-...) the GPU works only with a CUDA toolkit."


def _source(path: Path, stop: Stop) -> Source:
    try:
        return Source(name=path.name, sha256=digest_of(path, stop))
    except OSError as error:
        raise InputError(f"{path} cannot be read: {plain_reason(error)}.", "Check the path.") from error


def _tag(named: list[NamedFile | None], wanted: str | None) -> str | None:
    """The one build that the names tell. Raises ArchiveRefused when there are two."""
    tags = {each.tag for each in named if each is not None and each.tag is not None} | ({wanted} if wanted else set())
    if len(tags) > 1:
        raise ArchiveRefused(f"The files belong to different builds: {', '.join(sorted(tags))}.", _HINT)
    return next(iter(tags), None)


def _backend(named: list[NamedFile | None]) -> EngineBackend | None:
    kinds = {each.kind for each in named if each is not None}
    return next((backend for backend in EngineBackend if backend.value in kinds), None)


def _is_pinned(source: Source, pins: dict[str, str]) -> bool:
    """Whether the manifest knows this content. Raises WrongDigest when it knows another one by this name."""
    pin = pins.get(source.name)
    if pin is not None and pin != source.sha256:
        raise WrongDigest(
            f"{source.name} is not the file that Caravan knows by this name (its SHA-256 differs).",
            "Download it again from llama.cpp's release page.",
        )
    return pin is not None


def _programs_first(paths: tuple[Path, ...], named: list[NamedFile | None]) -> tuple[Path, ...]:
    runtime = [each is not None and each.kind == "cuda_runtime" for each in named]
    return tuple(path for _, path in sorted(zip(runtime, paths, strict=True), key=lambda each: each[0]))
