"""Sleep: keep this PC awake while it serves, and notice when it slept all the same.

Windows: a power request with a reason that `powercfg /requests` shows, and notices before sleep and after it
(Microsoft, "PowerCreateRequest", "PowerRegisterSuspendResumeNotification"); a user who chooses Sleep still gets it.
Linux: `systemd-inhibit` while it is there. A sleep is measured on every system by two clocks, of which one stands
still meanwhile; both ignore changes of the time of day.
"""

import asyncio
import contextlib
import logging
import shutil
import sys
import time
from collections.abc import Callable, Iterator

from app.system.spawn import Child, ProgramMissing, start_child

GAP_SECONDS = 5.0
"""A sleep shorter than this, without a notice, is taken for jitter of the clocks."""

LOOK_SECONDS = 2.0
"""How often the clocks are compared."""

_log = logging.getLogger("caravan.system")


class ClockGap:
    """PURE: finds sleep in readings of two clocks in seconds, `awake` without and `elapsed` with the time asleep."""

    def __init__(self, awake: float, elapsed: float) -> None:
        self._behind = elapsed - awake

    def observe(self, awake: float, elapsed: float) -> float:
        """Seconds asleep since the last reading; clocks that ran apart the other way count as 0."""
        before, self._behind = self._behind, elapsed - awake
        return max(0.0, self._behind - before)


class KeepAwake:
    """Asks the system not to fall asleep by itself between `hold` and `release`. Both may be called again."""

    def __init__(self, inhibitor: str = "systemd-inhibit") -> None:
        self._inhibitor = inhibitor
        self._request: _Request | None = None

    @property
    def is_held(self) -> bool:
        """Whether the system was asked and has not refused."""
        return self._request is not None and self._request.is_held

    async def hold(self, reason: str) -> str | None:
        """Keep the PC awake for `reason`, a sentence that people see. None, or why it cannot be done here."""
        if self.is_held:
            return None
        await self.release()
        request = _Request(self._inhibitor, reason)
        problem = await request.ask()
        if problem is None:
            self._request = request
        else:
            _log.info("This PC may fall asleep while it serves: %s", problem)
        return problem

    async def release(self) -> None:
        """Let the PC sleep again when it wants to."""
        request, self._request = self._request, None
        if request is not None:
            await request.withdraw()


class SleepWatch:
    """Says that the PC slept. `run` is a service: cancel it to end it."""

    def __init__(self, on_suspend: Callable[[], None], on_resume: Callable[[float], None]) -> None:
        """`on_suspend` is called in a thread of the system and the PC sleeps soon after it returned, or 2 s later;
        not every system gives this notice. `on_resume` is called on the loop with the seconds slept.
        """
        self._on_suspend = on_suspend
        self._on_resume = on_resume
        self._noticed = asyncio.Event()

    async def run(self, period: float = LOOK_SECONDS) -> None:
        """Watch until cancelled, comparing the clocks each `period` seconds."""
        loop = asyncio.get_running_loop()
        gap = ClockGap(*clocks())

        def wake() -> None:
            loop.call_soon_threadsafe(self._noticed.set)

        with power_notices(self._on_suspend, wake):
            while True:
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._noticed.wait(), period)
                self.look(gap, *clocks())

    def look(self, gap: ClockGap, awake: float, elapsed: float) -> None:
        """Compare once: tell a sleep that is long enough or was announced."""
        asleep = gap.observe(awake, elapsed)
        if asleep >= GAP_SECONDS or self._noticed.is_set():
            self._noticed.clear()
            _log.info("This PC slept for %.0f s", asleep)
            self._on_resume(asleep)


if sys.platform == "win32":
    import ctypes
    from ctypes import wintypes

    _SIMPLE_STRING = 0x1
    _SYSTEM_REQUIRED = 1
    _CALLBACK = 2
    _SUSPEND = 0x4
    _RESUMED = 0x12
    _INVALID_HANDLE = wintypes.HANDLE(-1).value
    _HUNDRED_NANOSECONDS = 1e-7

    class _Reason(ctypes.Structure):
        # The union's larger half is three handles and numbers; only its first, the text, is used.
        _fields_ = (
            ("version", wintypes.ULONG),
            ("flags", wintypes.DWORD),
            ("text", wintypes.LPCWSTR),
            ("unused", ctypes.c_void_p * 2),
        )

    _Notice = ctypes.WINFUNCTYPE(wintypes.ULONG, ctypes.c_void_p, wintypes.ULONG, ctypes.c_void_p)

    class _Subscription(ctypes.Structure):
        _fields_ = (("callback", _Notice), ("context", ctypes.c_void_p))

    def _kernel() -> ctypes.WinDLL:
        kernel = ctypes.WinDLL("kernel32", use_last_error=True)
        kernel.PowerCreateRequest.argtypes = (ctypes.POINTER(_Reason),)
        kernel.PowerCreateRequest.restype = wintypes.HANDLE
        for name in ("PowerSetRequest", "PowerClearRequest"):
            getattr(kernel, name).argtypes = (wintypes.HANDLE, ctypes.c_int)
            getattr(kernel, name).restype = wintypes.BOOL
        kernel.CloseHandle.argtypes = (wintypes.HANDLE,)
        kernel.CloseHandle.restype = wintypes.BOOL
        kernel.QueryUnbiasedInterruptTime.argtypes = (ctypes.POINTER(ctypes.c_ulonglong),)
        kernel.QueryUnbiasedInterruptTime.restype = wintypes.BOOL
        return kernel

    class _Request:
        """A power request object; the system drops it with the process."""

        def __init__(self, inhibitor: str, reason: str) -> None:
            self._kernel = _kernel()
            self._reason = _Reason(0, _SIMPLE_STRING, reason)
            self._handle: int | None = None

        @property
        def is_held(self) -> bool:
            return self._handle is not None

        async def ask(self) -> str | None:
            handle = self._kernel.PowerCreateRequest(ctypes.byref(self._reason))
            if not handle or handle == _INVALID_HANDLE:
                return f"Windows refused the request ({ctypes.FormatError(ctypes.get_last_error())})"
            if not self._kernel.PowerSetRequest(handle, _SYSTEM_REQUIRED):
                problem = f"Windows refused the request ({ctypes.FormatError(ctypes.get_last_error())})"
                self._kernel.CloseHandle(handle)
                return problem
            self._handle = handle
            return None

        async def withdraw(self) -> None:
            handle, self._handle = self._handle, None
            if handle is not None:
                self._kernel.PowerClearRequest(handle, _SYSTEM_REQUIRED)
                self._kernel.CloseHandle(handle)

    def clocks() -> tuple[float, float]:
        """Readings for `ClockGap`: seconds without and with the time asleep."""
        awake = ctypes.c_ulonglong()
        _kernel().QueryUnbiasedInterruptTime(ctypes.byref(awake))
        # Python's monotonic clock counts on while Windows sleeps.
        return awake.value * _HUNDRED_NANOSECONDS, time.monotonic()

    def _notice_for(on_suspend: Callable[[], None], on_resume: Callable[[], None]) -> "ctypes._FuncPointer":
        def notice(context: int | None, kind: int, setting: int | None) -> int:
            if kind == _SUSPEND:
                on_suspend()
            elif kind == _RESUMED:
                on_resume()
            return 0

        return _Notice(notice)

    @contextlib.contextmanager
    def power_notices(on_suspend: Callable[[], None], on_resume: Callable[[], None]) -> Iterator[bool]:
        """Call back, in a thread of the system, before the PC sleeps and after. Yields whether it gives notices."""
        subscription = _Subscription(_notice_for(on_suspend, on_resume), None)
        handle = ctypes.c_void_p()
        library = ctypes.WinDLL("powrprof")
        library.PowerRegisterSuspendResumeNotification.argtypes = (
            wintypes.DWORD,
            ctypes.POINTER(_Subscription),
            ctypes.POINTER(ctypes.c_void_p),
        )
        library.PowerUnregisterSuspendResumeNotification.argtypes = (ctypes.c_void_p,)
        code = library.PowerRegisterSuspendResumeNotification(
            _CALLBACK, ctypes.byref(subscription), ctypes.byref(handle)
        )
        try:
            yield code == 0
        finally:
            if code == 0:
                library.PowerUnregisterSuspendResumeNotification(handle)

else:

    class _Request:
        """A child that holds the request; it ends with us."""

        def __init__(self, inhibitor: str, reason: str) -> None:
            self._inhibitor = inhibitor
            self._reason = reason
            self._child: Child | None = None

        @property
        def is_held(self) -> bool:
            return self._child is not None and self._child.returncode is None

        async def ask(self) -> str | None:
            program = await asyncio.to_thread(shutil.which, self._inhibitor)
            if program is None:
                return f"there is no {self._inhibitor} here"
            argv = [program, "--what=idle", "--who=Caravan", f"--why={self._reason}", "--mode=block", "cat"]
            try:
                # `cat` waits for the end of its input, which is our end of the pipe.
                self._child = await start_child(argv, on_line=_note, with_stdin=True)
            except ProgramMissing as error:
                return str(error)
            return None

        async def withdraw(self) -> None:
            if self._child is not None:
                await self._child.stop(grace=1.0)

    def _note(stream: str, line: str) -> None:
        _log.info("systemd-inhibit: %s", line)

    def clocks() -> tuple[float, float]:
        """Readings for `ClockGap`: seconds without and with the time asleep."""
        asleep_too = getattr(time, "CLOCK_BOOTTIME", None)
        return time.monotonic(), time.clock_gettime(asleep_too) if asleep_too is not None else time.time()

    @contextlib.contextmanager
    def power_notices(on_suspend: Callable[[], None], on_resume: Callable[[], None]) -> Iterator[bool]:
        """Yields False: this system gives no notices without a message bus, the clocks tell afterwards."""
        yield False
