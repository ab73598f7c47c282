"""What was measured of a device's speed, what past runs taught, and the user's typical question and answer."""

from enum import StrEnum

from app.schema.plan import LoadKind
from app.schema.record import Bytes, NodeId, Record

FEW_TOKENS = 8
"""Tokens that a processor computes at once nearly as it does one after the other: measured as one batch."""


class WeightFormat(StrEnum):
    """The element types that are measured. Every quantization is judged by the nearer of them: `nearest_format`."""

    Q4_K = "Q4_K"
    Q8_0 = "Q8_0"


class FormatSpeed(Record):
    """A device at one element type: `bandwidth` is bytes of weights/s while answering, `compute` FLOP/s on a prompt,
    `prompt_bandwidth` bytes/s for each pass of a prompt, `step_compute` FLOP/s of the tokens after the first of a step
    of up to `FEW_TOKENS`. The last two are None where they were not told apart.

    All are what the engine reaches, without the time per token and per block that `DeviceSpeed` tells apart.
    """

    format: WeightFormat
    bandwidth: float
    compute: float
    prompt_bandwidth: float | None = None
    step_compute: float | None = None


class DeviceSpeed(Record):
    """A device as the engine itself measured it, at `measured_at` (seconds since the epoch).

    `key` is the accelerator's, or the processor's name; `driver`, `engine` (build identity) and `threads` are what it
    was measured with: another one makes it stale. `calibration` is the version of the calibration: what an earlier one
    told holds until there is something better. One token through n blocks takes
    `token_seconds + n * block_seconds + bytes / bandwidth`.
    """

    key: str
    device: str
    name: str
    driver: str | None = None
    engine: str
    threads: int | None = None
    measured_at: float
    calibration: int = 1
    token_seconds: float
    block_seconds: float
    formats: tuple[FormatSpeed, ...]
    repacked: tuple[FormatSpeed, ...] = ()
    """With weights that the engine rearranged for a processor; empty where it does not, or nobody measured it."""

    def at(self, wanted: WeightFormat) -> FormatSpeed | None:
        """The figures of one element type, None when they were not measured."""
        return next((each for each in self.formats if each.format is wanted), None)

    def repacked_at(self, wanted: WeightFormat | None) -> FormatSpeed | None:
        """The same with rearranged weights."""
        return next((each for each in self.repacked if each.format is wanted), None)


class SpeedBook(Record):
    """The file of measured devices, one entry per key."""

    speeds: tuple[DeviceSpeed, ...] = ()


class Mix(Record):
    """What this PC's users typically send and get, in tokens: rolling averages of `runs` exchanges."""

    prompt_tokens: float = 1000.0
    answer_tokens: float = 400.0
    runs: int = 0


class LoadRatios(Record):
    """How many times longer than predicted the last launches of one kind took, oldest first."""

    kind: LoadKind
    recent: tuple[float, ...]


class Correction(Record):
    """How many times longer one placement took than the cost model says: what is typical of the `recent` ones of `runs`
    exchanges, oldest first.

    A placement is its head and its `devices` as `node/device`, sorted. `loads` says the same of loading. `changed_at`
    is seconds since the epoch.
    """

    head: NodeId
    devices: tuple[str, ...]
    factor: float = 1.0
    recent: tuple[float, ...] = ()
    loads: tuple[LoadRatios, ...] = ()
    runs: int = 0
    changed_at: float = 0.0


class CorrectionBook(Record):
    """The file of what past runs taught. `is_one_way`: when its loads were predicted, links were measured one way."""

    is_one_way: bool = False
    corrections: tuple[Correction, ...] = ()
    mix: Mix = Mix()


class CalibrationFile(Record):
    """A file of random weights that is measured: its bytes read per token, and the parameters that each token of a
    prompt multiplies but the last.
    """

    format: WeightFormat
    blocks: int
    read_bytes: Bytes
    prompt_parameters: int


def nearest_format(quantization: str | None) -> WeightFormat:
    """The measured element type that is nearest to a quantization's name (`Q5_K_M`, `F16`); unknown counts as Q4_K."""
    name = (quantization or "").upper()
    wide = name.startswith(("Q8", "F16", "BF16", "F32", "MOSTLY_F16"))
    return WeightFormat.Q8_0 if wide else WeightFormat.Q4_K


def measured_format(quantization: str | None) -> WeightFormat | None:
    """The measured element type that most of a quantization's weights have (`Q4_K_M`); None where none has.

    What the engine rearranges, and what that gains, differs from one element type to the next: likeness says nothing.
    """
    name = (quantization or "").upper().removeprefix("UD-")
    return next((each for each in WeightFormat if name == each or name.startswith(f"{each}_")), None)
