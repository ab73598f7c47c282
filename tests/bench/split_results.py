"""PURE: what the split bench found: its records, its statistics, and the report as Markdown."""

import math
import statistics
from collections.abc import Iterable, Sequence

from app.schema.record import Record
from app.schema.speed import DeviceSpeed
from tests.bench.split_shapes import ANSWER, PROMPT

PLANNED, DEFAULT, PROPORTIONAL = "planned", "llama.cpp default", "memory-proportional"
ENOUGH = 3
"""Runs of a split before nothing more is asked of it."""


class Pace(Record):
    """What an engine that nothing limits does at a moment, tokens/s: the machine's own speed."""

    decode: float
    prefill: float

    def between(self, other: "Pace") -> "Pace":
        """The mean of a look before and one after."""
        return Pace(decode=(self.decode + other.decode) / 2, prefill=(self.prefill + other.prefill) / 2)


class Run(Record):
    """One launch of a split: tokens/s, cores that others used or the hypervisor took meanwhile, and the machine's own
    speed then.
    """

    split: str
    at: float
    decode: float
    prefill: float
    others: float
    stolen: float
    is_disturbed: bool
    pace: Pace | None = None

    @property
    def seconds(self) -> float:
        """Seconds of the exchange."""
        return PROMPT / self.prefill + ANSWER / self.decode


class Told(Record):
    """What the planner predicted of a split, tokens/s."""

    decode: float
    prefill: float

    @property
    def seconds(self) -> float:
        """Seconds of the exchange."""
        return PROMPT / self.prefill + ANSWER / self.decode


class Found(Record):
    """Everything of one shape. `speeds` are what each part of a core was measured to do, `pace` is the machine's own
    speed then; `names` tells which split is the planned one, llama.cpp's and the proportional one; a name without a
    split does not fit.
    """

    shape: str
    about: str
    machine: str
    names: dict[str, str]
    told: dict[str, Told]
    speeds: dict[str, DeviceSpeed]
    round_trips: dict[str, float]
    pace: Pace | None = None
    runs: tuple[Run, ...] = ()

    @property
    def planned(self) -> str:
        """The planned split."""
        return self.names[PLANNED]

    def of(self, split: str) -> list[Run]:
        """The runs of a split that count: undisturbed ones, or all where there are none."""
        found = [run for run in self.runs if run.split == split]
        return [run for run in found if not run.is_disturbed] or found

    def middle(self, split: str, figure: str) -> float:
        """The median of a figure."""
        return float(statistics.median(getattr(run, figure) for run in self.of(split)))

    def off(self, split: str, figure: str) -> float:
        """Predicted over measured."""
        return float(getattr(self.told[split], figure)) / self.middle(split, figure)

    def off_itself(self, split: str, figure: str) -> float | None:
        """Predicted over measured, as if the machine had stayed as fast as it was at the calibration; None where nobody
        looked.
        """
        told, pace = float(getattr(self.told[split], figure)), self.pace
        found = [
            told / getattr(run, figure) * getattr(run.pace, figure) / getattr(pace, figure)
            for run in self.of(split)
            if run.pace is not None and pace is not None
        ]
        return statistics.median(found) if found else None

    def relative(self, split: str) -> float:
        """How many times longer a split takes than the planned one: the median over its runs, each against the
        planned ones next to it, so that a change of the machine's own speed cancels out.
        """
        own = self.of(self.planned)
        return statistics.median(run.seconds / _beside(run, own) for run in self.of(split))

    @property
    def best(self) -> tuple[str, float]:
        """The fastest split that was run at all and its time to the planned one's; few runs make it small."""
        known = {run.split: self.relative(run.split) for run in self.runs}
        known[self.planned] = 1.0
        split = min(known, key=lambda each: known[each])
        return split, known[split]

    @property
    def tried(self) -> int:
        """How many splits were run."""
        return len({run.split for run in self.runs})

    def gain(self, name: str) -> float | None:
        """How many times faster the planned split is than another; None when that does not fit or was not run."""
        split = self.names.get(name)
        return self.relative(split) if split is not None and self.of(split) else None


def _beside(run: Run, planned: Sequence[Run]) -> float:
    """Seconds of the planned split when that run was made: the mean of the last one before and the first one after."""
    before = [each for each in planned if each.at < run.at][-1:]
    after = [each for each in planned if each.at > run.at][:1]
    return statistics.fmean(each.seconds for each in before + after) if before + after else run.seconds


def mean(values: Iterable[float]) -> float:
    """The geometric mean."""
    return math.exp(statistics.fmean(math.log(each) for each in values))


def markdown(found: Sequence[Found]) -> str:
    """The report for people."""
    if not found:
        return ""
    rows = [_row(each) for each in found]
    head = (
        "shape", "planned split", "answer, tok/s: predicted", "measured", "ratio", "prompt, tok/s: predicted",
        "measured", "ratio", "tried", "planned / best", "over memory-proportional", "over llama.cpp default",
    )  # fmt: skip
    table = ["| " + " | ".join(each) + " |" for each in (head, ["---"] * len(head), *rows)]
    return "\n".join([*table, "", *_means(found), "", *(f"- {each.shape}: {each.about}." for each in found)]) + "\n"


def _row(found: Found) -> tuple[str, ...]:
    split, told = found.planned, found.told[found.planned]
    decode, prefill = found.middle(split, "decode"), found.middle(split, "prefill")
    ratios = [_ratio(found, split, figure) for figure in ("decode", "prefill")]
    gains = (_times(found, PROPORTIONAL), _times(found, DEFAULT))
    return (
        found.shape, split, f"{told.decode:.2f}", f"{decode:.2f}", ratios[0],
        f"{told.prefill:.1f}", f"{prefill:.1f}", ratios[1], str(found.tried),
        f"{found.best[1]:.3f}", *gains,
    )  # fmt: skip


def _ratio(found: Found, split: str, figure: str) -> str:
    itself = found.off_itself(split, figure)
    return f"{found.off(split, figure):.2f}" + ("" if itself is None else f" ({itself:.2f})")


def _times(found: Found, name: str) -> str:
    gain = found.gain(name)
    if gain is not None:
        return f"{gain:.2f}"
    return "not run" if name in found.names else "does not fit"


def _means(found: Sequence[Found]) -> list[str]:
    lines = []
    for name in (PROPORTIONAL, DEFAULT):
        gains = [gain for each in found if (gain := each.gain(name)) is not None]
        if gains:
            lines.append(
                f"- planned over {name}: {mean(gains):.2f} times as fast (geometric mean of {len(gains)} shapes)"
            )
    busy = [run.others for each in found for run in each.runs]
    lines.append(
        f"- beside the bench, other programs used {min(busy):.2f} to {max(busy):.2f} cores "
        f"(median {statistics.median(busy):.2f} of {len(busy)} launches)"
    )
    for figure in ("decode", "prefill"):
        ran = [(each, split) for each in found for split in each.told if each.of(split)]
        lines.append(f"- {figure} of all splits that ran: {_spread([each.off(split, figure) for each, split in ran])}")
        itself = [off for each, split in ran if (off := each.off_itself(split, figure)) is not None]
        if itself:
            lines.append(f"- the same with the machine's own change taken out: {_spread(itself)}")
    return lines


def _spread(off: Sequence[float]) -> str:
    within = sum(1 / 1.15 <= each <= 1.15 for each in off)
    return (
        f"predicted over measured {min(off):.2f} to {max(off):.2f}, {mean(off):.2f} on average, "
        f"within 15 % in {within} of {len(off)}"
    )
