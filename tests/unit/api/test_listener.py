"""A listener ends soon, whoever connects meanwhile: one that waits for its deadline logs an error, and fails so."""

import asyncio
import socket
import time

import pytest
from fastapi import FastAPI

from app.api.peer_protocol import peer_protocol
from app.api.server import Listener
from app.system.ports import bind_loopback

TICK_SECONDS = 0.1
"""How often uvicorn looks whether it shall end."""


async def begun(listener: Listener) -> "asyncio.Task[None]":
    running = asyncio.create_task(listener.run())
    _, writer = await asyncio.open_connection("127.0.0.1", listener.port)
    writer.close()
    await writer.wait_closed()
    return running


@pytest.mark.parametrize("is_for_peers", [False, True])
async def test_who_connects_at_the_moment_of_the_end_is_not_waited_for(is_for_peers: bool) -> None:
    listener = Listener(FastAPI(), bind_loopback(0), peer_protocol("s" * 32) if is_for_peers else "auto")
    running = await begun(listener)
    listener.end()
    with socket.create_connection(("127.0.0.1", listener.port)):
        # The loop finds both when it turns again: somebody to accept, and that it is time to end.
        time.sleep(2 * TICK_SECONDS)
        await running
