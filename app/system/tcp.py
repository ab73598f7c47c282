"""TCP sockets: bound on one address without sharing, quick to answer, and quick to notice a peer that vanished."""

import contextlib
import socket
import sys

KEEPALIVE_IDLE_SECONDS = 30
KEEPALIVE_INTERVAL_SECONDS = 10
KEEPALIVE_PROBES = 3
"""A silent connection is probed after 30 s, then every 10 s; three probes without an answer end it."""

BACKLOG = 256

_OPTIONS = (
    ("TCP_KEEPIDLE", KEEPALIVE_IDLE_SECONDS),
    ("TCP_KEEPALIVE", KEEPALIVE_IDLE_SECONDS),
    ("TCP_KEEPINTVL", KEEPALIVE_INTERVAL_SECONDS),
    ("TCP_KEEPCNT", KEEPALIVE_PROBES),
    ("TCP_USER_TIMEOUT", 1000 * (KEEPALIVE_IDLE_SECONDS + KEEPALIVE_INTERVAL_SECONDS * KEEPALIVE_PROBES)),
)
"""Names that a system may lack: macOS calls the first the second, TCP_USER_TIMEOUT (milliseconds) is Linux only."""


def bind(host: str, port: int) -> socket.socket:
    """A listening, non-blocking IPv4 socket on `host`; `port` 0 takes any free one. Raises OSError when it is taken."""
    # asyncio switches Nagle's algorithm off only for sockets that say they are TCP; with it, each answer waits 40 ms.
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        if sys.platform == "win32":
            # SO_REUSEADDR on Windows would let a second program share the port.
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_EXCLUSIVEADDRUSE, 1)
        else:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        # Accepted connections inherit it. On Windows asyncio does not set it itself: it does not know them for TCP.
        send_at_once(listener)
        listener.bind((host, port))
        listener.listen(BACKLOG)
    except OSError:
        listener.close()
        raise
    listener.setblocking(False)
    return listener


def send_at_once(connection: socket.socket) -> None:
    """Do not wait for more to send. asyncio does this only for sockets made with the protocol number of TCP."""
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


def keep_alive(connection: socket.socket) -> None:
    """Probe a silent connection, so that a peer without power is noticed within a minute."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in _OPTIONS:
        option = getattr(socket, name, None)
        if option is not None:
            # Windows before 10 1709 knows the names but not the options.
            with contextlib.suppress(OSError):
                connection.setsockopt(socket.IPPROTO_TCP, option, value)
