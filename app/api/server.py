"""One HTTP listener of the node: a socket that is bound already, served until told to end."""

import asyncio
import contextlib
import socket
from collections.abc import Iterator
from typing import Any, Literal

import uvicorn
from starlette.types import ASGIApp

SHUTDOWN_SECONDS = 3
"""How long open requests may take to finish when the node ends."""

_LOOK_SECONDS = 0.05


class _Server(uvicorn.Server):
    """A uvicorn server that leaves signals to the daemon, which owns several servers.

    At its end it also shuts down connections that it accepted in that moment.
    """

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        told = set(self.server_state.connections)
        ending = asyncio.create_task(self._end_others(told), name="late connections")
        try:
            await super().shutdown(sockets)
        finally:
            ending.cancel()
            await asyncio.gather(ending, return_exceptions=True)

    async def _end_others(self, told: set[Any]) -> None:
        """uvicorn shuts down the connections it knows when it begins; one accepted then is made a turn later."""
        while True:
            for connection in self.server_state.connections - told:
                connection.shutdown()
                told.add(connection)
            await asyncio.sleep(_LOOK_SECONDS)


class Listener:
    """Serves one application on one bound socket. `http` is the protocol class of its connections."""

    def __init__(
        self, app: ASGIApp, bound: socket.socket, http: type[asyncio.Protocol] | Literal["auto"] = "auto"
    ) -> None:
        config = uvicorn.Config(
            app,
            http=http,
            log_config=None,
            access_log=False,
            lifespan="off",
            ws="none",
            server_header=False,
            timeout_keep_alive=30,
            timeout_graceful_shutdown=SHUTDOWN_SECONDS,
        )
        self._server = _Server(config)
        self._socket = bound
        self.port: int = bound.getsockname()[1]

    async def run(self) -> None:
        """Serve until `end`, or until cancelled."""
        try:
            await self._server.serve(sockets=[self._socket])
        except asyncio.CancelledError:
            self.end()
            raise
        finally:
            self._socket.close()

    def end(self) -> None:
        """Take no new requests, let open ones finish within the deadline, then return from `run`."""
        self._server.should_exit = True
