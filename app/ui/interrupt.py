"""Ctrl-C and the system's polite request to end, in a Qt program: Python is woken by a socket, not by a timer."""

import signal
import socket
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from PySide6.QtCore import QSocketNotifier

if sys.platform == "win32":
    _WANTED = (signal.SIGINT, signal.SIGBREAK)
else:
    _WANTED = (signal.SIGINT, signal.SIGTERM)


@contextmanager
def on_interrupt(end: Callable[[], None]) -> Iterator[None]:
    """Call `end` on the main thread for each such request. Main thread only.

    Qt's loop runs no Python by itself, so a handler would wait for the next Qt event; `signal.set_wakeup_fd` makes one.
    """
    waking, woken = socket.socketpair()
    waking.setblocking(False)
    woken.setblocking(False)
    notifier = QSocketNotifier(woken.fileno(), QSocketNotifier.Type.Read)
    notifier.activated.connect(lambda: woken.recv(64))
    before = {each: signal.signal(each, lambda *_: end()) for each in _WANTED}
    previous = signal.set_wakeup_fd(waking.fileno(), warn_on_full_buffer=False)
    try:
        yield
    finally:
        signal.set_wakeup_fd(previous)
        for each, handler in before.items():
            signal.signal(each, handler)
        notifier.setEnabled(False)
        waking.close()
        woken.close()
