"""HTTP from peers, as the link process hands it to the node: one line says who speaks, then HTTP follows.

Only the link process knows the secret in that line, so another program on this PC that finds the port gets nothing.
"""

import asyncio
from typing import Any

from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn.protocols.http.h11_impl import H11Protocol

from app.cluster.link_process.opening import LINE_LIMIT, parse_preface
from app.schema.record import NodeId

PEER_KEY = "caravan.peer"
"""Where the ASGI scope holds the NodeId of the peer that asks."""

PREFACE_SECONDS = 3.0


def peer_protocol(secret: str) -> type[H11Protocol]:
    """The `http` class for uvicorn's Config on the peer listener."""

    class PeerProtocol(_PeerProtocol):
        preface_secret = secret

    return PeerProtocol


class _PeerProtocol(H11Protocol):
    """Takes the first line for itself; closes the connection without an answer when it is not right."""

    preface_secret: str

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._early: bytearray | None = bytearray()
        self._deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Wait for the line, for three seconds at most."""
        super().connection_made(transport)
        self._deadline = self.loop.call_later(PREFACE_SECONDS, transport.abort)

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection is gone."""
        self._end_waiting()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Bytes came: first the line, then HTTP."""
        if self._early is None:
            super().data_received(data)
            return
        self._early += data
        end = self._early.find(b"\n", 0, LINE_LIMIT)
        if end < 0 and len(self._early) < LINE_LIMIT:
            return
        peer = parse_preface(bytes(self._early[: end + 1]), self.preface_secret)
        rest, self._early = bytes(self._early[end + 1 :]), None
        self._end_waiting()
        if peer is None:
            self._early = bytearray()
            self.transport.abort()
            return
        self.app = _named(self.app, peer)
        if rest:
            super().data_received(rest)

    def _end_waiting(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None


def _named(app: Any, peer: NodeId) -> ASGIApp:
    async def named(scope: Scope, receive: Receive, send: Send) -> None:
        await app({**scope, PEER_KEY: peer}, receive, send)

    return named
