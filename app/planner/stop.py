"""A device in the layer order of one head."""

from dataclasses import dataclass, replace
from functools import cached_property

from app.planner.eligibility import Offer
from app.planner.room import Room
from app.planner.speed import StageCost


@dataclass(frozen=True)
class Stop:
    """A device in the line. All costs are seconds of the exchanges.

    `room` is what it can hold, `eased` the same as if it lost none by being first or having the output layer.
    `seconds[i]` is what blocks 0..i-1 add there, `prompts[i]` their part of the pipeline's slowest stage, `fixed` what
    the device adds however little it holds, `last` what the output layer adds. `per_byte` is the least that a byte of
    any block costs, `prompt_per_byte` the least for one prompt. `spill[i]` is what blocks 0..i-1 add when their experts
    are in RAM, empty where they cannot be.
    """

    offer: Offer
    cost: StageCost
    room: Room
    eased: Room
    seconds: tuple[float, ...]
    per_byte: float
    fixed: float
    last: float
    spill: tuple[float, ...] = ()
    prompt_per_byte: float = 0.0

    @cached_property
    def arrivals(self) -> tuple[float, ...]:
        """`seconds` with `fixed` in each."""
        return tuple(each + self.fixed for each in self.seconds)

    @cached_property
    def at_ease(self) -> "Stop":
        """The stop with its `eased` room; itself where that is the same."""
        return self if self.eased is self.room else replace(self, room=self.eased)

    @cached_property
    def dearest(self) -> float:
        """The most seconds that any range of blocks it can hold takes for one prompt."""
        return self.room.dearest(self.prompts)

    @property
    def prompts(self) -> tuple[float, ...]:
        """Seconds of blocks 0..i-1 for one prompt."""
        return self.cost.prompt
