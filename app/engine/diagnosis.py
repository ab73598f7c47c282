"""PURE: a dead engine process -> the one plain sentence a person needs, with the class that says what to do about it.

The evidence is the last lines and the exit code. Lines win over the code; of several failures the most telling one wins
(the order of `FailureKind`), because one cause prints many lines and only the first of them names it.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePath, PureWindowsPath

from app.engine.events import Failure, FailureKind
from app.engine.exit_codes import (
    exit_meaning,
    is_guarded,
    is_guarded_refusal,
    is_library_trouble,
    refusal_meaning,
)
from app.engine.failures import parse_failure
from app.schema.errors import (
    CaravanError,
    EngineBroken,
    EngineLacksRpc,
    EngineLibraryMissing,
    EngineMismatch,
    EngineMissing,
    GgufTruncated,
    HeadFailed,
    ModelUnreadable,
    NotGguf,
    OutOfMemory,
    PortInUse,
    UnknownArchitecture,
    WorkerFailed,
    WorkerLost,
)

DETAIL_LINES = 40
"""Last output lines an error carries for those who want them."""

VISUAL_CPP = "Microsoft Visual C++ Redistributable (x64)"
"""What the engine's Windows builds need and a fresh Windows lacks."""

GUARDED_HINT = (
    "Allow the engine's folder in the antivirus program (Windows Security: Virus & threat protection, Protection "
    "history), then install the engine again."
)

_RANK = {kind: position for position, kind in enumerate(FailureKind)}


@dataclass(frozen=True, slots=True)
class _Case:
    """Everything a sentence may use. `names` maps a worker's `host:port` to the name of its PC."""

    failure: Failure
    failures: tuple[Failure, ...]
    node_name: str
    names: Mapping[str, str]
    returncode: int
    detail: tuple[str, ...]

    @property
    def model(self) -> str:
        """The model file's name as the engine printed it."""
        for failure in self.failures:
            if failure.kind in (FailureKind.BAD_MODEL, FailureKind.MODEL_UNOPENABLE) and failure.subject:
                return file_name(failure.subject)
        return "The model file"

    def pc(self, endpoint: str | None) -> str:
        """The PC behind an endpoint; all of them when the engine does not say which."""
        if endpoint in self.names:
            return self.names[endpoint or ""]
        if endpoint:
            return f"the worker at {endpoint}"
        return " or ".join(sorted(set(self.names.values()))) or "a worker"


def file_name(path: str) -> str:
    """The last part of a path of either operating system."""
    return PureWindowsPath(path).name if "\\" in path else PurePath(path).name


def diagnose_head(
    tail: Sequence[str], returncode: int, node_name: str, names: Mapping[str, str]
) -> CaravanError | None:
    """Why the llama-server on `node_name` ended; `names` maps each worker's `host:port` to its PC's name.

    None when it ended without an error and without a word. The error's detail holds the last lines.
    """
    case = _case(tail, returncode, node_name, names)
    if case is not None:
        return _HEAD[case.failure.kind](case)
    if returncode == 0:
        return None
    return _by_code(returncode, node_name, _detail(tail), HeadFailed, "engine")


def diagnose_worker(tail: Sequence[str], returncode: int, node_name: str) -> CaravanError:
    """Why the rpc-server on `node_name` ended. It ends with code 0 even when it could not take its port."""
    case = _case(tail, returncode, node_name, {})
    if case is not None:
        return _WORKER.get(case.failure.kind, _worker_failed)(case)
    return _by_code(returncode, node_name, _detail(tail), WorkerFailed, "worker")


def diagnose_start(program: str, code: int | None, said: str, node_name: str) -> CaravanError:
    """Why the engine's `program` (a path) on `node_name` was not even started.

    `code` is Windows' error number, None elsewhere; `said` is the system's own text.
    """
    name = file_name(program)
    reason = refusal_meaning(code) or said.rstrip(".")
    hint = GUARDED_HINT if is_guarded_refusal(code) else "Install the engine again there: caravan engine install."
    kind = EngineMissing if code in (None, 2, 3) else EngineBroken
    return kind(f"The engine's program {name} on {node_name} cannot be started: {reason}.", hint, (program, said))


def _detail(tail: Sequence[str]) -> tuple[str, ...]:
    return tuple(tail[-DETAIL_LINES:])


def _case(tail: Sequence[str], returncode: int, node_name: str, names: Mapping[str, str]) -> _Case | None:
    failures = tuple(failure for line in tail if (failure := parse_failure(line[:2000])) is not None)
    if not failures:
        return None
    telling = min(failures, key=lambda failure: (_RANK[failure.kind], failure.subject is None))
    return _Case(telling, failures, node_name, names, returncode, _detail(tail))


def _by_code(
    returncode: int, node_name: str, detail: tuple[str, ...], plain: type[CaravanError], what: str
) -> CaravanError:
    if is_library_trouble(returncode):
        return EngineLibraryMissing(
            f"The engine on {node_name} cannot start: {exit_meaning(returncode)}.",
            f"Install the engine again there; on Windows also the {VISUAL_CPP}.",
            detail,
        )
    if is_guarded(returncode):
        return EngineBroken(f"The engine on {node_name} cannot run: {exit_meaning(returncode)}.", GUARDED_HINT, detail)
    return plain(
        f"The {what} on {node_name} stopped: {exit_meaning(returncode)}.",
        "Launch again. If it happens every time, report it with the log below.",
        detail,
    )


def _out_of_memory(case: _Case) -> CaravanError:
    place = case.failure.subject
    size = case.failure.size_bytes or next((f.size_bytes for f in case.failures if f.size_bytes), None)
    if place is not None and ":" in place:
        where, there = case.pc(place), "there"
    else:
        on = f" on {place}" if place and not place.startswith("CPU") else ""
        where, there = f"{case.node_name}{on}", f"on {case.node_name}"
    wanted = f" {size / 2**30:.1f} GB more could not be reserved." if size else ""
    return OutOfMemory(
        f"{_capital(where)} ran out of memory while the model was loaded.{wanted}",
        f"Close other programs {there}, choose a smaller context or model, or let one more PC join.",
        case.detail,
    )


def _port_in_use(case: _Case) -> CaravanError:
    port = f"port {case.failure.subject}" if case.failure.subject else "the port it was given"
    return PortInUse(
        f"The engine on {case.node_name} could not take {port}: another program has it.", "Launch again.", case.detail
    )


def _library_missing(case: _Case) -> CaravanError:
    return EngineLibraryMissing(
        f"The engine on {case.node_name} cannot start: the library {case.failure.subject} was not found.",
        "Install the engine again on that PC.",
        case.detail,
    )


def _rpc_missing(case: _Case) -> CaravanError:
    return EngineLacksRpc(
        f"The llama.cpp build on {case.node_name} was made without RPC, so it cannot use other PCs.",
        "Install the engine that comes with Caravan, or another build with RPC, on that PC.",
        case.detail,
    )


def _mismatch(case: _Case) -> CaravanError:
    subject = next((f.subject for f in case.failures if f.kind is FailureKind.PROTOCOL_MISMATCH and f.subject), None)
    return EngineMismatch(
        f"The engines on {case.node_name} and {case.pc(subject)} do not understand each other: their versions differ.",
        "Install the same llama.cpp build on every PC.",
        case.detail,
    )


def _unreachable(case: _Case) -> CaravanError:
    return WorkerLost(
        f"{case.node_name} could not connect to {case.pc(case.failure.subject)}.",
        "Check that this PC is awake and in the network, then launch again.",
        case.detail,
    )


def _worker_lost(case: _Case) -> CaravanError:
    return WorkerLost(
        f"{_capital(case.pc(case.failure.subject))} went away while {case.node_name} was using it.",
        "Check that it is awake and in the network, then launch again.",
        case.detail,
    )


def _unknown_architecture(case: _Case) -> CaravanError:
    return UnknownArchitecture(
        f"The llama.cpp build on {case.node_name} does not know models of the architecture {case.failure.subject!r}.",
        "Install a newer engine on every PC, or choose another model.",
        case.detail,
    )


def _not_gguf(case: _Case) -> CaravanError:
    return NotGguf(
        f"{case.model} on {case.node_name} is not a GGUF file.", "Download it again, or choose another.", case.detail
    )


def _model_cut(case: _Case) -> CaravanError:
    return GgufTruncated(
        f"{case.model} on {case.node_name} is cut off or damaged: a part of the data is missing.",
        "Let its download finish, or download it again.",
        case.detail,
    )


def _unopenable(case: _Case) -> CaravanError:
    return ModelUnreadable(
        f"{case.model} on {case.node_name} cannot be opened.",
        "Check that the file is still there and may be read.",
        case.detail,
    )


def _bad_model(case: _Case) -> CaravanError:
    return ModelUnreadable(
        f"The engine on {case.node_name} could not load {case.model}.",
        "A newer engine may know this kind of model; else download the file again. The log below says more.",
        case.detail,
    )


def _bad_argument(case: _Case) -> CaravanError:
    which = f" {case.failure.subject}" if case.failure.subject else ""
    return HeadFailed(
        f"The engine on {case.node_name} does not accept the argument{which}.",
        "Remove it from the extra arguments, or install a newer engine.",
        case.detail,
    )


def _unknown_device(case: _Case) -> CaravanError:
    return HeadFailed(
        f"The engine on {case.node_name} does not have the device {case.failure.subject}.",
        "Make a new plan: the devices changed since this one was made.",
        case.detail,
    )


def _aborted(case: _Case) -> CaravanError:
    return HeadFailed(
        f"The engine on {case.node_name} gave up after an error inside it.",
        "Launch again. If it happens every time, install a newer engine or report it with the log below.",
        case.detail,
    )


def _worker_failed(case: _Case) -> CaravanError:
    return WorkerFailed(
        f"The worker on {case.node_name} stopped: {exit_meaning(case.returncode)}.",
        "Launch again. If it happens every time, report it with the log below.",
        case.detail,
    )


def _worker_device(case: _Case) -> CaravanError:
    return WorkerFailed(
        f"The worker on {case.node_name} does not have the device {case.failure.subject}.",
        "Make a new plan: the devices changed since this one was made.",
        case.detail,
    )


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:] if text.startswith(("a worker", "the worker")) else text


_HEAD: dict[FailureKind, Callable[[_Case], CaravanError]] = {
    FailureKind.RPC_MISSING: _rpc_missing,
    FailureKind.LIBRARY_MISSING: _library_missing,
    FailureKind.PROTOCOL_MISMATCH: _mismatch,
    FailureKind.WORKER_UNREACHABLE: _unreachable,
    FailureKind.PORT_IN_USE: _port_in_use,
    FailureKind.UNKNOWN_ARCHITECTURE: _unknown_architecture,
    FailureKind.NOT_GGUF: _not_gguf,
    FailureKind.MODEL_CUT: _model_cut,
    FailureKind.MODEL_UNOPENABLE: _unopenable,
    FailureKind.OUT_OF_MEMORY: _out_of_memory,
    FailureKind.BAD_MODEL: _bad_model,
    FailureKind.BAD_ARGUMENT: _bad_argument,
    FailureKind.UNKNOWN_DEVICE: _unknown_device,
    FailureKind.WORKER_LOST: _worker_lost,
    FailureKind.ABORTED: _aborted,
}

_WORKER: dict[FailureKind, Callable[[_Case], CaravanError]] = {
    FailureKind.RPC_MISSING: _rpc_missing,
    FailureKind.LIBRARY_MISSING: _library_missing,
    FailureKind.PORT_IN_USE: _port_in_use,
    FailureKind.OUT_OF_MEMORY: _out_of_memory,
    FailureKind.UNKNOWN_DEVICE: _worker_device,
}
