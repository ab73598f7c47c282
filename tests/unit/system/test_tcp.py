"""Sockets of the peer link: alone on their port, and known to asyncio as TCP."""

import socket
import sys

import pytest

from app.system.tcp import KEEPALIVE_IDLE_SECONDS, bind, keep_alive, send_at_once


def test_a_port_is_not_shared() -> None:
    with bind("127.0.0.1", 0) as listener, pytest.raises(OSError, match=r"."):
        bind("127.0.0.1", listener.getsockname()[1])


def test_an_accepted_connection_can_be_tuned() -> None:
    with bind("127.0.0.1", 0) as listener, socket.create_connection(listener.getsockname()):
        listener.setblocking(True)
        accepted, _ = listener.accept()
        with accepted:
            if sys.platform != "win32":
                assert accepted.proto == socket.IPPROTO_TCP, "asyncio looks at it before it switches Nagle off"
            keep_alive(accepted)
            send_at_once(accepted)
            assert accepted.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
            assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
            idle = getattr(socket, "TCP_KEEPIDLE", None)
            assert idle is None or accepted.getsockopt(socket.IPPROTO_TCP, idle) == KEEPALIVE_IDLE_SECONDS
