import pytest

from app.engine.diagnosis import diagnose_start
from app.engine.output import diagnose_head, diagnose_worker
from app.schema import errors
from app.schema.errors import CaravanError
from tests.unit.engine import recorded

HEAD_CASES = [
    ("worker-unreachable", errors.WorkerLost, "Attic"),
    ("worker-unknown-host", errors.WorkerLost, "Attic"),
    ("worker-killed-generating", errors.WorkerLost, "Attic or Cellar"),
    ("worker-killed-idle", errors.WorkerLost, "Attic or Cellar"),
    ("port-in-use", errors.PortInUse, "port"),
    ("model-cut", errors.GgufTruncated, "cut.gguf"),
    ("model-cut-header", errors.GgufTruncated, "cut-header.gguf"),
    ("model-notgguf", errors.NotGguf, "notgguf.gguf"),
    ("model-alien", errors.UnknownArchitecture, "zebra"),
    ("model-missing", errors.ModelUnreadable, "missing.gguf"),
    ("out-of-memory-head", errors.OutOfMemory, "Study ran out of memory"),
    ("out-of-memory-kv", errors.OutOfMemory, "91.6 GB"),
    ("out-of-memory-worker-head-side", errors.OutOfMemory, "Attic ran out of memory"),
    ("unknown-flag", errors.HeadFailed, "--no-such-flag"),
    ("bad-device", errors.HeadFailed, "RPC7"),
    ("bad-value", errors.HeadFailed, "-c"),
]


def names_of(recording: recorded.Recording) -> dict[str, str]:
    endpoints = recording.endpoints if "--rpc" in recording.arguments else []
    return dict(zip(endpoints, ["Attic", "Cellar"], strict=False))


@pytest.mark.parametrize("build", recorded.BUILDS)
@pytest.mark.parametrize(("what", "kind", "told"), HEAD_CASES)
def test_a_dead_head_gives_one_plain_sentence(build: str, what: str, kind: type[CaravanError], told: str) -> None:
    recording = recorded.read(f"{build}-{what}")
    error = diagnose_head(recording.tail, recording.returncode, "Study", names_of(recording))
    assert type(error) is kind
    assert error is not None
    assert told in error.sentence
    assert "Study" in error.sentence or "Attic" in error.sentence
    assert error.hint
    assert error.detail == recording.tail[-40:]
    assert "\n" not in error.sentence


def test_a_debuggers_stack_does_not_hide_the_cause() -> None:
    recording = recorded.read("b11434-worker-killed-idle-backtrace")
    error = diagnose_head(recording.tail, recording.returncode, "Study", names_of(recording))
    assert isinstance(error, errors.WorkerLost)


@pytest.mark.parametrize("build", recorded.BUILDS)
@pytest.mark.parametrize("what", ["two-workers", "plain", "long-load", "no-control-sigterm"])
def test_a_clean_end_is_no_failure(build: str, what: str) -> None:
    recording = recorded.read(f"{build}-{what}")
    assert diagnose_head(recording.tail, recording.returncode, "Study", names_of(recording)) is None


@pytest.mark.parametrize("build", recorded.BUILDS)
@pytest.mark.parametrize(
    ("what", "kind"),
    [
        ("worker-port-in-use", errors.PortInUse),
        ("worker-out-of-memory", errors.OutOfMemory),
        ("worker-unknown-device", errors.WorkerFailed),
    ],
)
def test_a_dead_worker_gives_one_plain_sentence(build: str, what: str, kind: type[CaravanError]) -> None:
    recording = recorded.read(f"{build}-{what}")
    error = diagnose_worker(recording.tail, recording.returncode, "Attic")
    assert type(error) is kind
    assert "Attic" in error.sentence


def test_a_missing_library_is_named() -> None:
    recording = recorded.read("b11434-library-missing")
    error = diagnose_worker(recording.tail, recording.returncode, "Attic")
    assert isinstance(error, errors.EngineLibraryMissing)
    assert "libllama-server-impl.so" in error.sentence


@pytest.mark.parametrize(
    ("returncode", "kind", "told"),
    [
        (0xC0000135, errors.EngineLibraryMissing, "DLL"),
        (0xC0000135 - (1 << 32), errors.EngineLibraryMissing, "DLL"),
        (0xC0000139, errors.EngineLibraryMissing, "wrong version"),
        (0xC000007B, errors.EngineLibraryMissing, "another kind of processor"),
        (0xC0000142, errors.EngineLibraryMissing, "could not start"),
        (0xC0000409, errors.HeadFailed, "gave up"),
        (0xC0000906, errors.EngineBroken, "malware"),
        (0xC0000022, errors.EngineBroken, "denied it access"),
        (-9, errors.HeadFailed, "killed from outside"),
        (-11, errors.HeadFailed, "crashed"),
        (3, errors.HeadFailed, "code 3"),
    ],
)
def test_without_a_word_the_exit_code_speaks(returncode: int, kind: type[CaravanError], told: str) -> None:
    error = diagnose_head(("nothing of note",), returncode, "Study", {})
    assert type(error) is kind
    assert error is not None
    assert told in error.sentence


def test_mismatched_engines_name_both_pcs() -> None:
    tail = (
        "0.00.004.212 E RPC server version mismatch: 8.0.0",
        "/source/ggml-rpc.cpp:550: RPC handshake failed for 127.0.0.1:50103",
    )
    error = diagnose_head(tail, -6, "Study", {"127.0.0.1:50103": "Attic"})
    assert isinstance(error, errors.EngineMismatch)
    assert "Study" in error.sentence
    assert "Attic" in error.sentence


def test_a_worker_that_ends_silently_is_a_failed_worker() -> None:
    assert isinstance(diagnose_worker((), 0, "Attic"), errors.WorkerFailed)
    assert isinstance(diagnose_worker((), -13, "Attic"), errors.WorkerFailed)


@pytest.mark.parametrize("returncode", [0xC0000135, 0xC0000142])
def test_the_runtime_that_windows_lacks_is_named(returncode: int) -> None:
    for error in (diagnose_head((), returncode, "Study", {}), diagnose_worker((), returncode, "Study")):
        assert error is not None
        assert "Microsoft Visual C++ Redistributable (x64)" in error.hint


@pytest.mark.parametrize(
    ("code", "kind", "told", "hinted"),
    [
        (2, errors.EngineMissing, "may have removed it", "antivirus"),
        (5, errors.EngineBroken, "denies access", "antivirus"),
        (32, errors.EngineBroken, "holds its file open", "antivirus"),
        (225, errors.EngineBroken, "malware", "antivirus"),
        (193, errors.EngineBroken, "damaged", "engine install"),
        (None, errors.EngineMissing, "no such file", "engine install"),
        (9999, errors.EngineBroken, "no such file", "engine install"),
    ],
)
def test_an_engine_that_cannot_be_started_names_its_file(
    code: int | None, kind: type[CaravanError], told: str, hinted: str
) -> None:
    program = "C:\\Users\\Jörg\\engine\\llama-server.exe"
    error = diagnose_start(program, code, "no such file.", "Study")
    assert type(error) is kind
    assert error.sentence.startswith("The engine's program llama-server.exe on Study cannot be started: ")
    assert told in error.sentence
    assert ".." not in error.sentence
    assert hinted in error.hint
    assert program in error.detail
