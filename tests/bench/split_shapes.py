"""The clusters of the split bench: hosts with a part of a core each, their memory, and the links between them."""

from dataclasses import dataclass

from app.engine.calibration_model import CalibrationShape
from app.schema.speed import WeightFormat

MODEL = CalibrationShape("bench", WeightFormat.Q4_K, 16, 1792, 4864, 14, 2, vocabulary=32_000)
"""335 MB, widths and an output layer unlike those of the files that devices are calibrated with."""

CONTEXT = 512
PROMPT, ANSWER = 48, 20
"""The exchange that is planned for and measured: tokens in and out, in the proportion of the planner's usual mix."""

SAMPLE = 8
"""Tokens of one measured answer: short, so that other programs seldom disturb all of it."""

ASKED = 4
"""Questions to each launch; the fastest counts, as in the calibration."""

GIGABIT = 10**9


@dataclass(frozen=True)
class Pc:
    """A host: its part of a core, and how many times the model its memory holds."""

    name: str
    cores: float
    room: float


@dataclass(frozen=True)
class Shape:
    """A cluster: what it stands for, its PCs with the head (which holds the file) first, and every link.

    `rate` is bit/s that each host may send, `delay` seconds that a relay before each worker adds in each direction.
    """

    about: str
    pcs: tuple[Pc, ...]
    rate: int = GIGABIT
    delay: float = 0.0


SHAPES = {
    "fast-head": Shape("a fast PC with too little memory, a slow one", (Pc("head", 0.8, 0.6), Pc("one", 0.3, 1.1))),
    "slow-head": Shape(
        "the file is on the slowest PC", (Pc("head", 0.3, 1.2), Pc("one", 0.8, 0.6), Pc("two", 0.5, 0.6))
    ),
    "alone-is-best": Shape("one PC alone is best", (Pc("head", 0.8, 1.5), Pc("one", 0.5, 1.5))),
    "wifi": Shape(
        "200 Mbit/s and 8 ms there and back, as over Wi-Fi",
        (Pc("head", 0.5, 0.7), Pc("one", 0.3, 1.1)),
        2 * GIGABIT // 10,
        4e-3,
    ),
    "three": Shape("three are needed", (Pc("head", 0.5, 0.4), Pc("one", 0.3, 0.8), Pc("two", 0.8, 0.4))),
    "one-too-many": Shape(
        "of three PCs the slowest is better left out", (Pc("head", 0.8, 0.7), Pc("one", 0.8, 0.7), Pc("two", 0.3, 1.0))
    ),
    "unequal-memory": Shape(
        "little memory at the head, much on a fast PC", (Pc("head", 0.5, 0.3), Pc("one", 0.3, 0.4), Pc("two", 0.8, 0.8))
    ),
}
"""Parts of a core of two: in a token only one host works at a time, so a core and more stays free."""
