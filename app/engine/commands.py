"""PURE: the command lines of llama-server, rpc-server and llama-fit-params.

The reason for each flag is in design.md. What a build does not know is left out or said in its older way; whether it
knows a flag is asked of `EngineBuild.accepts`, never of its number.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from app.schema.engine import EngineBuild
from app.schema.plan import CPU_DEVICE, KvType

LOOPBACK = "127.0.0.1"

BATCH = 512
"""Tokens of a prompt processed at once: one step of prompt progress, and what the planner's buffers are for."""

ALL_LAYERS = 999
"""`-ngl` of a run that names devices but no count: every block and the output layer."""

TRACE_VERBOSITY = "--verbosity=trace"
"""Entry of `EngineBuild.flags`: log level 4 is `trace`, and the lines about devices and buffers moved there from 3."""

PLAIN_WEIGHTS = "-nr"
"""Leave the weights on the processor as the file has them: do not rearrange them for it (repack)."""

SPECULATION = "--spec-type="
"""Begin of entries of `EngineBuild.flags`, one for each kind of guessing ahead: `--spec-type=ngram-mod`."""

NGRAM_KIND, DRAFT_KIND = "ngram-mod", "draft-simple"

EXPERT_TENSORS = r"ffn_\w+_c?h?exps|ffn_(gate|down|up)\.\d+\."
"""Names of the tensors of experts behind that of their block, as `app.modelstore.shape` counts them."""

CONTROL_ENVIRONMENT = "LLAMA_SERVER_ROUTER_PORT"
"""Set to any port, it makes llama-server print progress and readiness and take an exit line on standard input."""


@dataclass(frozen=True)
class Command:
    """A program to start: `argv` with the program first, what to add to the environment, whether it reads stdin."""

    argv: tuple[str, ...]
    environment: Mapping[str, str] = field(default_factory=dict)
    stdin_control: bool = False


@dataclass(frozen=True, slots=True)
class Guessing:
    """Guess so many tokens ahead: with the model at `draft_path` on `draft_device`, one of the head's own (`CPU` for
    its processor), or from text that repeats when that is None.
    """

    guesses: int
    draft_path: str | None = None
    draft_device: str = CPU_DEVICE


def can_guess(build: EngineBuild, *, with_draft: bool) -> bool:
    """Whether a build has this way of guessing ahead, as Caravan asks for it. Those before `--spec-type` have none."""
    kind = DRAFT_KIND if with_draft else NGRAM_KIND
    needed = _DRAFT_FLAGS if with_draft else _NGRAM_FLAGS
    return build.accepts(f"{SPECULATION}{kind}") and all(build.accepts(flag) for flag in needed)


_DRAFT_FLAGS = ("--spec-type", "-md", "-devd", "-ngld", "-ctkd", "-ctvd", "--spec-draft-n-max")
_NGRAM_FLAGS = ("--spec-type", "--spec-ngram-mod-n-min", "--spec-ngram-mod-n-max")


@dataclass(frozen=True, kw_only=True)
class HeadSpec:
    """What a llama-server is to do. `devices` are its device names in layer order, the processor left out.

    `rpc_endpoints` (`host:port`) are numbered RPC0, RPC1... in their order, one device each. `gpu_layers` and
    `tensor_split` are those of the plan. `context` counts tokens over all `slots`. No devices means the processor
    alone. The experts of the blocks in `expert_layers` stay in RAM and the processor computes them. The projector goes
    on `projector_device`, one of the head's own (`CPU` for its processor); None leaves it to where it was always put.
    `repacks`: weights on the processor may be rearranged for it, which only a head without workers does.
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
    projector_device: str | None = None
    guessing: Guessing | None = None
    expert_layers: tuple[int, ...] = ()
    repacks: bool = True
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
        *_guessing(build, spec),
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
    """llama-fit-params for the same placement: what each device will hold. None when the build cannot tell.

    It leaves out weights that would be rearranged, so it is asked about them as the file has them: as many bytes.
    """
    if build.fit_params is None:
        return None
    plain = replace(spec, repacks=False)
    argv = (build.fit_params, *_placement(build, plain), *_model(build, plain), "-fitp", "on")
    return Command(argv, _engine_environment())


def _engine_environment() -> dict[str, str]:
    # Without the first, a worker may be told to listen on every address; with the second, a crash ends at once
    # instead of after a debugger printed a stack.
    return {"GGML_RPC_NO_COMM": "1", "GGML_NO_BACKTRACE": "1"}


def _placement(build: EngineBuild, spec: HeadSpec) -> tuple[str, ...]:
    workers = ("--rpc", ",".join(spec.rpc_endpoints)) if spec.rpc_endpoints else ()
    return (*workers, *_devices(spec), *_experts(spec), *_loading(build, spec))


def _experts(spec: HeadSpec) -> tuple[str, ...]:
    """Not `-ncmoe`, which counts blocks from the first one, where the workers' are."""
    if not spec.expert_layers:
        return ()
    blocks = "|".join(map(str, spec.expert_layers))
    return ("-ot", rf"^blk\.({blocks})\.({EXPERT_TENSORS})={CPU_DEVICE}")


def _devices(spec: HeadSpec) -> tuple[str, ...]:
    if not spec.devices:
        return ("-dev", "none", "-ngl", "0")
    split = ("-ts", ",".join(map(str, spec.tensor_split))) if len(spec.devices) > 1 else ()
    return ("-dev", ",".join(spec.devices), *split, "-ngl", str(spec.gpu_layers or ALL_LAYERS))


def _loading(build: EngineBuild, spec: HeadSpec) -> tuple[str, ...]:
    """With workers: read the file in pieces, so that progress is true, and compute as the workers do."""
    buffered = tuple(flag for flag in ("-ndio",) if build.accepts(flag))
    plain = tuple(flag for flag in (PLAIN_WEIGHTS,) if build.accepts(flag))
    if not spec.rpc_endpoints:
        return (*buffered, *(() if spec.repacks else plain))
    unmapped = ("--load-mode", "none") if build.accepts("--load-mode") else ("--no-mmap", *buffered)
    return (*unmapped, *plain)


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
    """The projector goes where the plan says, by default to the head's own first device: the engine itself would put it
    on the first of `-dev`, a worker.
    """
    if spec.projector_path is None:
        return ()
    own = spec.projector_device or next((device for device in spec.devices if not device.startswith("RPC")), None)
    if own == CPU_DEVICE:
        return ("-mm", spec.projector_path, "--no-mmproj-offload")
    if own is not None and build.accepts("-mmdev"):
        return ("-mm", spec.projector_path, "-mmdev", own)
    local = own is not None and not spec.rpc_endpoints
    return ("-mm", spec.projector_path, *(() if local else ("--no-mmproj-offload",)))


def _guessing(build: EngineBuild, spec: HeadSpec) -> tuple[str, ...]:
    """Nothing where the build cannot, or where the user's own arguments already say how."""
    wanted = spec.guessing
    said = any(argument.startswith(("--spec-", "-md", "--model-draft")) for argument in spec.extra_arguments)
    if wanted is None or said or not can_guess(build, with_draft=wanted.draft_path is not None):
        return ()
    count = str(wanted.guesses)
    if wanted.draft_path is None:
        return ("--spec-type", NGRAM_KIND, "--spec-ngram-mod-n-min", "1", "--spec-ngram-mod-n-max", count)
    is_cpu = wanted.draft_device == CPU_DEVICE
    place = ("-devd", "none", "-ngld", "0") if is_cpu else ("-devd", wanted.draft_device, "-ngld", str(ALL_LAYERS))
    cache = ("-ctkd", spec.kv_type.value, "-ctvd", spec.kv_type.value)
    return ("--spec-type", DRAFT_KIND, "-md", wanted.draft_path, *place, *cache, "--spec-draft-n-max", count)


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
