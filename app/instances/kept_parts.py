"""PURE: which parts of models lie whole among the files that `engine_cache` keeps.

rpc-server does not tell which file it used. But a worker of a launch that became ready holds all of its part, and each
of its large tensors was a file that it was given, or was saved by it. So once all that it saved is kept, its part is
among those files. Where they are more than the part, the part counts as gone with any of them: less is claimed than
there is, never more.
"""

from collections.abc import Collection

from pydantic import Field

from app.schema.model import ModelPart
from app.schema.record import Bytes, Record

MOST_PARTS = 32
"""Parts that are remembered, the newest: as many as every heartbeat may carry."""


class KeptPart(Record):
    """A part, the bytes its lease had, and the files (`hash.size`) that it is among."""

    part: ModelPart
    lease_bytes: Bytes
    files: tuple[str, ...]


class KeptParts(Record):
    """The file of what is known, newest last."""

    parts: tuple[KeptPart, ...] = Field(default=(), max_length=MOST_PARTS)


def after_load(
    known: tuple[KeptPart, ...],
    part: ModelPart,
    lease_bytes: int,
    saved: frozenset[str],
    given: frozenset[str],
    there: Collection[str],
) -> tuple[KeptPart, ...]:
    """What is known after a worker with `part` became ready, all of whose `saved` files are kept.

    `given` are the files it had from the start, `there` all that are kept now. A part of which something had to be sent
    though it counted as kept was another file of that name: nothing that is known of its model holds any more.
    """
    covered = [each for each in known if each.part.covers(part)]
    if covered and not saved:
        return known
    if covered:
        known = tuple(each for each in known if not each.part.is_of_same(part))
    files = saved if size_of(saved) == part.large_bytes else saved | given
    if not part.large_bytes or size_of(files) < part.large_bytes or not files.issubset(there):
        return known
    found = KeptPart(part=part, lease_bytes=lease_bytes, files=tuple(sorted(files)))
    is_exact = size_of(files) == part.large_bytes
    others = (each for each in known if not (is_exact and part.covers(each.part)))
    return (*others, found)[-MOST_PARTS:]


def still_there(known: tuple[KeptPart, ...], there: Collection[str]) -> tuple[KeptPart, ...]:
    """Without the parts that a file is gone of."""
    names = frozenset(there)
    return tuple(each for each in known if names.issuperset(each.files))


def size_of(files: Collection[str]) -> int:
    """Bytes of files by their names."""
    return sum(int(name.partition(".")[2]) for name in files)
