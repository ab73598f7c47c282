"""What is known of the llama.cpp build a node uses."""

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
    library_folder: str | None = None

    @property
    def identity(self) -> str:
        """What two PCs compare: build number and commit, else the whole version text."""
        if self.build:
            return f"b{self.build}-{self.commit}"
        return self.version_text

    def accepts(self, flag: str) -> bool:
        """Whether the server knows this option."""
        return flag in self.flags


class EngineStatus(Record):
    """The engine of a node: a build, or why there is none. `notices` are plain sentences worth showing once."""

    build: EngineBuild | None = None
    problem: ErrorInfo | None = None
    notices: tuple[str, ...] = ()
