"""PURE: the splits that `caravan bench` measures beside the planned one."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate

from app.schema.devices import measured_devices
from app.schema.node import Reachability, Status
from app.schema.plan import DeviceResources, Plan, Share
from app.schema.record import NodeId

PLANNED = "planned"
DEFAULT = "llama.cpp default"
PROPORTIONAL = "memory-proportional"


@dataclass(frozen=True)
class Bench:
    """A PC as a bench sees it: its devices in the engine's order, the processor last."""

    node: NodeId
    name: str
    devices: tuple[DeviceResources, ...]

    @property
    def gpus(self) -> tuple[DeviceResources, ...]:
        """Its devices but the processor."""
        return tuple(each for each in self.devices if not each.is_cpu)

    @property
    def offered(self) -> tuple[DeviceResources, ...]:
        """What an engine uses of it without being told: its GPUs, else its processor."""
        return self.gpus or self.devices


def benches(status: Status) -> tuple[Bench, ...]:
    """Every PC that can take part now, this one first, the others by name."""
    others = [
        Bench(peer.node, peer.called, peer.report.devices)
        for peer in status.peers
        if peer.reachability is Reachability.ALIVE
        and peer.report is not None
        and peer.report.sharing
        and peer.report.engine.build is not None
        and peer.report.devices
    ]
    own = Bench(status.node.id, status.node.name, own_devices(status))
    return (own, *sorted(others, key=lambda each: (each.name, each.node)))


def own_devices(status: Status) -> tuple[DeviceResources, ...]:
    """The devices of this PC as its engine lists them, with the memory that was free at the last sample."""
    return measured_devices(status.hardware, status.load, status.engine.build)


def default_shares(pcs: Sequence[Bench], head: NodeId, layers: int) -> tuple[Share, ...]:
    """What llama.cpp does when told nothing but its workers: every device by its free memory, workers before the head.

    A layer goes to the first device whose part of the free memory, added up, lies beyond the layer's part of all layers
    with the output layer (`src/llama-model.cpp`). A head without a GPU holds no layers beside workers.
    """
    workers = [(pc, each) for pc in pcs if pc.node != head for each in pc.offered]
    own = [(pc, each) for pc in pcs if pc.node == head for each in (pc.gpus if workers else pc.offered)]
    devices = [*workers, *own]
    counts = split_like_the_engine([each.free_bytes for _, each in devices], layers)
    return _shares(devices, counts)


def split_like_the_engine(free: Sequence[int], layers: int) -> tuple[int, ...]:
    """Blocks per device; the output layer, one past the last block, is placed too and not counted."""
    total = sum(free)
    if total <= 0:
        return (layers, *[0] * (len(free) - 1))
    ends = [part / total for part in accumulate(free)]
    counts = [0] * len(free)
    for layer in range(layers):
        place = next((index for index, end in enumerate(ends) if end > layer / (layers + 1)), len(free) - 1)
        counts[place] += 1
    return tuple(counts)


def proportional_shares(pcs: Sequence[Bench], head: NodeId, layers: int) -> tuple[Share, ...]:
    """What most programs for several PCs do: every device of every PC by the memory it has in all.

    The head's processor can only hold the first layers; the head's GPUs get the last ones.
    """
    own = [(pc, each) for pc in pcs if pc.node == head for each in pc.offered]
    others = [(pc, each) for pc in pcs if pc.node != head for each in pc.offered]
    devices = [
        *((pc, each) for pc, each in own if each.is_cpu),
        *others,
        *((pc, each) for pc, each in own if not each.is_cpu),
    ]
    return _shares(devices, largest_remainders([each.total_bytes for _, each in devices], layers))


def largest_remainders(weights: Sequence[int], layers: int) -> tuple[int, ...]:
    """Whole numbers in proportion to weights, summing to `layers`; the largest remainders get what rounding left."""
    total = sum(weights) or 1
    counts = [layers * weight // total for weight in weights]
    order = sorted(range(len(weights)), key=lambda index: (-(layers * weights[index] % total), index))
    for index in order[: layers - sum(counts)]:
        counts[index] += 1
    return tuple(counts)


def _shares(devices: Sequence[tuple[Bench, DeviceResources]], counts: Sequence[int]) -> tuple[Share, ...]:
    return tuple(
        Share(node=pc.node, device=each.device, layers=count)
        for (pc, each), count in zip(devices, counts, strict=True)
        if count > 0
    )


def same_placement(one: Plan, other: Plan) -> bool:
    """Whether two plans put every layer on the same device under the same head."""
    return one.head == other.head and one.ranges == other.ranges
