"""What the engine's projections taught: models that need more memory than the planner's formulas say.

A pure step over a `MemoryBook`, and a small store that keeps it. The planner counts what was learned on every device.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Container, Iterable
from pathlib import Path

from pydantic import ValidationError

from app.schema.memory import MemoryBook, MemoryExcess
from app.schema.model import ModelFile
from app.system.files import plain_reason, read_json_or_none, write_atomically

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
    """The book of this node and its file. Reads are of memory; every change is written."""

    def __init__(self, path: Path, clock: Callable[[], float] = time.time) -> None:
        """Reads the file (blocking); a damaged one counts as none."""
        self._path = path
        self._clock = clock
        self._book = _read(path)
        self._writing = asyncio.Lock()

    @property
    def current(self) -> tuple[MemoryExcess, ...]:
        """What is known, newest last."""
        return self._book.excesses

    async def observe(self, found: MemoryExcess) -> None:
        """Learn from a projection."""
        book = after_projection(self._book, found.model_copy(update={"changed_at": self._clock()}))
        if book is self._book:
            return
        self._book = book
        logger.info("%s needs %d bytes more than planned on a device", found.model_id, found.beyond_bytes)
        async with self._writing:
            try:
                data = self._book.model_dump_json(indent=1).encode()
                await asyncio.to_thread(write_atomically, self._path, data)
            except OSError as error:
                logger.warning("what the engine said of memory is not kept: %s", plain_reason(error))


def _read(path: Path) -> MemoryBook:
    try:
        return MemoryBook.model_validate(read_json_or_none(path) or {})
    except ValidationError as error:
        logger.warning("%s is damaged and begun anew: %d errors", path, error.error_count())
        return MemoryBook()
