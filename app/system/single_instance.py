"""One tray per data folder and session: the first start claims a name, a later one hands its wish over and ends.

Windows: a named mutex says who is first, a named pipe that only this user may write to carries the wish (Microsoft,
"CreateMutexW", "CreateNamedPipeW"). Elsewhere: a file lock and a Unix socket beside it. No network is involved, and the
system gives the name back however the process ends.
"""

import contextlib
import hashlib
import logging
import os
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Protocol

MESSAGE_LIMIT = 4096
"""Longest message in bytes; a longer one is refused by the sender."""

HAND_OVER_SECONDS = 2.0
"""How long a hand-over may take, and how long a sender may keep the listener waiting."""

_POLL_SECONDS = 0.02

_log = logging.getLogger("caravan.system")


class _Door(Protocol):
    """What the operating system gives: the claim, and one message after the other."""

    def receive(self) -> bytes:
        """Wait for the next sender; what it said, empty when it said nothing."""

    def wake(self) -> None:
        """Make a waiting `receive` return."""

    def close(self) -> None:
        """Give everything back."""


def instance_name(folder: Path) -> str:
    """The name to claim for a data folder: the same for every way to write its path, ASCII, 24 characters."""
    path = os.path.normcase(os.path.realpath(folder))
    return "Caravan-" + hashlib.sha256(path.encode("utf-8", "surrogatepass")).hexdigest()[:16]


class Claim:
    """The name is ours until `close`. `listen` may be called once."""

    def __init__(self, door: _Door) -> None:
        self._door = door
        self._ended = threading.Event()
        self._thread: threading.Thread | None = None

    def listen(self, on_message: Callable[[str], None]) -> None:
        """Call `on_message` in a thread of our own with each text that is handed over; it must not raise."""
        self._thread = threading.Thread(target=self._serve, args=(on_message,), name="hand-over")
        self._thread.start()

    def close(self) -> None:
        """End the thread and give the name back; a second call does nothing."""
        if self._ended.is_set():
            return
        self._ended.set()
        thread = self._thread
        while thread is not None and thread.is_alive():
            self._door.wake()
            thread.join(_POLL_SECONDS)
        self._door.close()

    def __enter__(self) -> "Claim":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _serve(self, on_message: Callable[[str], None]) -> None:
        while not self._ended.is_set():
            try:
                said = self._door.receive()
            except OSError as error:
                _log.warning("A second start of Caravan could not be heard: %s", error)
                self._ended.wait(HAND_OVER_SECONDS)
                continue
            if said and not self._ended.is_set():
                on_message(said.decode("utf-8", "replace"))


def _checked(message: str) -> bytes:
    data = message.encode()
    if not 0 < len(data) <= MESSAGE_LIMIT:
        raise ValueError(f"a message has 1 to {MESSAGE_LIMIT} bytes, not {len(data)}")
    return data


if sys.platform == "win32":
    import ctypes
    from ctypes import wintypes

    _ERROR_ACCESS_DENIED = 5
    _ERROR_ALREADY_EXISTS = 183
    _ERROR_NO_DATA = 232
    _ERROR_PIPE_CONNECTED = 535
    _PIPE_ACCESS_INBOUND = 0x1
    _FIRST_PIPE_INSTANCE = 0x00080000
    _REJECT_REMOTE_CLIENTS = 0x8
    _GENERIC_WRITE = 0x40000000
    _OPEN_EXISTING = 3
    _INVALID_HANDLE = wintypes.HANDLE(-1).value

    def _declared() -> ctypes.WinDLL:
        kernel = ctypes.WinDLL("kernel32", use_last_error=True)
        handle, number, text, pointer = wintypes.HANDLE, wintypes.DWORD, wintypes.LPCWSTR, wintypes.LPVOID
        numbers = ctypes.POINTER(wintypes.DWORD)
        for name, result, arguments in (
            ("CreateMutexW", handle, (pointer, wintypes.BOOL, text)),
            ("CreateNamedPipeW", handle, (text, number, number, number, number, number, number, pointer)),
            ("ConnectNamedPipe", wintypes.BOOL, (handle, pointer)),
            ("DisconnectNamedPipe", wintypes.BOOL, (handle,)),
            ("PeekNamedPipe", wintypes.BOOL, (handle, pointer, number, numbers, numbers, numbers)),
            ("ReadFile", wintypes.BOOL, (handle, pointer, number, numbers, pointer)),
            ("WriteFile", wintypes.BOOL, (handle, pointer, number, numbers, pointer)),
            ("CreateFileW", handle, (text, number, number, pointer, number, number, handle)),
            ("CloseHandle", wintypes.BOOL, (handle,)),
            ("GetCurrentProcessId", number, ()),
            ("ProcessIdToSessionId", wintypes.BOOL, (number, numbers)),
            ("GetNamedPipeServerProcessId", wintypes.BOOL, (handle, numbers)),
        ):
            function = getattr(kernel, name)
            function.restype, function.argtypes = result, arguments
        return kernel

    def _pipe_name(kernel: ctypes.WinDLL, name: str) -> str:
        # Pipes are seen by all sessions, the mutex by its own; a user signed in twice has two of each.
        session = wintypes.DWORD()
        kernel.ProcessIdToSessionId(kernel.GetCurrentProcessId(), ctypes.byref(session))
        return rf"\\.\pipe\{name}-{session.value}"

    class _WindowsDoor:
        """Mutex and pipe. By the system's default only this user and administrators may write into the pipe."""

        def __init__(self, kernel: ctypes.WinDLL, mutex: int, name: str) -> None:
            self._kernel = kernel
            self._mutex = mutex
            self._name = _pipe_name(kernel, name)
            self._pipe: int | None = None

        def receive(self) -> bytes:
            pipe = self._opened()
            if not self._kernel.ConnectNamedPipe(pipe, None):
                code = ctypes.get_last_error()
                if code not in (_ERROR_PIPE_CONNECTED, _ERROR_NO_DATA):
                    raise ctypes.WinError(code)
            try:
                return self._read(pipe)
            finally:
                self._kernel.DisconnectNamedPipe(pipe)

        def wake(self) -> None:
            handle = _open_pipe(self._kernel, self._name)
            if handle is not None:
                self._kernel.CloseHandle(handle)

        def close(self) -> None:
            if self._pipe is not None:
                self._kernel.CloseHandle(self._pipe)
            self._kernel.CloseHandle(self._mutex)

        def _opened(self) -> int:
            if self._pipe is None:
                mode = _PIPE_ACCESS_INBOUND | _FIRST_PIPE_INSTANCE
                pipe = self._kernel.CreateNamedPipeW(
                    self._name, mode, _REJECT_REMOTE_CLIENTS, 1, 0, MESSAGE_LIMIT, 0, None
                )
                if pipe == _INVALID_HANDLE:
                    raise ctypes.WinError(ctypes.get_last_error())
                self._pipe = pipe
            return self._pipe

        def _read(self, pipe: int) -> bytes:
            # A sender that stays silent must not keep the next one out for ever: look before reading.
            give_up = time.monotonic() + HAND_OVER_SECONDS
            waiting, got = wintypes.DWORD(), wintypes.DWORD()
            while self._kernel.PeekNamedPipe(pipe, None, 0, None, ctypes.byref(waiting), None):
                if waiting.value:
                    buffer = ctypes.create_string_buffer(MESSAGE_LIMIT)
                    self._kernel.ReadFile(pipe, buffer, MESSAGE_LIMIT, ctypes.byref(got), None)
                    return buffer.raw[: got.value]
                if time.monotonic() > give_up:
                    break
                time.sleep(_POLL_SECONDS)
            return b""

    def _open_pipe(kernel: ctypes.WinDLL, name: str) -> int | None:
        handle = kernel.CreateFileW(name, _GENERIC_WRITE, 0, None, _OPEN_EXISTING, 0, None)
        return None if handle == _INVALID_HANDLE else handle

    def _claim(name: str) -> _Door | None:
        kernel = _declared()
        mutex = kernel.CreateMutexW(None, False, rf"Local\{name}")
        code = ctypes.get_last_error()
        if not mutex:
            # One that an elevated start holds may not even be opened.
            if code == _ERROR_ACCESS_DENIED:
                return None
            raise ctypes.WinError(code)
        if code == _ERROR_ALREADY_EXISTS:
            kernel.CloseHandle(mutex)
            return None
        return _WindowsDoor(kernel, mutex, name)

    def _send(name: str, data: bytes) -> bool:
        kernel = _declared()
        handle = _open_pipe(kernel, _pipe_name(kernel, name))
        if handle is None:
            return False
        try:
            _let_come_to_front(kernel, handle)
            written = wintypes.DWORD()
            done = kernel.WriteFile(handle, data, len(data), ctypes.byref(written), None)
            return bool(done) and written.value == len(data)
        finally:
            kernel.CloseHandle(handle)

    def _let_come_to_front(kernel: ctypes.WinDLL, pipe: int) -> None:
        """The user started us, so only we may allow the first start to bring its window to the front."""
        process = wintypes.DWORD()
        if kernel.GetNamedPipeServerProcessId(pipe, ctypes.byref(process)):
            allow = ctypes.WinDLL("user32").AllowSetForegroundWindow
            allow.argtypes, allow.restype = (wintypes.DWORD,), wintypes.BOOL
            allow(process.value)

else:
    import fcntl
    import socket

    def _folder() -> Path:
        """A folder of this user alone. Raises OSError when a stranger owns it."""
        given = os.environ.get("XDG_RUNTIME_DIR")
        if given:
            return Path(given)
        # Most sessions have said above where to.
        import tempfile

        folder = Path(tempfile.gettempdir(), f"caravan-{os.getuid()}")
        folder.mkdir(mode=0o700, exist_ok=True)
        if folder.is_symlink() or folder.stat().st_uid != os.getuid():
            raise PermissionError(f"{folder} belongs to somebody else")
        return folder

    class _PosixDoor:
        """Locked file and socket. The file stays, so that nobody locks one that was just removed."""

        def __init__(self, lock: int, address: Path) -> None:
            self._lock = lock
            self._address = address
            self._socket: socket.socket | None = None

        def receive(self) -> bytes:
            connection, _ = self._opened().accept()
            with connection:
                connection.settimeout(HAND_OVER_SECONDS)
                said = b""
                with contextlib.suppress(TimeoutError):
                    while len(said) < MESSAGE_LIMIT and (part := connection.recv(MESSAGE_LIMIT - len(said))):
                        said += part
                return said

        def wake(self) -> None:
            with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX) as caller:
                caller.settimeout(_POLL_SECONDS)
                caller.connect(str(self._address))

        def close(self) -> None:
            if self._socket is not None:
                self._socket.close()
                self._address.unlink(missing_ok=True)
            os.close(self._lock)

        def _opened(self) -> socket.socket:
            if self._socket is None:
                # Left behind by a process that was killed; the lock says that it is nobody's.
                self._address.unlink(missing_ok=True)
                listener = socket.socket(socket.AF_UNIX)
                try:
                    listener.bind(str(self._address))
                    listener.listen()
                except OSError:
                    listener.close()
                    raise
                self._socket = listener
            return self._socket

    def _claim(name: str) -> _Door | None:
        folder = _folder()
        lock = os.open(folder / f"{name}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(lock)
            return None
        except OSError:
            os.close(lock)
            raise
        return _PosixDoor(lock, folder / f"{name}.socket")

    def _send(name: str, data: bytes) -> bool:
        with socket.socket(socket.AF_UNIX) as caller:
            caller.settimeout(HAND_OVER_SECONDS)
            try:
                caller.connect(str(_folder() / f"{name}.socket"))
                caller.sendall(data)
            except OSError:
                return False
        return True


def claim(name: str) -> Claim | None:
    """Claim `name` (see `instance_name`) for this process; None when another one has it. Raises OSError."""
    door = _claim(name)
    return None if door is None else Claim(door)


def hand_over(name: str, message: str) -> bool:
    """Give `message` to the process that has `name`; False when none took it within `HAND_OVER_SECONDS`.

    A first start that is just beginning does not listen yet, so it is tried again. Blocking. Raises ValueError for an
    empty or too long message.
    """
    data = _checked(message)
    give_up = time.monotonic() + HAND_OVER_SECONDS
    while not _send(name, data):
        if time.monotonic() > give_up:
            return False
        time.sleep(_POLL_SECONDS)
    return True
