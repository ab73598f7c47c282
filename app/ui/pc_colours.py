"""PURE: the same colour for the same PC everywhere, on every PC of the cluster."""

from app.schema.node import Status
from app.schema.record import NodeId


def pc_colours(status: Status) -> dict[NodeId, int]:
    """For each known PC the index of its colour, for `Palette.device_colour`."""
    known = {status.node.id, *(member.node for member in status.members), *(peer.node for peer in status.peers)}
    known |= {stage.node for instance in status.instances for stage in instance.plan.stages}
    return {node: index for index, node in enumerate(sorted(known))}
