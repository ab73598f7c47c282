"""PURE: the engine of a PC in words."""

from pathlib import PurePath, PureWindowsPath

from app.schema.engine import EngineBackend, EngineBuild, EngineDevice
from app.ui.parts.sizes import size_text
from app.ui.words import Phrase, tr

_SOURCES = {
    "setting": tr("from your own path"),
    "bundled": tr("came with Caravan"),
    "installed": tr("installed by Caravan"),
    "package": tr("from a Python package"),
    "path": tr("found on this PC"),
}

BACKENDS: tuple[tuple[EngineBackend | None, Phrase], ...] = (
    (None, tr("Best for this PC")),
    (EngineBackend.CUDA, tr("CUDA, for NVIDIA")),
    (EngineBackend.VULKAN, tr("Vulkan, for any GPU")),
    (EngineBackend.CPU, tr("Processor only")),
)


def build_name(build: EngineBuild) -> Phrase:
    """`llama.cpp b11434`; a local build is told as such."""
    if build.build:
        return tr("llama.cpp b{number}", number=build.build)
    return tr("llama.cpp, a build of your own")


def source_words(build: EngineBuild) -> Phrase:
    """Where it was found."""
    return _SOURCES.get(build.source, tr("found on this PC"))


def folder_of(build: EngineBuild) -> str:
    """The folder its programs lie in, however the node's system writes paths."""
    kind = PureWindowsPath if "\\" in build.server else PurePath
    return str(kind(build.server).parent)


def device_words(device: EngineDevice) -> Phrase:
    """A device and its memory."""
    return tr(
        "{name}   {description}   {free} of {total} free",
        name=device.name,
        description=device.description,
        free=size_text(device.free_bytes),
        total=size_text(device.total_bytes),
    )
