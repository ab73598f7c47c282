"""A small stand-in for llama.cpp's programs: llama-server, rpc-server and llama-fit-params of build b11434.

It speaks the same control channel, log lines, HTTP and RPC hello, and misbehaves on request, so that faults can be
tested without an engine. Standard library only. `write_programs` puts executables into a folder; they are found and
probed like real ones.

Misbehaviour is asked for by environment variables, per program folder through `write_programs(folder, options)`:

FAKE_LLAMA_LOAD_SECONDS   loading takes so long, with progress
FAKE_LLAMA_LOAD_STALL     loading stops at half and never goes on
FAKE_LLAMA_OOM            loading fails: out of memory
FAKE_LLAMA_BAD_MODEL      loading fails: `cut`, `not_gguf` or `architecture`
FAKE_LLAMA_EXIT_CODE      llama-server ends with this code right after it is ready
FAKE_LLAMA_LATE_WORDS     seconds from `/health` being ok to the words which buffers there are
FAKE_LLAMA_DIE_AFTER      llama-server aborts after so many tokens of an answer
FAKE_LLAMA_STALL          an answer stops after so many tokens and the connection stays open
FAKE_LLAMA_SLOTS          `/slots` says `still` work that does not go on, `idle` slots, or nothing: `mute`
FAKE_LLAMA_IGNORE_STOP    SIGTERM and the exit line have no effect
FAKE_LLAMA_TOKENS         how many tokens an answer has (default 8)
FAKE_LLAMA_TOKEN_SECONDS  pause before each token (default 0.01)
FAKE_LLAMA_BUILD          build number (default 11434); FAKE_LLAMA_COMMIT its commit
FAKE_LLAMA_MISSING_LIBRARY  every program fails to start for a missing library
FAKE_LLAMA_VERSION_WAITS  `--version` says nothing until this file exists
FAKE_LLAMA_DEVICES        devices to list, as `CUDA0:24000,CUDA1:8000` (MiB)
FAKE_LLAMA_RPC_VERSION    protocol version, as `7.0.0`; 3 and below answers as old servers do
FAKE_LLAMA_RPC_SILENT     the worker accepts and never answers
FAKE_LLAMA_RPC_PORT_TAKEN the worker ends as if its port were taken
FAKE_LLAMA_RPC_FREE_MIB   free memory the worker reports (default 16000)
"""

import json
import os
import re
import signal
import socket
import struct
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

MIB = 1 << 20
LOADING = {"error": {"message": "Loading model", "type": "unavailable_error", "code": 503}}
BAD_MODELS = {
    "cut": "tensor 'blk.5.ffn_down.weight' data is not within the file bounds, model is corrupted or incomplete",
    "not_gguf": "invalid magic characters: 'this', expected 'GGUF'",
    "architecture": "unknown model architecture: 'zebra'",
}
FLAGS = re.split(
    r"\s{2,}",
    """-h, --help, --usage  --version  --list-devices  --rpc SERVERS  -dev, --device DEVICES
  -ts, --tensor-split N0,N1  -ngl, --gpu-layers, --n-gpu-layers N  -m, --model FNAME  -c, --ctx-size N
  -np, --parallel N  -b, --batch-size N  -ub, --ubatch-size N  -fa, --flash-attn MODE
  -ctk, --cache-type-k TYPE  -ctv, --cache-type-v TYPE  -fit, --fit MODE  -cram, --cache-ram N  --host HOST
  --port PORT  -a, --alias NAME  --jinja, --no-jinja  --ui, --webui, --no-ui, --no-webui  -t, --threads N
  -lm, --load-mode MODE  --repack, -nr, --no-repack  -kvu, --kv-unified, -no-kvu, --no-kv-unified
  -mm, --mmproj FILE  -mmdev, --mmproj-device DEVICE  --mmproj-offload, --no-mmproj-offload
  --temp, --temperature N  -s, --seed SEED  --api-key KEY  -lv, --verbosity, --log-verbosity N""",
)


def option(name: str, default: str = "") -> str:
    return os.environ.get(f"FAKE_LLAMA_{name}", default)


def say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def complain(text: str) -> None:
    sys.stderr.write(text + "\n")
    sys.stderr.flush()


def log(text: str, level: str = "I") -> None:
    """A log line on standard error, in the newer format."""
    complain(f"0.00.001.000 {level} {text}")


def control(state: str, payload: Mapping[str, object]) -> None:
    """A line of the control channel, when it was asked for."""
    if os.environ.get("LLAMA_SERVER_ROUTER_PORT"):
        line = json.dumps({"state": state, "payload": payload}, separators=(",", ":"))
        say(f"cmd_child_to_router:state:{line}")


def die_as_abort() -> None:
    """End as a GGML abort does: SIGABRT, on Windows its fast-fail code."""
    if sys.platform == "win32":
        os._exit(0xC0000409 - (1 << 32))
    os.abort()


def die_of_lost_worker() -> None:
    log("recv failed (bytes_recv=0, size_to_recv=8)", "E")
    complain("/source/ggml-rpc.cpp:566: Remote RPC server crashed or returned malformed response")
    die_as_abort()


class Arguments(dict[str, str]):
    """The command line, as flags and their last values."""

    def first(self, *names: str, default: str = "") -> str:
        return next((self[name] for name in names if name in self), default)


def read_arguments(argv: Sequence[str], known: frozenset[str]) -> Arguments:
    """A flag the fake does not know ends it as it ends the real one."""
    found, name = Arguments(), ""
    for item in argv:
        if item.startswith("-") and not item[1:2].isdigit():
            if item not in known:
                complain(f"error: invalid argument: {item}")
                raise SystemExit(1)
            name = item
        found[name] = "" if item == name else item
    return found


def flag_names() -> frozenset[str]:
    return frozenset(word.rstrip(",") for line in FLAGS for word in line.split() if word.startswith("-"))


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: "Server"

    def log_message(self, format: str, *args: object) -> None:
        pass

    def do_GET(self) -> None:
        if not self.server.ready.is_set():
            self._json(503, LOADING)
        elif self.path in ("/health", "/v1/health"):
            self._json(200, {"status": "ok"})
        elif self.path == "/slots" and option("SLOTS") == "mute":
            threading.Event().wait()
        elif self.path == "/slots" and option("SLOTS"):
            works = option("SLOTS") == "still"
            self._json(200, [{"id": 0, "is_processing": works, "n_prompt_tokens_processed": 4}])
        elif self._allowed():
            self._json(200, {"object": "list", "data": [{"id": self.server.alias, "object": "model"}]})

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if not self.server.ready.is_set():
            self._json(503, LOADING)
        elif self._allowed():
            self._answer(json.loads(body or b"{}"))

    def _allowed(self) -> bool:
        key = os.environ.get("LLAMA_API_KEY")
        if not key or self.headers.get("Authorization") == f"Bearer {key}":
            return True
        self._json(401, {"error": {"message": "Invalid API Key", "type": "authentication_error", "code": 401}})
        return False

    def _answer(self, request: dict[str, object]) -> None:
        self.server.check_workers()
        asked = request.get("max_tokens")
        count = min(int(option("TOKENS", "8")), asked if isinstance(asked, int) and asked > 0 else 1 << 30)
        if not request.get("stream"):
            for number in range(count):
                self._pause(number)
            text = " ".join(f"word{number}" for number in range(count))
            choice = {"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}
            self._json(200, {"object": "chat.completion", "choices": [choice], "timings": timings(count)})
            return
        self._stream(count)

    def _stream(self, count: int) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Connection", "close")
        self.end_headers()
        self.close_connection = True
        for number in range(count):
            self._pause(number)
            self._event({"choices": [{"index": 0, "delta": {"content": f"word{number} "}, "finish_reason": None}]})
        self._event({"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}], "timings": timings(count)})
        self.wfile.write(b"data: [DONE]\n\n")

    def _pause(self, number: int) -> None:
        time.sleep(float(option("TOKEN_SECONDS", "0.01")))
        if option("DIE_AFTER") == str(number):
            die_of_lost_worker()
        if option("STALL") == str(number):
            threading.Event().wait()

    def _event(self, value: object) -> None:
        self.wfile.write(f"data: {json.dumps(value)}\n\n".encode())
        self.wfile.flush()

    def _json(self, status: int, value: object) -> None:
        body = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def timings(count: int) -> dict[str, object]:
    seconds = max(count * float(option("TOKEN_SECONDS", "0.01")), 0.001)
    return {
        **{"cache_n": 0, "prompt_n": 5, "prompt_ms": 10.0, "prompt_per_second": 500.0},
        **{"predicted_n": count, "predicted_ms": seconds * 1000, "predicted_per_second": count / seconds},
    }


class Server(ThreadingHTTPServer):
    """The listening llama-server and its connections to workers, held as the real one holds them."""

    daemon_threads = True

    def __init__(self, port: int, alias: str) -> None:
        super().__init__(("127.0.0.1", port), Handler)
        self.alias = alias
        self.ready = threading.Event()
        self.workers: list[socket.socket] = []

    def check_workers(self) -> None:
        for worker in self.workers:
            try:
                worker.sendall(request(15))
                answered = worker.recv(12)
            except OSError:
                answered = b""
            if not answered:
                die_of_lost_worker()


def request(command: int, payload: bytes = b"") -> bytes:
    return struct.pack("<BQ", command, len(payload)) + payload


def connect_worker(endpoint: str) -> socket.socket:
    host, _, port = endpoint.rpartition(":")
    try:
        worker = socket.create_connection((host, int(port)), timeout=None)
        worker.sendall(request(14, bytes(24)))
        answer = worker.recv(64)
    except OSError:
        complain(f"/source/ggml-rpc.cpp:547: Failed to connect to {endpoint}")
        die_as_abort()
        raise
    if len(answer) < 11 or answer[8] != 7:
        log(f"RPC server version mismatch: {'.'.join(str(byte) for byte in answer[8:11])}", "E")
        complain(f"/source/ggml-rpc.cpp:550: RPC handshake failed for {endpoint}")
        die_as_abort()
    return worker


def serve(argv: Sequence[str]) -> int:
    if "--version" in argv:
        while option("VERSION_WAITS") and not Path(option("VERSION_WAITS")).exists():
            time.sleep(0.02)
        build = f"build {option('BUILD', '11434')}, commit {option('COMMIT', 'abcdef123')}"
        complain(f"version: 0.6.0-dev ({build})\nbuilt with fake")
        return 0
    if "--help" in argv:
        say("----- common params -----\n")
        say("\n".join(f"{line:<40}  what it does" for line in FLAGS))
        say(" " * 41 + "- 4: trace (more info)")
        return 0
    if "--list-devices" in argv:
        listed = [item.partition(":") for item in option("DEVICES").split(",") if item]
        lines = [f"  {name}: Fake GPU ({size} MiB, {size} MiB free)" for name, _, size in listed]
        say("\n".join(["Available devices:", *(lines or ["  (none)"])]))
        return 0
    return run_server(read_arguments(argv, flag_names()))


def run_server(arguments: Arguments) -> int:
    endpoints = [item for item in arguments.first("--rpc").split(",") if item]
    workers = [connect_worker(endpoint) for endpoint in endpoints]
    if option("IGNORE_STOP"):
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    port = int(arguments.first("--port", default="8080"))
    try:
        server = Server(port, arguments.first("-a", "--alias", default="fake"))
    except OSError:
        log(f"srv         start: couldn't bind HTTP server socket, hostname: 127.0.0.1, port: {port}", "E")
        log("srv  llama_server: exiting due to HTTP server error", "E")
        return 1
    server.workers = workers
    threading.Thread(target=server.serve_forever, daemon=True).start()
    failed = load(arguments, endpoints)
    if failed is not None:
        return failed
    server.ready.set()
    control("ready", {"id": server.alias, "meta": {"n_ctx": 4096, "n_vocab": 260}})
    if option("LATE_WORDS"):
        time.sleep(float(option("LATE_WORDS")))
        tell_buffers(endpoints)
    log("srv  llama_server: model loaded")
    log(f"srv  llama_server: listening on http://127.0.0.1:{port}")
    if option("EXIT_CODE"):
        return int(option("EXIT_CODE"))
    wait_for_exit()
    return 0


def load(arguments: Arguments, endpoints: Sequence[str]) -> int | None:
    """Print what loading prints; an exit code when it fails."""
    model = arguments.first("-m", "--model")
    log(f"srv    load_model: loading model '{model}'")
    told = option("BAD_MODEL") or ("" if Path(model).is_file() else "missing")
    if told:
        reason = BAD_MODELS.get(told, f"failed to open GGUF file '{model}' (No such file or directory)")
        log(f"llama_model_load: error loading model: {reason}", "E")
        return fail_load(model)
    for number, endpoint in enumerate(endpoints):
        log(f"llama_prepare_model_devices: using device RPC{number} ({endpoint}) (unknown id) - 16000 MiB free")
    log("load_tensors: loading model tensors, this can take a while... (load_mode = none)")
    if option("OOM"):
        place = f"RPC0[{endpoints[0]}]" if endpoints else "CPU"
        log(f"llama_model_load: error loading model: unable to allocate {place} buffer", "E")
        return fail_load(model)
    if not option("LATE_WORDS"):
        tell_buffers(endpoints)
    load_tensors()
    log("cmn  common_init_: warming up the model with an empty run - please wait ... (--no-warmup to disable)")
    return None


def tell_buffers(endpoints: Sequence[str]) -> None:
    for endpoint in endpoints or ["CPU"]:
        owner = f"RPC0[{endpoint}]" if endpoints else endpoint
        log(f"load_tensors: {owner} model buffer size =    11.26 MiB")


def fail_load(model: str) -> int:
    log(f"srv    load_model: failed to load model, '{model}'", "E")
    log("srv  llama_server: exiting due to model loading error", "E")
    return 1


def load_tensors() -> None:
    for step in range(11):
        stage = {"stages": ["text_model"], "current": "text_model", "value": step / 10}
        control("loading", stage)
        if option("LOAD_STALL") and step == 5:
            threading.Event().wait()
        time.sleep(float(option("LOAD_SECONDS", "0.1")) / 11)


def wait_for_exit() -> None:
    """Until the exit line comes, or standard input ends, which ends the real one too."""
    if not os.environ.get("LLAMA_SERVER_ROUTER_PORT"):
        threading.Event().wait()
    for line in sys.stdin:
        if "cmd_router_to_child:exit" in line and not option("IGNORE_STOP"):
            log("srv    operator(): exit command received, exiting...")
            return
    if option("IGNORE_STOP"):
        threading.Event().wait()
    os._exit(1)


def work(argv: Sequence[str]) -> int:
    """rpc-server: one client at a time."""
    if "--help" in argv:
        complain("Usage: rpc-server [options]")
        return 0
    arguments = read_arguments(
        argv, frozenset({"-H", "--host", "-p", "--port", "-d", "--device", "-t", "--threads", "-c"})
    )
    port = int(arguments.first("-p", "--port", default="50052"))
    if arguments.first("-d", "--device", default="CPU") not in worker_devices():
        complain(f"error: unknown device: {arguments.first('-d', '--device')}\nNo devices found")
        return 1
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        if option("RPC_PORT_TAKEN"):
            raise OSError("asked for")
        listener.bind((arguments.first("-H", "--host", default="127.0.0.1"), port))
    except OSError:
        complain("Failed to create server socket")
        return 0
    listener.listen(1)
    say(f"Starting RPC server v{option('RPC_VERSION', '7.0.0')}\n  endpoint       : 127.0.0.1:{port}")
    while True:
        client, _ = listener.accept()
        say("Accepted client connection")
        with client:
            serve_client(client)
        say("Client connection closed")


def worker_devices() -> list[str]:
    return ["CPU", *(item.partition(":")[0] for item in option("DEVICES").split(",") if item)]


def serve_client(client: socket.socket) -> None:
    if option("RPC_SILENT"):
        threading.Event().wait()
    version = bytes(int(part) for part in option("RPC_VERSION", "7.0.0").split("."))
    hello_size = 24 if version[0] >= 4 else 0
    free = int(option("RPC_FREE_MIB", "16000")) * MIB
    answers = {
        14: version + bytes(25) if hello_size else version,
        15: struct.pack("<I", 1),
        11: struct.pack("<QQ", free, 16000 * MIB),
    }
    with client.makefile("rb") as stream:
        while len(head := stream.read(9)) == 9:
            command, size = struct.unpack("<BQ", head)
            stream.read(size)
            if command not in answers or (command == 14 and size != hello_size):
                return
            client.sendall(struct.pack("<Q", len(answers[command])) + answers[command])


def fit(argv: Sequence[str]) -> int:
    if "--help" in argv:
        say("-fitp, --fit-print [on|off]             print the estimated required memory")
        return 0
    names = [item for item in read_arguments(argv, flag_names() | {"-fitp"}).first("-dev").split(",") if item != "none"]
    say("\n".join([*(f"{name} 11 5 18 " for name in names), "Host 7 3 7 "]))
    return 0


ROLES = {"llama-server": serve, "ggml-rpc-server": work, "llama-fit-params": fit}


def write_programs(folder: Path, options: Mapping[str, str] | None = None, old_worker_name: bool = False) -> Path:
    """Write the three programs into `folder` with their misbehaviour; returns the llama-server.

    On Windows they are `.cmd` files, to be named in full in a setting.
    """
    folder.mkdir(parents=True, exist_ok=True)
    suffix = ".cmd" if sys.platform == "win32" else ""
    for role in ROLES:
        name = "rpc-server" if old_worker_name and role == "ggml-rpc-server" else role
        file = folder / f"{name}{suffix}"
        file.write_text(_script(role, options or {}), encoding="utf-8")
        file.chmod(0o755)
    return folder / f"llama-server{suffix}"


def _script(role: str, options: Mapping[str, str]) -> str:
    if sys.platform == "win32":
        sets = "".join(f'@set "{name}={value}"\n' for name, value in options.items())
        return f'{sets}@"{sys.executable}" "{__file__}" {role} %*\n'
    exports = "".join(f"export {name}='{value}'\n" for name, value in options.items())
    return f"#!/bin/sh\n{exports}exec '{sys.executable}' '{__file__}' {role} \"$@\"\n"


def main(argv: Sequence[str]) -> int:
    if library := option("MISSING_LIBRARY"):
        message = f"{argv[0]}: error while loading shared libraries: {library}: cannot open shared object file"
        complain(message)
        return 127
    return ROLES[argv[0]](argv[1:])


if __name__ == "__main__":
    # Threads that wait for ever must not keep a finished program alive.
    code = main(sys.argv[1:])
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)
