"""Ctrl-C and the system's polite request to end, as one call on the event loop.

Windows ends a console program as soon as its handler for a closed window, a logoff or a shutdown has returned, and
after about 5 s in any case (Microsoft, "HandlerRoutine"). So that handler waits for our end. A program without a
console hears of a logoff or a shutdown through a hidden window (`app.system.session_window`).
"""

import asyncio
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext

if sys.platform == "win32":
    import ctypes
    from ctypes import wintypes

    from app.system.session_window import session_window

    _WANTED = (signal.SIGINT, signal.SIGBREAK)
    _LOGOFF = 5

    @contextmanager
    def _session_end(end: Callable[[], object]) -> Iterator[None]:
        session_end = SessionEnd(end)
        handler = ctypes.WINFUNCTYPE(wintypes.BOOL, wintypes.DWORD)(session_end.handle)
        install = ctypes.WinDLL("kernel32", use_last_error=True).SetConsoleCtrlHandler
        install.argtypes, install.restype = (ctypes.c_void_p, wintypes.BOOL), wintypes.BOOL
        # The newest handler is asked first, so before the one of the C library.
        install(ctypes.cast(handler, ctypes.c_void_p), True)
        with session_window(lambda: session_end.handle(_LOGOFF)):
            try:
                yield
            finally:
                # Windows ends us as soon as a waiting handler returns, so nothing may be left to do here.
                install(ctypes.cast(handler, ctypes.c_void_p), False)
                session_end.finished.set()
else:
    _WANTED = (signal.SIGINT, signal.SIGTERM)

    def _session_end(end: Callable[[], object]) -> AbstractContextManager[None]:
        return nullcontext()


@contextmanager
def on_end_request(loop: asyncio.AbstractEventLoop, end: Callable[[], None]) -> Iterator[None]:
    """Call `end` on the loop whenever the user or the system asks this process to end."""
    before = {each: signal.signal(each, lambda *_: loop.call_soon_threadsafe(end)) for each in _WANTED}
    try:
        with _session_end(lambda: loop.call_soon_threadsafe(end)):
            yield
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)


class SessionEnd:
    """Asks for the end once Windows says that the session or the console ends, and waits until `finished` is set."""

    EVENTS = (2, 5, 6)
    """A closed console, a logoff, a shutdown. Ctrl-C (0) and Ctrl-Break (1) are signals and do not hurry."""

    def __init__(self, end: Callable[[], object], patience: float = 4.5) -> None:
        """`patience` is the longest wait in seconds: less than Windows grants."""
        self._end = end
        self._patience = patience
        self.finished = threading.Event()

    def handle(self, event: int) -> bool:
        """What Windows calls, in a thread of its own; False passes the event on."""
        if event not in self.EVENTS:
            return False
        self._end()
        self.finished.wait(self._patience)
        return True


@contextmanager
def cancelled_by_termination(task: "asyncio.Task[object]") -> Iterator[None]:
    """Cancel `task` once when the system asks this process to end (SIGTERM); Windows has no such request."""
    loop = task.get_loop()
    if sys.platform != "win32":
        loop.add_signal_handler(signal.SIGTERM, task.cancel)
    try:
        yield
    finally:
        if sys.platform != "win32":
            loop.remove_signal_handler(signal.SIGTERM)
