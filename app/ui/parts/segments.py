"""PURE: the parts of a stacked bar as values, and the colours under their words."""

from dataclasses import dataclass
from enum import StrEnum

from app.ui.style.palette import Palette
from app.ui.words import Phrase, tr


class Pattern(StrEnum):
    """How a segment is filled: what it is, told without colour."""

    SOLID = "solid"
    """Weights: the whole colour."""
    STRIPES = "stripes"
    """KV cache: half the colour, slanted."""
    DOTS = "dots"
    """Buffers: a hint of the colour, dotted."""
    GREY = "grey"
    """Other programs."""
    FREE = "free"
    """Nothing: the trough."""


@dataclass(frozen=True)
class Segment:
    """A part of a bar. `colour` is a device colour; grey and free take none."""

    label: Phrase
    size: int
    colour: str = ""
    pattern: Pattern = Pattern.SOLID


def memory_segments(colour: str, weights: int, kv: int, buffers: int, other: int, free: int) -> tuple[Segment, ...]:
    """The five parts of a device's memory in their one order; bytes. Empty ones are left out."""
    every = (
        Segment(tr("weights"), weights, colour, Pattern.SOLID),
        Segment(tr("KV"), kv, colour, Pattern.STRIPES),
        Segment(tr("buffers"), buffers, colour, Pattern.DOTS),
        Segment(tr("other"), other, "", Pattern.GREY),
        Segment(tr("free"), free, "", Pattern.FREE),
    )
    return tuple(each for each in every if each.size > 0)


def grounds(palette: Palette, segment: Segment) -> tuple[str, ...]:
    """The colours under a segment's text: its fill, and its pattern."""
    dark = palette.is_dark
    match segment.pattern:
        case Pattern.SOLID:
            return (segment.colour,)
        case Pattern.STRIPES:
            return palette.tinted(segment.colour, 0.3 if dark else 0.45), palette.tinted(
                segment.colour, 0.4 if dark else 0.32
            )
        case Pattern.DOTS:
            return palette.tinted(segment.colour, 0.14 if dark else 0.18), palette.tinted(segment.colour, 0.4)
        case Pattern.GREY:
            return (palette.edge,)
        case Pattern.FREE:
            return (palette.sunken,)
