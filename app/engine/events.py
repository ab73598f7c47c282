"""What the engine's output can say, as values. `app.engine.output` makes them from lines."""

from dataclasses import dataclass
from enum import StrEnum


@dataclass(frozen=True, slots=True)
class ControlState:
    """Load progress from the control channel: `stage` (`text_model`, `mmproj_model`...) and 0..1 of it."""

    stage: str
    value: float


@dataclass(frozen=True, slots=True)
class ControlReady:
    """The control channel says that requests are taken. `context` is the engine's own count, None when not told."""

    context: int | None = None


@dataclass(frozen=True, slots=True)
class BuildLine:
    """The build that runs: `build` 0 and `commit` `unknown` for a local one."""

    build: int
    commit: str


@dataclass(frozen=True, slots=True)
class UsingDevice:
    """A device the engine took into its list, in order. `endpoint` is `host:port` of a worker, None for a local one."""

    name: str
    endpoint: str | None


@dataclass(frozen=True, slots=True)
class LayerAssigned:
    """Block `layer` lives on `device`; one past the last block is the output layer. Printed at debug verbosity only."""

    layer: int
    device: str


@dataclass(frozen=True, slots=True)
class BufferSize:
    """A buffer that was made. `owner` is the device without its address (`RPC0`, `CUDA0`, `CPU_Mapped`, `Host`).

    The number in an `RPC` owner counts the devices of that endpoint, so two workers are both `RPC0`: join on
    `endpoint`. `kind` is model, KV, RS, compute or output.
    """

    owner: str
    endpoint: str | None
    kind: str
    mebibytes: float


@dataclass(frozen=True, slots=True)
class LoadingTensors:
    """The header is read and the weights are next."""


@dataclass(frozen=True, slots=True)
class LoadDots:
    """Old builds print a dot for each percent of the weights; the line arrives when they are through."""

    count: int


@dataclass(frozen=True, slots=True)
class WarmingUp:
    """Weights and cache are in place; an empty run warms the devices."""


@dataclass(frozen=True, slots=True)
class ModelLoaded:
    """The model is loaded and warm."""


@dataclass(frozen=True, slots=True)
class Listening:
    """The address the server answers on."""

    url: str


class FailureKind(StrEnum):
    """What went wrong, as the engine itself tells it. Listed from the most telling to the least."""

    RPC_MISSING = "rpc_missing"
    LIBRARY_MISSING = "library_missing"
    PROTOCOL_MISMATCH = "protocol_mismatch"
    WORKER_UNREACHABLE = "worker_unreachable"
    PORT_IN_USE = "port_in_use"
    UNKNOWN_ARCHITECTURE = "unknown_architecture"
    NOT_GGUF = "not_gguf"
    MODEL_CUT = "model_cut"
    MODEL_UNOPENABLE = "model_unopenable"
    OUT_OF_MEMORY = "out_of_memory"
    BAD_MODEL = "bad_model"
    BAD_ARGUMENT = "bad_argument"
    UNKNOWN_DEVICE = "unknown_device"
    WORKER_LOST = "worker_lost"
    ABORTED = "aborted"


@dataclass(frozen=True, slots=True)
class Failure:
    """A line that tells of a failure.

    `subject` is what it is about: `host:port` of a worker, an architecture, a file, an argument, a library, a device;
    None when the line does not say. `size_bytes` is what could not be allocated, None when not told.
    """

    kind: FailureKind
    subject: str | None = None
    size_bytes: int | None = None


OutputEvent = (
    ControlState
    | ControlReady
    | BuildLine
    | UsingDevice
    | LayerAssigned
    | BufferSize
    | LoadingTensors
    | LoadDots
    | WarmingUp
    | ModelLoaded
    | Listening
    | Failure
)
