import time

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from app.engine.output import (
    BufferSize,
    BuildLine,
    ControlReady,
    ControlState,
    Failure,
    FailureKind,
    LayerAssigned,
    Listening,
    LoadDots,
    LoadingTensors,
    ModelLoaded,
    OutputEvent,
    UsingDevice,
    WarmingUp,
    parse_line,
)
from tests.unit.engine import recorded

LINES = [
    (
        'cmd_child_to_router:state:{"state":"loading","payload":{"stages":["text_model"],"current":"text_model","value":0.4}}',
        ControlState("text_model", 0.4),
    ),
    ('cmd_child_to_router:state:{"state":"ready","payload":{"id":"m","meta":{"n_ctx":2048}}}', ControlReady(2048)),
    ("cmd_child_to_router:ready", ControlReady()),
    ('cmd_child_to_router:state:{"state":"sleeping","payload":{}}', None),
    ("cmd_child_to_router:state:{", None),
    ("0.00.026.591 I cmn  common_param: common_params_print_info: build 11434 (abcdef1) with GNU 12.2.0 for x",
     BuildLine(11434, "abcdef1")),
    ("build: 7827 (unknown) with GNU 12.2.0 for Linux x86_64", BuildLine(7827, "unknown")),
    ("0.00.042.723 I llama_prepare_model_devices: using device RPC0 (127.0.0.1:33259) (unknown id) - 24105 MiB free",
     UsingDevice("RPC0", "127.0.0.1:33259")),
    ("llama_model_load_from_file_impl: using device RPC1 (10.0.0.7:50052) (unknown id) - 24105 MiB free",
     UsingDevice("RPC1", "10.0.0.7:50052")),
    ("0.00.042.723 I llama_prepare_model_devices: using device CUDA0 (NVIDIA RTX 3060) (0000:01:00.0) - 11000 MiB free",
     UsingDevice("CUDA0", None)),
    ("0.00.094.803 I load_tensors: RPC0[127.0.0.1:33259] model buffer size =    11.26 MiB",
     BufferSize("RPC0", "127.0.0.1:33259", "model", 11.26)),
    ("load_tensors:   CPU_Mapped model buffer size =     0.25 MiB", BufferSize("CPU_Mapped", None, "model", 0.25)),
    ("llama_memory_recurrent:      CUDA0 RS buffer size =    12.50 MiB", BufferSize("CUDA0", None, "RS", 12.5)),
    ("0.00.168.418 I llama_kv_cache: RPC0[127.0.0.1:33259] KV buffer size =     5.00 MiB",
     BufferSize("RPC0", "127.0.0.1:33259", "KV", 5.0)),
    ("0.00.038.118 D load_tensors: layer   4 assigned to device RPC0, is_swa = 0", LayerAssigned(4, "RPC0")),
    ("0.00.058.684 I load_tensors: loading model tensors, this can take a while... (mmap = true)", LoadingTensors()),
    ("............", LoadDots(12)),
    ("common_init_from_params: warming up the model with an empty run - please wait ...", WarmingUp()),
    ("main: model loaded", ModelLoaded()),
    ("0.00.266.957 I srv  llama_server: model loaded", ModelLoaded()),
    ("0.00.266.961 I srv  llama_server: listening on http://127.0.0.1:58115", Listening("http://127.0.0.1:58115")),
    ("main: server is listening on http://127.0.0.1:45035", Listening("http://127.0.0.1:45035")),
    ("\x1b[32m0.00.266.957 I \x1b[0msrv  llama_server: model loaded", ModelLoaded()),
    ("E allocating 2048.00 MiB on device 0: cudaMalloc failed: out of memory",
     Failure(FailureKind.OUT_OF_MEMORY, None, 2048 << 20)),
    ("ggml_vulkan: vk::Device::allocateMemory: ErrorOutOfDeviceMemory", Failure(FailureKind.OUT_OF_MEMORY)),
    ("error: RPC not supported in this build", Failure(FailureKind.RPC_MISSING)),
    ("0.00.004.212 E RPC server version mismatch: 8.0.0", Failure(FailureKind.PROTOCOL_MISMATCH)),
    ("/source/ggml-rpc.cpp:550: RPC handshake failed for 127.0.0.1:50103",
     Failure(FailureKind.PROTOCOL_MISMATCH, "127.0.0.1:50103")),
    ("0.00.094.791 I load_tensors: offloaded 13/13 layers to GPU", None),
    ("", None),
]  # fmt: skip


@pytest.mark.parametrize(("line", "event"), LINES)
def test_a_line_says(line: str, event: OutputEvent | None) -> None:
    assert parse_line(line) == event


def events(name: str) -> list[OutputEvent]:
    return [
        event for text in (line for _, line in recorded.read(name).lines) if (event := parse_line(text)) is not None
    ]


@pytest.mark.parametrize("build", recorded.BUILDS)
def test_a_start_with_two_workers_tells_everything(build: str) -> None:
    seen = events(f"{build}-two-workers")
    first, second = recorded.read(f"{build}-two-workers").endpoints
    assert [event for event in seen if isinstance(event, UsingDevice)] == [
        UsingDevice("RPC0", first),
        UsingDevice("RPC1", second),
    ]
    sizes = {(event.endpoint, event.kind): event.mebibytes for event in seen if isinstance(event, BufferSize)}
    assert (sizes[first, "model"], sizes[second, "model"]) == (11.26, 16.02)
    assert (sizes[first, "KV"], sizes[second, "KV"]) == (5.0, 7.0)
    assert {kind for _, kind in sizes} == {"model", "KV", "compute", "output"}
    order = [type(event) for event in seen if isinstance(event, LoadingTensors | WarmingUp | ModelLoaded | Listening)]
    assert order == [LoadingTensors, WarmingUp, ModelLoaded, Listening]
    assert not [event for event in seen if isinstance(event, Failure)]
    assert any(isinstance(event, ControlReady) for event in seen)


@pytest.mark.parametrize("build", recorded.BUILDS)
@pytest.mark.parametrize("what", ["two-workers-debug", "head-share-debug"])
def test_layers_are_told_at_debug_verbosity(build: str, what: str) -> None:
    devices = {event.layer: event.device for event in events(f"{build}-{what}") if isinstance(event, LayerAssigned)}
    split = ["RPC0"] * 5 + ["RPC1"] * 8 if what == "two-workers-debug" else ["CPU"] * 4 + ["RPC0"] * 9
    assert [devices[layer] for layer in range(13)] == split


def test_progress_of_a_long_load_never_goes_back() -> None:
    values = [event.value for event in events("b11434-long-load") if isinstance(event, ControlState)]
    assert len(values) > 5
    assert values == sorted(values)
    assert values[-1] == 1.0


def test_an_old_build_tells_its_load_in_dots() -> None:
    assert sum(event.count for event in events("b7827-long-load") if isinstance(event, LoadDots)) > 30


@pytest.mark.parametrize("name", [name for name in recorded.names() if "help" not in name])
def test_failures_are_seen_only_where_something_failed(name: str) -> None:
    failed = recorded.read(name).returncode not in (0, -15) or "port-in-use" in name or "out-of-memory" in name
    failed = failed or name.endswith(("worker-bad-host", "fit-params-unreachable"))
    assert any(isinstance(event, Failure) for event in events(name)) == failed


@given(st.text())
@example("load_tensors: CPU model buffer size = 1.2.3 MiB")
@example("insufficient memory (attempted to allocate 1.2.3 MB)")
@example("failed to allocate X buffer of size " + "9" * 6000)
@example("build: " + "9" * 6000 + " (x) with ")
@example('cmd_child_to_router:state:{"state":"loading","payload":{"current":"x","value":NaN}}')
@example('cmd_child_to_router:state:{"state":"loading","payload":{"current":"x","value":' + "9" * 400 + "}}")
@example('cmd_child_to_router:state:{"state":"loading","payload":' + "[" * 100_000)
@example('cmd_child_to_router:state:{"state":["x"],"payload":[]}')
@example('cmd_child_to_router:state:{"state":"ready","payload":{"meta":{"n_ctx":"many"}}}')
def test_no_line_breaks_the_parser(line: str) -> None:
    parse_line(line)


@given(st.sampled_from([line for line, event in LINES if event is not None]), st.data())
def test_no_damaged_line_breaks_the_parser(line: str, data: st.DataObject) -> None:
    cut = data.draw(st.integers(0, len(line)))
    parse_line(line[:cut] + data.draw(st.text(max_size=8)) + line[cut + data.draw(st.integers(0, 4)) :])


@pytest.mark.parametrize("filler", ["x", " ", "[", "-", "model buffer size = ", "RPC0[", "failed to allocate "])
def test_a_huge_line_costs_little(filler: str) -> None:
    began = time.process_time()
    parse_line(filler * (1_000_000 // len(filler)))
    assert time.process_time() - began < 3.0
