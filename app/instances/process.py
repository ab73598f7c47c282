"""One llama.cpp process: started once, ended once, its last lines kept. Its owner is its only writer."""

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Protocol

from app.engine.commands import Command
from app.engine.diagnosis import diagnose_start
from app.system.spawn import Child, ProgramMissing, start_child

TAIL_LINES = 200
"""Output lines kept to tell why a process died."""

STOP_GRACE_SECONDS = 5.0
"""How long a process may take to stop politely. It then holds nothing that could be lost."""

EXIT_LINE = "cmd_router_to_child:exit"
"""What llama-server's control channel takes as "end cleanly"."""


class LineSink(Protocol):
    """Where the lines of a process are kept for people to read."""

    def write(self, line: str) -> None:
        """Keep one line."""

    def close(self) -> None:
        """Nothing more will come."""


class EngineProcess:
    """A child of the engine on the PC called `node_name`. `on_line` sees every output line after it was kept."""

    def __init__(
        self, command: Command, node_name: str, sink: LineSink, on_line: Callable[[str], None] | None = None
    ) -> None:
        self._command = command
        self._node_name = node_name
        self._sink = sink
        self._on_line = on_line
        self._tail: deque[str] = deque(maxlen=TAIL_LINES)
        self._child: Child | None = None
        self._ended: asyncio.Task[int] | None = None

    @property
    def pid(self) -> int | None:
        """Its process id, None before it started."""
        return self._child.pid if self._child else None

    @property
    def returncode(self) -> int | None:
        """Its exit code, None while it runs or before it started."""
        return self._child.returncode if self._child else None

    @property
    def tail(self) -> tuple[str, ...]:
        """Its last output lines, oldest first."""
        return tuple(self._tail)

    async def start(self) -> None:
        """Start the process. Raises EngineMissing or EngineBroken when the system does not start the program."""
        try:
            self._child = await start_child(
                self._command.argv,
                on_line=self._take,
                env=self._command.environment,
                with_stdin=self._command.stdin_control,
            )
        except ProgramMissing as error:
            self._sink.close()
            raise diagnose_start(self._command.argv[0], error.code, str(error), self._node_name) from error
        self._ended = asyncio.create_task(self._child.wait(), name=f"end of {self._child.pid}")

    async def wait(self) -> int:
        """Wait for its end; returns the exit code."""
        if self._ended is None:
            raise RuntimeError("the process was never started")
        return await asyncio.shield(self._ended)

    async def stop(self, polite: bool = True) -> None:
        """End it: politely when it can listen, by tree after the grace. Safe to call at any time, also twice."""
        if self._child is None or self._ended is None:
            self._sink.close()
            return
        line = EXIT_LINE if self._command.stdin_control else None
        await self._child.stop(grace=STOP_GRACE_SECONDS if polite else 0.0, polite=line)
        await self._ended
        self._sink.close()

    def _take(self, stream: str, line: str) -> None:
        self._tail.append(line)
        self._sink.write(line)
        if self._on_line is not None:
            self._on_line(line)
