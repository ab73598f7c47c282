"""PURE: the lines with which llama-server, rpc-server and llama-fit-params tell that something failed.

Every pattern is taken from recorded output of builds b7827 and b11434, except the ones marked "source": those need a
GPU or Windows and are written from llama.cpp's sources.
"""

import re
from collections.abc import Callable

from app.engine.events import Failure, FailureKind

MEBIBYTE = 1 << 20

_Maker = Callable[[re.Match[str]], Failure]


def _about(kind: FailureKind) -> _Maker:
    return lambda found: Failure(kind, found[1])


def _plain(kind: FailureKind) -> _Maker:
    return lambda found: Failure(kind)


def _buffer(found: re.Match[str]) -> Failure:
    size = found.groupdict().get("bytes")
    return Failure(FailureKind.OUT_OF_MEMORY, buffer_place(found["owner"]), int(size) if size else None)


def _mebibytes(found: re.Match[str]) -> Failure:
    return Failure(FailureKind.OUT_OF_MEMORY, None, int(float(found[1]) * MEBIBYTE))


def buffer_place(owner: str) -> str:
    """`RPC0[host:port]` -> `host:port`; any other buffer owner is its own name."""
    found = re.search(r"\[([^\]]+)\]$", owner)
    return found[1] if found else owner


_PATTERNS: tuple[tuple[str, _Maker], ...] = (
    (r"error while loading shared libraries: ([^:\s]+)", _about(FailureKind.LIBRARY_MISSING)),
    (r"Library not loaded: (\S+)", _about(FailureKind.LIBRARY_MISSING)),
    (r"RPC not supported in this build|[Ff]ailed to find RPC backend", _plain(FailureKind.RPC_MISSING)),
    (r"RPC handshake failed for (\S+)", _about(FailureKind.PROTOCOL_MISMATCH)),
    (r"RPC server version mismatch|HELLO request size mismatch", _plain(FailureKind.PROTOCOL_MISMATCH)),
    (r"Failed to connect to (\S+)", _about(FailureKind.WORKER_UNREACHABLE)),
    (r"couldn't bind HTTP server socket.*port: (\d{1,5})", _about(FailureKind.PORT_IN_USE)),
    (r"couldn't bind HTTP server socket|Failed to create server socket", _plain(FailureKind.PORT_IN_USE)),
    (r"unknown model architecture: '([^']*)'", _about(FailureKind.UNKNOWN_ARCHITECTURE)),
    (r"invalid magic characters", _plain(FailureKind.NOT_GGUF)),
    (r"data is not within the file bounds|model is corrupted or incomplete", _plain(FailureKind.MODEL_CUT)),
    (r"failed to read key-value pairs|failed to read tensor info", _plain(FailureKind.MODEL_CUT)),
    (r"failed to open GGUF file '([^']*)'", _about(FailureKind.MODEL_UNOPENABLE)),
    (r"failed to allocate (?P<owner>\S+) buffer of size (?P<bytes>\d{1,19})", _buffer),
    (r"unable to allocate (?P<owner>\S+) buffer", _buffer),
    (r"insufficient memory \(attempted to allocate (\d{1,12}(?:\.\d+)?) MB\)", _mebibytes),
    (
        r"allocating (\d{1,12}(?:\.\d+)?) MiB on device \d{1,3}: \w{1,40} failed: out of memory",
        _mebibytes,
    ),  # source: ggml-cuda.cu
    (r"failed to allocate buffer for kv cache|failed to allocate compute", _plain(FailureKind.OUT_OF_MEMORY)),
    (
        r"failed to allocate buffer of size (\d{1,19})",
        lambda found: Failure(FailureKind.OUT_OF_MEMORY, None, int(found[1])),
    ),
    (
        r"Malloc failed: out of memory|CUDA error: out of memory",
        _plain(FailureKind.OUT_OF_MEMORY),
    ),  # source: ggml-cuda.cu
    (r"ErrorOutOf(?:Device|Host)Memory", _plain(FailureKind.OUT_OF_MEMORY)),  # source: ggml-vulkan.cpp
    (r"std::bad_alloc", _plain(FailureKind.OUT_OF_MEMORY)),
    (r"error: (?:invalid|unknown) argument: (\S+)", _about(FailureKind.BAD_ARGUMENT)),
    (
        r"invalid device: (\S+)|error: unknown device: (\S+)",
        lambda f: Failure(FailureKind.UNKNOWN_DEVICE, f[1] or f[2]),
    ),
    (r"error while handling argument \"([^\"]+)\"", _about(FailureKind.BAD_ARGUMENT)),
    (r"expected value for argument", _plain(FailureKind.BAD_ARGUMENT)),
    (r"failed to load model,? '([^']*)'", _about(FailureKind.BAD_MODEL)),
    (r"Remote RPC server crashed or returned malformed response", _plain(FailureKind.WORKER_LOST)),
    (r"(?:send|recv) failed \(bytes_", _plain(FailureKind.WORKER_LOST)),
    (r"GGML_ASSERT\((.*)\) failed", _about(FailureKind.ABORTED)),
    (r"terminate called after throwing|CUDA error: ", _plain(FailureKind.ABORTED)),
)

_COMPILED = tuple((re.compile(pattern), maker) for pattern, maker in _PATTERNS)


def parse_failure(line: str) -> Failure | None:
    """The failure a line tells of, None for every other line."""
    for pattern, maker in _COMPILED:
        found = pattern.search(line)
        if found is not None:
            return maker(found)
    return None
