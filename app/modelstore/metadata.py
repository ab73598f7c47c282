"""Typed access to the keys of a header: a missing key is None, a key of the wrong type is an error, never a guess."""

from collections.abc import Mapping
from pathlib import Path
from typing import Final

from app.modelstore.gguf_errors import hostile, unsupported
from app.modelstore.gguf_header import GgufHeader
from app.modelstore.gguf_values import Skipped, Value
from app.schema.errors import GgufHostile

MAX_LAYERS: Final = 1_024
"""llama.cpp b11434 stops at 512 (`LLAMA_MAX_LAYERS`)."""
_MAX_NUMBER: Final = (1 << 32) - 1


class Metadata:
    """The keys of a model. Names given to its methods are without the `{architecture}.` in front.

    Raises GgufHostile where a key holds another type, or a number beyond 32 bits, than llama.cpp would accept.
    """

    def __init__(self, header: GgufHeader) -> None:
        self.path: Path = header.path
        self._keys: Mapping[str, Value] = header.keys
        self.architecture = self._architecture()

    def _architecture(self) -> str:
        found = self._keys.get("general.architecture")
        if not isinstance(found, str) or not found:
            raise unsupported(self.path, "does not say which architecture it has", "Convert or download it again.")
        return found

    def value(self, name: str) -> Value | None:
        """The key `{architecture}.{name}` as it is."""
        return self._keys.get(f"{self.architecture}.{name}")

    def general(self, name: str) -> Value | None:
        """The key `name`, written in full."""
        return self._keys.get(name)

    def text(self, name: str) -> str | None:
        """The text of the key `name`, written in full; None when absent, empty or of another type."""
        found = self._keys.get(name)
        return found.strip() or None if isinstance(found, str) else None

    def number(self, name: str) -> int | None:
        """One whole number, not negative."""
        found = self.value(name)
        return None if found is None else self._whole(name, found)

    def largest(self, name: str) -> int | None:
        """The number, or the largest of a list with one number per layer."""
        found = self.value(name)
        if isinstance(found, tuple):
            return max((self._whole(name, one) for one in found), default=None)
        return None if found is None else self._whole(name, found)

    def per_layer(self, name: str, layers: int) -> tuple[int, ...] | None:
        """One number per layer, from a single number or a list of exactly `layers`."""
        found = self.value(name)
        if found is None:
            return None
        if not isinstance(found, tuple):
            return (self._whole(name, found),) * layers
        if len(found) != layers:
            raise self._wrong(name, f"lists {len(found)} layers of {layers}")
        return tuple(self._whole(name, one) for one in found)

    def flags(self, name: str) -> tuple[bool, ...] | None:
        """A list of yes and no, also when written as numbers; None when absent or not a list."""
        found = self.value(name)
        return tuple(bool(one) for one in found) if isinstance(found, tuple) else None

    def layers(self) -> int | None:
        """Number of blocks, or None for a file that is no language model."""
        found = self.number("block_count")
        if found is not None and found > MAX_LAYERS:
            raise self._wrong("block_count", f"claims {found} layers")
        return found

    def list_length(self, name: str) -> int | None:
        """Length of the list under the key `name`, written in full."""
        found = self._keys.get(name)
        if isinstance(found, Skipped):
            return found.count
        return len(found) if isinstance(found, tuple) else None

    def _whole(self, name: str, found: Value) -> int:
        if not isinstance(found, int) or not 0 <= found <= _MAX_NUMBER:
            raise self._wrong(name, "is not a whole number in the range that llama.cpp accepts")
        return int(found)

    def _wrong(self, name: str, what: str) -> GgufHostile:
        return hostile(self.path, f"its key {self.architecture}.{name} {what}")
