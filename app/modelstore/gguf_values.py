"""The keys of a GGUF header and their typed values.

A vocabulary is three lists of some 150 k elements. They are walked over, not built: nothing here needs their text.
"""

import struct
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from app.modelstore.gguf_errors import hostile, unsupported
from app.modelstore.header_source import HeaderSource
from app.schema.errors import GgufUnsupported

MAX_KEY_BYTES: Final = 1_024
MAX_KEPT_ELEMENTS: Final = 4_096
MAX_KEPT_TEXT_BYTES: Final = 64 << 10
MAX_KEPT_BYTES: Final = 2 << 20
MAX_TEXTS: Final = 4_000_000
"""Texts in all lists of a header together; a walk over so many takes some 0.3 s. Largest known: 0.8 million."""

_TEXT: Final = 8
_ARRAY: Final = 9
_KIND: Final = struct.Struct("<I")
_ARRAY_HEAD: Final = struct.Struct("<IQ")
_CODES: Final[Mapping[int, str]] = {
    **{0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?"},
    **{10: "Q", 11: "q", 12: "d"},
}


@dataclass(frozen=True, slots=True)
class Skipped:
    """A value that is too large to keep: `count` elements of a list, or bytes of a text."""

    count: int


Scalar = int | float | bool | str
Value = Scalar | tuple[Scalar, ...] | Skipped


def read_name(source: HeaderSource, path: Path, limit: int, what: str) -> str:
    """A length-prefixed name of 1 to `limit` bytes; raises GgufHostile for any other length."""
    length = source.number()
    if not 0 < length <= limit:
        raise hostile(path, f"the name of {what} is {length} bytes long")
    return source.raw(length).decode("utf-8", "replace")


class KeyReader:
    """Reads all key-value pairs of one header, within one budget of memory and one of time."""

    def __init__(self, source: HeaderSource, path: Path) -> None:
        self._source = source
        self._path = path
        self._texts_left = MAX_TEXTS
        self._bytes_left = MAX_KEPT_BYTES

    def read(self, count: int) -> dict[str, Value]:
        """The next `count` pairs. A key that occurs twice is refused, as llama.cpp does."""
        keys: dict[str, Value] = {}
        for _ in range(count):
            name = read_name(self._source, self._path, MAX_KEY_BYTES, "a key")
            if name in keys:
                raise hostile(self._path, f"it holds the key {name!r} twice")
            keys[name] = self._value(name)
        return keys

    def _value(self, name: str) -> Value:
        kind = int(self._source.unpack(_KIND)[0])
        if kind == _ARRAY:
            return self._list(name)
        if kind == _TEXT:
            return self._text()
        value: Scalar = self._source.unpack(self._layout(name, kind, 1))[0]
        return value

    def _list(self, name: str) -> Value:
        kind, count = self._source.unpack(_ARRAY_HEAD)
        if kind == _TEXT:
            return self._texts(count)
        if kind == _ARRAY:
            raise unsupported(self._path, f"holds lists inside a list ({name!r}), which llama.cpp cannot load")
        total = count * self._layout(name, kind, 1).size
        self._source.require(total)
        if count > MAX_KEPT_ELEMENTS or not self._keep(8 * count):
            self._source.skip(total)
            return Skipped(count)
        return tuple(self._source.unpack(self._layout(name, kind, count)))

    def _texts(self, count: int) -> Value:
        if count > self._texts_left:
            raise hostile(self._path, f"its header claims a list of {count} texts")
        self._source.require(8 * count)
        self._texts_left -= count
        if count > MAX_KEPT_ELEMENTS:
            self._source.skip_texts(count)
            return Skipped(count)
        texts = [self._text() for _ in range(count)]
        kept = tuple(text for text in texts if isinstance(text, str))
        return kept if len(kept) == count else Skipped(count)

    def _text(self) -> str | Skipped:
        length = self._source.number()
        if length > MAX_KEPT_TEXT_BYTES or not self._keep(length):
            self._source.skip(length)
            return Skipped(length)
        return self._source.raw(length).decode("utf-8", "replace")

    def _keep(self, count: int) -> bool:
        """Whether `count` more bytes fit the memory budget; takes them if so."""
        if count > self._bytes_left:
            return False
        self._bytes_left -= count
        return True

    def _layout(self, name: str, kind: int, count: int) -> struct.Struct:
        code = _CODES.get(kind)
        if code is None:
            raise self._unknown(name, kind)
        return struct.Struct(f"<{count}{code}")

    def _unknown(self, name: str, kind: int) -> GgufUnsupported:
        what = f"holds a value of unknown kind {kind} ({name!r}): it is newer than this Caravan, or damaged"
        return unsupported(self._path, what)
