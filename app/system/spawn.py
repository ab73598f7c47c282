"""Start a hidden child that cannot outlive us, read its lines, stop it politely and then by tree.

Linux: the child gets SIGKILL when the thread that started it dies (`PR_SET_PDEATHSIG`) and leads its own process
group, which is killed when the child ends, so grandchildren end too. Windows: the node puts itself into a
kill-on-close Job Object at start (`app.system.job`), so every child is born inside; children get no console window and
no DLL folder of a frozen build.
"""

import asyncio
import contextlib
import ctypes
import functools
import logging
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import psutil

LINE_LIMIT = 1 << 20
"""Longest output line kept whole, in bytes; a longer one is cut into pieces."""

_PR_SET_PDEATHSIG = 1
_SCRUBBED = ("_MEI", "_PYI", "PYINSTALLER_", "LLAMA_ARG_")
"""Variables a child must not see: what a frozen build adds for itself, and options for llama.cpp behind our back."""

_LEADING_HOME = ("QT_PLUGIN_PATH", "QT_QPA_PLATFORM_PLUGIN_PATH", "QML2_IMPORT_PATH", "QML_IMPORT_PATH", "QTDIR")
"""Variables with folders that the tray's Qt is led by; a frozen build points them into its own folder."""

_OUTPUT_GRACE = 2.0
"""Seconds to wait for the end of the output after the child's end; something else may hold its pipes open."""

_LOCKED = (32, 33)
"""Windows' errors for a program file that somebody holds open, as a virus scanner does with a new one."""

_LOCKED_PAUSES = (0.1, 0.2, 0.4, 0.8)
"""Seconds between tries to start such a program."""

_log = logging.getLogger("caravan.system")

_Result = TypeVar("_Result")


@dataclass(frozen=True)
class Finished:
    """How a short program ended. `returncode` is negative for a signal on Linux."""

    returncode: int
    stdout: str
    stderr: str


class ProgramMissing(Exception):
    """The program file does not exist or may not be executed. `code` is Windows' error number, None elsewhere."""

    def __init__(self, message: str, code: int | None = None) -> None:
        super().__init__(message)
        self.code = code


class ProgramTimedOut(Exception):
    """A short program did not end in its deadline and was killed with its tree."""


def clean_environment(extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """Our environment without what a frozen build adds for itself, plus `extra`."""
    return {**scrubbed(os.environ, _frozen_folder()), **(extra or {})}


def scrubbed(environment: Mapping[str, str], frozen_folder: str | None) -> dict[str, str]:
    """`environment` as it was before PyInstaller's loader changed it; `frozen_folder` is its folder of libraries.

    The loader keeps the user's library path in `LD_LIBRARY_PATH_ORIG`, or nowhere when there was none.
    """
    kept = {name: value for name, value in environment.items() if not name.startswith(_SCRUBBED)}
    original = kept.pop("LD_LIBRARY_PATH_ORIG", None)
    if original is not None:
        kept["LD_LIBRARY_PATH"] = original
    elif frozen_folder:
        kept.pop("LD_LIBRARY_PATH", None)
    for name in ("PATH", *_LEADING_HOME) if frozen_folder else ():
        if name in kept:
            entries = kept.pop(name).split(os.pathsep)
            foreign = [entry for entry in entries if not Path(entry).is_relative_to(frozen_folder or "")]
            if foreign:
                kept[name] = os.pathsep.join(foreign)
    return kept


def _frozen_folder() -> str | None:
    return getattr(sys, "_MEIPASS", None)


if sys.platform == "win32":

    def _platform_options() -> dict[str, Any]:
        return {"creationflags": subprocess.CREATE_NO_WINDOW}

    def _kill_group(pid: int) -> None:
        """Windows has no process groups to kill; the tree walk and the Job Object cover it."""

    def _terminate(process: asyncio.subprocess.Process) -> bool:
        return False

    @contextlib.contextmanager
    def _foreign_libraries() -> Iterator[None]:
        # A child inherits the loader's DLL folder and searches it before System32.
        folder = _frozen_folder()
        if folder is None:
            yield
            return
        kernel = ctypes.WinDLL("kernel32", use_last_error=True)
        kernel.SetDllDirectoryW.argtypes = (ctypes.c_wchar_p,)
        kernel.SetDllDirectoryW(None)
        try:
            yield
        finally:
            kernel.SetDllDirectoryW(folder)

else:
    _prctl = ctypes.CDLL(None, use_errno=True).prctl if sys.platform == "linux" else None

    def _die_with(parent: int) -> None:
        if _prctl is not None:
            _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
            # The parent may have died before the request was in place.
            if os.getppid() != parent:
                os.kill(os.getpid(), signal.SIGKILL)

    def _platform_options() -> dict[str, Any]:
        # restore_signals=False keeps SIGPIPE ignored: rpc-server dies of it when a queued client vanishes.
        birth = functools.partial(_die_with, os.getpid())
        return {"start_new_session": True, "restore_signals": False, "preexec_fn": birth}

    def _kill_group(pid: int) -> None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(pid, signal.SIGKILL)

    def _terminate(process: asyncio.subprocess.Process) -> bool:
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
        return True

    def _foreign_libraries() -> contextlib.AbstractContextManager[None]:
        return contextlib.nullcontext()


def kill_tree(pid: int) -> None:
    """Kill a running child we started and everything below it. A process that is gone already is no error.

    Blocking: it walks the process table. Call it only while the child is not reaped: afterwards its number may belong
    to a stranger.
    """
    with contextlib.suppress(psutil.NoSuchProcess):
        process = psutil.Process(pid)
        for member in (process, *process.children(recursive=True)):
            # Windows denies access to a process that is just ending.
            with contextlib.suppress(psutil.NoSuchProcess, psutil.AccessDenied):
                member.kill()
    _kill_group(pid)


class _Protocol(asyncio.subprocess.SubprocessStreamProtocol):
    """Tells the exit of the child at once; `Process.wait` of Python 3.11 waits for the end of its pipes too."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(limit=LINE_LIMIT, loop=loop)
        self.exited: asyncio.Future[None] = loop.create_future()

    def process_exited(self) -> None:
        if not self.exited.done():
            self.exited.set_result(None)
        super().process_exited()


class _Process(asyncio.subprocess.Process):
    """A child whose exit, the end of its pipes and our letting go of them are three things."""

    def __init__(
        self, transport: asyncio.SubprocessTransport, protocol: _Protocol, loop: asyncio.AbstractEventLoop
    ) -> None:
        super().__init__(transport, protocol, loop)
        self._pipes = transport
        self.exited = protocol.exited
        self.exited.add_done_callback(lambda _: _kill_group(transport.get_pid()))

    async def wait_exit(self) -> int:
        """Wait for the exit of the child only. What it left behind is killed: its number is not given away yet."""
        await asyncio.shield(self.exited)
        return self.returncode or 0

    def close_pipes(self) -> None:
        """Let go of the pipes, even if a stranger keeps their other end open."""
        self._pipes.close()


async def when_let_go(start: Callable[[], Awaitable[_Result]], pauses: Iterable[float] = _LOCKED_PAUSES) -> _Result:
    """What `start` returns; it is tried again after each pause (seconds) while somebody holds the program's file."""
    for pause in pauses:
        try:
            return await start()
        except ProgramMissing as error:
            if error.code not in _LOCKED:
                raise
        await asyncio.sleep(pause)
    return await start()


async def _create(argv: Sequence[str], env: Mapping[str, str] | None, stdin: int, cwd: str | None) -> _Process:
    return await when_let_go(lambda: _create_once(argv, env, stdin, cwd))


async def _create_once(argv: Sequence[str], env: Mapping[str, str] | None, stdin: int, cwd: str | None) -> _Process:
    loop = asyncio.get_running_loop()
    try:
        # The process is created before the first suspension, so two spawns cannot undo each other's DLL folder.
        with _foreign_libraries():
            transport, protocol = await loop.subprocess_exec(
                lambda: _Protocol(loop),
                *argv,
                stdin=stdin,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.PIPE,
                env=clean_environment(env),
                cwd=cwd,
                **_platform_options(),
            )
    except OSError as error:
        code = getattr(error, "winerror", None)
        raise ProgramMissing(f"{argv[0]}: {error.strerror or error}", code) from error
    return _Process(transport, protocol, loop)


async def run_short(
    argv: Sequence[str], *, deadline: float, env: Mapping[str, str] | None = None, cwd: str | None = None
) -> Finished:
    """Run a program to its end within `deadline` seconds and return what it printed.

    Raises ProgramMissing, or ProgramTimedOut after killing it and its tree.
    """
    process = await _create(argv, env, asyncio.subprocess.DEVNULL, cwd)
    try:
        async with asyncio.timeout(deadline):
            stdout, stderr = await process.communicate()
    except TimeoutError as error:
        raise ProgramTimedOut(f"{argv[0]} did not end in {deadline:g} s") from error
    finally:
        if process.returncode is None:
            await asyncio.to_thread(kill_tree, process.pid)
            # A process stuck in a driver does not end even when killed.
            await asyncio.wait([process.exited], timeout=_OUTPUT_GRACE)
        process.close_pipes()
    return Finished(process.returncode or 0, stdout.decode("utf-8", "replace"), stderr.decode("utf-8", "replace"))


async def _lines(stream: asyncio.StreamReader) -> AsyncIterator[str]:
    while True:
        try:
            line = await stream.readuntil(b"\n")
        except asyncio.IncompleteReadError as error:
            line = error.partial
        except asyncio.LimitOverrunError as error:
            line = await stream.read(error.consumed + 1)
        if not line:
            return
        yield line.decode("utf-8", "replace").rstrip("\r\n")


class Child:
    """A running child. Its owner must call `stop` (or await `wait`) before it lets go."""

    def __init__(self, process: _Process, on_line: Callable[[str, str], None]) -> None:
        self._process = process
        self._readers = [
            asyncio.create_task(self._read(name, stream, on_line), name=f"{name} of {process.pid}")
            for name, stream in (("stdout", process.stdout), ("stderr", process.stderr))
            if stream is not None
        ]

    @property
    def pid(self) -> int:
        """The operating system's process id."""
        return self._process.pid

    @property
    def returncode(self) -> int | None:
        """The exit code, None while it runs; negative for a signal on Linux."""
        return self._process.returncode

    @staticmethod
    async def _read(name: str, stream: asyncio.StreamReader, on_line: Callable[[str, str], None]) -> None:
        async for line in _lines(stream):
            try:
                on_line(name, line)
            except Exception:  # noqa: BLE001  the pipe must be read on, or the child blocks on a full one
                _log.exception("A line of a child could not be handled")

    async def write_line(self, text: str) -> None:
        """Send one line to the child's standard input; a closed pipe is ignored, its exit tells."""
        if self._process.stdin is None:
            return
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            self._process.stdin.write(text.encode() + b"\n")
            await self._process.stdin.drain()

    async def wait(self) -> int:
        """Wait for the end of the child and of its output; returns the exit code."""
        code = await self._process.wait_exit()
        _, late = await asyncio.wait(self._readers, timeout=_OUTPUT_GRACE)
        for reader in late:
            reader.cancel()
        await asyncio.gather(*self._readers, return_exceptions=True)
        self._process.close_pipes()
        return code

    async def stop(self, *, grace: float, polite: str | None = None) -> int:
        """End the child: ask politely, wait `grace` seconds, then kill its tree. Returns the exit code.

        `polite` is a line for its standard input; without it the child gets SIGTERM (Windows knows no such signal: it
        is killed at once). Cancelled in its grace, it still kills the tree.
        """
        try:
            async with asyncio.timeout(grace):
                if await self._ask(polite):
                    await self._process.wait_exit()
        except TimeoutError:
            _log.info("Process %d did not end in %g s and is killed", self.pid, grace)
        finally:
            if self._process.returncode is None:
                await asyncio.to_thread(kill_tree, self.pid)
        return await self.wait()

    async def _ask(self, polite: str | None) -> bool:
        if polite is None:
            return _terminate(self._process)
        await self.write_line(polite)
        return True


async def start_child(
    argv: Sequence[str],
    *,
    on_line: Callable[[str, str], None],
    env: Mapping[str, str] | None = None,
    with_stdin: bool = False,
    cwd: str | None = None,
) -> Child:
    """Start a child. `on_line(stream, text)` gets each line of `stdout` and `stderr`. Raises ProgramMissing."""
    stdin = asyncio.subprocess.PIPE if with_stdin else asyncio.subprocess.DEVNULL
    return Child(await _create(argv, env, stdin, cwd), on_line)
