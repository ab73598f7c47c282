from dataclasses import replace

import pytest

from app.engine.commands import (
    Guessing,
    HeadSpec,
    WorkerSpec,
    can_guess,
    fit_command,
    head_command,
    worker_command,
)
from app.schema.plan import KvType
from tests.unit.engine import recorded

NEW, OLD = recorded.build("b11434"), recorded.build("b7827")

SPEC = HeadSpec(
    model_path="/models/a b ü.gguf",
    alias="a b ü",
    devices=("RPC0", "RPC1", "CUDA0"),
    rpc_endpoints=("127.0.0.1:4001", "127.0.0.1:4002"),
    gpu_layers=13,
    tensor_split=(4, 4, 5),
    context=4096,
    slots=1,
    kv_type=KvType.F16,
    port=8090,
    api_key="secret",
)
ALONE = replace(SPEC, devices=(), rpc_endpoints=(), gpu_layers=0, tensor_split=())
LOCAL_GPUS = replace(SPEC, devices=("CUDA0", "CUDA1"), rpc_endpoints=(), tensor_split=(6, 7))


def line(arguments: tuple[str, ...]) -> str:
    return " ".join(argument.replace(" ", "_") for argument in arguments)


MODEL = "-m /models/a_b_ü.gguf -c 4096 -np 1 -b 512 -ub 512 -fa on -ctk f16 -ctv f16"
SERVING = "--fit off --cache-ram 0 --host 127.0.0.1 --port 8090 --alias a_b_ü --jinja --no-webui"
WORKERS = "--rpc 127.0.0.1:4001,127.0.0.1:4002 -dev RPC0,RPC1,CUDA0 -ts 4,4,5 -ngl 13"

GOLDEN = [
    (NEW, SPEC, f"{WORKERS} --load-mode none -nr {MODEL} {SERVING} -lv 4"),
    (OLD, SPEC, f"{WORKERS} --no-mmap -ndio -nr {MODEL} {SERVING} -lv 3"),
    (NEW, ALONE, f"-dev none -ngl 0 {MODEL} {SERVING} -lv 4"),
    (NEW, replace(ALONE, repacks=False), f"-dev none -ngl 0 -nr {MODEL} {SERVING} -lv 4"),
    (OLD, replace(ALONE, repacks=False), f"-dev none -ngl 0 -ndio -nr {MODEL} {SERVING} -lv 3"),
    (OLD, ALONE, f"-dev none -ngl 0 -ndio {MODEL} {SERVING} -lv 3"),
    (NEW, LOCAL_GPUS, f"-dev CUDA0,CUDA1 -ts 6,7 -ngl 13 {MODEL} {SERVING} -lv 4"),
    (
        NEW,
        replace(SPEC, expert_layers=(8, 9)),
        rf"{WORKERS} -ot ^blk\.(8|9)\.(ffn_\w+_c?h?exps|ffn_(gate|down|up)\.\d+\.)=CPU --load-mode none -nr {MODEL} "
        f"{SERVING} -lv 4",
    ),
    (
        NEW,
        replace(SPEC, devices=("RPC0",), rpc_endpoints=("127.0.0.1:4001",), tensor_split=(9,), gpu_layers=9),
        f"--rpc 127.0.0.1:4001 -dev RPC0 -ngl 9 --load-mode none -nr {MODEL} {SERVING} -lv 4",
    ),
]


@pytest.mark.parametrize(("build", "spec", "expected"), GOLDEN)
def test_the_command_line_of_a_head(build: object, spec: HeadSpec, expected: str) -> None:
    assert build in (NEW, OLD)
    command = head_command(NEW if build is NEW else OLD, spec)
    assert command.argv[0] == "/engine/llama-server"
    assert line(command.argv[1:]) == expected


def test_the_key_is_not_on_the_command_line() -> None:
    command = head_command(NEW, SPEC)
    assert "secret" not in " ".join(command.argv)
    assert command.environment["LLAMA_API_KEY"] == "secret"
    assert command.environment["LLAMA_SERVER_ROUTER_PORT"]
    assert command.environment["GGML_RPC_NO_COMM"] == "1"
    assert command.stdin_control


@pytest.mark.parametrize("build", [NEW, OLD])
@pytest.mark.parametrize("slots", [1, 3])
def test_every_flag_is_known_to_the_build(build: object, slots: int) -> None:
    known = NEW if build is NEW else OLD
    spec = replace(SPEC, slots=slots, threads=3, projector_path="/models/eye.gguf", kv_type=KvType.Q8_0)
    flags = [item for item in head_command(known, spec).argv[1:] if item.startswith("-")]
    assert [flag for flag in flags if not known.accepts(flag)] == []
    assert ("--kv-unified" in flags) == (slots > 1)


@pytest.mark.parametrize(
    ("build", "devices", "endpoints", "placed"),
    [
        (NEW, ("RPC0", "CUDA0"), ("h:1",), ["-mmdev", "CUDA0"]),
        (NEW, ("RPC0",), ("h:1",), ["--no-mmproj-offload"]),
        (NEW, (), (), ["--no-mmproj-offload"]),
        (OLD, ("RPC0", "CUDA0"), ("h:1",), ["--no-mmproj-offload"]),
        (OLD, ("CUDA0",), (), []),
    ],
)
def test_a_projector_never_goes_to_a_worker(
    build: object, devices: tuple[str, ...], endpoints: tuple[str, ...], placed: list[str]
) -> None:
    spec = replace(SPEC, devices=devices, rpc_endpoints=endpoints, projector_path="/models/eye.gguf")
    argv = list(head_command(NEW if build is NEW else OLD, spec).argv)
    assert argv[argv.index("-mm") + 1 :] == ["/models/eye.gguf", *placed]


@pytest.mark.parametrize(
    ("extra", "added"),
    [
        (("-md", "d.gguf"), ["-md", "d.gguf", "-devd", "none", "-ngld", "0"]),
        (("-md", "d.gguf", "-devd", "CUDA0"), ["-md", "d.gguf", "-devd", "CUDA0"]),
        (("--temp", "0"), ["--temp", "0"]),
    ],
)
def test_a_draft_model_stays_on_the_head(extra: tuple[str, ...], added: list[str]) -> None:
    argv = head_command(NEW, replace(SPEC, extra_arguments=extra)).argv
    assert list(argv[argv.index("-lv") + 2 :]) == added


def test_the_command_line_of_a_worker() -> None:
    command = worker_command(NEW, WorkerSpec(device="CUDA1", port=4001, threads=4, cache_folder=r"C:\cache ü"))
    assert command.argv == tuple(
        ["/engine/ggml-rpc-server", "-H", "127.0.0.1", "-p", "4001", "-d", "CUDA1", "-t", "4", "-c"]
    )
    assert command.environment["LLAMA_CACHE"] == r"C:\cache ü"
    plain = worker_command(OLD, WorkerSpec(device="CPU", port=4001, threads=None, cache_folder=None))
    assert plain.argv == ("/engine/rpc-server", "-H", "127.0.0.1", "-p", "4001", "-d", "CPU")
    assert "LLAMA_CACHE" not in plain.environment
    assert not plain.stdin_control


def test_the_memory_check_is_for_the_same_placement() -> None:
    command = fit_command(NEW, SPEC)
    assert command is not None
    assert line(command.argv) == f"/engine/llama-fit-params {WORKERS} --load-mode none -nr {MODEL} -fitp on"
    assert fit_command(OLD, SPEC) is None


def test_guesses_from_repeated_text() -> None:
    argv = head_command(NEW, replace(SPEC, guessing=Guessing(8))).argv
    assert line(argv).endswith("--spec-type ngram-mod --spec-ngram-mod-n-min 1 --spec-ngram-mod-n-max 8")


@pytest.mark.parametrize(("device", "placed"), [("CPU", "-devd none -ngld 0"), ("CUDA0", "-devd CUDA0 -ngld 999")])
def test_the_plans_draft_model_stays_on_the_head(device: str, placed: str) -> None:
    spec = replace(SPEC, guessing=Guessing(5, "/models/draft ü.gguf", device), kv_type=KvType.Q8_0)
    wanted = f"--spec-type draft-simple -md /models/draft_ü.gguf {placed} -ctkd q8_0 -ctvd q8_0 --spec-draft-n-max 5"
    assert line(head_command(NEW, spec).argv).endswith(wanted)


def test_who_says_it_himself_and_old_builds_get_no_guesses() -> None:
    spec = replace(SPEC, extra_arguments=("--spec-type", "ngram-map-k"))
    assert head_command(NEW, replace(spec, guessing=Guessing(8))).argv == head_command(NEW, spec).argv
    assert can_guess(NEW, with_draft=True)
    assert can_guess(NEW, with_draft=False)
    assert not can_guess(OLD, with_draft=True)
    assert not can_guess(OLD, with_draft=False)
    assert head_command(OLD, replace(SPEC, guessing=Guessing(8))).argv == head_command(OLD, SPEC).argv
