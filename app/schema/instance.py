"""A running model, its launch phases, and the leases workers grant for it."""

from enum import StrEnum
from typing import Annotated

from pydantic import Field

from app.schema.errors import ErrorInfo
from app.schema.model import ModelPart
from app.schema.plan import Plan, PlanRequest
from app.schema.record import Bytes, InstanceId, ModelId, NodeId, Record


class InstanceState(StrEnum):
    """Where an instance is in its life. `failed` and `stopped` hold nothing any more."""

    STARTING = "starting"
    READY = "ready"
    STOPPING = "stopping"
    STOPPED = "stopped"
    FAILED = "failed"


class PhaseName(StrEnum):
    """The steps of a launch, in order."""

    LEASES = "leases"
    WORKERS_STARTED = "workers_started"
    WORKERS_VERIFIED = "workers_verified"
    MEMORY_CHECKED = "memory_checked"
    HEAD_STARTED = "head_started"
    HANDSHAKE = "handshake"
    TENSORS = "tensors"
    WARM_UP = "warm_up"
    READY = "ready"


class PhaseState(StrEnum):
    """How far a phase is."""

    PENDING = "pending"
    ACTIVE = "active"
    DONE = "done"
    FAILED = "failed"
    SKIPPED = "skipped"


class Unit(StrEnum):
    """What a progress counts."""

    BYTES = "bytes"
    WORKERS = "workers"


class Progress(Record):
    """Real numbers of a step. `rate` is units per second, `seconds_left` an estimate from it; None when unknown."""

    done: int
    total: int
    unit: Unit
    rate: float | None = None
    seconds_left: float | None = None


class Phase(Record):
    """One step of a launch. `started_at` is seconds since the epoch, `seconds` how long it took (or takes so far)."""

    name: PhaseName
    state: PhaseState = PhaseState.PENDING
    started_at: float | None = None
    seconds: float | None = None
    progress: Progress | None = None
    note: str | None = None


class DeviceBuffer(Record):
    """A buffer the engine reported: `device` as the plan names it (`node/device`), `kind` model, KV, RS, compute..."""

    device: str
    kind: str
    mebibytes: float


class InstanceStatus(Record):
    """One instance as everybody sees it. Times are seconds since the epoch.

    `decode` and `prefill` are what its last answer was measured at, in tokens/s; None before there was one.
    `answering` is how many requests it works on, `idle_since` when the last of them ended, or it became ready; None
    while it works on one. `ended_because` says why Caravan ended it by itself; None when somebody asked for it.
    """

    id: InstanceId
    model_id: ModelId
    head: NodeId
    state: InstanceState
    plan: Plan
    phases: tuple[Phase, ...] = ()
    buffers: tuple[DeviceBuffer, ...] = ()
    error: ErrorInfo | None = None
    created_at: float
    ready_at: float | None = None
    decode: float | None = None
    prefill: float | None = None
    answering: int = 0
    idle_since: float | None = None
    ended_because: str | None = None
    better: str | None = None
    """A sentence on another split that would be at least 15 % faster by now; None when none is known."""


class LaunchRequest(Record):
    """Launch a plan. `extra_arguments` go to llama-server, one list item per argument; reserved ones are refused.

    `wishes` are what the plan was made for, kept for the next launch of this model once it is ready; without them
    nothing is. `share`: an instance of this model that starts or runs on the head already is the answer.
    """

    plan: Plan
    extra_arguments: tuple[str, ...] = ()
    wishes: PlanRequest | None = None
    share: bool = False


class LastLaunch(Record):
    """How a model was launched last: what was wished for, what llama-server got beside, and when it was ready.

    `wishes.model_id` is the name it was asked for by, which may be a path outside the model folders.
    """

    model_id: ModelId
    wishes: PlanRequest
    extra_arguments: tuple[str, ...] = ()
    at: float


class LeaseRequest(Record):
    """A head asks a worker for `size_bytes` on `device`. `epoch` grows with every launch of that head.

    `part` is what of which model will lie there; None from a head that does not tell, or on its own device.
    """

    instance_id: InstanceId
    head: NodeId
    head_name: str
    device: str
    size_bytes: Bytes
    epoch: Annotated[int, Field(ge=0)]
    part: ModelPart | None = None


class Lease(LeaseRequest):
    """A granted lease; it ends when released, or when its head stops renewing it."""

    id: str


class WorkerState(StrEnum):
    """The rpc-server that serves a lease."""

    ABSENT = "absent"
    STARTING = "starting"
    RUNNING = "running"
    EXITED = "exited"


class WorkerStatus(Record):
    """A worker process as its own node sees it. `port` is on that node's 127.0.0.1.

    `ticket` lets the head that holds the lease reach it through the peer link; None on the head's own node.
    """

    lease_id: str
    state: WorkerState
    port: int | None = None
    engine: str | None = None
    ticket: str | None = None
    error: ErrorInfo | None = None
