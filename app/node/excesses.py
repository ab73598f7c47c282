"""What the engine's projections taught: models that need more memory than the planner's formulas say.

A pure step over a `MemoryBook`, and a small store that keeps it. The planner counts what was learned on every device.
"""

import logging
import time
from collections.abc import Callable, Container, Iterable
from pathlib import Path

from app.node.book_file import BookFile
from app.schema.memory import MemoryBook, MemoryExcess
from app.schema.model import ModelFile

logger = logging.getLogger("caravan.node.excesses")

LEAST = 4 << 20
"""Bytes below which an excess is the rounding of the projection, whose three figures are whole MiB."""

MODELS_KEPT = 200


def after_projection(book: MemoryBook, found: MemoryExcess) -> MemoryBook:
    """PURE: the book after a projection: the largest excess counts, and the ones unchanged longest are forgotten."""
    known = next((each for each in book.excesses if _place(each) == _place(found)), None)
    if found.beyond_bytes < LEAST or (known is not None and known.beyond_bytes >= found.beyond_bytes):
        return book
    others = (each for each in book.excesses if each is not known)
    kept = sorted((*others, found), key=lambda each: each.changed_at)[-MODELS_KEPT:]
    return MemoryBook(excesses=tuple(kept))


def beyond_of(known: Iterable[MemoryExcess], model: ModelFile, builds: Container[str | None]) -> int:
    """PURE: bytes that a device needs for a model beyond the planner's figures, by what these builds said; 0 else."""
    told = (
        each.beyond_bytes
        for each in known
        if (each.model_id, each.model_bytes) == (model.id, model.size_bytes) and each.build in builds
    )
    return max(told, default=0)


def _place(each: MemoryExcess) -> tuple[str, int, str]:
    return (each.model_id, each.model_bytes, each.build)


class Excesses:
    """The book of this node and its file."""

    def __init__(self, path: Path, clock: Callable[[], float] = time.time) -> None:
        """Reads the file (blocking); a damaged one counts as none."""
        self._clock = clock
        self._book = BookFile(path, MemoryBook(), "what the engine said of memory")

    @property
    def current(self) -> tuple[MemoryExcess, ...]:
        """What is known, newest last."""
        return self._book.current.excesses

    async def observe(self, found: MemoryExcess) -> None:
        """Learn from a projection."""
        dated = found.model_copy(update={"changed_at": self._clock()})
        if await self._book.keep(after_projection(self._book.current, dated)):
            logger.info("%s needs %d bytes more than planned on a device", found.model_id, found.beyond_bytes)
