"""PURE: the layers of each device when a person shares them out by hand."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from app.schema.plan import CPU_DEVICE, DeviceResources, Plan, Share
from app.schema.record import NodeId
from app.ui.models.pcs import Pc
from app.ui.models.plan_view import short_name


@dataclass(frozen=True)
class Portion:
    """One device and its number of layers."""

    node: NodeId
    pc: str
    device: str
    device_name: str
    layers: int

    @property
    def share(self) -> Share:
        """As a plan request says it."""
        return Share(node=self.node, device=self.device, layers=self.layers)


def portions_of(plan: Plan, pcs: Sequence[Pc]) -> tuple[Portion, ...]:
    """Every device that could carry layers, in layer order: those of the plan with theirs, the others with none.

    The engine places the head's processor first. Unused cards of other PCs come before the head's own, so that the
    output stays where the answer is read.
    """
    used = {(stage.node, stage.device): stage.layers for stage in plan.stages}
    order = [(stage.node, stage.device) for stage in plan.stages]
    spare = [(pc.node, each.device) for pc in pcs if _can_carry(pc, plan) for each in _worth(pc, plan)]
    unused = [each for each in spare if each not in used]
    remote = [each for each in unused if each[0] != plan.head]
    own = [each for each in unused if each[0] == plan.head]
    first_own = next((index for index, each in enumerate(order) if each[0] == plan.head), len(order))
    whole = [*order[:first_own], *remote, *order[first_own:], *own]
    whole.sort(key=lambda each: each != (plan.head, CPU_DEVICE))
    return tuple(_portion(node, device, used.get((node, device), 0), plan, pcs) for node, device in whole)


def moved(portions: Sequence[Portion], index: int, layers: int) -> tuple[Portion, ...]:
    """The same layers in all, `layers` of them on one device; the others give or take in proportion to what they have.

    What others without layers would take goes to the last of them, the head's.
    """
    total = sum(each.layers for each in portions)
    wanted = min(max(layers, 0), total)
    if len(portions) < 2:
        return tuple(portions)
    rest = [each.layers if number != index else 0 for number, each in enumerate(portions)]
    given = _divided(total - wanted, rest, index)
    given[index] = wanted
    return tuple(replace(each, layers=count) for each, count in zip(portions, given, strict=True))


def shares(portions: Sequence[Portion]) -> tuple[Share, ...]:
    """What a plan request takes: the devices that carry anything, in layer order."""
    return tuple(each.share for each in portions if each.layers)


def _divided(amount: int, weights: Sequence[int], barred: int) -> list[int]:
    """`amount` in whole numbers in proportion to `weights`, by largest remainder."""
    total = sum(weights)
    if total == 0:
        last = next(number for number in reversed(range(len(weights))) if number != barred)
        return [amount if number == last else 0 for number in range(len(weights))]
    exact = [amount * weight / total for weight in weights]
    found = [int(each) for each in exact]
    # A device without layers has no remainder and so never gets one by rounding.
    by_remainder = sorted(range(len(weights)), key=lambda number: found[number] - exact[number])
    for number in by_remainder[: amount - sum(found)]:
        found[number] += 1
    return found


def _worth(pc: Pc, plan: Plan) -> Sequence[DeviceResources]:
    """The devices to share out to: another PC's RAM only where it has nothing better."""
    cards = [each for each in pc.devices if not each.is_cpu]
    return pc.devices if pc.node == plan.head or not cards else cards


def _can_carry(pc: Pc, plan: Plan) -> bool:
    return pc.node == plan.head or (pc.is_there and pc.sharing and pc.engine is not None)


def _portion(node: NodeId, device: str, layers: int, plan: Plan, pcs: Sequence[Pc]) -> Portion:
    pc = next((each for each in pcs if each.node == node), None)
    staged = next((stage.node_name for stage in plan.stages if stage.node == node), node[:8])
    known = pc.device(device) if pc else None
    name = "RAM" if known and known.is_cpu else short_name(known.name) if known else device
    return Portion(node=node, pc=pc.name if pc else staged, device=device, device_name=name, layers=layers)
