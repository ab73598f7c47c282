"""The wish that a node ends, and what follows."""

import asyncio
from enum import Enum


class Ending(Enum):
    """What follows when the node was asked to end."""

    QUIT = "quit"
    START_ANEW = "start anew"


class Ended:
    """The wish that this node ends; the first one counts."""

    def __init__(self) -> None:
        self._event = asyncio.Event()
        self.ending = Ending.QUIT

    def quit(self) -> None:
        """End for good."""
        self._event.set()

    def start_anew(self) -> None:
        """End and start again, as another node."""
        if not self._event.is_set():
            self.ending = Ending.START_ANEW
        self._event.set()

    async def wait(self) -> Ending:
        """Wait for the wish."""
        await self._event.wait()
        return self.ending
