"""How long a model takes from launch to ready, and what of it need not be sent because a worker keeps it.

Pure formulas; design.md, "Loading", has where the figures are from. Seconds, bytes, bytes/s throughout.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from app.planner.eligibility import Offer
from app.planner.memory import Demand
from app.planner.speed import Hop
from app.schema.model import ModelPart
from app.schema.plan import LoadKind

DISK_RATE = 500e6
"""Bytes/s taken for every disk, reading and writing: a SATA solid-state disk."""

REREAD_RATE = 2e9
"""Bytes/s at which the head takes in a file that its RAM still holds."""

HASH_RATE = 0.8e9
"""Bytes/s at which a tensor that may be kept is hashed: FNV-1a takes one byte after the other."""

LAUNCH_SECONDS = 0.2
"""Seconds of a launch beside the weights: leases, the memory check, the head's start and its first empty run."""

WORKER_SECONDS = 0.3
"""Seconds that workers add to it: they start side by side."""

ROUND_TRIPS = 51
"""Round trips per worker: about 102 for two workers on b11434."""


@dataclass(frozen=True, slots=True)
class Transfer:
    """What goes to one worker: `count` bytes in all, `large` of them in tensors that may be kept, `kept` on its disk
    already. `saves`: it keeps what it is sent.
    """

    hop: Hop
    count: int
    large: int
    kept: int
    saves: bool

    @property
    def sending(self) -> float:
        """Seconds of what must go from the head to the worker. What answers taught of the link is no matter of it."""
        return (self.count - self.kept) / self.hop.throughput

    def seconds(self, read_rate: float) -> float:
        """Seconds for all of it.

        What is sent drains from the buffers of the link while the head reads and hashes the next tensor, so the longer
        of both counts; a worker that saves answers only when it has hashed and written. A tensor it has passes the
        head's hash and the worker's disk one after the other.
        """
        sent = self.count - self.kept
        head = sent / read_rate + (self.large - self.kept) / HASH_RATE
        saving = (self.large - self.kept) * (1.0 / HASH_RATE + 1.0 / DISK_RATE) if self.saves else 0.0
        known = self.kept * (1.0 / read_rate + 1.0 / HASH_RATE + 1.0 / DISK_RATE)
        return max(head, self.sending) + saving + known + ROUND_TRIPS * self.hop.round_trip


@dataclass(frozen=True, slots=True)
class LoadTime:
    """Seconds from launch to ready by the cost model, and what most of them wait for."""

    seconds: float
    kind: LoadKind


def load_time(local: int, transfers: Sequence[Transfer], *, in_ram: bool) -> LoadTime:
    """The time for `local` bytes of the head's own and those of its workers, which are filled one after the other.

    `in_ram`: the head has the file in its RAM, as far as it can tell.
    """
    rate = REREAD_RATE if in_ram else DISK_RATE
    fixed = LAUNCH_SECONDS + (WORKER_SECONDS if transfers else 0.0)
    seconds = fixed + local / rate + sum(each.seconds(rate) for each in transfers)
    if 2 * sum(each.sending for each in transfers) > seconds:
        return LoadTime(seconds, LoadKind.SEND)
    return LoadTime(seconds, LoadKind.REREAD if in_ram else LoadKind.READ)


def large_bytes(demand: Demand, first: int, end: int, *, output: bool) -> int:
    """What of blocks `first`..`end` - 1, and of the output layer, is in tensors that may be kept; 0 when unknown."""
    if not demand.large:
        return 0
    return demand.large[end] - demand.large[first] + (demand.output_large if output else 0)


def kept_bytes(demand: Demand, offer: Offer, first: int, end: int, *, output: bool) -> int:
    """What of it the PC of a device has on its disk, by the parts it tells of."""
    parts = offer.node.kept or ()
    if not demand.large or not parts:
        return 0
    blocks = sum(demand.large[i + 1] - demand.large[i] for i in range(first, end) if _has(parts, i))
    return blocks + (demand.output_large if output and any(part.holds_output for part in parts) else 0)


def _has(parts: Sequence[ModelPart], block: int) -> bool:
    return any(part.first_layer <= block <= part.last_layer for part in parts)
