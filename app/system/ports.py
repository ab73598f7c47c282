"""Loopback sockets: bind one for a listener, find a free port for a child, and learn who holds a port."""

import contextlib
import socket

import psutil

from app.system.tcp import bind

LOOPBACK = "127.0.0.1"

_PORTS_TRIED = 100


def bind_loopback(port: int) -> socket.socket:
    """A listening socket on 127.0.0.1; `port` 0 takes any free one. Raises OSError when the port is taken."""
    return bind(LOOPBACK, port)


def free_port(first: int | None = None) -> int:
    """A loopback port that is free now: the next from `first` upwards, or any.

    Another program may take it before the child binds it; `owns_port` tells.
    """
    wanted = range(first, min(first + _PORTS_TRIED, 65536)) if first else ()
    for port in (*wanted, 0):
        with contextlib.closing(socket.socket(socket.AF_INET, socket.SOCK_STREAM)) as probe:
            try:
                probe.bind((LOOPBACK, port))
            except OSError:
                continue
            found: int = probe.getsockname()[1]
            return found
    raise OSError("no port is free")


def owns_port(pid: int, port: int) -> bool | None:
    """Whether that process listens on that TCP port; None when the system does not let us see."""
    try:
        connections = psutil.Process(pid).net_connections(kind="tcp")
    except psutil.Error:
        return None
    return any(each.status == psutil.CONN_LISTEN and each.laddr and each.laddr.port == port for each in connections)


def port_owner(port: int) -> str | None:
    """`name (process id N)` of the program that listens on a TCP port, None when the system does not say."""
    try:
        connections = psutil.net_connections(kind="tcp")
    except psutil.Error:
        return None
    for each in connections:
        if each.status == psutil.CONN_LISTEN and each.laddr and each.laddr.port == port and each.pid:
            with contextlib.suppress(psutil.Error):
                return f"{psutil.Process(each.pid).name()} (process id {each.pid})"
    return None
