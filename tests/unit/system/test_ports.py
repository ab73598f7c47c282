"""Loopback sockets: free ports, owners, and answers that do not wait for Nagle's algorithm."""

import asyncio
import os
import socket

import pytest

from app.system.ports import bind_loopback, free_port, owns_port, port_owner


async def test_what_is_accepted_sends_small_answers_at_once() -> None:
    accepted: list[int] = []

    async def serve(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        found = writer.get_extra_info("socket")
        accepted.append(found.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY))
        writer.close()

    listener = bind_loopback(0)
    port = listener.getsockname()[1]
    async with await asyncio.start_server(serve, sock=listener):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        assert await reader.read() == b""
        writer.close()
        await writer.wait_closed()
    assert accepted[0] != 0


def test_a_taken_port_is_refused_and_its_owner_known() -> None:
    with bind_loopback(0) as listener:
        port = listener.getsockname()[1]
        with pytest.raises(OSError, match=r"."):
            bind_loopback(port)
        assert owns_port(os.getpid(), port) is True
        assert str(os.getpid()) in (port_owner(port) or "")


def test_the_search_for_a_free_port_passes_over_taken_ones() -> None:
    with bind_loopback(0) as listener:
        port = listener.getsockname()[1]
        assert free_port(port) != port
    assert 0 < free_port() < 65536
