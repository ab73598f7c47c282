"""Reading GGUF models: the front door of the header reader. A model may be one file or many parts."""

import re
from pathlib import Path
from typing import Final, NamedTuple

from app.modelstore.gguf_errors import hostile, unsupported
from app.modelstore.gguf_header import GgufHeader, read_header
from app.modelstore.shape import shape_of
from app.schema.errors import GgufTruncated, ModelNotFound
from app.schema.model import ModelShape

__all__ = ["GgufHeader", "PartName", "part_name", "part_paths", "read_header", "read_shape", "shape_of_parts"]

READER_VERSION: Final = 6
"""Raise it whenever `read_shape` gives another answer for the same file: remembered answers are then dropped."""

MAX_PARTS: Final = 999
_PART: Final = re.compile(r"(?P<stem>.+)-(?P<number>\d{5})-of-(?P<count>\d{5})\.gguf", re.IGNORECASE | re.DOTALL)


class PartName(NamedTuple):
    """A name of the form `stem-00002-of-00003.gguf`."""

    stem: str
    number: int
    total: int


def part_name(name: str) -> PartName | None:
    """The name of a split file taken apart, or None when `name` is not of that form."""
    found = _PART.fullmatch(name)
    if found is None or not 1 <= int(found["number"]) <= int(found["count"]) <= MAX_PARTS:
        return None
    return PartName(found["stem"], int(found["number"]), int(found["count"]))


def part_paths(path: Path) -> tuple[Path, ...]:
    """All parts, in order, of the model that the file at `path` belongs to; `(path,)` when it is not split."""
    part = part_name(path.name)
    if part is None:
        return (path,)
    tail = path.name[-len(".gguf") :]
    names = (f"{part.stem}-{number:05d}-of-{part.total:05d}{tail}" for number in range(1, part.total + 1))
    return tuple(path.with_name(name) for name in names)


def read_shape(path: Path) -> ModelShape:
    """The shape of the model at `path`, which may be any part of a split file (blocking; see `read_header`).

    Raises a child of ModelUnreadable, or ModelNotFound; a part that is missing is GgufTruncated.
    """
    paths = part_paths(path)
    if len(paths) == 1:
        headers = [read_header(paths[0])]
    else:
        headers = [_read_part(part, number, len(paths)) for number, part in enumerate(paths, 1)]
    return shape_of_parts(headers)


def shape_of_parts(headers: list[GgufHeader]) -> ModelShape:
    """The shape of a model from the headers of all its parts, in order. Raises a child of ModelUnreadable."""
    _check_split(headers)
    return shape_of(headers)


def _read_part(path: Path, number: int, count: int) -> GgufHeader:
    try:
        return read_header(path)
    except ModelNotFound as error:
        raise GgufTruncated(
            f"Part {number} of {count} of this model is missing: {path.name} is not in {path.parent}.",
            "Download the missing part into the same folder, with its name unchanged.",
            (str(path),),
        ) from error


def _check_split(headers: list[GgufHeader]) -> None:
    """Names and headers must agree on the number of parts: the engine looks for them by name."""
    first = headers[0]
    promised = first.keys.get("split.count", 0)
    count = promised if isinstance(promised, int) and promised > 1 else 1
    if count > 1 and len(headers) == 1 and part_name(first.path.name) is None:
        what = f"is part of a model in {count} parts, but its name no longer says which"
        raise unsupported(first.path, what, "Give the parts back their names: ...-00001-of-0000N.gguf and so on.")
    if count != len(headers):
        raise hostile(first.path, f"it says it has {count} parts, its name says {len(headers)}")
    for number, header in enumerate(headers):
        if count > 1 and header.keys.get("split.no") != number:
            raise hostile(header.path, f"it is not part {number + 1} of this model")
