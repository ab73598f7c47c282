"""PURE: the command lines of llama-server, rpc-server and llama-fit-params.

The reason for each flag is in design.md. What a build does not know is left out or said in its older way; whether it
knows a flag is asked of `EngineBuild.accepts`, never of its number.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from app.schema.engine import EngineBuild
from app.schema.plan import KvType

LOOPBACK = "127.0.0.1"

BATCH = 512
"""Tokens of a prompt processed at once: one step of prompt progress, and what the planner's buffers are for."""

ALL_LAYERS = 999
"""`-ngl` of a run that names devices but no count: every block and the output layer."""

TRACE_VERBOSITY = "--verbosity=trace"
"""Entry of `EngineBuild.flags`: log level 4 is `trace`, and the lines about devices and buffers moved there from 3."""

CONTROL_ENVIRONMENT = "LLAMA_SERVER_ROUTER_PORT"
"""Set to any port, it makes llama-server print progress and readiness and take an exit line on standard input."""


@dataclass(frozen=True)
class Command:
    """A program to start: `argv` with the program first, what to add to the environment, whether it reads stdin."""

    argv: tuple[str, ...]
    environment: Mapping[str, str] = field(default_factory=dict)
    stdin_control: bool = False


@dataclass(frozen=True, kw_only=True)
class HeadSpec:
    """What a llama-server is to do. `devices` are its device names in layer order, the processor left out.

    `rpc_endpoints` (`host:port`) are numbered RPC0, RPC1... in their order, one device each. `gpu_layers` and
    `tensor_split` are those of the plan. `context` counts tokens over all `slots`. No devices means the processor
    alone.
    """

    model_path: str
    alias: str
    devices: tuple[str, ...]
    rpc_endpoints: tuple[str, ...]
    gpu_layers: int
    tensor_split: tuple[int, ...]
    context: int
    slots: int
    kv_type: KvType
    port: int
    api_key: str
    threads: int | None = None
    projector_path: str | None = None
    extra_arguments: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class WorkerSpec:
    """What an rpc-server offers: one `device` by its engine name (`CUDA0`, `CPU`) on 127.0.0.1:`port`.

    `threads` None lets it choose. `cache_folder` must hold a folder `rpc`; tensors sent once are kept there, None
    keeps none.
    """

    device: str
    port: int
    threads: int | None
    cache_folder: str | None


def head_command(build: EngineBuild, spec: HeadSpec) -> Command:
    """The llama-server of an instance. `extra_arguments` must have passed `extra_arguments.check`.

    `--rpc` comes first: the engine connects to the workers while it reads it, and `-dev` names what that found.
    """
    argv = (
        build.server,
        *_placement(build, spec),
        *_model(build, spec),
        *_serving(build, spec),
        *spec.extra_arguments,
        *_draft_placement(spec.extra_arguments),
    )
    environment = {
        "LLAMA_API_KEY": spec.api_key,
        CONTROL_ENVIRONMENT: "1",
        **_engine_environment(),
    }
    return Command(argv, environment, stdin_control=True)


def worker_command(build: EngineBuild, spec: WorkerSpec) -> Command:
    """The rpc-server of a lease. Raises ValueError for a build without one."""
    if build.worker is None:
        raise ValueError("the build has no worker program")
    cache = ("-c",) if spec.cache_folder is not None else ()
    threads = ("-t", str(spec.threads)) if spec.threads is not None else ()
    environment = _engine_environment()
    if spec.cache_folder is not None:
        environment["LLAMA_CACHE"] = spec.cache_folder
    argv = (build.worker, "-H", LOOPBACK, "-p", str(spec.port), "-d", spec.device, *threads, *cache)
    return Command(argv, environment)


def fit_command(build: EngineBuild, spec: HeadSpec) -> Command | None:
    """llama-fit-params for the same placement: what each device will hold. None when the build cannot tell."""
    if build.fit_params is None:
        return None
    argv = (build.fit_params, *_placement(build, spec), *_model(build, spec), "-fitp", "on")
    return Command(argv, _engine_environment())


def _engine_environment() -> dict[str, str]:
    # Without the first, a worker may be told to listen on every address; with the second, a crash ends at once
    # instead of after a debugger printed a stack.
    return {"GGML_RPC_NO_COMM": "1", "GGML_NO_BACKTRACE": "1"}


def _placement(build: EngineBuild, spec: HeadSpec) -> tuple[str, ...]:
    workers = ("--rpc", ",".join(spec.rpc_endpoints)) if spec.rpc_endpoints else ()
    return (*workers, *_devices(spec), *_loading(build, bool(spec.rpc_endpoints)))


def _devices(spec: HeadSpec) -> tuple[str, ...]:
    if not spec.devices:
        return ("-dev", "none", "-ngl", "0")
    split = ("-ts", ",".join(map(str, spec.tensor_split))) if len(spec.devices) > 1 else ()
    return ("-dev", ",".join(spec.devices), *split, "-ngl", str(spec.gpu_layers or ALL_LAYERS))


def _loading(build: EngineBuild, distributed: bool) -> tuple[str, ...]:
    """With workers: read the file in pieces, so that progress is true, and compute as the workers do."""
    buffered = tuple(flag for flag in ("-ndio",) if build.accepts(flag))
    if not distributed:
        return buffered
    unmapped = ("--load-mode", "none") if build.accepts("--load-mode") else ("--no-mmap", *buffered)
    return (*unmapped, *(flag for flag in ("-nr",) if build.accepts(flag)))


def _model(build: EngineBuild, spec: HeadSpec) -> tuple[str, ...]:
    unified = ("--kv-unified",) if spec.slots > 1 and build.accepts("--kv-unified") else ()
    batch = str(BATCH)
    return (
        *("-m", spec.model_path, "-c", str(spec.context), "-np", str(spec.slots), *unified),
        *("-b", batch, "-ub", batch, "-fa", "on", "-ctk", spec.kv_type.value, "-ctv", spec.kv_type.value),
    )


def _serving(build: EngineBuild, spec: HeadSpec) -> tuple[str, ...]:
    threads = ("-t", str(spec.threads)) if spec.threads is not None else ()
    verbosity = "4" if build.accepts(TRACE_VERBOSITY) else "3"
    return (
        *("--fit", "off", "--cache-ram", "0"),
        *("--host", LOOPBACK, "--port", str(spec.port), "--alias", spec.alias, "--jinja"),
        *_first_known(build, ("--no-webui", "--no-ui")),
        *("-lv", verbosity),
        *threads,
        *_projector(build, spec),
    )


def _projector(build: EngineBuild, spec: HeadSpec) -> tuple[str, ...]:
    """The projector goes to the head's own first device: by default it would go to the first of `-dev`, a worker."""
    if spec.projector_path is None:
        return ()
    own = next((device for device in spec.devices if not device.startswith("RPC")), None)
    if own is not None and build.accepts("-mmdev"):
        return ("-mm", spec.projector_path, "-mmdev", own)
    local = own is not None and not spec.rpc_endpoints
    return ("-mm", spec.projector_path, *(() if local else ("--no-mmproj-offload",)))


_DRAFT_MODEL = frozenset({"-md", "--model-draft", "--spec-draft-model"})
_DRAFT_DEVICE = frozenset({"-devd", "--device-draft", "--spec-draft-device"})


def _draft_placement(extra: Sequence[str]) -> tuple[str, ...]:
    """A draft model follows `-dev` on to the workers, which makes it slower than none; it belongs on the head."""
    if _DRAFT_MODEL.isdisjoint(extra) or not _DRAFT_DEVICE.isdisjoint(extra):
        return ()
    return ("-devd", "none", "-ngld", "0")


def _first_known(build: EngineBuild, flags: Iterable[str]) -> tuple[str, ...]:
    known = next((flag for flag in flags if build.accepts(flag)), None)
    return (known,) if known is not None else ()
