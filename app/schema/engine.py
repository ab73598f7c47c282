"""What is known of the llama.cpp build a node uses, and how the install of another one goes."""

from enum import StrEnum
from typing import Annotated

from pydantic import Field

from app.schema.errors import ErrorInfo
from app.schema.record import Bytes, Record


class EngineDevice(Record):
    """A device the engine itself lists (`--list-devices`); the processor is never listed."""

    name: str
    description: str
    total_bytes: Bytes
    free_bytes: Bytes


class EngineBuild(Record):
    """A probed llama.cpp build. `identity` must be equal on all PCs of an instance.

    `build` is the number of `bNNNN`, None for a local build that does not say. `flags` are all option names of the
    server's `--help`. `source` tells where it was found: `setting`, `bundled`, `installed`, `package`, `path`.
    """

    server: str
    worker: str | None
    fit_params: str | None = None
    source: str
    build: int | None
    commit: str | None
    version_text: str
    flags: frozenset[str]
    devices: tuple[EngineDevice, ...] = ()
    fingerprint: str | None = None
    """SHA-256 of its programs and libraries; only of a local build, which has no number."""

    @property
    def identity(self) -> str:
        """What two PCs compare: build number and commit; of a local build its version text and fingerprint."""
        if self.build:
            return f"b{self.build}-{self.commit}"
        return f"{self.version_text} #{self.fingerprint[:12]}" if self.fingerprint else self.version_text

    def accepts(self, flag: str) -> bool:
        """Whether the server knows this option."""
        return flag in self.flags


class EngineStatus(Record):
    """The engine of a node: a build, or why there is none. `notices` are plain sentences worth showing once."""

    build: EngineBuild | None = None
    problem: ErrorInfo | None = None
    notices: tuple[str, ...] = ()


class EngineBackend(StrEnum):
    """What a llama.cpp release is made for."""

    CUDA = "cuda"
    VULKAN = "vulkan"
    CPU = "cpu"


class EngineInstallRequest(Record):
    """What to install. `backend` None is chosen for this PC, `build` None is the one Caravan was tested with.

    `files` are paths of release archives on this PC; with them nothing is downloaded.
    """

    backend: EngineBackend | None = None
    build: Annotated[str, Field(pattern=r"^b\d{1,9}$")] | None = None
    files: Annotated[tuple[str, ...], Field(max_length=8)] = ()


class InstallPhase(StrEnum):
    """The steps of an install in their order, and its three ends."""

    STARTING = "starting"
    LOOKING_UP = "looking_up"
    DOWNLOADING = "downloading"
    UNPACKING = "unpacking"
    CHECKING = "checking"
    SWITCHING = "switching"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"


INSTALL_ENDS = frozenset({InstallPhase.DONE, InstallPhase.FAILED, InstallPhase.CANCELLED})


class EngineInstall(Record):
    """An install that runs or was the last one. `file` is the archive at hand, `rate` bytes per second.

    `bytes_done` and `bytes_total` count all archives together. `notices` are plain sentences about what was chosen.
    """

    id: str
    phase: InstallPhase
    build: str | None = None
    backend: EngineBackend | None = None
    file: str | None = None
    bytes_done: Bytes | None = None
    bytes_total: Bytes | None = None
    rate: float | None = None
    notices: tuple[str, ...] = ()
    error: ErrorInfo | None = None
