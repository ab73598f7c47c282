"""A book of what this node learned, and the file that keeps it from one start to the next."""

import asyncio
import logging
from pathlib import Path
from typing import Generic, TypeVar

from pydantic import ValidationError

from app.schema.record import Record
from app.system.files import plain_reason, read_json_or_none, write_atomically

logger = logging.getLogger("caravan.node.books")

Book = TypeVar("Book", bound=Record)


class BookFile(Generic[Book]):
    """One book. Reads are of memory; every change is written."""

    def __init__(self, path: Path, empty: Book, what: str) -> None:
        """Reads the file (blocking); a missing or damaged one counts as `empty`.

        `what` names what it holds, for a log: "what this run taught".
        """
        self._path = path
        self._what = what
        self._writing = asyncio.Lock()
        self.current = _read(path, empty)

    async def keep(self, book: Book) -> bool:
        """Take a book for the current one and write it; False when it is that already. A failed write is logged."""
        if book == self.current:
            return False
        self.current = book
        async with self._writing:
            try:
                # Who waited here writes what is current by then.
                data = self.current.model_dump_json(indent=1).encode()
                await asyncio.to_thread(_write, self._path, data)
            except OSError as error:
                logger.warning("%s is not kept: %s", self._what, plain_reason(error))
        return True


def _write(path: Path, data: bytes) -> None:
    # A cache may be deleted at any time, with its folder.
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    write_atomically(path, data)


def _read(path: Path, empty: Book) -> Book:
    try:
        return type(empty).model_validate(read_json_or_none(path) or {})
    except ValidationError as error:
        logger.warning("%s is damaged and begun anew: %d errors", path, error.error_count())
        return empty
