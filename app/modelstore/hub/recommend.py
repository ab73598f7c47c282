"""PURE: the one quantization to recommend to somebody with this much memory."""

from collections.abc import Sequence
from dataclasses import dataclass

from app.modelstore.gguf_errors import size_words
from app.schema.download import HubFile
from app.schema.quantization import Quality, quality_of

_GOOD = frozenset({Quality.VERY_GOOD, Quality.BALANCED, Quality.GOOD})
_PLENTY = 3
"""Where there is so many times the room that is needed, a nearly lossless file costs nobody anything."""

_SHARE = 1.1
_FIXED = 1 << 30
"""A rule of thumb for context and buffers: a tenth of the weights and 1 GiB. `hub_plan` has the exact figures."""


@dataclass(frozen=True)
class Memory:
    """The free bytes of the PCs that may take part: `cards` on graphics cards, `whole` with the memory of the PCs."""

    cards: int
    whole: int
    pcs: int


@dataclass(frozen=True)
class Recommendation:
    """A file's name, and why it."""

    name: str
    sentence: str


def recommend(files: Sequence[HubFile], memory: Memory | None) -> Recommendation | None:
    """The largest good file that leaves room for its context on the graphics cards; else a good one that fits at all;
    else the largest that fits, or the smallest. `memory` None is not known yet.
    """
    known = sorted((file for file in files if file.size_bytes and not file.is_projector), key=_size)
    if not known:
        return None
    if memory is None:
        return _without_memory(known)
    return _on_cards(known, memory) or _in_memory(known, memory) or _smallest(known, memory)


def _size(file: HubFile) -> int:
    return file.size_bytes or 0


def _fits(file: HubFile, room: int) -> bool:
    return _size(file) * _SHARE + _FIXED <= room


def _is_good(file: HubFile, room: int) -> bool:
    quality = quality_of(file.quantization)
    return quality in _GOOD or (quality is Quality.NEARLY_LOSSLESS and _fits_often(file, room))


def _fits_often(file: HubFile, room: int) -> bool:
    return (_size(file) * _SHARE + _FIXED) * _PLENTY <= room


def _without_memory(files: list[HubFile]) -> Recommendation:
    balanced = [file for file in files if quality_of(file.quantization) is Quality.BALANCED]
    return Recommendation((balanced or files)[0].name, "The memory of this PC is not measured yet: the usual choice.")


def _on_cards(files: list[HubFile], memory: Memory) -> Recommendation | None:
    found = [file for file in files if _is_good(file, memory.cards) and _fits(file, memory.cards)]
    if not found:
        return None
    free = f"{size_words(memory.cards)} that are free on graphics cards{_of(memory)}"
    return Recommendation(found[-1].name, f"The largest good file with room for its context in the {free}.")


def _in_memory(files: list[HubFile], memory: Memory) -> Recommendation | None:
    """In ordinary memory every byte costs speed, so the usual compromise is enough there."""
    fitting = [file for file in files if _fits(file, memory.whole)]
    if not fitting:
        return None
    free = f"the {size_words(memory.whole)} of memory that are free{_of(memory)}"
    balanced = [file for file in fitting if quality_of(file.quantization) is Quality.BALANCED]
    good = [file for file in fitting if _is_good(file, memory.whole)]
    if balanced or good:
        return Recommendation((balanced or good)[0].name, f"A good file with room for its context in {free}.")
    return Recommendation(fitting[-1].name, f"The largest file with room for its context in {free}.")


def _smallest(files: list[HubFile], memory: Memory) -> Recommendation:
    free = f"{size_words(memory.whole)} of memory are free{_of(memory)}"
    return Recommendation(files[0].name, f"No file has room for its context: {free}. This is the smallest.")


def _of(memory: Memory) -> str:
    return f" on {memory.pcs} PCs" if memory.pcs > 1 else ""
